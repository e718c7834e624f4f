"""The 18 features against the oracle, and the promises of the kernel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from feature_oracle import assert_features, box_dimension, component_sizes, sizes_of
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from mfnjax.errors import DataError, ParameterError
from mfnjax.features import (
    COUNT_FEATURES,
    FEATURE_NAMES,
    MASK_FEATURES,
    compute_features,
    feature_vector,
    vector as vector_module,
)
from mfnjax.features.config import FeatureConfig
from mfnjax.features.vector import _history_vector

FIELD_KINDS = ("normal", "clusters", "constant", "empty", "single", "levels", "full", "faint")
HISTORY_KINDS = ("noise", "calming", "steady", "drift", "spikes", "restless", "flat")

CASES = {
    "float32-4": ((16, 16), np.float32, FeatureConfig()),
    "float64-8": ((9, 14), np.float64, FeatureConfig(connectivity=8, min_box_size=1)),
    "float32-periodic": (
        (5, 12),
        np.float32,
        FeatureConfig(periodic=True, min_box_size=1, max_box_size=9, num_scales=6),
    ),
}


def make_field(kind, shape, rng, dtype):
    """A field in volts of one of the kinds that the features must survive."""
    if kind == "normal":
        field = rng.normal(-0.06, 0.012, shape)
    elif kind == "clusters":
        smooth = ndimage.gaussian_filter(rng.random(shape), rng.uniform(0.5, 1.5), mode="wrap")
        field = -0.07 + 0.05 * (smooth > np.quantile(smooth, rng.uniform(0.2, 0.9)))
        field = field + rng.normal(0, 0.004, shape)
    elif kind == "constant":
        field = np.full(shape, rng.uniform(-0.095, 0.04))
    elif kind == "empty":
        field = rng.normal(-0.075, 0.002, shape)
    elif kind == "single":
        field = np.full(shape, -0.07)
        field[rng.integers(shape[0]), rng.integers(shape[1])] = rng.choice([-0.055, -0.045, 0.04])
    elif kind == "levels":
        # On the thresholds themselves, and one unit in the last place to either side.
        levels = np.asarray([-0.06, -0.05, -0.04], dtype)
        near = [levels, np.nextafter(levels, dtype(0)), np.nextafter(levels, dtype(-1))]
        field = rng.choice(np.concatenate(near), shape)
    elif kind == "full":
        field = rng.normal(-0.01, 0.01, shape).clip(-0.035, 0.04)
    else:
        field = -0.065 + rng.choice([1e-8, 1e-6, 1e-12]) * rng.normal(size=shape)
    return field.astype(dtype)


def make_history(kind, length, shape, rng, dtype):
    """A history that ends in a field of a random kind, or comes to rest."""
    frames = np.stack([rng.normal(-0.065, 0.01, shape)] * length)
    time = np.arange(length)[:, None, None]
    if kind == "noise":
        frames = rng.normal(-0.06, 0.012, (length, *shape))
    elif kind == "calming":
        steps = rng.normal(0, 1e-3, (length, *shape)) * 0.3 ** np.arange(length)[:, None, None]
        frames = frames + np.cumsum(steps, axis=0)
    elif kind == "drift":
        frames = frames + rng.uniform(-1e-4, 1e-4) * time
    elif kind == "spikes":
        for step in rng.integers(0, length, 3):
            frames[step:, rng.integers(shape[0]), rng.integers(shape[1])] += 0.02
    elif kind == "restless":
        frames = frames + rng.choice([0, 1e-5], length)[:, None, None] * rng.normal(size=shape)
    elif kind == "flat":
        frames = np.full((length, *shape), -0.07) + 1e-6 * time * rng.choice([0, 1])
    return frames.astype(dtype)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=90, deadline=None)
@given(kind=st.sampled_from(FIELD_KINDS), seed=st.integers(0, 2**32 - 1))
def test_fields_match_the_oracle(case, kind, seed):
    shape, dtype, config = CASES[case]
    field = make_field(kind, shape, np.random.default_rng(seed), dtype)
    features = compute_features(field, config)
    assert features.to_array().dtype == dtype
    assert_features(features.to_array(), field, config)


@pytest.mark.parametrize(
    ("shape", "dtype", "config"),
    [
        ((12, 10), np.float32, FeatureConfig(stability_window=3)),
        ((7, 11), np.float64, FeatureConfig(connectivity=8, stability_threshold_mv=0.01)),
    ],
)
@settings(max_examples=90, deadline=None)
@given(
    kind=st.sampled_from(HISTORY_KINDS),
    length=st.integers(2, 32),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.thorough
def test_histories_match_the_oracle(shape, dtype, config, kind, length, seed):
    history = make_history(kind, length, shape, np.random.default_rng(seed), dtype)
    assert_features(compute_features(history, config).to_array(), history, config)


@pytest.mark.parametrize("length", [1, 21])
def test_a_padded_history_has_the_bits_of_the_unpadded_one(length):
    rng = np.random.default_rng(length)
    history = make_history("calming", length, (12, 10), rng, np.float32)
    history[-1] = make_field("clusters", (12, 10), rng, np.float32)
    alone = np.asarray(feature_vector(history))
    # What lies beyond `length` must not be read: NaN would show.
    padded = np.full((32, 12, 10), np.nan, np.float32)
    padded[:length] = history
    np.testing.assert_array_equal(np.asarray(feature_vector(padded, length)), alone)
    np.testing.assert_array_equal(compute_features(history).to_array(), alone)


def test_vmap_is_the_loop():
    rng = np.random.default_rng(5)
    histories = np.stack(
        [make_history(kind, 32, (12, 10), rng, np.float32) for kind in HISTORY_KINDS]
    )
    lengths = jnp.asarray([32, 12, 31, 1, 2, 20, 7], jnp.int32)
    together = np.asarray(jax.vmap(feature_vector)(jnp.asarray(histories), lengths))
    alone = np.stack(
        [feature_vector(history, n) for history, n in zip(histories, lengths, strict=True)]
    )
    # XLA may contract a·b + c in one program and not in the other: sums move by a last bit.
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)
    exact = [name in (*COUNT_FEATURES, "V_min", "V_max", "dV_max") for name in FEATURE_NAMES]
    np.testing.assert_array_equal(together[:, exact], alone[:, exact])


def test_changed_thresholds_windows_and_lengths_do_not_compile_again():
    history = make_history("noise", 32, (12, 10), np.random.default_rng(0), np.float32)
    feature_vector(history, 5)
    compute_features(history)
    before = _history_vector._cache_size()
    other = FeatureConfig(
        threshold_low_mv=-65, threshold_med_mv=-55, stability_threshold_mv=0.1, stability_window=4
    )
    feature_vector(history, 17, other)
    for length in (2, 3, 30):
        compute_features(history[:length], other)
    assert _history_vector._cache_size() == before


def test_the_eager_door_opens_under_a_transformation():
    field = jax.ShapeDtypeStruct((12, 10), np.float32)
    found = jax.eval_shape(lambda x: compute_features(x).values, field)
    assert (found.shape, found.dtype) == ((18,), np.float32)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_masks(connectivity):
    config = FeatureConfig(connectivity=connectivity)
    rng = np.random.default_rng(0)
    for density in (0.0, 0.02, 0.4, 0.6, 1.0):
        mask = rng.random((20, 33)) < density
        features = compute_features(mask, config)
        sizes = component_sizes(mask, connectivity)
        dimension, r_squared = box_dimension(mask, sizes_of(20, config))
        spread = sizes.std() if len(sizes) > 1 else 0.0
        expected = [dimension, r_squared, mask.mean(), len(sizes), sizes.max(initial=0), spread]
        found = [features[name] for name in MASK_FEATURES]
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
        absent = [features[name] for name in FEATURE_NAMES if name not in MASK_FEATURES]
        assert np.isnan(absent).all()
        np.testing.assert_array_equal(
            feature_vector(jnp.asarray(mask), None, config), features.values
        )


def test_large_arrays_take_the_host_path_to_the_same_numbers(monkeypatch):
    rng = np.random.default_rng(3)
    field = make_field("clusters", (12, 10), rng, np.float32)
    mask = rng.random((20, 33)) < 0.5
    inside = compute_features(field), compute_features(mask)
    monkeypatch.setattr(vector_module, "HOST_CELLS", 64)
    outside = compute_features(field), compute_features(mask)
    for here, there in zip(inside, outside, strict=True):
        np.testing.assert_allclose(here.to_array(), there.to_array(), rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.float32(5), r"0-D \(\)"),
        (np.zeros((2, 2, 2, 2, 2)), "5-D"),
        (np.zeros((2, 2, 3, 3), bool), r"mask must have shape \(H, W\)"),
        (np.zeros((0, 3)), "at least one cell"),
        (np.zeros((3, 3), np.int32), "integer image"),
        (np.zeros((3, 3), np.uint8), "threshold first"),
        (np.zeros((3, 3), complex), "complex128"),
        (np.zeros((3, 3), np.float16), "float16"),
        ([["a", "b"]], "dtype <U1"),
    ],
)
@pytest.mark.parametrize("function", [compute_features, feature_vector])
def test_what_has_no_features_is_refused(function, array, words):
    with pytest.raises(ParameterError, match=words):
        function(np.asarray(array) if function is feature_vector else array)


def test_a_nested_list_is_a_field():
    assert compute_features([[-0.07, -0.05]]).f_active == 0.5


@pytest.mark.parametrize("length", [0, 4, 1.5, True])
def test_a_bad_length_is_refused(length):
    with pytest.raises(ParameterError, match="length"):
        feature_vector(np.zeros((3, 2, 2), np.float32), length)


def test_a_mask_has_no_length():
    with pytest.raises(ParameterError, match="length is for a history"):
        feature_vector(np.ones((3, 3), bool), 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_cell_that_is_not_finite_is_named(bad):
    field = np.full((12, 10), -0.07, np.float32)
    field[3, 4] = bad
    with pytest.raises(DataError, match=rf"{bad} at cell \(3, 4\) \(0-based; 1 such value\)"):
        compute_features(field)
    for frame in (0, 2, 4):
        history = np.full((5, 12, 10), -0.07, np.float32)
        history[frame, 7, 1] = bad
        with pytest.raises(DataError, match=rf"cell \(7, 1\) of frame {frame} "):
            compute_features(history)


def test_finite_values_that_overflow_are_named():
    """Nobody gets an infinite V_std in silence: volts of the order of 0.1 were expected."""
    with pytest.raises(DataError, match=r"within ±200 mV, got 3e\+41 mV"):
        compute_features(np.asarray([[3e38, -3e38]], np.float32).repeat(10, 0))


@pytest.mark.parametrize(
    "array", [[[1.0, 2.0], [3.0]], None, "field", jax.random.key(0), np.zeros((2, 2), complex)]
)
def test_what_is_no_array_of_numbers_is_one_clear_error(array) -> None:
    with pytest.raises(ParameterError, match="array must"):
        compute_features(array)


def test_the_byte_order_of_a_file_does_not_matter() -> None:
    field = np.linspace(-0.08, -0.03, 12, dtype=np.float32).reshape(3, 4)
    swapped = field.astype(field.dtype.newbyteorder(">"))
    assert compute_features(swapped).to_dict() == compute_features(field).to_dict()
    np.testing.assert_array_equal(feature_vector(swapped), feature_vector(field))
