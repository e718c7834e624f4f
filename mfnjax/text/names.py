"""The words that an equation may use, and the nearest of them to one that it may not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

_MANY = 64


@final
@dataclass(frozen=True)
class Function:
    """A function of numbers, cell by cell.

    Attributes:
        of_arrays: The function of JAX arrays.
        of_numbers: The same of Python numbers, so that constants keep all their digits.
        least: Fewest arguments.
        most: Most arguments.
        latex: How it is set, with ``#`` for the arguments; None is its name, upright.
    """

    of_arrays: Callable[..., Any]
    of_numbers: Callable[..., float]
    least: int = 1
    most: int = 1
    latex: str | None = None


def _step(x: Any) -> Any:
    return jnp.heaviside(x, jnp.asarray(0.5, jnp.result_type(x)))


def _fold(two: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def of_many(first: Any, *others: Any) -> Any:
        for other in others:
            first = two(first, other)
        return first

    return of_many


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


FUNCTIONS = {
    "sin": Function(jnp.sin, math.sin, latex=r"\sin\left(#\right)"),
    "cos": Function(jnp.cos, math.cos, latex=r"\cos\left(#\right)"),
    "tan": Function(jnp.tan, math.tan, latex=r"\tan\left(#\right)"),
    "asin": Function(jnp.arcsin, math.asin, latex=r"\arcsin\left(#\right)"),
    "acos": Function(jnp.arccos, math.acos, latex=r"\arccos\left(#\right)"),
    "atan": Function(jnp.arctan, math.atan, latex=r"\arctan\left(#\right)"),
    "exp": Function(jnp.exp, math.exp, latex=r"\exp\left(#\right)"),
    "log": Function(jnp.log, math.log, latex=r"\ln\left(#\right)"),
    "sqrt": Function(jnp.sqrt, math.sqrt, latex=r"\sqrt{#}"),
    "abs": Function(jnp.abs, abs, latex=r"\left|#\right|"),
    "sign": Function(jnp.sign, _sign),
    "tanh": Function(jnp.tanh, math.tanh, latex=r"\tanh\left(#\right)"),
    "sinh": Function(jnp.sinh, math.sinh, latex=r"\sinh\left(#\right)"),
    "cosh": Function(jnp.cosh, math.cosh, latex=r"\cosh\left(#\right)"),
    "erf": Function(jax.scipy.special.erf, math.erf),
    "min": Function(_fold(jnp.minimum), min, 2, _MANY, r"\min\left(#\right)"),
    "max": Function(_fold(jnp.maximum), max, 2, _MANY, r"\max\left(#\right)"),
    "heaviside": Function(_step, lambda x: (1 + _sign(x)) / 2, latex=r"H\left(#\right)"),
    "where": Function(lambda c, a, b: jnp.where(c != 0, a, b), lambda c, a, b: a if c else b, 3, 3),
}
"""sqrt has an infinite derivative at 0 and log none there; heaviside(0) is ½, sign(0) is 0."""

CONSTANTS = {"pi": math.pi, "e": math.e}
PLACES = ("x", "y", "z")
COORDINATES = ("t", *PLACES)
DERIVATIVES = {f"d{axis}": axis for axis in PLACES}
OPERATORS = {"lap": (1, 1), "div": (1, 1), "grad": (1, 1), "dot": (2, 2), "vec": (1, 3)}
OPERATORS |= dict.fromkeys(DERIVATIVES, (1, 1))
"""Operator → the fewest and the most arguments."""
RANDOM = {"noise": (1, 1), "normal": (0, 0), "uniform": (0, 0)}
LOGIC = ("and", "or", "not")
CALLABLE = frozenset((*FUNCTIONS, *OPERATORS, *RANDOM))
RESERVED = frozenset((*CALLABLE, *CONSTANTS, *COORDINATES, *LOGIC))


def hint(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'lap'?)``, or nothing where no known name is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
