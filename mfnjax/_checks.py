"""Checks on values that come from outside, with messages that name what was wrong."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from mfnjax.errors import ParameterError


def check_int(name: str, value: Any, low: int, high: int) -> int:
    """Return ``value`` as an int in [low, high], or raise ParameterError."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not is_integer or not low <= value <= high:
        raise ParameterError(f"{name} must be an integer from {low} to {high}, got {shown(value)}")
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
    if not is_number or isinstance(value, bool) or value != value or abs(value) == math.inf:
        raise ParameterError(f"{name} must be a finite number in {interval}, got {shown(value)}")
    below = value <= low if open_low else value < low
    above = value >= high if open_high else value > high
    if below or above:
        raise ParameterError(f"{name} must lie in {interval}, got {shown(value)}")
    return float(value)


def check_bool(name: str, value: Any) -> bool:
    """Return ``value`` as a bool, or raise ParameterError."""
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{name} must be true or false, got {value!r}")
    return bool(value)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """Return ``value`` if it is one of ``choices``, or raise ParameterError."""
    if isinstance(value, np.integer):
        value = int(value)
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value not in choices:
        expected = ", ".join(str(choice) for choice in choices)
        raise ParameterError(f"{name} must be one of {expected}; got {shown(value)}")
    return value


def check_kind(name: str, value: Any, kind: type) -> Any:
    """Return ``value`` if it is of that class, or raise ParameterError."""
    if not isinstance(value, kind):
        raise ParameterError(f"{name} must be a {kind.__name__}, got {shown(value)}")
    return value


def check_items(name: str, value: Any, expected: str) -> tuple[Any, ...]:
    """Return the items of a collection that is not a string, or raise ParameterError."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ParameterError(f"{name} must be {expected}, got {shown(value)}")
    return tuple(value)


def check_function(name: str, value: Any) -> Any:
    """Return ``value`` if it can be called, or raise ParameterError."""
    if not callable(value):
        raise ParameterError(f"{name} must be a function, got {shown(value)}")
    return value


def check_key(value: Any) -> Any:
    """Return a typed random key as `counted_key` has it, or raise ParameterError."""
    import jax

    dtype = getattr(value, "dtype", None)
    if dtype is None or not jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        raise ParameterError(f"key must be a typed key, jax.random.key(seed); got {shown(value)}")
    return counted_key(value)


def counted_key(key: Any) -> Any:
    """A key, or keys, whose numbers depend on the key alone, not on how many are drawn together.

    Threefry keys are such. Keys of another kind (``rbg``) are not: one mapped over many keys, or
    drawn in another shape, gives other numbers, and so a run would depend on how it is cut. In
    their place stands a Threefry key made of all their words.
    """
    import jax

    if str(jax.random.key_impl(key)) == "threefry2x32":
        return key

    def made(words: Any) -> Any:
        first = jax.random.wrap_key_data(words[:2], impl="threefry2x32")
        return functools.reduce(jax.random.fold_in, list(words[2:]), first)

    for _ in range(key.ndim):
        made = jax.vmap(made)
    return made(jax.random.key_data(key))


def check_one_key(value: Any) -> Any:
    """Return ``value`` if it is a typed random key and not an array of them."""
    key = check_key(value)
    if key.ndim:
        raise ParameterError(f"key must be one key, got an array of keys of shape {key.shape}")
    return key


def shown(value: Any) -> str:
    """``repr`` on one line that is not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:60]}… ({type(value).__name__})"
