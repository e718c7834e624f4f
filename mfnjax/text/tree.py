"""What an expression is made of: frozen nodes, each of which knows its place in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

from mfnjax.errors import ParameterError


class Place(NamedTuple):
    """Where something stands: ``line 2``, ``parameter 'D'`` or the like, and the column from 1."""

    label: str
    column: int

    def error(self, message: str) -> ParameterError:
        """The error that points here."""
        return ParameterError(f"{self.label}, column {self.column}: {message}")


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of an expression; two are equal wherever they stand."""

    place: Place = field(compare=False, repr=False)

    @property
    def children(self) -> tuple[Node, ...]:
        """The parts that it is made of, in order."""
        return ()


@final
@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number."""

    value: float


@final
@dataclass(frozen=True, slots=True)
class Name(Node):
    """A field, a parameter, a coordinate, the time or a constant."""

    name: str


@dataclass(frozen=True, slots=True)
class Parts(Node):
    """What has any number of parts."""

    parts: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The parts."""
        return self.parts


@final
@dataclass(frozen=True, slots=True)
class Sum(Parts):
    """a + b + …; what is taken away is a `Negative` part."""


@final
@dataclass(frozen=True, slots=True)
class Product(Parts):
    """a·b·…; what is divided by is an `Inverse` part."""


@final
@dataclass(frozen=True, slots=True)
class Negative(Parts):
    """−a."""


@final
@dataclass(frozen=True, slots=True)
class Inverse(Parts):
    """1/a."""


@final
@dataclass(frozen=True, slots=True)
class Power(Parts):
    """Base and exponent."""


@final
@dataclass(frozen=True, slots=True)
class Comparison(Parts):
    """1 where it holds, else 0."""

    sign: str


@final
@dataclass(frozen=True, slots=True)
class Logic(Parts):
    """``and`` and ``or`` of two parts or more, ``not`` of one: 1 or 0."""

    word: str


@final
@dataclass(frozen=True, slots=True)
class Call(Parts):
    """A function or an operator, and its arguments."""

    name: str


def walk(node: Node) -> Iterator[Node]:
    """The node and all that it holds, outermost first, in the order of the text."""
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(reversed(one.children))


def names_in(node: Node) -> set[str]:
    """Every name that the expression holds, those of functions apart."""
    return {one.name for one in walk(node) if isinstance(one, Name)}


def calls_in(node: Node) -> set[str]:
    """The name of every function and operator that the expression calls."""
    return {one.name for one in walk(node) if isinstance(one, Call)}
