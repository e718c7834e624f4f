"""Steppers: one step of time, owning no parameter of the problem."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, final

import jax
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.operators import laplacian
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models.base import (
    Advanced,
    IteratedMap,
    Model,
    ReactionDiffusion,
    Values,
    all_finite,
)


class Stepper(abc.ABC):
    """How the fields at t become those at t + dt.

    Class attributes:
        name: The name it is called by.
        order: Order of accuracy in dt; None for a map.
        boundaries: Boundaries it can deal with.
    """

    name: ClassVar[str]
    order: ClassVar[int | None]
    boundaries: ClassVar[tuple[str, ...]] = ("periodic", "neumann", "dirichlet")

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
        key: jax.Array | None,
    ) -> Advanced:
        """Return the fields one step later."""

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        """The largest stable dt where one is known (concrete parameters), else None."""
        return None


@final
@dataclass(frozen=True)
class Map(Stepper):
    """The model's own step: for an `IteratedMap`."""

    name = "map"
    order = None

    def step(
        self,
        model: IteratedMap,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        key: jax.Array | None,
    ) -> Advanced:
        return model.advance(values, grid, key=key)


@final
@dataclass(frozen=True)
class Euler(Stepper):
    """Explicit Euler: u ← u + dt·(L u + f(u)); first order."""

    name = "euler"
    order = 1

    def step(
        self,
        model: ReactionDiffusion,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        key: jax.Array | None,
    ) -> Advanced:
        rates = right_hand_side(model, grid, values)
        return advanced(tuple(u + dt * r for u, r in zip(values, rates, strict=True)))

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        return explicit_stable_step(model, grid, extent=2.0)


def right_hand_side(model: ReactionDiffusion, grid: Grid, values: Values) -> Values:
    """L u + f(u)."""
    transported = model.transport(values, partial(laplacian, grid=grid))
    reacted = model.reaction(values)
    return tuple(t + r for t, r in zip(transported, reacted, strict=True))


def advanced(values: Values) -> Advanced:
    """Wrap the fields after a step, with whether each is finite."""
    return Advanced(values, tuple(all_finite(u) for u in values))


def transport_symbol(model: Model, eigenvalue: Any) -> tuple[Any, ...]:
    """The eigenvalues of L, one a field, where ∇² has ``eigenvalue``."""
    ones = tuple(np.ones(()) for _ in model.reaction_fields)
    return model.transport(ones, lambda u: eigenvalue * u)


def explicit_stable_step(model: Model, grid: Grid, *, extent: float) -> float | None:
    """dt = extent / |L|, with |L| the largest decay rate of the transport on ``grid``.

    ``extent`` is the length of the scheme's stability region along the negative real axis.
    The reaction is not looked at: this is an upper bound of what is stable.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((model, grid))):
        return None
    most_negative = -4.0 * grid.num_axes / float(grid.spacing) ** 2
    rates = [-float(np.min(s)) for s in transport_symbol(model, most_negative)]
    fastest = max(rates, default=0.0)
    return extent / fastest if fastest > 0 else None


STEPPERS: dict[str, Stepper] = {stepper.name: stepper for stepper in (Map(), Euler())}
"""Every stepper by name."""


def choose_stepper(model: Model, stepper: str | Stepper | None) -> Stepper:
    """Return the stepper to use: the model's own first one for None.

    Raises:
        ParameterError: Unknown, or the model does not support it.
    """
    if stepper is None:
        return STEPPERS[model.steppers[0]]
    if isinstance(stepper, str):
        if stepper not in STEPPERS:
            raise ParameterError(f"stepper must be one of {', '.join(STEPPERS)}; got {stepper!r}")
        stepper = STEPPERS[stepper]
    if not isinstance(stepper, Stepper) or stepper.name not in model.steppers:
        raise ParameterError(
            f"{type(model).__name__} supports the steppers {', '.join(model.steppers)}; "
            f"got {getattr(stepper, 'name', stepper)!r}"
        )
    return stepper


def check_step(model: Model, grid: Grid, dt: float, stepper: Stepper) -> None:
    """Refuse a boundary that is not supported and a dt over a known bound."""
    boundary = grid.boundary.name
    supported = [name for name in model.boundaries if name in stepper.boundaries]
    if boundary not in supported:
        raise ParameterError(
            f"{type(model).__name__} with the stepper {stepper.name!r} supports the boundaries "
            f"{', '.join(supported)}; got {boundary!r}"
        )
    largest = stepper.largest_stable_step(model, grid)
    if largest is not None and dt > largest * (1 + 1e-9):
        raise StabilityError(
            f"dt = {dt:g} is unstable with the stepper {stepper.name!r}: the largest stable step "
            f"on this grid is {largest:.6g}"
        )
