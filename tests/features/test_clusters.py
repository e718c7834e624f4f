"""Connected components: exact on every mask, inside jit and on the host."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from feature_oracle import component_sizes
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from mfnjax.errors import ParameterError
from mfnjax.features import (
    cluster_counts,
    cluster_statistics,
    cluster_statistics_host,
    label_components,
)

KINDS = [(4, False), (8, False), (4, True), (8, True)]


def spiral(side):
    """One path of width 1 that winds to the middle: the longest detour in a square."""
    mask = np.zeros((side, side), bool)
    row = column = turns = 0
    down, right = 0, 1
    mask[0, 0] = True

    def blocked(r, c):
        return not (0 <= r < side and 0 <= c < side)

    while turns < 2:
        r1, c1, r2, c2 = row + down, column + right, row + 2 * down, column + 2 * right
        if blocked(r1, c1) or mask[r1, c1] or (not blocked(r2, c2) and mask[r2, c2]):
            down, right, turns = right, -down, turns + 1
        else:
            row, column, turns = r1, c1, 0
            mask[row, column] = True
    return mask


def serpentine(side):
    mask = np.ones((side, side), bool)
    mask[1::2] = False
    mask[1::4, -1] = True
    mask[3::4, 0] = True
    return mask


def comb(side):
    mask = np.zeros((side, side), bool)
    mask[:, ::2] = True
    mask[-1] = True
    return mask


def maze(side, seed=0):
    """A random spanning tree on the odd cells: one component, no loops, many dead ends."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), bool)
    stack = [(0, 0)]
    mask[0, 0] = True
    while stack:
        row, column = stack[-1]
        ways = [
            (row + 2 * a, column + 2 * b, row + a, column + b)
            for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))
            if 0 <= row + 2 * a < side
            and 0 <= column + 2 * b < side
            and not mask[row + 2 * a, column + 2 * b]
        ]
        if not ways:
            stack.pop()
            continue
        r, c, between_r, between_c = ways[rng.integers(len(ways))]
        mask[r, c] = mask[between_r, between_c] = True
        stack.append((r, c))
    return mask


def adversarial(side=32):
    rng = np.random.default_rng(0)
    masks = [spiral(side), serpentine(side), comb(side), maze(side)]
    masks += [mask[::-1, ::-1] for mask in masks] + [mask.T for mask in masks]
    masks += [np.zeros((side, side), bool), np.ones((side, side), bool)]
    masks += [np.indices((side, side)).sum(0) % 2 == 0]
    masks += [rng.random((side, side)) < density for density in (0.1, 0.4, 0.5927, 0.7, 0.95)]
    # Filaments: level lines of a smooth field.
    smooth = ndimage.gaussian_filter(rng.normal(size=(side, side)), 1.5)
    return np.stack([*masks, np.abs(smooth) < 0.05, ~maze(side, 1)])


def canonical(mask, connectivity):
    """SciPy's labels, renamed to the smallest row-major index of each component."""
    labels, count = ndimage.label(mask, np.ones((3, 3)) if connectivity == 8 else None)
    first = ndimage.minimum(np.arange(mask.size).reshape(mask.shape), labels, range(count + 1))
    return np.where(mask, np.asarray(first, int)[labels], -1)


@pytest.mark.parametrize(("connectivity", "periodic"), KINDS)
def test_adversarial_masks(connectivity, periodic):
    masks = adversarial()
    options = {"connectivity": connectivity, "periodic": periodic}
    labels = np.asarray(label_components(masks, **options))
    counts = np.asarray(cluster_counts(masks, **options))
    for mask, found, count in zip(masks, labels, counts, strict=True):
        expected = np.sort(component_sizes(mask, connectivity, periodic))
        sizes = np.sort(np.unique(found[mask], return_counts=True)[1])
        np.testing.assert_array_equal(sizes, expected)
        assert count == len(expected)
        assert (found[~mask] == -1).all()
        if not periodic:
            np.testing.assert_array_equal(found, canonical(mask, connectivity))
        host = cluster_statistics_host(mask, **options)
        spread = expected.std() if len(expected) > 1 else 0.0
        assert host == (len(expected), expected.max(initial=0), pytest.approx(spread, abs=1e-12))


@pytest.mark.thorough
@pytest.mark.parametrize(("connectivity", "periodic"), KINDS)
@settings(max_examples=60, deadline=None)
@given(mask=hnp.arrays(bool, (7, 9)))
def test_any_mask(connectivity, periodic, mask):
    options = {"connectivity": connectivity, "periodic": periodic}
    expected = component_sizes(mask, connectivity, periodic)
    result = cluster_statistics(mask, **options)
    assert int(result.count) == len(expected)
    assert int(result.largest) == expected.max(initial=0)
    spread = expected.std() if len(expected) > 1 else 0.0
    np.testing.assert_allclose(result.size_std, spread, atol=1e-12)
    assert cluster_statistics_host(mask, **options)[:2] == (len(expected), expected.max(initial=0))


@pytest.mark.parametrize("shape", [(1, 8), (8, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("periodic", [False, True])
def test_thin_grids(shape, periodic):
    rng = np.random.default_rng(0)
    for mask in rng.random((8, *shape)) < 0.6:
        expected = component_sizes(mask, 8, periodic)
        found = cluster_statistics(mask, connectivity=8, periodic=periodic)
        assert (int(found.count), int(found.largest)) == (len(expected), expected.max(initial=0))


def test_labels_of_a_stack_are_those_of_each_mask():
    masks = adversarial(16)[:4]
    together = label_components(masks)
    np.testing.assert_array_equal(together, np.stack([label_components(mask) for mask in masks]))
    np.testing.assert_array_equal(together, jax.vmap(label_components)(masks))


def test_sizes_that_are_large_and_nearly_equal_keep_their_spread_in_float32():
    from mfnjax.features.clusters import size_statistics

    mask = np.ones((400, 600), bool)
    roots = np.zeros((400, 600), np.int32)
    roots[200:] = 200 * 600
    roots[200, 0] = 0
    largest, spread = size_statistics(jax.numpy.asarray(mask), jax.numpy.asarray(roots), np.float32)
    assert (int(largest), float(spread)) == (120_001, 1.0)


@pytest.mark.parametrize(
    ("mask", "options", "words"),
    [
        (np.zeros((3, 3)), {}, "boolean array of shape"),
        (np.zeros((2, 2, 2, 2), bool), {}, r"got shape \(2, 2, 2, 2\)"),
        (np.zeros((0, 3), bool), {}, "boolean array"),
        ([[True]], {}, "list"),
        (np.ones((2, 2), bool), {"connectivity": 6}, "connectivity must be one of 4, 8; got 6"),
        (np.ones((2, 2), bool), {"periodic": 1}, "periodic must be true or false"),
        (np.broadcast_to(np.ones((1, 1), bool), (2**16, 2**15)), {}, "cannot be labelled"),
    ],
)
def test_bad_input(mask, options, words):
    for function in (cluster_statistics, cluster_statistics_host, label_components):
        with pytest.raises(ParameterError, match=words):
            function(mask, **options)
    with pytest.raises(ParameterError, match=r"\(B, H, W\)"):
        cluster_counts(np.ones((3, 3), bool))
