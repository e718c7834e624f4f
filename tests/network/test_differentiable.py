"""The pipeline: gradients to weights and simulation parameters, reading α, steering α."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax import FisherKPPModel, Grid, MyceliumModel
from mfnjax.errors import NumericalInstabilityError, ParameterError
from mfnjax.network import (
    DifferentiablePipeline,
    NetworkConfig,
    TrainOptions,
    apply_network,
    init_network,
    regression_metrics,
    steer,
    train_regressor,
)

pytestmark = [pytest.mark.compile_bound, pytest.mark.thorough]

FEATURES = ("V_mean", "V_std", "V_skew", "V_kurt", "dV_mean", "dV_max", "E_trend", "V_max")


def model_of(alpha):
    return MyceliumModel(alpha=alpha, spike_probability=0.0, turing_enabled=False)


def start(pipeline, key, dtype=jnp.float32):
    return MyceliumModel().initial_state(pipeline.grid, dtype=dtype, key=key)


def pipeline_of(dtype="float32", size=12, steps=6, **scales):
    config = NetworkConfig(input_dim=len(FEATURES), dtype=dtype)
    return DifferentiablePipeline(
        grid=Grid((size, size)), network=config, feature_names=FEATURES, steps=steps, **scales
    )


def test_gradients_to_weights_and_parameters():
    pipeline = pipeline_of("float64", 8, 4, feature_mean=-1.0, feature_scale=50.0)
    params = init_network(pipeline.network, key=jax.random.key(0))
    state = start(pipeline, jax.random.key(1), jnp.float64)

    def loss(params, alpha):
        model = MyceliumModel(alpha=alpha, spike_probability=0.0, turing_enabled=False)
        return pipeline.loss(params, model, state, 0.3)

    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    alpha = jnp.asarray(0.15)
    _, (in_weights, in_alpha) = both(params, alpha)
    assert abs(float(in_alpha)) > 1e-6
    assert float(jnp.abs(in_weights["encoder"]["kernel"]).max()) > 1e-6
    # Central differences of the same compiled function: along α, and along random weights.
    h = 1e-6
    slope = (both(params, alpha + h)[0] - both(params, alpha - h)[0]) / (2 * h)
    np.testing.assert_allclose(in_alpha, slope, rtol=1e-6)
    rng = np.random.default_rng(0)
    way = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), params)
    ahead, behind = (
        both(jax.tree.map(lambda p, w, s=sign: p + s * h * w, params, way), alpha)[0]
        for sign in (1, -1)
    )
    along = sum(jax.tree.leaves(jax.tree.map(lambda g, w: jnp.sum(g * w), in_weights, way)))
    np.testing.assert_allclose(along, (ahead - behind) / (2 * h), rtol=1e-6)


def test_it_is_the_composition_of_its_parts():
    pipeline = pipeline_of(feature_mean=2.0, feature_scale=3.0)
    params = init_network(pipeline.network, key=jax.random.key(0))
    state = start(pipeline, jax.random.key(1))
    features = jax.jit(lambda alpha: pipeline.features(model_of(alpha), state))(0.15)
    expected = apply_network(pipeline.network, params, ((features - 2) / 3)[None])[0, 0]
    loss = jax.jit(lambda alpha: pipeline.loss(params, model_of(alpha), state, 1.0))(0.15)
    np.testing.assert_allclose(loss, (expected - 1) ** 2, rtol=1e-4)
    many = jax.jit(pipeline.read)(params, jnp.stack([features, features]))
    np.testing.assert_allclose(many, [expected, expected], rtol=1e-5)


def test_another_model_and_unit():
    config = NetworkConfig(input_dim=1, dtype="float64")
    pipeline = DifferentiablePipeline(
        grid=Grid((8, 8)),
        network=config,
        feature_names=("V_mean",),
        field_name="u",
        steps=5,
        dt=0.1,
        volts_per_unit=1e-3,
    )
    state = {"u": jnp.full((8, 8), 0.2)}
    grow = jax.jit(lambda rate: pipeline.features(FisherKPPModel(growth_rate=rate), state)[0])
    assert float(grow(1.0)) > 0.2  # the mean of u itself, as 1 unit is 1 mV
    u = 0.2
    for _ in range(5):
        u = u + 0.1 * u * (1 - u)
    np.testing.assert_allclose(grow(1.0), u, rtol=1e-4)
    check_grads(grow, (1.0,), order=1, modes=("rev",))


@pytest.fixture(scope="module")
def reader():
    """A network that reads α off the features of fields it has not seen, and its pipeline."""
    pipeline = pipeline_of(size=24, steps=12)
    alphas = jax.random.uniform(jax.random.key(1), (300,), jnp.float32, 0.08, 0.22)

    @jax.jit
    @jax.vmap
    def measured(alpha, key):
        return pipeline.features(model_of(alpha), start(pipeline, key))

    features = np.asarray(measured(alphas, jax.random.split(jax.random.key(2), 300)))
    alphas = np.asarray(alphas)
    regressor, _ = train_regressor(
        features[:220],
        alphas[:220],
        input_names=FEATURES,
        target_name="alpha",
        options=TrainOptions(epochs=60, batch_size=32, learning_rate=3e-3),
    )
    pipeline = dataclasses.replace(
        pipeline,
        feature_mean=regressor.inputs.mean.astype(np.float32),
        feature_scale=regressor.inputs.deviation.astype(np.float32),
    )
    return pipeline, regressor, features[220:], alphas[220:]


def test_it_reads_alpha_off_unseen_fields(reader):
    _, regressor, features, alphas = reader
    metrics = regression_metrics(regressor.predict(features), alphas)
    assert metrics["gain"] >= 10, metrics


def test_steering_alpha_until_the_network_says_so(reader):
    pipeline, regressor, _, _ = reader
    state = start(pipeline, jax.random.key(99))
    target = float((0.12 - regressor.target.mean) / regressor.target.deviation)
    alpha, losses = steer(
        pipeline,
        regressor.params,
        model_of,
        jnp.float32(0.2),
        (0.05, 0.245),
        state,
        target,
        iterations=150,
    )
    reached = pipeline.predict(regressor.params, model_of(alpha), state)
    assert abs(float(reached) - target) < 0.01
    assert losses[0] > 1
    assert abs(float(alpha) - 0.12) < 0.02  # and α is what the network was trained to read


def test_steering_errors(reader):
    pipeline, regressor, _, _ = reader
    state = start(pipeline, jax.random.key(99))
    rest = ((0.05, 0.245), state, 0.0)
    with pytest.raises(ParameterError, match="strictly inside"):
        steer(pipeline, regressor.params, model_of, jnp.float32(0.3), *rest)
    with pytest.raises(ParameterError, match="must be a float"):
        steer(pipeline, regressor.params, model_of, 1, *rest)
    with pytest.raises(NumericalInstabilityError, match="steering loss"):
        steer(
            pipeline,
            jax.tree.map(lambda p: p * jnp.nan, regressor.params),
            model_of,
            jnp.float32(0.2),
            *rest,
            iterations=2,
        )


def test_a_pipeline_that_does_not_fit():
    network = NetworkConfig(input_dim=2)
    grid = Grid((8, 8))
    with pytest.raises(ParameterError, match="T_stable has no differentiable twin"):
        DifferentiablePipeline(grid=grid, network=network, feature_names=("V_mean", "T_stable"))
    with pytest.raises(ParameterError, match="number of features 1, got 2"):
        DifferentiablePipeline(grid=grid, network=network, feature_names=("V_mean",))
    with pytest.raises(ParameterError, match="save_every"):
        DifferentiablePipeline(
            grid=grid, network=network, feature_names=("V_mean", "V_std"), save_every=0
        )
