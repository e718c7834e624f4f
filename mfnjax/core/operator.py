"""Linear operators on a field, which may know their symbol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import jax


@final
@dataclass(frozen=True)
class Eigenvalues:
    """What ∇² and the second derivatives along the axes multiply a mode by.

    Attributes:
        total: Of ∇².
        axes: Of each direction of space, by its name.
    """

    total: Any
    axes: Mapping[str, Any] = field(default_factory=dict)


Symbol = Callable[[Eigenvalues], Any]
"""From the eigenvalues of the second derivatives to that of an operator."""


@final
@dataclass(frozen=True)
class Operator:
    """A linear operator: it can be applied to a field, and may know its symbol and its bound.

    Operators are added, subtracted, composed (``@``) and multiplied by a number or, from the left,
    by a field (which loses the symbol); ``number + operator`` is number·identity + operator.

    Attributes:
        apply: From an array to an array of its shape.
        symbol: Its eigenvalues, from those of the second derivatives along the axes; None where it
            has none: a coefficient varies in space, say.
        decays: The least and the largest rate at which it lets the shortest waves decay, of an
            operator without a symbol, where they are known now; the least is < 0 if some grow.
        obstacle: Why there is no symbol, in words.
    """

    apply: Callable[[jax.Array], jax.Array]
    symbol: Symbol | None = None
    decays: tuple[float, float] | None = None
    obstacle: str = "has no symbol"

    def __call__(self, field: jax.Array) -> jax.Array:
        return self.apply(field)

    def __add__(self, other: Any) -> Operator:
        other = _as_operator(other)
        mine, its = self.symbol, other.symbol
        return Operator(
            lambda u: self.apply(u) + other.apply(u),
            None if mine is None or its is None else lambda e: mine(e) + its(e),
            _sum(self, other),
            self.obstacle if mine is None else other.obstacle,
        )

    __radd__ = __add__

    def __neg__(self) -> Operator:
        return -1.0 * self

    def __sub__(self, other: Any) -> Operator:
        return self + (-1.0) * _as_operator(other)

    def __rsub__(self, other: Any) -> Operator:
        return (-1.0) * self + other

    def __rmul__(self, factor: Any) -> Operator:
        mine = self.symbol
        if getattr(factor, "ndim", 0) or mine is None:
            why = self.obstacle if mine is None else "is multiplied by a field"
            return Operator(lambda u: factor * self.apply(u), None, None, why)
        return Operator(lambda u: factor * self.apply(u), lambda e: factor * mine(e))

    __mul__ = __rmul__

    def __matmul__(self, other: Operator) -> Operator:
        mine, its = self.symbol, other.symbol
        return Operator(
            lambda u: self.apply(other.apply(u)),
            None if mine is None or its is None else lambda e: mine(e) * its(e),
            None,
            self.obstacle if mine is None else other.obstacle,
        )


IDENTITY = Operator(lambda u: u, lambda eigenvalues: 1.0, (0.0, 0.0))
"""The operator that leaves a field as it is."""


def _as_operator(value: Any) -> Operator:
    return value if isinstance(value, Operator) else value * IDENTITY


def _sum(one: Operator, other: Operator) -> tuple[float, float] | None:
    if one.decays is None or other.decays is None:
        return None
    return one.decays[0] + other.decays[0], one.decays[1] + other.decays[1]
