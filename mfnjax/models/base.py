"""What a model is.

A model is a frozen dataclass registered as a pytree: every physical number is a traced leaf, every
flag is static. It is either

* an `Equation` u_t = L u + f(u) + noise, integrated by a stepper of the user's choice
  (`ReactionDiffusion` is the kind whose f looks at no neighbour), or
* an `IteratedMap`, which defines its own step (dt = 1), events and clamps included.

Values are tuples of arrays in the order of ``fields``.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax._parameter import declare, parameters_of
from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla, total_of
from mfnjax.core.operator import IDENTITY, Eigenvalues, Operator
from mfnjax.core.pytree import register_pytree
from mfnjax.core.quantity import Quantity
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.models.transport import Kind, transport_obstacle

Values = tuple[jax.Array, ...]
Laplacian = Callable[[jax.Array], jax.Array]


class Model(abc.ABC):
    """A system of fields on a grid.

    Class attributes:
        fields: Names of the components, in order.
        stepper: Name of the stepper of a run that names none; None is the first that can serve it.
        needs_closed_sides: Whether it makes no sense with sides that let something pass.
        takes_key: Whether its steps may draw random numbers; else a run with a key is refused.
        counters: Names of the events that a run counts.
        symbols: Paper symbol → parameter name, from the `parameter` declarations; a class may add.
        quantities: Field name → what it holds and how it is shown, where that is not the plain
            number under its name.
        starts: Name → function (model, grid, *, dtype, key) → `State`, where there is more than the
            customary start `initial_state`.
        main_field: The component that is shown and measured where none is named; None is the last.
        reaction_fields: The components whose linear stability is analysed; by default all.
    """

    fields: ClassVar[tuple[str, ...]]
    stepper: ClassVar[str | None] = None
    needs_closed_sides: ClassVar[bool] = False
    counters: ClassVar[tuple[str, ...]] = ()
    takes_key: ClassVar[bool] = False
    symbols: ClassVar[dict[str, str]] = {}
    quantities: ClassVar[dict[str, Quantity]] = {}
    starts: ClassVar[Mapping[str, Callable[..., State]]] = {}
    main_field: ClassVar[str | None] = None
    reaction_fields: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        declare(cls)
        if "reaction_fields" not in vars(cls) and hasattr(cls, "fields"):
            cls.reaction_fields = cls.fields

    @property
    def known_names(self) -> frozenset[str]:
        """What the text of a start may name: the traced parameters, and their symbols."""
        own = {name for name, one in parameters_of(self).items() if not one.static}
        return frozenset(own | {symbol for symbol, name in self.symbols.items() if name in own})

    def parameters_at(self, at: Any) -> dict[str, Any]:
        """Values for `known_names`, as they are at the places of ``at``."""
        return {name: getattr(self, self.symbols.get(name, name)) for name in self.known_names}

    @abc.abstractmethod
    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Return the model's customary start on ``grid``, drawn with ``key``.

        ``dtype`` None is JAX's default floating dtype.
        """

    def is_stochastic(self) -> bool:
        """Whether a run needs a key (True where that cannot be told)."""
        return False

    def remark(self) -> str | None:
        """What a user of this parameter set should know, in a sentence; None: nothing."""
        return None

    def check(self, grid: Grid, dt: float) -> None:
        """Raise ParameterError or StabilityError if a concrete parameter is not accepted.

        By default each must be finite and in its range.
        """
        check_finite(self)
        declared = parameters_of(self)
        for name, value in concrete_parameters(self).items():
            if declared[name].low is not None or declared[name].high is not None:
                declared[name].check_elements(f"{type(self).__name__}.{name}", value)


class Equation(Model):
    """u_t = L u + f(u) + noise, on any grid: integrated by a stepper.

    A new one has ``fields`` and the methods `rates` and `initial_state`, and may have `linear` and
    `noise`. See ``docs/equations.md``.
    """

    takes_key: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "takes_key" not in vars(cls):
            cls.takes_key = cls.noise is not Equation.noise

    def linear(self, nabla: Nabla) -> Mapping[str, Operator]:
        """Return L: the stiff, linear part, an operator for each field that has one.

        Exponential steppers take it exactly, by its symbol; the others apply it.
        """
        return {}

    @abc.abstractmethod
    def rates(self, values: Values, nabla: Nabla) -> Values:
        """Return f(u), all the rest of u_t but the noise, one array a field, unit/time."""

    def noise(self, values: Values, nabla: Nabla) -> tuple[Any, ...] | None:
        """Return the amplitudes s of the noise, or None: there is none.

        For each field None, an amplitude, or a tuple of amplitudes of independent noises: each adds
        s·ξ to u_t, ξ white in space and time (Itô): a step adds s·√(dt/cell volume)·N(0, 1).
        """
        return None

    def linear_rates(self, values: Values, nabla: Nabla) -> Values:
        """L u, one array a field (0 where a field has no operator)."""
        operators = self.linear(nabla)
        return tuple(
            operators[name](u) if name in operators else jnp.zeros((), u.dtype)
            for name, u in zip(self.fields, values, strict=True)
        )

    def linear_symbols(self, nabla: Nabla, eigenvalues: Eigenvalues) -> tuple[Any, ...]:
        """The eigenvalues of L, one a field, from those of the second derivatives."""
        operators = self.linear(nabla)
        found = []
        for name in self.fields:
            symbol = operators[name].symbol if name in operators else None
            found.append(0.0 if symbol is None else symbol(eigenvalues))
        return tuple(found)

    def symbol_obstacle(self, nabla: Nabla) -> str | None:
        """Why L is not what its symbol says, in words that follow "its transport"; None: it is."""
        for name, one in self.linear(nabla).items():
            if one.symbol is None:
                return f"{one.obstacle} (of {name})"
        return None

    def is_stochastic(self) -> bool:
        """Whether it has noise."""
        return type(self).noise is not Equation.noise

    def check(self, grid: Grid, dt: float) -> None:
        """Parameters are finite and in their ranges; no field's short waves grow without bound."""
        check_finite(self)
        check_smoothing(self, grid)
        super().check(grid, dt)


