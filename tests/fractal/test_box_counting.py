"""The documented box-counting estimator against closed forms and a brute-force count."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from mfnjax.errors import ParameterError
from mfnjax.fractal import box_counting_dimension, box_counts, box_sizes
from mfnjax.fractal.box_counting import fit_box_counts


def brute_force(mask, size):
    height, width = mask.shape
    if size > min(height, width):
        return 0
    return sum(
        mask[r * size : (r + 1) * size, c * size : (c + 1) * size].any()
        for r in range(height // size)
        for c in range(width // size)
    )


@pytest.mark.parametrize(
    ("n", "options", "expected"),
    [
        (64, {}, (2, 4, 8, 16, 32)),
        (1024, {}, (2, 4, 8, 16, 32)),
        (32, {}, (2, 3, 5, 9, 16)),
        (32, {"num_scales": 3}, (2, 4, 8)),
        (10, {}, (2, 3, 5)),
        (5, {}, (2,)),
        (1, {}, (2,)),
        (1, {"min_box_size": 1}, (1,)),
        (2048, {"min_box_size": 1, "num_scales": 11}, tuple(2**k for k in range(11))),
        (2**20, {"num_scales": 19}, tuple(2**k for k in range(1, 20))),
        (100, {"min_box_size": 3, "max_box_size": 81, "num_scales": 4}, (3, 9, 27, 81)),
        (20, {"min_box_size": 30}, (30,)),
    ],
)
def test_sizes(n, options, expected):
    assert box_sizes(n, **options) == expected


@given(
    n=st.integers(1, 5000),
    smallest=st.integers(1, 40),
    extra=st.one_of(st.none(), st.integers(0, 400)),
    scales=st.integers(2, 20),
)
def test_sizes_rise_from_the_smallest_to_the_largest(n, smallest, extra, scales):
    largest = None if extra is None else smallest + extra
    sizes = box_sizes(n, min_box_size=smallest, max_box_size=largest, num_scales=scales)
    top = largest or max(smallest, min(smallest * 2 ** (scales - 1), n // 2))
    assert sizes[0] == smallest
    assert sizes[-1] == top
    assert list(sizes) == sorted(set(sizes))
    assert len(sizes) <= scales


@pytest.mark.parametrize("shape", [(12, 12), (7, 19), (1, 6)])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_counts_are_those_of_brute_force(shape, data):
    mask = data.draw(hnp.arrays(bool, shape))
    sizes = (6, 1, 2, 3, 4, 5, 12, 13)
    np.testing.assert_array_equal(box_counts(mask, sizes), [brute_force(mask, s) for s in sizes])


def test_a_full_square_and_a_line():
    square = box_counting_dimension(jnp.ones((64, 64), bool))
    np.testing.assert_allclose([square.dimension, square.r_squared], [2.0, 1.0], rtol=1e-12)
    line = box_counting_dimension(jnp.zeros((64, 64), bool).at[5].set(True))
    np.testing.assert_allclose([line.dimension, line.r_squared], [1.0, 1.0], rtol=1e-12)
    assert line.sizes == (2, 4, 8, 16, 32)


def test_a_sierpinski_carpet_on_its_own_scales():
    carpet = np.ones((1, 1), bool)
    for _ in range(5):
        hole = np.zeros_like(carpet)
        carpet = np.block([[carpet] * 3, [carpet, hole, carpet], [carpet] * 3])
    result = box_counting_dimension(carpet, sizes=(1, 3, 9, 27, 81))
    np.testing.assert_allclose(result.dimension, np.log(8) / np.log(3), rtol=1e-12)


@pytest.mark.parametrize("cells", [[], [(3, 3)], [(0, 0), (15, 15)]])
def test_few_cells(cells):
    mask = np.zeros((16, 16), bool)
    for cell in cells:
        mask[cell] = True
    result = box_counting_dimension(mask, min_box_size=1)
    assert (float(result.dimension), float(result.r_squared)) == (0.0, 0.0)
    assert result.counts.tolist() == [len(cells)] * len(result.sizes)


def test_one_usable_size_gives_zero():
    mask = np.ones((6, 6), bool)
    result = box_counting_dimension(mask, sizes=(3, 7, 100))
    assert (float(result.dimension), result.counts.tolist()) == (0.0, [4, 0, 0])
    # Cut edges can empty a larger size: the cell is outside every 4-box of a 7-grid.
    corner = np.zeros((7, 7), bool)
    corner[6, 6] = True
    result = box_counting_dimension(corner, sizes=(1, 4))
    assert (float(result.dimension), result.counts.tolist()) == (0.0, [1, 0])


def test_the_fit_is_accurate_in_float32():
    rng = np.random.default_rng(0)
    for spread in (10, 1000, 900_000):
        sizes = tuple(range(20, 30))
        counts = 1_000_000 - rng.integers(0, spread, len(sizes))
        x, y = -np.log(sizes), np.log(counts)
        slope = np.polyfit(x, y, 1)[0]
        r_squared = np.corrcoef(x, y)[0, 1] ** 2
        found = fit_box_counts(jnp.asarray(counts, jnp.int32), sizes, np.float32)
        assert found[0].dtype == jnp.float32
        np.testing.assert_allclose(found[0], slope, atol=1e-5 * max(1, abs(slope)))
        np.testing.assert_allclose(found[1], r_squared, atol=1e-5)


def test_jit_vmap_and_loop_agree():
    masks = (
        np.random.default_rng(1).random((4, 11, 14)) < np.array([0.0, 0.1, 0.5, 1.0])[:, None, None]
    )
    together = jax.jit(jax.vmap(lambda m: box_counting_dimension(m, min_box_size=1)))(masks)
    for index, mask in enumerate(masks):
        alone = box_counting_dimension(mask, min_box_size=1)
        np.testing.assert_array_equal(together.counts[index], alone.counts)
        np.testing.assert_allclose(together.dimension[index], alone.dimension, rtol=1e-12)
        assert together.sizes == alone.sizes


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((4, 4)), "float64"),
        (np.zeros((2, 2, 2, 2), bool), r"shape \(2, 2, 2, 2\)"),
        (np.zeros((0, 4), bool), r"shape \(0, 4\)"),
        ([[True, False]], "list"),
    ],
)
def test_only_boolean_images_are_counted(mask, words):
    for function in (box_counting_dimension, lambda m: box_counts(m, (1,))):
        with pytest.raises(ParameterError, match=words):
            function(mask)


@pytest.mark.parametrize("sizes", [(), (0, 1), (1.5,), (2, 2), 4, (True,)])
def test_bad_sizes_are_refused(sizes):
    with pytest.raises(ParameterError, match="sizes"):
        box_counts(np.ones((4, 4), bool), sizes)


@pytest.mark.parametrize(
    "options",
    [{"min_box_size": 0}, {"num_scales": 1}, {"min_box_size": 4, "max_box_size": 3}],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ParameterError, match=next(reversed(options))):
        box_sizes(64, **options)
