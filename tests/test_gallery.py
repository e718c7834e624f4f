"""The pictures of the gallery are made, and the page of equations says what made them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from experiments import gallery
from mfnjax.cli import main

PAGE = Path(__file__).parents[1] / "docs/equations.md"
TEXT = PAGE.read_text(encoding="utf-8")
LINES = re.findall(r"```\n(mfn simulate [^`]*?)\n```", TEXT)


@pytest.mark.thorough
@pytest.mark.parametrize("name", gallery.ENTRIES)
def test_an_entry_runs_and_is_drawn(name: str, tmp_path: Path) -> None:
    with jax.numpy_dtype_promotion("standard"):
        path = gallery.draw(name, tmp_path, share=0.02)
    assert Image.open(path).size > (200, 100)
    assert (PAGE.parent / "gallery" / path.name).is_file()


def test_the_page_has_the_gallery_as_it_is() -> None:
    assert len(gallery.ENTRIES) == 20
    assert gallery.table() in TEXT


@pytest.mark.thorough
@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_of_the_page_runs(number: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    levels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(levels).save("start.png")
    words = shlex.split(LINES[number].replace("\\\n", " "))[1:]
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output


def test_what_people_try_first_is_ten_things_of_eight_lines() -> None:
    first = TEXT.partition("## What people try first")[2].partition("## Gallery")[0]
    blocks = re.findall(r"```python\n(.*?)```", first, re.DOTALL)
    assert len(blocks) == 10
    assert all(len(block.rpartition("\n\n")[2].strip().splitlines()) <= 8 for block in blocks)
    assert len(LINES) == 11
