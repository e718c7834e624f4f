"""Fields of one and three axes, and cells that take part in part."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import ndimage

from mfnjax.errors import DataError, ParameterError
from mfnjax.features import (
    FEATURE_NAMES,
    MASK_FEATURES,
    SOFT_FEATURES,
    cluster_counts,
    cluster_statistics,
    cluster_statistics_host,
    compute_features,
    feature_vector,
    field_statistics,
    label_components,
    soft_features,
    temporal_features,
    vector as vector_module,
)
from mfnjax.features.config import FeatureConfig
from mfnjax.fractal import box_counting_dimension, box_counts

RNG = np.random.default_rng(0)
SHAPES = {1: (40,), 2: (9, 12), 3: (6, 5, 7)}
SMALL_BOXES = FeatureConfig(min_box_size=1, num_scales=2)


def history(shape, frames=4):
    return RNG.normal(-0.06, 0.012, (frames, *shape))


def index(*names):
    return [FEATURE_NAMES.index(name) for name in names]


@pytest.mark.parametrize("periodic", [False, True])
def test_an_axis_of_one_cell_is_no_direction_of_space(periodic):
    config = FeatureConfig(periodic=periodic)
    line = history((50,)).astype(np.float32)
    alone = compute_features(line, config, ndim=1).to_array()
    for shape, ndim in (((1, 50), 2), ((50, 1), 2), ((1, 1, 50), 3), ((1, 50, 1), 3)):
        again = compute_features(line.reshape(4, *shape), config, ndim=ndim)
        np.testing.assert_array_equal(again.to_array(), alone)
    assert alone[0] > 0
    plane = history((8, 9)).astype(np.float32)
    np.testing.assert_array_equal(
        compute_features(plane[:, None], config).to_array(),
        compute_features(plane, config).to_array(),
    )


def test_without_ndim_the_axes_say_what_an_array_is():
    line, plane, cube = (history(shape, 2) for shape in SHAPES.values())
    for array, ndim in ((line[0], 1), (plane[0], 2), (plane, 2), (cube, 3)):
        np.testing.assert_array_equal(
            compute_features(array).values, compute_features(array, ndim=ndim).values
        )
    image = cube[0] > -0.06
    np.testing.assert_array_equal(
        compute_features(image).values, compute_features(image, ndim=3).values
    )
    for bad in (0, 4, 1.5, True):
        with pytest.raises(ParameterError, match="ndim must be an integer from 1 to 3"):
            compute_features(line, ndim=bad)
    with pytest.raises(ParameterError, match=r"shape \(D, H, W\) or \(T, D, H, W\), got 2-D"):
        compute_features(plane[0], ndim=3)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_a_field_that_is_constant_along_z_has_the_features_of_its_slice(connectivity):
    config = FeatureConfig(connectivity=connectivity, num_scales=2)
    plane = history((8, 8))
    depth = 8
    cube = np.repeat(plane[:, None], depth, axis=1)
    flat = compute_features(plane, config).to_dict()
    thick = compute_features(cube, config).to_dict()
    for name in FEATURE_NAMES:
        factor = depth if name in ("E_trend", "max_cluster_size", "cluster_size_std") else 1
        if name not in ("D_box", "D_r2"):
            np.testing.assert_allclose(thick[name], factor * flat[name], rtol=1e-9, err_msg=name)
    # Boxes of a prism: each layer of boxes repeats the slice's, so D is one more.
    np.testing.assert_allclose(thick["D_box"], flat["D_box"] + 1, rtol=1e-9)


def test_dimensions_of_simple_sets():
    cube = np.ones((16, 16, 16), bool)
    plane, line = np.zeros_like(cube), np.zeros_like(cube)
    plane[5], line[3, 7] = True, True
    for mask, dimension in ((cube, 3), (plane, 2), (line, 1), (np.ones(64, bool), 1)):
        found = compute_features(mask, FeatureConfig(num_scales=3))
        np.testing.assert_allclose((found.D_box, found.D_r2), (dimension, 1), atol=1e-6)
    cantor = np.ones(1, bool)
    for _ in range(6):
        cantor = np.concatenate([cantor, 0 * cantor, cantor]).astype(bool)
    found = box_counting_dimension(cantor, sizes=(1, 3, 9, 27, 81))
    np.testing.assert_allclose(found.dimension, np.log(2) / np.log(3), rtol=1e-6)
    sponge = np.ones((1, 1, 1), bool)
    for _ in range(3):
        third = np.indices((3, 3, 3)) == 1
        sponge = np.kron(third.sum(axis=0) < 2, sponge)
    np.testing.assert_array_equal(box_counts(sponge, (1, 3, 9, 27)), [8000, 400, 20, 1])


@pytest.mark.parametrize("shape", [(11, 17, 8), (13,)])
def test_box_counts_against_numpy(shape):
    mask = np.random.default_rng(1).random(shape) < 0.1
    sizes = (1, 2, 3, 4, 6, 12)
    expected = []
    for size in sizes:
        kept = mask[tuple(slice(side // size * size) for side in shape)]
        tiles = kept.reshape([n for side in shape for n in (side // size, size)])
        full = size <= min(shape)
        expected.append(tiles.any(tuple(range(1, 2 * len(shape), 2))).sum() if full else 0)
    np.testing.assert_array_equal(box_counts(mask, sizes), expected)


@pytest.mark.parametrize("density", [0.15, 0.35, 0.8])
@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("shape", [(6, 7, 8), (2, 3, 9), (30,)])
def test_components_against_scipy(shape, connectivity, density):
    mask = np.random.default_rng(2).random(shape) < density
    structure = np.ones([3] * len(shape)) if connectivity == 8 else None
    labels, count = ndimage.label(mask, structure)
    sizes = np.bincount(labels.ravel())[1:]
    for measure in (cluster_statistics, cluster_statistics_host):
        found = measure(mask, connectivity=connectivity)
        assert (int(found.count), int(found.largest)) == (count, sizes.max())
        np.testing.assert_allclose(found.size_std, sizes.std(), rtol=1e-6)
    stack = np.stack([mask, ~mask])
    options = {"connectivity": connectivity, "ndim": len(shape)}
    ours = np.asarray(label_components(stack, **options))
    first = ndimage.minimum(np.arange(mask.size).reshape(shape), labels, range(count + 1))
    np.testing.assert_array_equal(ours[0], np.where(mask, np.asarray(first, int)[labels], -1))
    counts = cluster_counts(stack, **options)
    assert counts.tolist() == [count, ndimage.label(~mask, structure)[1]]


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("shape", [(4, 5, 6), (12,), (3, 1, 5)])
def test_periodic_components_inside_and_on_the_host(shape, connectivity):
    rng = np.random.default_rng(3)
    options = {"connectivity": connectivity, "periodic": True}
    for density in (0.1, 0.2, 0.4):
        mask = rng.random(shape) < density
        # An oracle: the component of three periods that the middle one belongs to.
        structure = np.ones([3] * len(shape)) if connectivity == 8 else None
        tiled = ndimage.label(np.tile(mask, [3] * len(shape)), structure)[0]
        inside, host = (f(mask, **options) for f in (cluster_statistics, cluster_statistics_host))
        assert tuple(map(int, inside[:2])) == host[:2]
        np.testing.assert_allclose(inside.size_std, host.size_std, atol=1e-6)
        middle = tiled[tuple(slice(side, 2 * side) for side in shape)]
        assert host.count <= len(np.unique(middle[mask]))
    ends = np.zeros(shape, bool)
    ends[(0,) * len(shape)] = ends[tuple(side - 1 for side in shape)] = True
    joined = len(shape) == 1 or connectivity == 8
    for measure in (cluster_statistics, cluster_statistics_host):
        assert int(measure(ends, **options).count) == (1 if joined else 2)


def weighted(frames, phi):
    """The weighted features, straight from the definitions, in float64."""
    inside = phi > 0
    total = phi.sum()
    axes = tuple(range(1, frames.ndim))
    mv, final = frames * 1e3, frames[-1] * 1e3
    mean = (phi * final).sum() / total
    std = np.sqrt((phi * (final - mean) ** 2).sum() / total)
    moment = [(phi * ((final - mean) / std) ** n).sum() / total for n in (3, 4)]
    change = np.abs(np.diff(mv, axis=0))
    energy = (phi * mv**2).sum(axis=axes)
    found = {"V_min": final[inside].min(), "V_max": final[inside].max(), "V_mean": mean}
    found |= {"V_std": std, "V_skew": moment[0], "V_kurt": moment[1] - 3}
    found |= {"dV_mean": (phi * change).sum() / total / len(change)}
    found |= {"dV_max": change[:, inside].max()}
    found |= {"E_trend": np.polyfit(np.arange(len(mv)), energy - energy[0], 1)[0]}
    active = (final > -60) & inside
    found |= {"f_active": (phi * active).sum() / total}
    labels, found["N_clusters_low"] = ndimage.label(active)
    found["max_cluster_size"] = np.bincount(labels.ravel())[1:].max()
    return found


@pytest.mark.parametrize("ndim", SHAPES)
def test_a_mask_weighs_and_leaves_out(ndim, monkeypatch):
    frames = history(SHAPES[ndim])
    phi = np.clip(np.random.default_rng(4).uniform(-0.5, 1.5, SHAPES[ndim]), 0, 1)
    phi.reshape(-1)[0] = 0
    expected = weighted(frames, phi)
    # What stands outside does not matter, whatever it is.
    frames[:, phi == 0] = np.nan
    found = compute_features(frames, mask=phi)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)
    image = frames[-1] > -0.06
    of_image = compute_features(image, mask=phi)
    np.testing.assert_allclose(
        [of_image[name] for name in MASK_FEATURES], [found[name] for name in MASK_FEATURES]
    )
    monkeypatch.setattr(vector_module, "HOST_CELLS", 1)
    np.testing.assert_array_equal(compute_features(frames, mask=phi).values, found.values)
    np.testing.assert_array_equal(compute_features(image, mask=phi).values, of_image.values)


@pytest.mark.parametrize("ndim", SHAPES)
def test_a_mask_of_ones_is_no_mask(ndim):
    frames = history(SHAPES[ndim], 12)
    plain = compute_features(frames, ndim=ndim).values
    for phi in (np.ones(SHAPES[ndim]), np.ones(SHAPES[ndim], bool)):
        masked = compute_features(frames, mask=phi).values
        np.testing.assert_allclose(masked, plain, rtol=1e-12, atol=1e-12)


def test_the_place_of_a_region_in_a_larger_grid_does_not_matter():
    small = history((6, 7))
    phi = np.zeros((12, 14))
    phi[2:8, 3:10] = 1
    large = np.full((4, 12, 14), -0.03)
    large[:, 2:8, 3:10] = small
    names = [name for name in FEATURE_NAMES if name not in ("D_box", "D_r2")]
    inside, alone = compute_features(large, mask=phi), compute_features(small)
    for name in names:
        np.testing.assert_allclose(inside[name], alone[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((3, 4)), r"mask must have the shape of a frame, \(4, 4\), got \(3, 4\)"),
        (np.zeros((4, 4)), "not all of them 0"),
        (np.full((4, 4), 1.5), "fractions from 0 to 1"),
        (np.full((4, 4), np.nan), "fractions from 0 to 1"),
        (np.full((4, 4), "a"), "fractions from 0 to 1"),
    ],
)
def test_what_is_no_mask_is_refused(mask, words):
    with pytest.raises(ParameterError, match=words):
        compute_features(np.zeros((4, 4)), mask=mask)


def test_a_cell_that_is_not_finite_is_named_inside_only():
    cube = np.full((3, 4, 5), -0.07)
    cube[1, 2, 3] = np.nan
    phi = np.ones(cube.shape)
    with pytest.raises(DataError, match=r"nan at cell \(1, 2, 3\) \(0-based"):
        compute_features(cube, mask=phi)
    with pytest.raises(DataError, match=r"nan at cell \(1, 2, 3\) of frame 1 "):
        compute_features(np.stack([np.zeros(cube.shape), cube]))
    phi[1, 2, 3] = 0
    assert compute_features(cube, mask=phi).V_max == pytest.approx(-70)


@pytest.mark.parametrize("ndim", SHAPES)
def test_statistics_differentiate_in_field_and_mask(ndim):
    field = 1e3 * jnp.asarray(history(SHAPES[ndim], 1)[0])
    phi = jnp.asarray(np.random.default_rng(5).uniform(0.1, 1, SHAPES[ndim]))
    phi = phi.at[(0,) * ndim].set(0)
    statistics = lambda x, w: field_statistics(x, jnp.where(phi > 0, w, 0))[2:]  # noqa: E731
    check_grads(statistics, (field, phi), order=1, modes=("fwd", "rev"))
    outside = jax.grad(lambda x: field_statistics(x, phi).std)(field)[(0,) * ndim]
    assert outside == 0


def test_masks_work_under_jit_and_vmap():
    frames = history((5, 6), 3)
    phis = jnp.asarray(np.random.default_rng(6).uniform(0, 1, (3, 5, 6)))
    together = jax.vmap(lambda phi: feature_vector(frames, mask=phi))(phis)
    alone = np.stack([compute_features(frames, mask=phi).values for phi in phis])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)
    traced = jax.jit(lambda phi: compute_features(frames, mask=phi).values)(phis[0])
    np.testing.assert_allclose(traced, alone[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("ndim", SHAPES)
@pytest.mark.parametrize("masked", [False, True])
def test_soft_features_tend_to_the_hard_ones(ndim, masked):
    frames = history(SHAPES[ndim])
    phi = np.random.default_rng(7).uniform(-0.3, 1, SHAPES[ndim]).clip(0) if masked else None
    options = {"mask": phi, "ndim": ndim}
    hard = compute_features(frames, SMALL_BOXES, **options)
    errors = []
    for width in (1.0, 0.01):
        soft = soft_features(frames, width, SMALL_BOXES, **options)
        errors.append([abs(float(soft[name]) - hard[name]) for name in SOFT_FEATURES])
    scale = [abs(hard[name]) + 1 for name in SOFT_FEATURES]
    assert np.all(np.divide(errors[1], scale) < 0.02)
    gradient = jax.grad(lambda x: sum(soft_features(x, 1.0, SMALL_BOXES, **options).values()))
    slopes = np.asarray(gradient(jnp.asarray(frames)))
    assert np.isfinite(slopes).all()
    if masked:
        assert not slopes[:, phi == 0].any()
    step = 1e-6 * np.random.default_rng(8).normal(size=frames.shape)

    def total(x):
        return float(sum(soft_features(x, 1.0, SMALL_BOXES, **options).values()))

    difference = total(frames + step) - total(frames - step)
    np.testing.assert_allclose(2 * (slopes * step).sum(), difference, rtol=1e-5)


def test_temporal_features_weigh_by_the_mask():
    frames = history((3, 4))
    phi = np.zeros((3, 4))
    phi[1, 1:3] = 1
    inside = temporal_features(jnp.asarray(frames), 4, mask=jnp.asarray(phi))
    alone = temporal_features(jnp.asarray(frames[:, 1:2, 1:3]), 4)
    np.testing.assert_allclose(inside, alone, rtol=1e-12)
