"""The two ways to descend, as a state and an iteration: Levenberg–Marquardt and first order.

Both are pure, so that many starts are one `vmap` and a chunk of iterations is one compiled call.
A lane that is done, or that met a NaN, keeps its state while the others go on.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax import _extras
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError
from mfnjax.fitting.objectives.objective import half_square

RUNNING, CONVERGED, STALLED, VALUE_NAN, GRADIENT_NAN = range(5)
STATUSES = ("running", "converged", "stalled", "value NaN", "gradient NaN")

Function = Callable[[jax.Array, Any], jax.Array]
"""(y, args) → the loss, or the residuals."""


def extra(name: str) -> Any:
    """Import a library of the extra ``fit``.

    Raises:
        ParameterError: It is not installed; the message says how to install it.
    """
    return _extras.extra(name, "fit", "fitting")


FLAT = 0.375
"""A cosine between residuals and Jacobian below ε to this power is that of a minimum."""


@final
@register_pytree
@dataclass(frozen=True)
class Lane:
    """One start on its way.

    Attributes:
        best: The best y so far.
        loss: The loss there.
        gradient: The largest |∂loss/∂y| there.
        code: Index in `STATUSES`.
        iterations: Iterations done.
        inner: The optimiser's own state.
    """

    best: Any
    loss: Any
    gradient: Any
    code: Any
    iterations: Any
    inner: Any


class Engine(abc.ABC):
    """An optimiser as `init` and `step` on a `Lane`."""

    squares: ClassVar[bool]

    @abc.abstractmethod
    def init(self, function: Function, y: jax.Array, args: Any) -> Lane:
        """The lane before its first iteration."""

    @abc.abstractmethod
    def step(self, function: Function, lane: Lane, args: Any) -> Lane:
        """One iteration."""


@final
@dataclass(frozen=True)
class LevenbergMarquardt(Engine):
    """`optimistix.LevenbergMarquardt`, one iteration at a time.

    A lane has converged when a step changed neither y nor the residuals by more than the
    tolerance, or when no damping finds a lower point and the residuals are orthogonal to every
    column of the Jacobian to ε^(3/8), some 1e-5 standard errors; without the latter it has
    stalled.

    Attributes:
        tolerance: Relative and absolute, of y and of the residuals.
        patience: Steps in a row that are refused before the lane gives up.
    """

    tolerance: float
    patience: int = 16
    squares: ClassVar[bool] = True

    def _solver(self) -> Any:
        return extra("optimistix").LevenbergMarquardt(rtol=self.tolerance, atol=self.tolerance)

    def _full(self, function: Function, y: jax.Array, args: Any) -> tuple[Any, Any, Any]:
        solver = self._solver()
        residuals = _with_dense_jacobian(function)

        def with_aux(y: jax.Array, args: Any) -> tuple[jax.Array, None]:
            return residuals(y, args), None

        structure = jax.eval_shape(function, y, args)
        return solver, with_aux, solver.init(with_aux, y, args, {}, structure, None, frozenset())

    def init(self, function: Function, y: jax.Array, args: Any) -> Lane:
        """Nothing is evaluated yet: the first iteration does."""
        eqx = extra("equinox")
        _, _, state = self._full(function, y, args)
        unknown = jnp.full((), jnp.inf, y.dtype)
        zero = jnp.int32(0)
        inner = _strong((y, eqx.filter(state, eqx.is_array)))
        return Lane(y, unknown, unknown, zero, zero, inner)

    def step(self, function: Function, lane: Lane, args: Any) -> Lane:
        """Evaluate the trial point, accept or refuse it, and choose the next."""
        eqx = extra("equinox")
        y, arrays = lane.inner
        solver, with_aux, like = self._full(function, y, args)
        state = eqx.combine(arrays, eqx.filter(like, eqx.is_array, inverse=True))
        y, state, _ = solver.step(with_aux, y, args, {}, state, frozenset())
        residual, jacobian = state.f_info.residual, _dense(state.f_info.jac, y)
        loss, gradient = half_square(residual), residual @ jacobian
        steepest = jnp.max(jnp.abs(gradient))
        # The cosine of the angle between the residuals and each column of the Jacobian.
        lengths = jnp.sqrt(jnp.sum(jacobian**2, axis=0) * (2 * loss))
        tiny = jnp.finfo(y.dtype).tiny
        cosine = jnp.max(jnp.abs(gradient) / jnp.maximum(lengths, tiny))
        stuck = state.num_steps_since_acceptance >= self.patience
        flat = cosine <= float(np.finfo(y.dtype).eps) ** FLAT
        code = _code(loss, steepest, state.terminate | (loss == 0) | (stuck & flat), stuck)
        inner = _strong((y, eqx.filter(state, eqx.is_array)))
        return Lane(y, loss, steepest, code, lane.iterations + 1, inner)


@final
@dataclass(frozen=True)
class FirstOrder(Engine):
    """Any optax transformation on the gradient of the loss.

    A lane has converged when its best loss has not fallen by more than the relative tolerance for
    ``patience`` iterations, and it has kept 99 % of what it gained. One that has not is going
    astray (a learning rate that is too large), and has stalled.

    Attributes:
        transformation: The optax transformation (static: the same object compiles once).
        tolerance: Of the loss, relative.
        patience: Iterations.
    """

    transformation: Any
    tolerance: float
    patience: int
    squares: ClassVar[bool] = False

    def _optimiser(self) -> Any:
        optimiser = self.transformation
        if not (hasattr(optimiser, "init") and hasattr(optimiser, "update")):
            raise ParameterError(
                "optimizer must be None, 'levenberg-marquardt' or an optax transformation, got "
                f"{optimiser!r}"
            )
        return extra("optax").with_extra_args_support(optimiser)

    def init(self, function: Function, y: jax.Array, args: Any) -> Lane:
        """Nothing is evaluated yet."""
        unknown = jnp.full((), jnp.inf, y.dtype)
        zero = jnp.int32(0)
        inner = _strong((y, self._optimiser().init(y), zero, unknown, unknown))
        return Lane(y, unknown, unknown, zero, zero, inner)

    def step(self, function: Function, lane: Lane, args: Any) -> Lane:
        """Value and gradient at y, then one step from there."""
        y, state, waited, reference, first = lane.inner

        def loss_of(y: jax.Array) -> jax.Array:
            return function(y, args)

        value, gradient = jax.value_and_grad(loss_of)(y)
        steepest = jnp.max(jnp.abs(gradient))
        first = jnp.where(lane.iterations == 0, value, first)
        better = value < lane.loss
        best, loss = jnp.where(better, y, lane.best), jnp.where(better, value, lane.loss)
        gained = value < reference - self.tolerance * jnp.abs(reference)
        gained = gained | (jnp.isinf(reference) & jnp.isfinite(value))
        waited = jnp.where(gained, 0, waited + 1)
        reference = jnp.where(gained, value, reference)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integer kinds
            update, new_state = self._optimiser().update(
                gradient, state, y, value=value, grad=gradient, value_fn=loss_of
            )
        new_state = jax.tree.map(lambda new, old: new.astype(old.dtype), new_state, state)
        kept = value <= loss + 0.01 * jnp.maximum(first - loss, jnp.abs(loss))
        over = waited >= self.patience
        code = _code(value, steepest, (steepest == 0) | (over & kept), over)
        new_y = (y + update).astype(y.dtype)
        largest = jnp.where(better, steepest, lane.gradient)
        inner = _strong((new_y, new_state, waited, reference, first))
        return Lane(best, loss, largest, code, lane.iterations + 1, inner)


def _code(loss: Any, steepest: Any, converged: Any, stalled: Any) -> jax.Array:
    """The index in `STATUSES` of the first that holds; a lane of which none does is running."""
    told = (~jnp.isfinite(loss), VALUE_NAN), (~jnp.isfinite(steepest), GRADIENT_NAN)
    code = jnp.int32(RUNNING)
    for holds, status in reversed((*told, (converged, CONVERGED), (stalled, STALLED))):
        code = jnp.where(holds, jnp.int32(status), code)
    return code


def advance(
    engine: Engine, function: Function, lane: Lane, args: Any, count: Any, capacity: int
) -> tuple[Lane, jax.Array]:
    """Up to ``count`` (traced, ≤ capacity) iterations of one lane, and the loss after each."""

    def going(carry: tuple[jax.Array, Lane, jax.Array]) -> jax.Array:
        index, lane, _ = carry
        return (index < count) & (lane.code == RUNNING)

    def once(carry: tuple[jax.Array, Lane, jax.Array]) -> tuple[jax.Array, Lane, jax.Array]:
        index, lane, losses = carry
        lane = engine.step(function, lane, args)
        return index + 1, lane, losses.at[index].set(lane.loss)

    losses = jnp.full((capacity,), jnp.nan, lane.loss.dtype)
    _, lane, losses = lax.while_loop(going, once, (jnp.int32(0), lane, losses))
    return lane, losses


def _strong(tree: Any) -> Any:
    """No weak types: a state that is read from a file has none, and a difference in them is
    another program, which may round otherwise."""
    return jax.tree.map(lambda leaf: lax.convert_element_type(leaf, leaf.dtype), tree)


def _with_dense_jacobian(function: Function) -> Function:
    """``function`` whose linearisation keeps the Jacobian alone.

    Linearised as it is, a run would remember every one of its steps; the Jacobian by forward mode
    needs the memory of a few states.
    """

    @jax.custom_jvp
    def residuals(y: jax.Array, args: Any) -> jax.Array:
        return function(y, args)

    @residuals.defjvp
    def _(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
        y, args = primals
        value, jacobian = value_and_jacobian(function, y, args)
        return value, jacobian @ tangents[0]

    return residuals


def value_and_jacobian(function: Function, y: jax.Array, args: Any) -> tuple[jax.Array, jax.Array]:
    """r(y), shape (n,), and ∂r/∂y, shape (n, p), by forward mode."""

    def push(direction: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(lambda y: function(y, args), (y,), (direction,))

    values, columns = jax.vmap(push, out_axes=(None, 1))(jnp.eye(y.size, dtype=y.dtype))
    return values, columns


def _dense(operator: Any, y: jax.Array) -> jax.Array:
    return jax.vmap(operator.mv, out_axes=1)(jnp.eye(y.size, dtype=y.dtype))
