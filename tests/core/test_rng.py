"""Random fields: a cell knows its place and the key, not the size of the grid."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfnjax.core.rng import normal_field, uniform_field

KEY = jax.random.key(7)


@pytest.mark.parametrize("draw", [normal_field, uniform_field])
def test_a_cell_does_not_know_how_large_the_grid_is(draw):
    large = draw((5, 6, 9), "float32", key=KEY)
    small = draw((3, 4, 7), "float32", key=KEY)
    np.testing.assert_array_equal(small, large[:3, :4, :7])
    np.testing.assert_array_equal(draw((6, 9), "float32", key=KEY), large[0])
    np.testing.assert_array_equal(draw((9,), "float32", key=KEY), large[0, 0])
    np.testing.assert_array_equal(draw((1, 1, 9), "float32", key=KEY)[0, 0], large[0, 0])


def test_a_plane_holds_the_documented_numbers():
    row = jax.random.normal(jax.random.fold_in(KEY, 2), (5,), "float32")
    np.testing.assert_array_equal(normal_field((4, 5), "float32", key=KEY)[2], row)


def test_planes_are_independent():
    cube = np.asarray(uniform_field((16, 16, 16), "float64", key=KEY)) - 0.5
    assert len(np.unique(cube)) == cube.size
    for axis in range(3):
        for shift in (1, 2):
            first, second = (
                np.delete(cube, np.s_[:shift] if k else np.s_[-shift:], axis) for k in (0, 1)
            )
            correlation = np.mean(first * second) * 12
            assert abs(correlation) < 4 / np.sqrt(first.size)
