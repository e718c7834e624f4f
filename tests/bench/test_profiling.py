"""Where the time goes: parts that add up, one clear line for wrong options, the files."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmarks import profiling


def test_the_parts_of_a_call_add_up() -> None:
    calls = (partial(time.sleep, seconds) for seconds in (0.005, 0.004, 0.001))
    *parts, whole = [row["ms"] for row in profiling.split(*calls)]
    assert sum(parts) == pytest.approx(whole)
    around, calling, steps = parts
    assert around < steps
    assert calling < steps


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config", "missing.toml"], "missing.toml"),
        (["--size", "1"], "grid_size"),
        (["--steps", "many"], "invalid int value: 'many'"),
        (["--output", "file/inside"], "cannot be written"),
    ],
)
def test_wrong_options_give_one_clear_line(
    refusal: Callable[..., str], arguments: list[str], told: str
) -> None:
    last = refusal(profiling.main, arguments)
    assert told in last
    assert last.startswith("python -m benchmarks.profiling: ")


@pytest.mark.slow
def test_the_command_profiles_a_small_run(tmp_path: Path) -> None:
    assert profiling.main(["--size", "16", "--steps", "40", "-o", str(tmp_path)]) == 0
    numbers = json.loads((tmp_path / "profile.json").read_text(encoding="utf-8"))
    once, call, stages, memory = numbers["tables"]
    assert {row["stage"] for row in once["rows"]} >= {"run: trace", "run: lower", "run: compile"}
    *parts, total = [row["ms"] for row in call["rows"]]
    assert sum(parts) == pytest.approx(total)
    assert memory["rows"][0]["arguments"] >= 3 * 4 * 16**2 / 2**20
    (trace,) = tmp_path.rglob("perfetto_trace.json.gz")
    names = {e.get("name") for e in json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]}
    assert {row["call"] for row in stages["rows"]} <= names
