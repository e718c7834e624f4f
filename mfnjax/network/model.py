"""MyceliumFractalNet: a small regressor on features, used functionally.

The Flax module says what the layers are. It is taken apart once per configuration, and what is
jitted is a pure function of a plain nested dict of arrays: splitting a module at every call
costs ten times the mathematics.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from mfnjax._checks import check_bool, check_choice, check_int
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError
from mfnjax.network.attention import DIM_MAX, SparseAttention, check_attention

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Shape of the network; static and hashable.

    Attributes:
        input_dim: Features per sample, ≥ 1.
        hidden_dim: Width, ≥ 2; the third layer has half of it.
        use_attention: Put the sparse attention after the first layer.
        topk: Keys per query, ≥ 1.
        num_heads: Heads, dividing ``hidden_dim``.
        dtype: ``float32`` or ``float64`` (needs ``jax_enable_x64``).

    Raises:
        ParameterError: A value is outside its range.
    """

    input_dim: int = 4
    hidden_dim: int = 32
    use_attention: bool = True
    topk: int = 4
    num_heads: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_int("input_dim", self.input_dim, 1, DIM_MAX)
        check_int("hidden_dim", self.hidden_dim, 2, DIM_MAX)
        check_bool("use_attention", self.use_attention)
        check_attention(self.hidden_dim, self.num_heads, self.topk)
        check_choice("dtype", self.dtype, ("float32", "float64"))
        if self.dtype == "float64" and not jax.config.read("jax_enable_x64"):
            raise ParameterError("dtype 'float64' needs 64-bit JAX (jax_enable_x64)")


@register_pytree
@dataclasses.dataclass(frozen=True)
class Activations:
    """What the layers put out, (batch, width) each: what STDP reads its spikes off."""

    pooled: Array
    hidden: Array
    half: Array
    output: Array


class MyceliumFractalNet(nnx.Module):
    """linear → sparse attention → mean over the sequence → linear, ReLU → linear, ReLU → linear.

    Args:
        config: `NetworkConfig`.
        rngs: Flax's random streams.
    """

    def __init__(self, config: NetworkConfig, *, rngs: nnx.Rngs) -> None:
        width, dtype = config.hidden_dim, jnp.dtype(config.dtype)
        linear = partial(nnx.Linear, param_dtype=dtype, rngs=rngs)
        self.encoder = linear(config.input_dim, width)
        if config.use_attention:
            self.attention = SparseAttention(
                width,
                num_heads=config.num_heads,
                topk=config.topk,
                param_dtype=dtype,
                rngs=rngs,
            )
        self.hidden = linear(width, width)
        self.half = linear(width, width // 2)
        self.head = linear(width // 2, 1)
        self.use_attention = config.use_attention

    def __call__(self, x: Array) -> Array:
        """(batch, input_dim) or (batch, seq, input_dim) → (batch, 1)."""
        return self.activations(x).output

    def activations(self, x: Array) -> Activations:
        """The same, with what every layer put out."""
        x = x[:, None, :] if x.ndim == 2 else x
        x = self.encoder(x)
        if self.use_attention:
            x = self.attention(x)
        pooled = jnp.mean(x, axis=1)
        hidden = jax.nn.relu(self.hidden(pooled))
        half = jax.nn.relu(self.half(hidden))
        return Activations(pooled, hidden, half, self.head(half))


@lru_cache(maxsize=64)
def _taken_apart(config: NetworkConfig) -> tuple[Any, Any]:
    """(graph definition, abstract state): no array is made."""
    module = nnx.eval_shape(lambda: MyceliumFractalNet(config, rngs=nnx.Rngs(0)))
    return nnx.split(module)


def param_shapes(config: NetworkConfig) -> Params:
    """Nested dict of `jax.ShapeDtypeStruct`, like the parameters of the network."""
    return nnx.to_pure_dict(_taken_apart(config)[1])


@partial(jax.jit, static_argnames=("config",))
def init_network(config: NetworkConfig, *, key: Array) -> Params:
    """Fresh weights (LeCun normal, zero biases) as a nested dict of arrays.

    Args:
        config: `NetworkConfig`, static.
        key: Typed random key.

    Returns:
        ``{"encoder": {"kernel", "bias"}, "attention": …, "hidden", "half", "head"}``; kernels
        are (inputs, outputs).

    Examples:
        >>> import jax
        >>> init_network(NetworkConfig(), key=jax.random.key(0))["hidden"]["kernel"].shape
        (32, 32)
    """
    module = MyceliumFractalNet(config, rngs=nnx.Rngs(key))
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def _put_together(config: NetworkConfig, params: Params) -> MyceliumFractalNet:
    definition, abstract = _taken_apart(config)
    state = jax.tree.map(lambda leaf: leaf, abstract)
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(definition, state)


def _check_input(config: NetworkConfig, x: Array) -> None:
    if x.ndim not in (2, 3) or x.shape[-1] != config.input_dim or 0 in x.shape:
        raise ParameterError(
            f"x must have shape (batch, {config.input_dim}) or (batch, seq, {config.input_dim}), "
            f"got {x.shape}"
        )
    if x.dtype != jnp.dtype(config.dtype):
        raise ParameterError(f"x must have the network's dtype {config.dtype}, got {x.dtype}")


def network_activations(config: NetworkConfig, params: Params, x: Array) -> Activations:
    """What every layer puts out; pure. See `apply_network`."""
    _check_input(config, x)
    return _put_together(config, params).activations(x)


def apply_network(config: NetworkConfig, params: Params, x: Array) -> Array:
    """The network as a pure function, for `jax.jit` and `jax.grad`.

    Args:
        config: `NetworkConfig`, static.
        params: From `init_network`.
        x: (batch, input_dim) or (batch, seq, input_dim), of the network's dtype.

    Returns:
        (batch, 1).

    Raises:
        ParameterError: ``x`` has another shape or dtype.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> config = NetworkConfig(input_dim=3)
        >>> params = init_network(config, key=jax.random.key(0))
        >>> apply_network(config, params, jnp.ones((5, 3), jnp.float32)).shape
        (5, 1)
    """
    return network_activations(config, params, x).output


forward = jax.jit(apply_network, static_argnums=0)
"""`apply_network`, compiled."""