class ReactionDiffusion(Equation):
    """u_t = L u + f(u) where f works cell by cell: `reaction` and `transport`, or `linear`."""

    @abc.abstractmethod
    def reaction(self, values: Values) -> Values:
        """Return f(u), the local rates of the ``reaction_fields``, elementwise, unit/time."""

    def transport(self, values: Values, laplacian: Laplacian) -> Values:
        """Return L u for the ``reaction_fields``, in terms of ``laplacian`` of one field at a time.

        Spectral steppers need an L that is linear, diagonal, and a polynomial in ∇² with constant
        coefficients, and refuse another (see `mfnjax.models.transport`); called with multiplication
        by an eigenvalue λ instead of the operator (and ones for the fields) it gives its symbol.
        By default it is what `linear` says.
        """
        return self.linear_rates(values, _OnlyLaplacian(laplacian))  # type: ignore[arg-type]

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """The reaction."""
        return self.reaction(values)

    @property
    def _has_own_transport(self) -> bool:
        return type(self).transport is not ReactionDiffusion.transport

    def linear_rates(self, values: Values, nabla: Nabla) -> Values:
        """L u: the transport."""
        if self._has_own_transport:
            return self.transport(values, nabla.laplacian)
        return super().linear_rates(values, nabla)

    def linear_symbols(self, nabla: Nabla, eigenvalues: Eigenvalues) -> tuple[Any, ...]:
        """The eigenvalues of L, one a field."""
        if not self._has_own_transport:
            return super().linear_symbols(nabla, eigenvalues)
        total = eigenvalues.total
        ones: Any = tuple(np.ones((), total.dtype) for _ in self.fields)
        return self.transport(ones, lambda u: total * u)

    def symbol_obstacle(self, nabla: Nabla) -> str | None:
        """Why L is not what its symbol says, in words; None: it is."""
        if not self._has_own_transport:
            return super().symbol_obstacle(nabla)
        found = transport_obstacle(self)
        return None if found is None else found.words


class _OnlyLaplacian:
    """A nabla for `ReactionDiffusion.transport`, made of what stands for the Laplacian."""

    identity = IDENTITY

    def __init__(self, laplacian: Laplacian) -> None:
        self.laplacian = Operator(laplacian, total_of)

    def diffusion(self, diffusivity: Any) -> Operator:
        return Operator(lambda u: diffusivity * self.laplacian(u))


class IteratedMap(Model):
    """A map with a step of its own, dt = 1: `advance` and `initial_state`.

    A map that steps through differential equations may say which, in `reaction` and `transport`,
    for the analysis of its stability. One that can take many steps faster than one after the other
    has a method ``take_steps(run, count, *, grid, key, step)``: it returns the
    `mfnjax.simulation.loop.Run` that ``count`` (traced) calls of ``step(run, draw)`` would give,
    bit for bit.
    """

    takes_key: ClassVar[bool] = True

    @abc.abstractmethod
    def advance(self, values: Values, grid: Grid, *, draw: Any) -> Values | Advanced:
        """Return the fields one step later; ``draw`` is this step's `draw`, or None: no chance.

        A map that counts events, or clamps what must be looked at before, returns an `Advanced`.
        """

    def reaction(self, values: Values) -> Values:
        """Return f(u), the local rates of the ``reaction_fields``, elementwise, unit/time."""
        raise ParameterError(f"{type(self).__name__} is a map: it has no rates of change")

    def transport(self, values: Values, laplacian: Laplacian) -> Values:
        """Return L u for the ``reaction_fields``, in terms of ``laplacian`` of one field at a time.

        Called with multiplication by an eigenvalue λ instead of the operator (and ones for the
        fields) it gives its symbol.
        """
        raise ParameterError(f"{type(self).__name__} is a map: it has no rates of change")

    def draw(self, dtype: Any, *, key: jax.Array) -> Any:
        """Return the few random numbers of one step (a pytree), from this step's own key.

        A run in pieces must draw what the whole run draws: so the numbers of a step come from its
        key alone. By default it is the key itself.
        """
        return key


