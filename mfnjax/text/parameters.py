"""Values for the names of equations: numbers, fields, texts and functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from mfnjax._checks import shown
from mfnjax.errors import ParameterError
from mfnjax.text import names
from mfnjax.text.equations import Equations, Formula
from mfnjax.text.parse import LARGEST


def label_of(name: str) -> str:
    """What messages call a parameter."""
    return f"parameter {name!r}"


def check_names(equations: Equations, given: Mapping[str, Any], taken: type) -> None:
    """Raise ParameterError unless the parameters are those that the equations name.

    None may be called as something that the class ``taken`` has.
    """
    wanted = {**equations.used, **equations.called}
    unused = [name for name in given if name not in wanted]
    for name, place in wanted.items():
        if name in given:
            if hasattr(taken, name):
                raise place.error(
                    f"{name!r} is a word of every model: call the parameter otherwise"
                )
            continue
        near = names.hint(name, unused)
        if name in equations.called:
            near = near or names.hint(name, names.CALLABLE)
            what = f"unknown function {name!r}{near}"
        else:
            near = near or names.hint(name, {*equations.fields, *names.RESERVED})
            what = f"parameter {name!r} is not given{near}"
        raise place.error(what)
    if unused:
        near = names.hint(unused[0], (*wanted, *equations.fields))
        which = "is a field" if unused[0] in equations.fields else "is not used in the equations"
        raise ParameterError(f"parameter {shown(unused[0])} {which}{near}")


def accepted_value(equations: Equations, name: str, value: Any) -> Any:
    """The value of a parameter, if it can be one."""
    if isinstance(value, str) and name not in equations.called:
        Formula(value, label_of(name))
        return value
    if callable(value):
        if is_fixed(value):
            try:
                hash(value)
            except TypeError:
                raise ParameterError(f"{label_of(name)}: this function has no hash") from None
        return value
    if name in equations.called:
        place = equations.called[name]
        raise place.error(f"{name!r} is called, and must be a function; got {shown(value)}")
    if isinstance(value, (list, tuple)):
        try:
            value = np.asarray(value, float)
        except (TypeError, ValueError):
            value = None
    if not _is_number(value):
        raise ParameterError(
            f"{label_of(name)} must be a finite number, a field, a text or a function, "
            f"got {shown(value)}"
        )
    return value


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, or an array of numbers (which a run looks at)."""
    if isinstance(value, (int, float)):
        return abs(value) <= LARGEST
    return hasattr(value, "dtype") and jax.dtypes.issubdtype(value.dtype, np.number)


def is_fixed(value: Any) -> bool:
    """Whether a value is no number and has none in it: a text, or a plain function."""
    if isinstance(value, str):
        return True
    return callable(value) and all(leaf is value for leaf in jax.tree.leaves(value))


def varies(value: Any) -> bool:
    """Whether a parameter may differ from place to place or in time."""
    return isinstance(value, str) or callable(value) or getattr(value, "ndim", 0) > 0
