"""The network against NumPy, its shapes and dtypes, its gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax.errors import ParameterError
from mfnjax.network import NetworkConfig, apply_network, forward, init_network, param_shapes
from tests.network.test_attention import reference as attention

pytestmark = pytest.mark.compile_bound

CONFIG = NetworkConfig(hidden_dim=8, topk=2, dtype="float64")


def numpy_network(config: NetworkConfig, params: dict, x: np.ndarray) -> np.ndarray:
    """The documented network, layer by layer, one sample at a time."""

    def linear(name, values):
        layer = params["attention"][name] if name in params.get("attention", {}) else params[name]
        return values @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])

    out = []
    for sample in x if x.ndim == 3 else x[:, None]:
        h = linear("encoder", sample)
        if config.use_attention:
            h = linear(
                "out",
                attention(linear("query", h), linear("key", h), linear("value", h), config.topk),
            )
        h = np.maximum(linear("hidden", h.mean(axis=0)), 0)
        h = np.maximum(linear("half", h), 0)
        out.append(linear("head", h))
    return np.array(out)


@pytest.mark.parametrize("use_attention", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (3, 6, 4), (3, 1, 4)])
def test_equals_numpy(use_attention, shape):
    config = NetworkConfig(hidden_dim=8, topk=2, use_attention=use_attention, dtype="float64")
    params = init_network(config, key=jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf + 0.05, params)  # biases start at zero
    x = np.random.default_rng(0).normal(size=shape)
    ours = forward(config, params, jnp.asarray(x))
    np.testing.assert_allclose(ours, numpy_network(config, params, x), rtol=1e-11)


def test_a_sample_alone_is_a_sequence_of_one():
    params = init_network(CONFIG, key=jax.random.key(0))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(5, 4)))
    np.testing.assert_array_equal(forward(CONFIG, params, x), forward(CONFIG, params, x[:, None]))


def test_compiled_equals_eager():
    params = init_network(CONFIG, key=jax.random.key(0))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(3, 6, 4)))
    np.testing.assert_allclose(
        forward(CONFIG, params, x), apply_network(CONFIG, params, x), rtol=1e-12
    )


def test_gradients_in_weights_and_inputs():
    params = init_network(CONFIG, key=jax.random.key(2))
    x = jnp.asarray(np.random.default_rng(2).normal(size=(2, 5, 4)))
    check_grads(lambda p, x: forward(CONFIG, p, x), (params, x), order=1, modes=("fwd", "rev"))


def test_the_order_of_a_sequence_does_not_matter():
    params = init_network(CONFIG, key=jax.random.key(3))
    x = jnp.asarray(np.random.default_rng(3).normal(size=(2, 5, 4)))
    np.testing.assert_allclose(
        forward(CONFIG, params, x), forward(CONFIG, params, x[:, ::-1]), rtol=1e-11
    )


@pytest.mark.thorough
def test_initialisation():
    config = NetworkConfig(input_dim=128, hidden_dim=64)
    params = init_network(config, key=jax.random.key(0))
    shapes = param_shapes(config)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), params) == jax.tree.map(
        lambda a: (a.shape, a.dtype), shapes
    )
    kernel = np.asarray(params["encoder"]["kernel"])
    assert kernel.shape == (128, 64)
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel.std(), 128**-0.5, rtol=0.05)  # LeCun normal
    np.testing.assert_array_equal(params["encoder"]["bias"], 0)
    again = init_network(config, key=jax.random.key(0))
    other = init_network(config, key=jax.random.key(1))
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, params, again)))
    assert not np.array_equal(kernel, other["encoder"]["kernel"])
    assert "attention" not in init_network(
        NetworkConfig(use_attention=False), key=jax.random.key(0)
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 5)), "shape"),
        (np.zeros(4), "shape"),
        (np.zeros((0, 4)), "shape"),
        (np.zeros((3, 4), np.float32), "dtype float64, got float32"),
    ],
)
def test_a_bad_input_is_refused(x, message):
    params = init_network(CONFIG, key=jax.random.key(0))
    with pytest.raises(ParameterError, match=message):
        apply_network(CONFIG, params, jnp.asarray(x))


@pytest.mark.parametrize(
    "options",
    [
        {"input_dim": 0},
        {"hidden_dim": 1},
        {"topk": 0},
        {"num_heads": 5},
        {"use_attention": 1},
        {"dtype": "float16"},
    ],
)
def test_a_bad_config_is_refused(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        NetworkConfig(**options)


def test_float64_needs_x64():
    with jax.enable_x64(False), pytest.raises(ParameterError, match="64-bit"):
        NetworkConfig(dtype="float64")