@final
@register_pytree
@dataclass(frozen=True)
class Advanced:
    """What one step gives.

    Attributes:
        values: The fields after the step.
        finite: For each field, whether it was finite throughout the step (before any clamp).
        counts: How often each of the model's counters counted, int32 (counters,).
    """

    values: Values
    finite: tuple[jax.Array, ...]
    counts: jax.Array | None = None


def main_field(model: Model | type[Model]) -> str:
    """The field of a model that is shown and measured where none is named."""
    return model.main_field or model.fields[-1]


def all_finite(value: jax.Array) -> jax.Array:
    """Whether every cell is finite, as one scalar (a NaN wins every max and min).

    Two bare reductions are faster on XLA's CPU backend than one of abs(u): it has a fast kernel for
    a reduction of a plain buffer, and none for one with arithmetic fused into it.
    """
    return jnp.isfinite(jnp.max(value)) & jnp.isfinite(jnp.min(value))


def all_cells(mask: jax.Array) -> jax.Array:
    """Whether every cell of a mask (H, W) is true, as one scalar.

    First down the columns, which XLA's CPU backend turns into vector code, then along the one row
    left; a reduction to a scalar in one go is a loop over single cells.
    """
    return jnp.all(lax.optimization_barrier(jnp.all(mask, axis=0)))


def concrete_parameters(model: Model) -> dict[str, Any]:
    """The parameters of ``model`` whose values are known now (not traced), by name."""
    values = {f.name: getattr(model, f.name) for f in dataclasses.fields(model)}  # type: ignore[arg-type]
    return {k: v for k, v in values.items() if not isinstance(v, jax.core.Tracer)}


def check_smoothing(model: Any, grid: Grid) -> None:
    """Raise ParameterError where concrete parameters make a transport amplify the shortest waves.

    With a negative diffusivity the equation has no solution: the finer the grid, the faster it
    blows up. Judged by the sign of the transport's symbol far out, which a polynomial in ∇² has.
    """
    if getattr(model, "_has_own_transport", False):
        obstacle = transport_obstacle(model)
        if obstacle is not None and obstacle.kind is Kind.COUPLED:
            _check_coupled(model)
            return
        if obstacle is not None and obstacle.kind is not Kind.VARYING:
            return  # its sign depends on the state, or cannot be told
    nabla = Nabla(grid, (), ())
    far = Eigenvalues(-1e9, dict.fromkeys(grid.axes, -1e9))
    if getattr(model, "_has_own_transport", False):
        ones: Any = (1.0,) * len(model.fields)
        rates = dict(zip(model.fields, model.transport(ones, lambda u: -1e9 * u), strict=False))
    else:
        rates = {}
        for name, operator in model.linear(nabla).items():
            if operator.symbol is not None:
                rates[name] = operator.symbol(far)
            elif operator.decays is not None:
                rates[name] = -operator.decays[0]
    for name, rate in rates.items():
        is_known = not isinstance(rate, jax.core.Tracer)
        # The usual case is a float: arrays cost a call ten microseconds more.
        if rate > 0 if isinstance(rate, float) else is_known and np.any(np.asarray(rate) > 0):
            raise ParameterError(
                f"{type(model).__name__}: the transport of {name!r} amplifies short waves without "
                "bound; its diffusivity must be ≥ 0"
            )


def _check_coupled(model: Any) -> None:
    """The same where fields move by each other's gradients: by the eigenvalues of the matrix."""
    count = len(model.fields)
    columns = [model.transport(tuple(unit), lambda u: -1e9 * u) for unit in np.eye(count)]
    if any(isinstance(rate, jax.core.Tracer) for rate in jax.tree.leaves(columns)):
        return
    rates = np.linalg.eigvals(np.array(columns, float)).real
    if rates.max() > 1e-12 * np.abs(rates).max():
        raise ParameterError(
            f"{type(model).__name__}: the transport amplifies short waves without bound; the "
            "matrix of its diffusivities must have no eigenvalue with a negative real part"
        )


def check_finite(model: Model) -> None:
    """Raise ParameterError naming the first concrete parameter that is not finite."""
    declared = parameters_of(model)
    for name, value in concrete_parameters(model).items():
        is_code = declared[name].static and (isinstance(value, str) or callable(value))
        leaves = [value] if value is None else jax.tree.leaves(value)
        if not is_code and not all(map(_is_finite, leaves)):
            raise ParameterError(
                f"{type(model).__name__}.{name} must be a finite number, got {value!r}"
            )


def _is_finite(leaf: Any) -> bool:
    try:
        return isinstance(leaf, jax.core.Tracer) or bool(
            np.isrealobj(leaf) and np.all(np.isfinite(leaf))
        )
    except TypeError:
        return False
