"""The whole system as one differentiable function: parameters → field → features → network.

The model is any model: a hard one is smooth away from clamp and threshold and has no derivative
in the probability of an event; its `mfnjax.smooth_twin` has all of them. The features are the
soft ones. Gradients reach the network's weights and the simulation's parameters alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mfnjax._checks import check_int, check_real
from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import NumericalInstabilityError, ParameterError
from mfnjax.features.soft import SOFT_FEATURES, soft_features
from mfnjax.models.base import Model
from mfnjax.network.model import NetworkConfig, Params, apply_network
from mfnjax.simulation.simulation import simulate

_STATIC: Any = {"static": True}


@register_pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class DifferentiablePipeline:
    """loss(weights, model) = (network(features(simulate(model))) − target)².

    Attributes:
        grid: The grid.
        steps: Steps, static.
        network: Shape of the network, ``input_dim`` = number of features; static.
        feature_names: Soft features that the network reads, static.
        field_name: Field they are measured on, static.
        save_every: A frame is kept after every so many steps, static.
        volts_per_unit: Factor from the field to volts (soft features measure potentials).
        width_mv: Width of the soft features, mV.
        feature_mean: (features,) subtracted; default 0.
        feature_scale: (features,) divided by; default 1.
        dt: Time step.
        adjoint: Memory policy of reverse mode, static.

    Raises:
        ParameterError: An unknown feature, or a network of another input width.
    """

    grid: Grid
    network: NetworkConfig = dataclasses.field(metadata=_STATIC)
    feature_names: tuple[str, ...] = dataclasses.field(
        default=("V_mean", "V_std", "dV_mean", "E_trend"), metadata=_STATIC
    )
    steps: int = dataclasses.field(default=16, metadata=_STATIC)
    field_name: str = dataclasses.field(default="potential", metadata=_STATIC)
    save_every: int = dataclasses.field(default=1, metadata=_STATIC)
    adjoint: str = dataclasses.field(default="per_step", metadata=_STATIC)
    volts_per_unit: Any = 1.0
    width_mv: Any = 1.0
    feature_mean: Any = 0.0
    feature_scale: Any = 1.0
    dt: Any = 1.0

    def __post_init__(self) -> None:
        unknown = [name for name in self.feature_names if name not in SOFT_FEATURES]
        if unknown:
            raise ParameterError(
                f"feature_names: {', '.join(unknown)} has no differentiable twin; those that "
                f"have one are {', '.join(SOFT_FEATURES)}"
            )
        if len(self.feature_names) != self.network.input_dim:
            raise ParameterError(
                f"network.input_dim must be the number of features {len(self.feature_names)}, "
                f"got {self.network.input_dim}"
            )
        check_int("save_every", self.save_every, 1, 10_000)
        check_int("steps", self.steps, self.save_every, 10_000)

    def features(self, model: Model, state: Any, *, key: Array | None = None) -> Array:
        """Raw soft features (features,) of the run of ``model`` from ``state``."""
        run = simulate(
            model,
            state,
            grid=self.grid,
            steps=self.steps,
            dt=self.dt,
            save_every=self.save_every,
            save=self.field_name,
            adjoint=self.adjoint,
            key=key,
        )
        history = run.history * jnp.asarray(self.volts_per_unit, run.history.dtype)
        values = soft_features(history, jnp.asarray(self.width_mv, history.dtype))
        return jnp.stack([values[name] for name in self.feature_names])

    def predict(
        self, params: Params, model: Model, state: Any, *, key: Array | None = None
    ) -> Array:
        """The network's output (a scalar) for the run of ``model`` from ``state``."""
        return self.read(params, self.features(model, state, key=key))

    def read(self, params: Params, features: Array) -> Array:
        """The network's output for raw features: (features,) → scalar, (n, features) → (n,)."""
        dtype = jnp.dtype(self.network.dtype)
        mean = jnp.asarray(self.feature_mean, features.dtype)
        scale = jnp.asarray(self.feature_scale, features.dtype)
        scaled = ((features - mean) / scale).astype(dtype)
        batch = scaled if scaled.ndim == 2 else scaled[None]
        out = apply_network(self.network, params, batch)[:, 0]
        return out if scaled.ndim == 2 else out[0]

    def loss(
        self, params: Params, model: Model, state: Any, target: Any, *, key: Array | None = None
    ) -> Array:
        """(prediction − target)², a pure function of weights and simulation parameters.

        Examples:
            >>> import jax, jax.numpy as jnp
            >>> from mfnjax import Grid, MyceliumModel
            >>> from mfnjax.network import DifferentiablePipeline, NetworkConfig, init_network
            >>> pipeline = DifferentiablePipeline(
            ...     grid=Grid((8, 8)), network=NetworkConfig(), steps=4
            ... )
            >>> params = init_network(pipeline.network, key=jax.random.key(0))
            >>> state = MyceliumModel().initial_state(
            ...     pipeline.grid, dtype=jnp.float32, key=jax.random.key(1)
            ... )
            >>> def loss(params, alpha):
            ...     model = MyceliumModel(alpha=alpha, spike_probability=0.0)
            ...     return pipeline.loss(params, model, state, 0.15)
            >>> weights, alpha = jax.grad(loss, argnums=(0, 1))(params, jnp.float32(0.18))
            >>> weights["head"]["kernel"].shape, alpha.shape
            ((16, 1), ())
        """
        difference = self.predict(params, model, state, key=key) - target
        return difference * difference


