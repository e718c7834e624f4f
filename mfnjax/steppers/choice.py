"""Which stepper, and whether it may take this step."""

from __future__ import annotations

from mfnjax.core.boundary import BOUNDARIES
from mfnjax.core.grid import Grid
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models.base import Model
from mfnjax.steppers.adaptive import Adaptive
from mfnjax.steppers.explicit import Euler, Map, RungeKutta4, StrongStability3
from mfnjax.steppers.exponential import ETDRK2, ETDRK4
from mfnjax.steppers.splitting import Strang
from mfnjax.steppers.stepper import Stepper
from mfnjax.steppers.stochastic import EulerMaruyama, Milstein

STEPPERS: dict[str, Stepper] = {
    stepper.name: stepper
    for stepper in (
        Map(),
        Euler(),
        RungeKutta4(),
        StrongStability3(),
        ETDRK2(),
        ETDRK4(),
        Strang(),
        EulerMaruyama(),
        Milstein(),
    )
}
"""Every stepper by name; where a model has no preference, the first that can serve it is taken."""


def choose_stepper(
    model: Model, stepper: str | Stepper | None, *, chooses: bool = False
) -> Stepper:
    """Return the stepper to use: the model's own for None, or one that ``chooses`` its steps.

    Raises:
        ParameterError: No such stepper.
    """
    if stepper is None and chooses:
        return Adaptive()
    if stepper is None:
        preferred = model.stepper
        if preferred is None:
            return next(s for s in STEPPERS.values() if s.obstacle_of_model(model) is None)
        stepper = preferred
    if isinstance(stepper, str):
        if stepper not in STEPPERS:
            raise ParameterError(f"stepper must be one of {', '.join(STEPPERS)}; got {stepper!r}")
        stepper = STEPPERS[stepper]
    if not isinstance(stepper, Stepper):
        raise ParameterError(
            f"stepper must be a name ({', '.join(STEPPERS)}) or a Stepper, got {stepper!r}"
        )
    if type(stepper).__hash__ is None:  # the compiled loop is looked up by it
        raise ParameterError(
            f"the stepper {type(stepper).__name__} must be hashable: make it a frozen dataclass"
        )
    return stepper


def steppers_of(model: Model, grid: Grid) -> tuple[str, ...]:
    """Names of the steppers that can serve a model on a grid."""
    return tuple(
        name for name, stepper in STEPPERS.items() if stepper.obstacle(model, grid) is None
    )


def boundaries_of(model: Model) -> tuple[str, ...]:
    """Names of the boundaries that a model can be run with."""
    grids = {name: Grid((8, 8), boundary=boundary) for name, boundary in BOUNDARIES.items()}
    return tuple(name for name, grid in grids.items() if steppers_of(model, grid))


def check_serves(stepper: Stepper, model: Model, grid: Grid) -> None:
    """Raise ParameterError if a stepper cannot serve a model on a grid: why, and which can."""
    obstacle = stepper.obstacle(model, grid)
    if obstacle is None:
        return
    able = steppers_of(model, grid)
    if able:
        would_do = f"take the stepper {' or '.join(map(repr, able))}"
    else:
        boundaries = " or ".join(map(repr, boundaries_of(model)))
        would_do = f"take the boundary {boundaries}" if boundaries else "no stepper can"
    raise ParameterError(
        f"the stepper {stepper.name!r} cannot serve {type(model).__name__} here: {obstacle}; "
        f"{would_do}"
    )


def check_step(model: Model, grid: Grid, dt: float, stepper: Stepper) -> None:
    """Raise StabilityError, naming the largest stable step, if dt is over a known bound."""
    largest = stepper.largest_stable_step(model, grid)
    if largest is not None and dt > largest * (1 + 1e-9):
        raise StabilityError(
            f"dt = {dt:g} is unstable with the stepper {stepper.name!r}: the largest stable step "
            f"on this grid is {largest:.6g}"
        )
