"""The part of an equation that is linear, constant and of its own field: Σ c_k (∇²)^k u, k ≥ 1.

Steppers that treat the linear part exactly are given it; all the rest is the rate. lap(u^3 − u −
κ lap(u)) gives −∇²u − κ∇⁴u, and leaves lap(u^3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from mfnjax.text import names
from mfnjax.text.equations import Equations
from mfnjax.text.evaluate import factors_of, vector_terms
from mfnjax.text.latex import plain
from mfnjax.text.tree import (
    Call,
    Inverse,
    Name,
    Negative,
    Node,
    Number,
    Product,
    Sum,
    calls_in,
    names_in,
)


@final
@dataclass(frozen=True)
class Split:
    """One equation in two parts.

    Attributes:
        linear: Power of ∇² → its coefficient.
        rate: Terms of all the rest.
        diffusive: ∇·(D∇u) of its own field with a D that varies in space or time: each such term,
            and its D.
    """

    linear: dict[int, Node]
    rate: tuple[Node, ...]
    diffusive: tuple[tuple[Node, Node], ...] = ()

    def words(self, name: str) -> str:
        """Which part of the equation of ``name`` an exponential stepper treats exactly."""
        others = [term for term, _ in self.diffusive]
        if others:
            return f"{name}: {plain(_sum(others))} varies: no exponential stepper serves"
        rest = plain(_sum(self.rate)) if self.rate else "nothing"
        if not self.linear:
            return f"{name}: no part is linear and constant; all of it is in the rate, {rest}"
        exact = plain(_sum([_term(name, *pair) for pair in self.linear.items()]))
        return f"{name}: {exact} is exact under an exponential stepper; the rest is {rest}"


@lru_cache(64)
def split(equations: Equations, varying: frozenset[str]) -> tuple[Split, ...]:
    """Split every equation; the parameters ``varying`` are no plain numbers."""
    ours = frozenset({*equations.fields, *equations.called})
    changing = varying | ours | {*names.COORDINATES}
    return tuple(
        _Reader(name, changing, ours).split(terms)
        for name, terms in zip(equations.fields, equations.rates, strict=True)
    )


Found = list[tuple[int, tuple[Node, ...]]]
"""Powers of ∇², and the factors of the coefficient of each."""


@final
@dataclass(frozen=True)
class _Reader:
    """Reads terms of the equation of one field."""

    field: str
    changing: frozenset[str]
    ours: frozenset[str]

    def split(self, terms: tuple[Node, ...]) -> Split:
        found: dict[int, list[Node]] = {}
        rate: list[Node] = []
        diffusive: list[tuple[Node, Node]] = []
        for term in terms:
            linear, rest = self.parts(term)
            coefficient = None if linear else self.varying_diffusivity(term)
            if coefficient is not None:
                diffusive.append((term, coefficient))
                continue
            if not any(power for power, _ in linear):
                rate.append(term)
                continue
            rate.extend(rest)
            for power, factors in linear:
                coefficient = _product(term, factors)
                if power:
                    found.setdefault(power, []).append(coefficient)
                else:
                    own = Name(term.place, self.field)
                    rate.append(_product(term, (*factors, own)))
        powers = {power: _sum(found[power]) for power in sorted(found)}
        return Split(powers, tuple(rate), tuple(diffusive))

    def varying_diffusivity(self, term: Node) -> Node | None:
        """D of ∇·(D∇u) of its own field, where no field is in D; None of another term."""
        factors = factors_of(term)
        fluxes = [one for one in factors if isinstance(one, Call) and one.name == "div"]
        outside = tuple(one for one in factors if one not in fluxes)
        if len(fluxes) != 1 or not all(map(self.is_constant, outside)):
            return None
        found = []
        for vector, inside in vector_terms(fluxes[0].parts[0]):
            inner = vector.parts[0]
            of_own = vector.name == "grad" and isinstance(inner, Name) and inner.name == self.field
            if not of_own or not all(map(self.is_fieldless, inside)):
                return None
            found.append(_product(term, (*outside, *inside)))
        return _sum(found)

    def is_fieldless(self, node: Node) -> bool:
        """Whether no field is in an expression, and no operator."""
        return self.ours.isdisjoint(names_in(node)) and calls_in(node) <= names.FUNCTIONS.keys()

    def parts(self, node: Node) -> tuple[Found, list[Node]]:
        """A term as Σ c·(∇²)^k of the field, and other terms."""
        if isinstance(node, Name) and node.name == self.field:
            return [(0, ())], []
        if isinstance(node, Sum):
            return self._gathered([(part, ()) for part in node.parts])
        if isinstance(node, Negative):
            return self._gathered([(node.parts[0], (Number(node.place, -1.0),))])
        if isinstance(node, Product):
            others = [part for part in node.parts if not self.is_constant(part)]
            if len(others) == 1 and not isinstance(others[0], Inverse):
                constants = tuple(part for part in node.parts if part is not others[0])
                return self._gathered([(others[0], constants)])
        if isinstance(node, Call) and node.name == "lap":
            linear, rest = self.parts(node.parts[0])
            if linear:
                return [(power + 1, factors) for power, factors in linear], _laplacian(node, rest)
        if isinstance(node, Call) and node.name == "div":
            return self._divergence(node)
        return [], [node]

    def _gathered(self, terms: list[tuple[Node, tuple[Node, ...]]]) -> tuple[Found, list[Node]]:
        """The parts of a sum of terms with constant factors."""
        found: Found = []
        left: list[Node] = []
        for term, factors in terms:
            linear, rest = self.parts(term)
            found += [(power, (*factors, *inner)) for power, inner in linear]
            left += [_product(one, (*factors, one)) for one in rest]
        return found, left

    def _divergence(self, node: Call) -> tuple[Found, list[Node]]:
        """∇·(D∇u) of a constant D is D∇²u; other fluxes stay one divergence."""
        found: Found = []
        left: list[Node] = []
        for vector, factors in vector_terms(node.parts[0]):
            inner = vector.parts[0]
            linear, rest = self.parts(inner) if vector.name == "grad" else ([], [])
            if linear and not rest and all(map(self.is_constant, factors)):
                found += [(power + 1, (*factors, *own)) for power, own in linear]
            else:
                left.append(_product(vector, (*factors, vector)))
        if not found:
            return [], [node]
        return found, [Call(node.place, (_sum(left),), "div")] if left else []

    def is_constant(self, node: Node) -> bool:
        """Whether an expression is the same number everywhere and at all times."""
        known = names.FUNCTIONS.keys()
        return self.changing.isdisjoint(names_in(node)) and calls_in(node) <= known


def _laplacian(node: Node, rest: list[Node]) -> list[Node]:
    return [Call(node.place, (_sum(rest),), "lap")] if rest else []


def _sum(terms: Sequence[Node]) -> Node:
    return terms[0] if len(terms) == 1 else Sum(terms[0].place, tuple(terms))


def _product(like: Node, factors: tuple[Node, ...]) -> Node:
    """The product of the factors, with one sign before it."""
    signs = sum(isinstance(one, Number) and one.value == -1.0 for one in factors)
    factors = tuple(one for one in factors if not (isinstance(one, Number) and one.value == -1.0))
    if not factors:
        made: Node = Number(like.place, 1.0)
    else:
        made = factors[0] if len(factors) == 1 else Product(like.place, factors)
    return Negative(like.place, (made,)) if signs % 2 else made


def _term(name: str, power: int, coefficient: Node) -> Node:
    """c·(∇²)^k u as one would type it."""
    if isinstance(coefficient, Negative):
        return Negative(coefficient.place, (_term(name, power, coefficient.parts[0]),))
    place, term = coefficient.place, Name(coefficient.place, name)
    for _ in range(power):
        term = Call(place, (term,), "lap")  # type: ignore[assignment]
    if isinstance(coefficient, Number) and coefficient.value == 1:
        return term
    factors = coefficient.parts if isinstance(coefficient, Product) else (coefficient,)
    return Product(place, (*factors, term))
