"""The one family of errors that mfnjax raises on purpose.

Every message names the thing, its value, and what was expected, so that a caller can
print ``str(error)`` to a person and be done.
"""


class MfnError(Exception):
    """Base of every error that mfnjax raises on purpose."""


class ParameterError(MfnError, ValueError):
    """A value lies outside what is accepted, or has the wrong kind or shape."""


class StabilityError(MfnError, ValueError):
    """A time step, or a diffusivity at that step, lies over a stability bound."""


class NumericalInstabilityError(MfnError, ArithmeticError):
    """A run met a NaN or an infinity.

    Attributes:
        field: Name of the first field that held a non-finite value.
        step: The step (1-based) at which it was first seen; 0 is the initial state.
    """

    def __init__(self, field: str, step: int) -> None:
        self.field = field
        self.step = step
        where = "in the initial state" if step == 0 else f"after step {step}"
        super().__init__(f"field '{field}' holds a NaN or an infinity {where}")

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (self.field, self.step)


class DataError(MfnError, ValueError):
    """A file, an array or a table cannot be used as data; the message says why."""


class FitError(MfnError, ArithmeticError):
    """A fit has nothing to give: no start led to a finite loss; the message says which and why."""
