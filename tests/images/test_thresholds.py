"""Thresholds that fit the data: masks, labels, cameras, floats; and what is said of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from mfnjax import Grid
from mfnjax.errors import ParameterError
from mfnjax.images import choose_threshold, mask_from_levels, read_image
from mfnjax.simulation.plain_grid import read_levels, read_mask

Y, X = np.mgrid[:40, :56]
OBJECT = (Y - 20) ** 2 + (X - 28) ** 2 < 144
AREA = 437


def two(low: float, high: float, dtype: str) -> np.ndarray:
    return np.where(OBJECT, high, low).astype(dtype)


def noisy(low: float, high: float, dtype: str) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, (high - low) / 50, OBJECT.shape)
    return (two(low, high, "f8") + noise).astype(dtype)


@pytest.mark.parametrize(
    ("levels", "rule"),
    [
        (two(0, 1, "u1"), "a mask of 0 and 1"),
        (two(0, 1, "f4"), "a mask of 0 and 1"),
        (two(0, 1, "i4"), "a mask of 0 and 1"),
        (two(0, 1, "?"), "a mask"),
        (two(0, 7, "u2"), "Otsu's threshold"),
        (two(300, 1800, "u2"), "Otsu's threshold"),
        (noisy(300, 1800, "u2"), "Otsu's threshold"),
        (noisy(20, 200, "f4"), "Otsu's threshold"),
        (noisy(200, 230, "u1"), "Otsu's threshold"),
        (noisy(1e9, 3e9, "u4"), "half the range of uint32"),
        (noisy(-90, 90, "i1"), "half the range of int8"),
        (noisy(30, 220, "u1"), "half the range of uint8"),
        (noisy(0.1, 0.8, "f8"), "half the range of float64"),
        (noisy(-1e300, 1e300, "f8"), "half the range of float64"),
        (noisy(5e-8, 8e-8, "f8"), "Otsu's threshold"),
    ],
)
def test_the_object_is_found_at_any_depth(levels: np.ndarray, rule: str) -> None:
    found = choose_threshold(levels)
    mask = mask_from_levels(levels)
    assert found.rule == rule
    np.testing.assert_array_equal(mask, OBJECT)
    assert found.describe(mask).startswith("19.51% of the cells are above")
    for named in ("otsu",) if found.rule.startswith("half") else ():
        np.testing.assert_array_equal(mask_from_levels(levels, named), OBJECT)


def test_otsus_cut_is_the_best_of_all() -> None:
    levels = np.random.default_rng(3).gamma(2.0, 20.0, (30, 30)).astype("u1")
    cut = choose_threshold(levels, "otsu").value

    def between(value: float) -> float:
        above = levels > value
        return above.mean() * (~above).mean() * (levels[above].mean() - levels[~above].mean()) ** 2

    best = max(between(one) for one in np.unique(levels)[:-1])
    assert between(cut) == pytest.approx(best, rel=1e-12)


def numbered(dtype: str = "u2", step: int = 1) -> np.ndarray:
    grid = np.zeros((48, 60), int)
    for place, (row, column) in enumerate(itertools.product(range(4, 40, 12), range(4, 52, 12))):
        grid[row : row + 7, column : column + 6] = 1 + place * step
    return grid.astype(dtype)


def test_numbers_of_objects_are_recognised_and_photographs_are_not() -> None:
    touching = np.where(OBJECT, 1 + (X > 28) + 2 * (Y > 20), 0)
    crop = numbered(step=19)[:20]
    classes = np.where(ndimage.binary_dilation(numbered() == 3, iterations=2), 2, numbered() > 0)
    for labels in (numbered(), numbered("f4"), numbered("u1", 9), touching, crop, classes):
        found = choose_threshold(labels)
        assert found.labels
        np.testing.assert_array_equal(mask_from_levels(labels), labels > 0)
        assert choose_threshold(labels, "half").labels is False
    noise = np.random.default_rng(1)
    ramp = np.broadcast_to(X, X.shape).astype("u1")
    cone = np.maximum(0, 20 - np.hypot(Y - 20, X - 28)).astype("u1")
    photon = noise.poisson(2.0 * OBJECT + 0.3).astype("u2")
    for photo in (ramp, cone, photon, noise.integers(0, 5, (40, 56)), two(0, 200, "u1")):
        assert not choose_threshold(photo).labels


def test_all_and_nothing_are_warnings_that_name_the_levels() -> None:
    white = np.full((4, 5), 255, np.uint8)
    found = choose_threshold(white)
    line = found.describe(mask_from_levels(white))
    assert line == "warning: every cell is above 127.5 (half the range of uint8); all are 255"
    levels = two(300, 1800, "u2")
    line = choose_threshold(levels, "half").describe(mask_from_levels(levels, "half"))
    assert "warning: no cell is above 32767.5" in line
    assert "300 … 1800" in line
    with pytest.raises(ParameterError, match="half or otsu"):
        mask_from_levels(levels, "median")


def test_a_mask_of_0_and_1_is_a_dish(tmp_path: Path) -> None:
    Pillow.fromarray(OBJECT.astype("u1")).save(tmp_path / "dish.png")
    np.testing.assert_array_equal(Grid.from_image(tmp_path / "dish.png").mask, OBJECT)
    np.testing.assert_array_equal(read_mask(tmp_path / "dish.png"), OBJECT)
    np.testing.assert_array_equal(read_levels(tmp_path / "dish.png"), OBJECT)
    Pillow.fromarray(two(51, 255, "u1")).save(tmp_path / "start.png")
    np.testing.assert_allclose(read_levels(tmp_path / "start.png"), two(0.2, 1, "f8"))


@pytest.mark.thorough
def test_the_colonies_are_as_before(shared_data: Path) -> None:
    for path in sorted((shared_data / "yeast_colonies").glob("*.tif")):
        levels = read_image(path)
        np.testing.assert_array_equal(levels, np.array(Pillow.open(path)))
        assert choose_threshold(levels).rule == "half the range of uint8"
        np.testing.assert_array_equal(mask_from_levels(levels), levels > 127)
