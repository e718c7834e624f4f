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
    """A run met a NaN or an infinity, or could not go on.

    Attributes:
        field: Name of the first field that held a non-finite value, or that is the largest.
        step: The step (1-based) at which it was first seen; 0 is the initial state.
        what: What is wrong with the field, in words.
    """

    def __init__(self, field: str, step: int, what: str = "holds a NaN or an infinity") -> None:
        self.field = field
        self.step = step
        self.what = what
        where = "in the initial state" if step == 0 else f"after step {step}"
        super().__init__(f"field '{field}' {what} {where}")

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return type(self), (self.field, self.step, self.what)


class DataError(MfnError, ValueError):
    """A file, an array or a table cannot be used as data; the message says why."""


class FitError(MfnError, ArithmeticError):
    """A fit has nothing to give: no start led to a finite loss; the message says which and why."""
