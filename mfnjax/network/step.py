"""One training step and one epoch: pure functions of a state, compiled once per shape."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from mfnjax.core.pytree import register_pytree
from mfnjax.network.model import NetworkConfig, Params, network_activations
from mfnjax.network.stdp import STDPRule, spike_latency, stdp_update, third_factor

BASELINE_MEMORY = 0.9
"""Share of the old value in the running mean of the loss that STDP compares with."""


@register_pytree
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that the next step depends on, and what early stopping remembers.

    Attributes:
        params: Weights.
        moments: Adam's state.
        baseline: Running mean of the loss.
        step: Updates made, int32.
        best_params: Weights of the best epoch so far.
        best_loss: Its monitored loss.
    """

    params: Params
    moments: Any
    baseline: Array
    step: Array
    best_params: Params
    best_loss: Array


_ADAM = optax.scale_by_adam()


@partial(jax.jit, static_argnames=("dtype",))
def init_state(params: Params, dtype: str) -> TrainState:
    """The state before the first step."""
    infinity = jnp.asarray(jnp.inf, dtype)
    zero = jnp.zeros((), dtype)
    copy = jax.tree.map(jnp.copy, params)
    return TrainState(params, _ADAM.init(params), zero, jnp.int32(0), copy, infinity)


def squared_errors(prediction: Array, target: Array) -> Array:
    """(batch,) squared errors of (batch, 1) predictions."""
    return (prediction[:, 0] - target) ** 2


def train_step(
    config: NetworkConfig,
    state: TrainState,
    x: Array,
    y: Array,
    weight: Array,
    learning_rate: Array,
    rule: STDPRule | None,
) -> tuple[TrainState, Array]:
    """One Adam step on the weighted mean squared error, and STDP if there is a rule.

    Args:
        config: Static.
        state: `TrainState`.
        x: (batch, …) inputs.
        y: (batch,) targets.
        weight: (batch,) 1 for a sample, 0 for padding.
        learning_rate: Scalar.
        rule: `STDPRule` or None.

    Returns:
        (new state, loss before the step).
    """
    total = jnp.sum(weight)

    def objective(params: Params) -> tuple[Array, tuple[Array, Any]]:
        acts = network_activations(config, params, x)
        losses = squared_errors(acts.output, y)
        return jnp.sum(weight * losses) / total, (losses, acts)

    (loss, (losses, acts)), gradients = jax.value_and_grad(objective, has_aux=True)(state.params)
    # optax raises a Python float to an integer power, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, moments = _ADAM.update(gradients, state.moments, state.params)
    params = jax.tree.map(lambda p, u: p - learning_rate * u, state.params, updates)
    baseline = jnp.where(state.step == 0, loss, state.baseline)
    if rule is not None:
        factor = third_factor(losses, baseline) * weight * (x.shape[0] / total)
        params = apply_stdp(params, acts, factor, rule)
    baseline = BASELINE_MEMORY * baseline + (1 - BASELINE_MEMORY) * loss
    new = dataclasses.replace(
        state, params=params, moments=moments, baseline=baseline, step=state.step + 1
    )
    return new, loss


def apply_stdp(params: Params, acts: Any, factor: Array, rule: STDPRule) -> Params:
    """Add rate · mean_b factor_b · W(t_post − t_pre) to the kernel of the rule's layer."""
    pre, post = {"hidden": (acts.pooled, acts.hidden), "half": (acts.hidden, acts.half)}[rule.layer]
    change = stdp_update(spike_latency(pre), spike_latency(post), rule.params, factor=factor)
    layer = params[rule.layer]
    kernel = layer["kernel"] + jnp.asarray(rule.rate, change.dtype) * change
    return {**params, rule.layer: {**layer, "kernel": kernel}}


@partial(jax.jit, static_argnames=("config", "batch_size"), donate_argnames=())
def train_epoch(
    config: NetworkConfig,
    state: TrainState,
    x: Array,
    y: Array,
    learning_rate: Array,
    rule: STDPRule | None,
    batch_size: int,
    *,
    key: Array,
) -> tuple[TrainState, Array]:
    """Every sample once, in an order drawn from ``key``; (new state, loss of each batch).

    The last batch is filled up with samples of weight 0.
    """
    n = x.shape[0]
    batches = -(-n // batch_size)
    order = jax.random.permutation(key, n)
    order = jnp.concatenate([order, jnp.zeros((batches * batch_size - n,), order.dtype)])
    real = jnp.arange(batches * batch_size) < n
    indices = order.reshape(batches, batch_size)
    weights = real.astype(x.dtype).reshape(batches, batch_size)

    def one(state: TrainState, batch: tuple[Array, Array]) -> tuple[TrainState, Array]:
        index, weight = batch
        return train_step(config, state, x[index], y[index], weight, learning_rate, rule)

    return lax.scan(one, state, (indices, weights))


@partial(jax.jit, static_argnames=("config",))
def mean_loss(config: NetworkConfig, params: Params, x: Array, y: Array) -> Array:
    """Mean squared error over all samples."""
    return jnp.mean(squared_errors(network_activations(config, params, x).output, y))
