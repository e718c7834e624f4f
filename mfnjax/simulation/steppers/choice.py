"""Which stepper, and whether it may take this step."""

from __future__ import annotations

from typing import Any

from mfnjax.core.boundary import is_built_in
from mfnjax.core.grid import Grid
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models.base import Model
from mfnjax.models.transport import transport_obstacle
from mfnjax.simulation.steppers.base import Stepper
from mfnjax.simulation.steppers.explicit import Euler, Map, RungeKutta4
from mfnjax.simulation.steppers.exponential import ETDRK2, ETDRK4
from mfnjax.simulation.steppers.splitting import Strang

STEPPERS: dict[str, Stepper] = {
    stepper.name: stepper
    for stepper in (Map(), Euler(), RungeKutta4(), ETDRK2(), ETDRK4(), Strang())
}
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


def check_boundary(model: Model, grid: Grid, stepper: Stepper) -> None:
    """Raise ParameterError if the model or the stepper does not support the grid's boundary."""
    boundary: Any = grid.boundary
    supported = [name for name in model.boundaries if name in stepper.boundaries]
    if is_built_in(boundary):
        fits, given = boundary.name in supported, boundary.name
    else:  # of a user's own: nothing is known of it but the cells that it gives
        fits, given = set(supported) >= set(Model.boundaries), boundary
    if not fits:
        raise ParameterError(
            f"{type(model).__name__} with the stepper {stepper.name!r} supports the boundaries "
            f"{', '.join(supported)}; got {given!r}"
        )


def check_transport(model: Model, stepper: Stepper) -> None:
    """Raise ParameterError if the stepper would take the transport for what it is not."""
    obstacle = transport_obstacle(model) if stepper.by_modes else None
    if obstacle is not None:
        others = [name for name in model.steppers if name in STEPPERS]
        able = [name for name in others if not STEPPERS[name].by_modes]
        raise ParameterError(
            f"the transport of {type(model).__name__} {obstacle.words}, and the stepper "
            f"{stepper.name!r} needs one that is linear, diagonal and the same everywhere; "
            f"take {' or '.join(map(repr, able)) or 'another model'}"
        )


def check_step(model: Model, grid: Grid, dt: float, stepper: Stepper) -> None:
    """Raise StabilityError, naming the largest stable step, if dt is over a known bound."""
    largest = stepper.largest_stable_step(model, grid)
    if largest is not None and dt > largest * (1 + 1e-9):
        raise StabilityError(
            f"dt = {dt:g} is unstable with the stepper {stepper.name!r}: the largest stable step "
            f"on this grid is {largest:.6g}"
        )
