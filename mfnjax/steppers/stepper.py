"""What a stepper is, and what all of them share."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.operator import Eigenvalues
from mfnjax.core.spectral import transforms_of
from mfnjax.models.base import Advanced, Equation, Model, Values, all_finite


class Stepper(abc.ABC):
    """How the fields at t become those at t + dt.

    A stepper is a frozen dataclass without traced fields; it owns no parameter of the problem.

    A user's own is passed to a run as an object.

    Class attributes:
        name: The name it is called by.
        order: Order of accuracy in dt; None for a map, or where nobody says.
    """

    name: ClassVar[str] = "own"
    order: ClassVar[int | None] = None

    def obstacle(self, model: Model, grid: Grid) -> str | None:
        """Why it cannot serve a model on a grid, in words; None where it can."""
        if model.needs_closed_sides and not all(
            grid.boundary.of(name).closed for name in model.fields
        ):
            return f"{type(model).__name__} needs sides that nothing passes, not {grid.boundary!r}"
        return self.obstacle_of_model(model)

    def obstacle_of_model(self, model: Model) -> str | None:
        """The same on any grid. By default: it steps equations without noise."""
        if hasattr(model, "advance"):
            return "it is a map with a step of its own"
        return "it takes no account of the noise" if model.is_stochastic() else None

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> Any:
        """Return what does not change from step to step (a pytree), computed once a run."""
        return ()

    @abc.abstractmethod
    def step(
        self,
        model: Any,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        """Return the fields at ``time + dt``; ``draw`` is what `draw` gave for this step."""

    def draw(self, model: Any, dtype: Any, *, key: jax.Array) -> Any:
        """Return the random numbers of one step (none, but for a map)."""
        return None

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        """The largest stable dt where one is known (concrete parameters), else None."""
        return None


def right_hand_side(model: Equation, grid: Grid, values: Values, time: Any) -> Values:
    """L u + f(u)."""
    return centres_and_rates(model, grid, values, time)[1]


def centres_and_rates(
    model: Equation, grid: Grid, values: Values, time: Any
) -> tuple[Values, Values]:
    """Return (u, L u + f(u)), the u read from the padded buffers of the stencil.

    A step that goes on with this u spares the loop around it a copy of every field (see
    `mfnjax.core.operators.with_difference_sum`): measured, half the time of a Gray–Scott step.
    """
    nabla = Nabla(grid, model.fields, values, time)
    linear = model.linear_rates(nabla.fields, nabla)
    rest = model.rates(nabla.fields, nabla)
    rates = tuple(one + other for one, other in zip(linear, rest, strict=True))
    return nabla.fields, inside(grid, rates)


def works_cell_by_cell(derivative: Callable[[Values], Values], values: Values) -> jax.Array:
    """Whether the rates with this derivative (from changes to changes) look at no neighbour.

    Then a chequered change of all fields gives what an even one gives, chequered.
    """
    ones = jnp.ones_like(values[0])
    checkers = jnp.asarray(1.0 - 2.0 * (np.indices(ones.shape).sum(0) % 2), ones.dtype)
    even = jnp.stack(derivative((ones,) * len(values)))
    chequered = jnp.stack(derivative((checkers,) * len(values)))
    return jnp.max(jnp.abs(chequered - even * checkers)) <= 1e-3 * jnp.max(jnp.abs(even))


def inside(grid: Grid, values: Values) -> Values:
    """Arrays, 0 in the cells that take no part."""
    if grid.mask is None:
        return values
    return tuple(jnp.where(grid.mask > 0, value, 0) for value in values)


def filled(grid: Grid, values: Values) -> Values:
    """Fields whose cells that take no part have the value of one that does, for as long as it runs.

    What a model makes of them is thrown away, but not before it has been computed: 1/u of 0 would
    leave a NaN in every derivative, and in the fluxes beside them.
    """
    if grid.mask is None:
        return values
    first = jnp.argmax(jnp.ravel(grid.mask))
    return tuple(
        jnp.where(grid.mask > 0, value, lax.stop_gradient(value.reshape(-1)[first]))
        for value in values
    )


def advanced(values: Values) -> Advanced:
    """Wrap the fields after a step, with whether each is finite.

    A sum is the cheapest reduction that a NaN or an infinity cannot pass unnoticed (a maximum is
    not vectorised). It may overflow where every cell is finite, so what it finds is looked at
    again.
    """
    total = sum(jnp.sum(u) for u in values)

    def look(values: Values) -> tuple[jax.Array, ...]:
        return tuple(all_finite(u) for u in values)

    def trust(values: Values) -> tuple[jax.Array, ...]:
        return tuple(jnp.bool(True) for _ in values)

    return Advanced(values, lax.cond(jnp.isfinite(total), trust, look, values))


def obstacle_of_modes(model: Model, grid: Grid) -> str | None:
    """Why a stepper that multiplies modes by a symbol cannot serve; None where it can."""
    if grid.mask is not None:
        return "there is no fast transform for a grid with a mask"
    sides = [grid.boundary.of(name) for name in model.fields]
    kinds = [transforms_of(grid, side) for side in sides]
    if None in kinds:
        return f"there is no fast transform for the boundary {grid.boundary!r}"
    if any(kind != kinds[0] for kind in kinds):
        return "the fields have sides with different transforms"
    found = _as_equation(model).symbol_obstacle(Nabla(grid, (), ()))
    return None if found is None else f"its transport {found}"


def _as_equation(model: Any) -> Equation:
    return model


def transport_symbols(model: Equation, grid: Grid, eigenvalues: Eigenvalues) -> tuple[Any, ...]:
    """The eigenvalues of L, one a field, each of the shape of those of ∇²."""
    symbols = model.linear_symbols(Nabla(grid, (), ()), eigenvalues)
    # A field that is not transported has the number 0.
    return tuple(s + 0.0 * eigenvalues.total for s in symbols)


def explicit_stable_step(model: Model, grid: Grid, *, extent: float) -> float | None:
    """dt = extent / |L|, with |L| the largest decay rate of L on ``grid``.

    ``extent`` is the length of the scheme's stability region along the negative real axis.
    The rest of the rates is not looked at: this is an upper bound of what is stable. None is known
    for a transport that is not linear, or sides with which the stencil's eigenvalues are not known.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((model, grid))):
        return None
    if not all(grid.boundary.of(name).bounded for name in model.fields) or not grid.axes:
        return None
    model = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model)
    nabla, fastest = Nabla(grid, (), ()), 0.0
    if _as_equation(model).symbol_obstacle(nabla) is None:
        for symbol in _as_equation(model).linear_symbols(nabla, _spectrum(grid)):
            fastest = max(fastest, -float(np.min(symbol)))
    elif getattr(model, "_has_own_transport", False):
        return None
    else:
        for operator in _as_equation(model).linear(nabla).values():
            if operator.symbol is not None:
                fastest = max(fastest, -float(np.min(operator.symbol(_spectrum(grid)))))
            elif operator.decays is None:
                return None
            else:
                fastest = max(fastest, operator.decays[1])
    return extent / fastest if fastest > 0 else None


def _spectrum(grid: Grid) -> Eigenvalues:
    """Eigenvalues from 0 to the last: a polynomial in ∇² need not be extreme at the end."""
    part = np.linspace(1.0, 0.0, 257)
    lowest = {name: -4.0 / float(grid.spacings[grid.axis(name)]) ** 2 for name in grid.axes}
    if grid.is_isotropic:
        total = np.linspace(-4.0 * grid.num_axes / float(grid.spacing) ** 2, 0.0, 257)
    else:
        total = sum(lowest.values()) * part
    return Eigenvalues(total, {name: low * part for name, low in lowest.items()})
