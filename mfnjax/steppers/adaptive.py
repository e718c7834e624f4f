"""`Adaptive`: steps that are chosen for a wanted accuracy, by the solvers of diffrax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, final

from mfnjax._checks import check_int, check_real
from mfnjax._extras import extra
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError
from mfnjax.steppers.stepper import Stepper


@final
@dataclass(frozen=True)
class Adaptive(Stepper):
    """Steps chosen so that each one's error stays below atol + rtol·|u| in every cell.

    For runs ``until`` a time. The solver is one of diffrax by its lower-case name: an explicit one
    (``"tsit5"``, ``"dopri5"``, ``"dopri8"``, ``"bosh3"``, …); one that is implicit in the linear
    part of the model (``"kencarp3"``, ``"kencarp4"``, ``"kencarp5"``): for stiff diffusion; or one
    that is implicit in all of it (``"kvaerno3"``, ``"kvaerno4"``, ``"kvaerno5"``): for a stiff
    reaction. Implicit stages are solved without a matrix, in the modes of the grid where the linear
    part has a symbol, by Newton's method and GMRES elsewhere.

    Attributes:
        solver: Its name.
        rtol: Relative tolerance of a step.
        atol: Absolute tolerance of a step, in the unit of the fields.
        max_steps: Steps, refused ones included, that a run may take at most.

    Raises:
        ParameterError: No such solver, or a value is not accepted; or diffrax is not installed.

    Examples:
        >>> import jax
        >>> from mfnjax import Adaptive, GrayScottModel, Grid, simulate
        >>> model, grid = GrayScottModel(), Grid((16, 16))
        >>> start = model.initial_state(grid, key=jax.random.key(0))
        >>> run = simulate(model, start, grid=grid, until=50.0, stepper=Adaptive(rtol=1e-4))
        >>> float(run.state.time), 0 < run.steps_taken < 100
        (50.0, True)
    """

    solver: str = "tsit5"
    rtol: float = 1e-6
    atol: float = 1e-8
    max_steps: int = 100_000
    name = "adaptive"

    def __post_init__(self) -> None:
        check_real("rtol", self.rtol, 0.0, 1.0, open_low=True)
        check_real("atol", self.atol, 0.0, 1e12)
        check_int("max_steps", self.max_steps, 1, 2**31 - 1)
        known = methods().METHODS
        if not isinstance(self.solver, str) or self.solver not in known:
            raise ParameterError(f"solver must be one of {', '.join(known)}; got {self.solver!r}")

    def step(self, *_: Any, **__: Any) -> NoReturn:
        """It has no step of a given length."""
        raise ParameterError("an Adaptive stepper chooses its steps: give until=, not steps=")


@final
@register_pytree
@dataclass(frozen=True)
class AtRest:
    """Ends a run when no field changes faster: after the first step with max |u_t| < rate.

    Attributes:
        rate: In the unit of the fields per time.
    """

    rate: float

    def __post_init__(self) -> None:
        if isinstance(self.rate, (int, float)):
            check_real("rate", self.rate, 0.0, 1e12, open_low=True)


def methods() -> Any:
    """The module that knows diffrax.

    Raises:
        ParameterError: diffrax is not installed.
    """
    return extra("mfnjax.steppers.methods", "time", "a stepper that chooses its steps")
