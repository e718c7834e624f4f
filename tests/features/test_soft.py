"""The differentiable twins: their limits, their gradients, their safety."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from feature_oracle import count_boxes
from jax.test_util import check_grads
from scipy import ndimage

from mfnjax.errors import ParameterError
from mfnjax.features import (
    SOFT_FEATURES,
    compute_features,
    soft_box_counting_dimension,
    soft_box_counts,
    soft_euler_characteristic,
    soft_features,
)
from mfnjax.features.config import FeatureConfig
from mfnjax.fractal import box_counting_dimension

pytestmark = pytest.mark.compile_bound

CONFIG = FeatureConfig(min_box_size=1, num_scales=3)
SHAPE = (9, 10)


def history(seed=0, frames=4):
    rng = np.random.default_rng(seed)
    return rng.normal(-0.062, 0.008, (frames, *SHAPE))


def test_the_names():
    assert list(soft_features(history(), 1.0, CONFIG)) == list(SOFT_FEATURES)
    expected = "D_box D_r2 V_min V_max V_mean V_std V_skew V_kurt dV_mean dV_max E_trend f_active"
    assert " ".join(SOFT_FEATURES) == expected


@pytest.mark.parametrize("seed", [0, 1])
def test_each_tends_to_its_hard_twin(seed):
    array = history(seed)
    if seed:  # A nearly empty field: most boxes vanish, and the hard dimension is 0.
        array[-1] = -0.075
        array[-1, 4, 4] = -0.05
    hard = compute_features(array, CONFIG)
    wanted = [hard[name] for name in SOFT_FEATURES]
    widths = (2.0, 0.2, 0.02, 0.0002)
    errors = np.array([abs(stacked(array, w) - jnp.asarray(wanted)) for w in widths])
    assert (np.diff(errors, axis=0) <= 1e-9).all()
    np.testing.assert_allclose(errors[-1], 0, atol=2e-2)
    smooth = [name in ("V_mean", "V_std", "V_skew", "V_kurt", "E_trend") for name in SOFT_FEATURES]
    np.testing.assert_allclose(errors[0][smooth], 0, atol=1e-8)


def test_an_empty_field_tends_to_zero_dimension():
    field = np.full(SHAPE, -0.09)
    for width in (3.0, 0.5, 1e-3):
        result = soft_features(field, width, CONFIG)
        assert abs(float(result["D_box"])) < 0.02
        assert np.isnan([result["dV_mean"], result["E_trend"]]).all()


def test_soft_extrema_lie_outside_the_hard_ones_by_at_most_w_ln_n():
    array = history()
    result = soft_features(array, 0.5, CONFIG)
    bound = 0.5 * np.log(array[-1].size)
    assert 0 <= result["V_max"] - array[-1].max() * 1e3 <= bound
    assert 0 <= array[-1].min() * 1e3 - result["V_min"] <= bound


def stacked(array, width):
    return jnp.stack(list(soft_features(array, width, CONFIG).values()))


@pytest.mark.thorough
def test_gradients():
    # Millivolts as the variable, so that finite differences of 1e-6 are small steps; each
    # feature in units of its own size, so that none hides behind a larger one.
    array = history(2) * 1e3
    unit = jnp.abs(stacked(array / 1e3, 2.0))
    kernel = jax.jit(lambda v, w: stacked(v / 1e3, w) / unit)
    check_grads(kernel, (array, 2.0), order=1, modes=("fwd", "rev"), rtol=1e-6, atol=1e-6)


@pytest.mark.thorough
def test_float32_gradients_at_constant_and_saturated_fields_are_finite():
    reverse, forward = jax.jit(jax.jacrev(stacked)), jax.jit(jax.jacfwd(stacked, argnums=1))
    for value in (-0.09, -0.065, -0.06, 0.03):
        array = np.full((2, *SHAPE), value, np.float32)
        for width in (1.0, 0.3, 1e-3):
            gradient = reverse(array, np.float32(width))
            assert gradient.dtype == np.float32
            assert np.isfinite(gradient).all()
            assert np.isfinite(forward(array, np.float32(width))).all()


def test_soft_counts_of_a_hard_mask_are_the_hard_counts():
    mask = np.random.default_rng(0).random((13, 17)) < 0.3
    sizes = (3, 1, 2, 4, 6, 13, 14)
    found = soft_box_counts(mask.astype(np.float64), sizes)
    np.testing.assert_array_equal(found, [count_boxes(mask, size) for size in sizes])


def test_soft_counts_are_expectations():
    # Independent cells of probability m: 1 − (1 − m)^(s²) a box, faint m included.
    for m in (0.3, 1e-12):
        found = np.asarray(soft_box_counts(np.full((6, 6), m), (1, 2, 3)))
        expected = [n * -np.expm1(s * s * np.log1p(-m)) for n, s in ((36, 1), (9, 2), (4, 3))]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_soft_box_gradient_is_exact_at_certain_cells():
    # d/dm_i [1 − Π (1 − m)] = Π over the others: 0 beside a certain cell, 1 − 0.25 for it.
    gradient = jax.grad(lambda m: soft_box_counts(m, (2,))[0])
    np.testing.assert_allclose(
        gradient(jnp.array([[1.0, 0.25], [0.0, 0.0]])), [[0.75, 0.0], [0.0, 0.0]]
    )


@pytest.mark.parametrize("density", [0.0, 0.005, 0.1, 1.0])
def test_soft_dimension_of_a_hard_mask_is_the_hard_dimension(density):
    mask = np.random.default_rng(7).random((24, 24)) < density
    sizes = (1, 2, 4, 11)
    hard = box_counting_dimension(mask, sizes=sizes)
    soft = soft_box_counting_dimension(mask.astype(np.float64), sizes)
    np.testing.assert_allclose(soft, (hard.dimension, hard.r_squared), atol=1e-12)


def test_a_single_size_has_no_dimension():
    assert [float(x) for x in soft_box_counting_dimension(np.ones((4, 4)), (2,))] == [0, 0]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_euler_characteristic_is_components_minus_holes(connectivity):
    rng = np.random.default_rng(0)
    ones, cross = np.ones((3, 3)), None
    inside, outside = (cross, ones) if connectivity == 4 else (ones, cross)
    kernel = jax.jit(lambda m: soft_euler_characteristic(m, connectivity=connectivity))
    for density in rng.random(20):
        mask = rng.random((11, 8)) < density
        components = ndimage.label(mask, inside)[1]
        holes = ndimage.label(np.pad(~mask, 1, constant_values=True), outside)[1] - 1
        np.testing.assert_allclose(kernel(mask.astype(np.float64)), components - holes, atol=1e-9)
    # The soft mask of a field tends to it, and the derivative is that of the polynomial.
    field = rng.normal(size=(11, 8))
    field = field + 0.1 * np.sign(field)
    limit = float(soft_euler_characteristic((field > 0).astype(float), connectivity=connectivity))
    errors = [abs(kernel(jax.nn.sigmoid(field / w)) - limit) for w in (0.3, 0.03, 0.0003)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-9
    check_grads(kernel, (rng.random((11, 8)),), order=1, modes=("fwd", "rev"))


def test_width_is_traced_and_vmap_is_the_loop():
    array = history()
    widths = jnp.array([0.5, 1.0, 2.0])
    together = jax.vmap(lambda width: soft_features(array, width, CONFIG))(widths)
    for index, width in enumerate(widths):
        alone = soft_features(array, width, CONFIG)
        for name in SOFT_FEATURES:
            np.testing.assert_allclose(together[name][index], alone[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan, np.inf])
def test_a_bad_width_is_refused(width):
    with pytest.raises(ParameterError, match="width"):
        soft_features(history(), width)


def test_bad_input():
    with pytest.raises(ParameterError, match="boolean mask"):
        soft_features(np.ones((4, 4), bool), 1.0)
    with pytest.raises(ParameterError, match="0-D"):
        soft_features(np.float32(1.0), 1.0)
    with pytest.raises(ParameterError, match="probabilities must be a float array"):
        soft_box_counts(np.ones((4, 4), bool), (1, 2))
    with pytest.raises(ParameterError, match="probabilities"):
        soft_euler_characteristic(np.ones(4))
    with pytest.raises(ParameterError, match="connectivity"):
        soft_euler_characteristic(np.ones((4, 4)), connectivity=6)


def test_steps_small_against_the_width_keep_their_digits_in_float32() -> None:
    step_mv, width_mv = 1e-3, 1.0
    history = jnp.asarray(np.stack([np.zeros((4, 4)), np.full((4, 4), step_mv / 1e3)]), jnp.float32)
    exact = step_mv**2 / (np.sqrt(step_mv**2 + width_mv**2) + width_mv)
    found = soft_features(history, width_mv)["dV_mean"]
    np.testing.assert_allclose(found, exact, rtol=1e-5)  # √(x² + w²) − w is 5 % off