def steer(
    pipeline: DifferentiablePipeline,
    params: Params,
    build: Callable[[Array], Model],
    start: Any,
    bounds: tuple[Any, Any],
    state: Any,
    target: float,
    *,
    iterations: int = 200,
    learning_rate: float = 0.05,
) -> tuple[Array, Array]:
    """Move simulation parameters until the network's output reaches ``target``.

    Adam on the squared difference, over θ = low + (high − low)·sigmoid(z): every iterate lies
    inside the bounds.

    Args:
        pipeline: `DifferentiablePipeline`.
        params: The network's weights, held fixed.
        build: θ (an array like ``start``) → model.
        start: First θ, strictly inside the bounds.
        bounds: (low, high), like ``start`` or scalars.
        state: Where the simulation starts.
        target: Wanted output.
        iterations: Steps of Adam, ≥ 1.
        learning_rate: In z, (0, 10].

    Returns:
        (the best θ met, the squared difference before each step (iterations,)).

    Raises:
        ParameterError: ``start`` outside the bounds, or an option out of range.
        NumericalInstabilityError: The difference became NaN or infinite.
    """
    check_int("iterations", iterations, 1, 10**6)
    check_real("learning_rate", learning_rate, 0.0, 10.0, open_low=True)
    theta = jnp.asarray(start)
    if not jnp.issubdtype(theta.dtype, jnp.floating):
        raise ParameterError(f"start must be a float, got {start!r}")
    low, high = (jnp.asarray(bound, theta.dtype) for bound in bounds)
    if not bool(jnp.all((low < theta) & (theta < high))):
        raise ParameterError(f"start must lie strictly inside the bounds {bounds}, got {start!r}")
    z = jax.scipy.special.logit((theta - low) / (high - low))
    objective = partial(_steering_loss, pipeline, params, build, low, high, state, target)
    best, losses = _steer(objective, z, iterations, learning_rate)
    bad = jnp.flatnonzero(~jnp.isfinite(losses))
    if bad.size:
        raise NumericalInstabilityError("steering loss", int(bad[0]) + 1)
    return low + (high - low) * jax.nn.sigmoid(best), losses


def _steering_loss(
    pipeline: DifferentiablePipeline,
    params: Params,
    build: Callable[[Array], Model],
    low: Array,
    high: Array,
    state: Any,
    target: float,
    z: Array,
) -> Array:
    theta = low + (high - low) * jax.nn.sigmoid(z)
    return pipeline.loss(params, build(theta), state, target)


def _steer(
    objective: Callable[[Array], Array], z: Array, iterations: int, learning_rate: float
) -> tuple[Array, Array]:
    adam = optax.adam(learning_rate)

    def one(carry: tuple[Array, Any, Array, Array], _: None) -> tuple[Any, Array]:
        z, moments, best, best_loss = carry
        loss, gradient = jax.value_and_grad(objective)(z)
        better = loss < best_loss
        best, best_loss = jnp.where(better, z, best), jnp.where(better, loss, best_loss)
        # optax raises a Python float to an integer power, which strict promotion forbids.
        with jax.numpy_dtype_promotion("standard"):
            update, moments = adam.update(gradient, moments)
        return (z + update, moments, best, best_loss), loss

    @jax.jit
    def run(z: Array) -> tuple[Array, Array]:
        worst = jnp.full_like(jax.eval_shape(objective, z), jnp.inf)
        carry = (z, adam.init(z), z, worst)
        (_, _, best, _), losses = jax.lax.scan(one, carry, None, length=iterations)
        return best, losses

    return run(z)
