"""Equations and formulas: text that has been read and looked over, once for each text."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, final

from mfnjax.errors import ParameterError
from mfnjax.text import names
from mfnjax.text.check import Checker
from mfnjax.text.evaluate import Moment
from mfnjax.text.parse import MOST_TOKENS, Token, check_length, parse, tokens_of
from mfnjax.text.tree import Call, Name, Negative, Node, Place, Product, Sum, calls_in, walk

_KEPT = 64


@final
@dataclass(frozen=True)
class Equations:
    """Equations that have been read: equal where their lines are, whatever the comments.

    Attributes:
        lines: The lines, without comments.
        fields: The fields, in order.
        rates: For each field the terms of its rate that are no noise.
        noises: For each field the amplitude of each noise.
        used: Parameters that are numbers or fields, and where each first stands.
        called: Parameters that are functions, and where each is first called.
    """

    lines: tuple[str, ...]
    fields: tuple[str, ...] = field(compare=False)
    rates: tuple[tuple[Node, ...], ...] = field(compare=False, repr=False)
    noises: tuple[tuple[Node, ...], ...] = field(compare=False, repr=False)
    used: MappingProxyType[str, Place] = field(compare=False, repr=False)
    called: MappingProxyType[str, Place] = field(compare=False, repr=False)

    @cached_property
    def _hash(self) -> int:
        return hash(self.lines)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return read_equations, ("\n".join(self.lines),)


@lru_cache(_KEPT)
def read_equations(text: str) -> Equations:
    """Read equations, one a line: ``name_t = expression``; a ``#`` begins a comment.

    Raises:
        ParameterError: Something that may not be said; the message points at the place.
    """
    check_length(text, "the equations")
    lines: list[str] = []
    left = MOST_TOKENS
    found: dict[str, tuple[Node, Place]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        label = f"line {number}"
        tokens = tokens_of(line, label, most=left)
        left -= len(tokens)
        if len(tokens) == 1:
            continue
        name, tree = _one_equation(tokens, label, found)
        found[name] = tree, Place(label, tokens[0].column)
        lines.append(line[: tokens[-1].column - 1].strip())
    if not found:
        raise ParameterError("the equations hold no line 'name_t = expression'")
    checker = Checker(random=("noise",))
    rates, noises = [], []
    for tree, _ in found.values():
        checker.check(tree)
        terms = additive_terms(tree)
        is_noisy = ["noise" in text and "noise" in calls_in(term) for term in terms]
        noises.append(tuple(map(_amplitude, itertools.compress(terms, is_noisy))))
        rates.append(tuple(term for term, noisy in zip(terms, is_noisy, strict=True) if not noisy))
    for name, place in checker.called.items():
        if name in found or name in checker.used:
            other = "a field" if name in found else "a number"
            raise place.error(f"{name!r} is {other}, and cannot be called: is an operator missing?")
    used = {name: place for name, place in checker.used.items() if name not in found}
    return Equations(
        tuple(lines),
        tuple(found),
        tuple(rates),
        tuple(noises),
        MappingProxyType(used),
        MappingProxyType(checker.called),
    )


def _one_equation(
    tokens: list[Token], label: str, found: dict[str, tuple[Node, Place]]
) -> tuple[str, Node]:
    """The field and the right-hand side of a line, told by its tokens."""
    first, place = tokens[0], Place(label, tokens[0].column)
    name = first.text.removesuffix("_t")
    if first.kind != "word" or tokens[1].text != "=" or name == first.text or not name:
        raise place.error("an equation begins with 'name_t =', such as u_t = lap(u)")
    if name in names.RESERVED:
        raise place.error(f"{name!r} has a meaning of its own and cannot be a field")
    if name in found:
        raise place.error(f"a second equation for {name!r}; the first is on {found[name][1].label}")
    return name, parse(tokens[2:], label)


def additive_terms(node: Node) -> list[Node]:
    """The terms of a sum, of sums within it too; what is taken away is `Negative`."""
    if isinstance(node, Sum):
        return [term for part in node.parts for term in additive_terms(part)]
    if isinstance(node, Negative) and isinstance(node.parts[0], Sum):
        return [_negative(term) for term in additive_terms(node.parts[0])]
    return [node]


def _negative(node: Node) -> Node:
    return node.children[0] if isinstance(node, Negative) else Negative(node.place, (node,))


def _amplitude(term: Node) -> Node:
    """s of a term noise(s), with its sign and factors."""
    if isinstance(term, Call) and term.name == "noise":
        (amplitude,) = term.parts
        if "noise" not in calls_in(amplitude):
            return amplitude
    if isinstance(term, Negative):
        return _negative(_amplitude(term.parts[0]))
    if isinstance(term, Product):
        noisy = [part for part in term.parts if "noise" in calls_in(part)]
        if len(noisy) == 1:
            inner = _amplitude(noisy[0])
            parts = tuple(inner if part is noisy[0] else part for part in term.parts)
            return Product(term.place, parts)
    raise term.place.error("noise(s) stands alone as a term of an equation, or with a factor")


@final
@dataclass(frozen=True)
class Formula:
    """A function of the place and the time, as text: of ``t``, ``x``, ``y`` and ``z``.

    Called with whatever has these as attributes it gives a number or an array.

    Attributes:
        text: The expression.
        label: What messages call it.

    Raises:
        ParameterError: Something that may not be said; the message points at the place.

    Examples:
        >>> from types import SimpleNamespace
        >>> from mfnjax.text.equations import Formula
        >>> Formula("1 + x^2/2")(SimpleNamespace(x=2.0))
        3.0
    """

    text: str
    label: str = "formula"

    def __post_init__(self) -> None:
        read_formula(self.text, self.label)

    def __call__(self, at: Any) -> Any:
        """The value at the places and the time of ``at``."""
        return Moment({}, at).scalar(read_formula(self.text, self.label))


def check_directions(tree: Node, axes: tuple[str, ...]) -> None:
    """Raise ParameterError if an expression names a coordinate that the grid does not have."""
    for node in walk(tree):
        if isinstance(node, Name) and node.name in ("x", "y", "z") and node.name not in axes:
            known = ", ".join(axes) or "none"
            raise node.place.error(f"the grid has no direction {node.name} (directions: {known})")


@lru_cache(_KEPT)
def read_formula(
    text: str, label: str, random: tuple[str, ...] = (), known: frozenset[str] = frozenset()
) -> Node:
    """The tree of an expression without ∇ and with no names but ``known`` of its own."""
    check_length(text, label)
    tokens = tokens_of(text.replace("\n", " "), label)
    checker = Checker(random=random, operators=False)
    tree = parse(tokens, label)
    checker.check(tree)
    for name, place in {**checker.used, **checker.called}.items():
        if name not in known or name in checker.called:
            near = names.hint(name, {*names.RESERVED, *known})
            what = "function" if name in checker.called else "name"
            raise place.error(f"unknown {what} {name!r}{near}")
    return tree
