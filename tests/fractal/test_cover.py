"""Counts minimised over grid offsets, against brute force and exact integers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax.errors import ParameterError
from mfnjax.fractal.cover import coarsening, min_cover_counts, regular_numbers
from mfnjax.fractal.render import pattern_mask

SIZES = (1, 2, 3, 5, 7, 8, 12, 13, 20)


def brute_force(mask: np.ndarray, size: int) -> int:
    """Every grid offset, one after the other, by cutting the padded image into tiles."""
    counts = []
    for up in range(size):
        for left in range(size):
            rows, columns = mask.shape
            pads = ((up, -(rows + up) % size), (left, -(columns + left) % size))
            tiles = np.pad(mask, pads)
            tiles = tiles.reshape(tiles.shape[0] // size, size, -1, size)
            counts.append(int(tiles.any((1, 3)).sum()))
    return min(counts)


@pytest.mark.parametrize("density", [0.003, 0.03, 0.4])
def test_all_offsets_equal_brute_force(density: float) -> None:
    mask = np.random.default_rng(1).random((37, 50)) < density
    counted = min_cover_counts(jnp.asarray(mask), SIZES, offsets=64)
    assert counted.tolist() == [brute_force(mask, size) for size in SIZES]


def test_few_offsets_lie_between_the_minimum_and_the_plain_grid() -> None:
    mask = jnp.asarray(np.random.default_rng(2).random((37, 50)) < 0.03)
    every, some, plain = (min_cover_counts(mask, SIZES, offsets=n) for n in (64, 4, 1))
    assert np.all(every <= some)
    assert np.all(some <= plain)


@pytest.mark.parametrize(
    ("name", "base", "pieces", "level"),
    [("sierpinski_triangle", 2, 3, 9), ("sierpinski_carpet", 3, 8, 5), ("vicsek", 3, 5, 5)],
)
def test_own_base_counts_are_exact_integers(name: str, base: int, pieces: int, level: int) -> None:
    sizes = tuple(base**j for j in range(level + 1))
    counted = min_cover_counts(jnp.asarray(pattern_mask(name, level)), sizes)
    assert counted.tolist() == [pieces ** (level - j) for j in range(level + 1)]


@pytest.mark.thorough
def test_batched_equals_looped_and_jit_equals_no_jit() -> None:
    masks = jnp.asarray(np.random.default_rng(3).random((3, 37, 50)) < 0.05)
    sizes = (1, 3, 20)
    looped = jnp.stack([min_cover_counts(mask, sizes) for mask in masks])
    batched = jax.vmap(lambda mask: min_cover_counts(mask, sizes))(masks)
    assert np.array_equal(looped, batched)
    with jax.disable_jit():
        assert np.array_equal(min_cover_counts(masks[0], sizes), looped[0])


def test_small_boxes_do_not_see_where_the_set_lies() -> None:
    mask = np.zeros((60, 60), bool)
    mask[:30, :30] = np.random.default_rng(4).random((30, 30)) < 0.1
    sizes = tuple(size for size in SIZES if size < 16)
    moved = np.roll(mask, (17, 23), (0, 1))
    assert np.array_equal(
        min_cover_counts(jnp.asarray(mask), sizes), min_cover_counts(jnp.asarray(moved), sizes)
    )


def test_empty_mask_counts_nothing_and_three_axes_are_refused() -> None:
    assert min_cover_counts(jnp.zeros((37, 50), bool), SIZES).tolist() == [0] * len(SIZES)
    with pytest.raises(ParameterError, match="two axes"):
        min_cover_counts(jnp.zeros((2, 8, 8), bool), SIZES)


def test_regular_numbers_have_no_other_prime_factors() -> None:
    numbers = regular_numbers(300)
    expected = [n for n in range(1, 301) if (2 * 3 * 5) ** 9 % n == 0]
    assert list(numbers) == expected


@pytest.mark.parametrize("size", range(1, 70))
def test_coarsening_divides_and_leaves_enough_offsets(size: int) -> None:
    factor = coarsening(size, 8)
    assert size % factor == 0
    assert size // factor >= min(size, 8)
