"""Checks on values that come from outside, with messages that name what was wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mfnjax.errors import ParameterError


def check_int(name: str, value: Any, low: int, high: int) -> int:
    """Return ``value`` as an int in [low, high], or raise ParameterError."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not is_integer or not low <= value <= high:
        raise ParameterError(f"{name} must be an integer from {low} to {high}, got {value!r}")
    return int(value)


def check_real(
    name: str,
    value: Any,
    low: float,
    high: float,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return ``value`` as a float in the given range, or raise ParameterError."""
    interval = f"{'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if not is_number or isinstance(value, bool) or not math.isfinite(value):
        raise ParameterError(f"{name} must be a finite number in {interval}, got {value!r}")
    below = value <= low if open_low else value < low
    above = value >= high if open_high else value > high
    if below or above:
        raise ParameterError(f"{name} must lie in {interval}, got {value!r}")
    return float(value)


def check_bool(name: str, value: Any) -> bool:
    """Return ``value`` as a bool, or raise ParameterError."""
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{name} must be true or false, got {value!r}")
    return bool(value)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """Return ``value`` if it is one of ``choices``, or raise ParameterError."""
    if not isinstance(value, (str, int)) or value not in choices:
        expected = ", ".join(str(choice) for choice in choices)
        raise ParameterError(f"{name} must be one of {expected}; got {value!r}")
    return value
