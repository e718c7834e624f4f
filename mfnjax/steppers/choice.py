"""Which stepper, and whether it may take this step."""

from __future__ import annotations

from mfnjax.core.grid import Grid
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models.base import Model
from mfnjax.steppers.explicit import Euler, Map, RungeKutta4
from mfnjax.steppers.exponential import ETDRK2, ETDRK4
from mfnjax.steppers.splitting import Strang
from mfnjax.steppers.stepper import Stepper

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
    boundary = grid.boundary.name
    supported = [name for name in model.boundaries if name in stepper.boundaries]
    if boundary not in supported:
        raise ParameterError(
            f"{type(model).__name__} with the stepper {stepper.name!r} supports the boundaries "
            f"{', '.join(supported)}; got {boundary!r}"
        )


def check_step(model: Model, grid: Grid, dt: float, stepper: Stepper) -> None:
    """Raise StabilityError, naming the largest stable step, if dt is over a known bound."""
    largest = stepper.largest_stable_step(model, grid)
    if largest is not None and dt > largest * (1 + 1e-9):
        raise StabilityError(
            f"dt = {dt:g} is unstable with the stepper {stepper.name!r}: the largest stable step "
            f"on this grid is {largest:.6g}"
        )
