"""``mfn fit --image``: a picture of a pattern, as a user has it."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest
from PIL import Image

from mfnjax import GrayScottModel, Grid, simulate


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    grid, truth = Grid((64, 64)), GrayScottModel(0.039, 0.058)
    start = truth.initial_state(grid, dtype="float32", key=jax.random.key(0))
    v = np.asarray(simulate(truth, start, grid=grid, steps=30_000).state["v"])
    path = tmp_path_factory.mktemp("picture") / "holes.png"
    Image.fromarray(np.round(v / 0.4 * 255).astype(np.uint8)).save(path)
    return path


@pytest.mark.thorough
def test_a_picture(mfn, picture, tmp_path) -> None:
    told = mfn(
        *("fit", "--model", "gray-scott", "--image", picture, "--boundary", "periodic"),
        *("--du", 0.16, "--dv", 0.08, "--out", tmp_path),
    )
    assert "stationary, holes" in told.stdout
    assert "grey level = s·v + o" in told.stdout
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert report["parameters"]["feed"] == pytest.approx(0.039, rel=0.1)
    assert report["parameters"]["kill"] == pytest.approx(0.058, rel=0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "gray-scott", "--image", "no.png"), "no such file"),
        (
            ("--model", "brusselator", "--image", "PICTURE"),
            "Error: --model must be one of gray-scott",
        ),
        (("--model", "gray-scott", "--image", "PICTURE", "--du", -1), "Error: --du must"),
        (("--model", "gray-scott", "--image", "PICTURE", "--data", "x.csv"), "one of the two"),
        (
            ("--model", "gray-scott", "--image", "PICTURE", "--fix", "F=0.03"),
            "--fix goes with --data",
        ),
        (("--model", "gray-scott", "--image", "PICTURE", "--out", "PICTURE"), "cannot be written"),
    ],
)
def test_bad_input_is_one_line(refused, picture, arguments, message) -> None:
    arguments = [picture if word == "PICTURE" else word for word in arguments]
    assert message in refused("fit", *arguments)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.full((32, 32), 7, np.uint8), "flat.png: every cell is the same"),
        (255 * np.eye(128, dtype=np.uint8), "flat.png has two levels only, it is a mask"),
        (np.eye(8, dtype=np.uint8), "flat.png must be real numbers of shape (H, W), at least 16"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named(refused, tmp_path, levels, message) -> None:
    Image.fromarray(levels).save(tmp_path / "flat.png")
    line = refused("fit", "--model", "gray-scott", "--image", tmp_path / "flat.png")
    assert line.startswith(f"Error: {tmp_path}")
    assert message in line
