"""What an expression may say: known words, the right kind and number of arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from mfnjax.text import names
from mfnjax.text.evaluate import Moment
from mfnjax.text.parse import DEEPEST, LARGEST
from mfnjax.text.tree import (
    Call,
    Inverse,
    Name,
    Negative,
    Node,
    Number,
    Place,
    Power,
    Product,
    Sum,
)

LARGEST_EXPONENT = 100


@final
@dataclass(frozen=True, slots=True)
class Kind:
    """A scalar or a vector; and whether it is made of numbers alone."""

    is_vector: bool = False
    is_constant: bool = False


_SCALAR, _VECTOR, _CONSTANT = Kind(), Kind(is_vector=True), Kind(is_constant=True)


@final
@dataclass(frozen=True)
class Checker:
    """Looks over expressions, and notes the names that they use and those that they call.

    Attributes:
        random: Which of ``noise``, ``normal`` and ``uniform`` may be called.
        operators: Whether ∇ may be used.
        used: Name → the first place where it stands, constants and coordinates apart.
        called: Name → the first place where it is called, known functions apart.
    """

    random: tuple[str, ...] = ()
    operators: bool = True
    used: dict[str, Place] = field(default_factory=dict)
    called: dict[str, Place] = field(default_factory=dict)

    def check(self, node: Node) -> None:
        """Look over a whole expression, which must be a scalar.

        Raises:
            ParameterError: It may not be said; the message points at the place.
        """
        kind = self._kind(node, 1)
        if kind.is_vector:
            raise node.place.error(
                "a vector stands where a number must: div(…) or dot(…) is missing"
            )
        if kind.is_constant:
            _check_constant(node)

    def _kind(self, node: Node, depth: int) -> Kind:
        if depth > DEEPEST:
            raise node.place.error(f"an expression may nest {DEEPEST} deep")
        if isinstance(node, Number):
            return _CONSTANT
        if isinstance(node, Name):
            return self._name(node)
        kinds = [self._kind(child, depth + 1) for child in node.children]
        if isinstance(node, Call):
            kind = self._call(node, kinds)
        else:
            kind = _vector(node, kinds) if any(k.is_vector for k in kinds) else _SCALAR
        is_known = not isinstance(node, Call) or node.name in names.FUNCTIONS
        if is_known and all(k.is_constant for k in kinds):
            return _CONSTANT
        for child, one in zip(node.children, kinds, strict=True):
            if one.is_constant:
                _check_constant(child)
        if isinstance(node, Power) and kinds[1].is_constant:
            exponent = node.parts[1]
            if abs(_value(exponent)) > LARGEST_EXPONENT:
                raise exponent.place.error(f"an exponent may be {LARGEST_EXPONENT} at most")
        return kind

    def _name(self, node: Name) -> Kind:
        name = node.name
        if name in names.CONSTANTS:
            return _CONSTANT
        if name in names.CALLABLE:
            raise node.place.error(f"{name!r} is a function: write {name}(…)")
        if name not in names.COORDINATES:
            self.used.setdefault(name, node.place)
        return _SCALAR

    def _call(self, node: Call, kinds: list[Kind]) -> Kind:
        name = node.name
        if name in names.CONSTANTS or name in names.COORDINATES:
            raise node.place.error(f"{name!r} is no function")
        if name in names.RANDOM and name not in self.random:
            raise node.place.error(_no_random(name, self.random))
        if name in names.OPERATORS and not self.operators:
            raise node.place.error(f"{name}(…) is for equations")
        least, most = _counts().get(name, (1, 64))
        if not least <= len(kinds) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            plural = "" if wanted == "1" else "s"
            raise node.place.error(f"{name}(…) takes {wanted} argument{plural}, got {len(kinds)}")
        wants_vector = name in ("div", "dot")
        for kind, argument in zip(kinds, node.parts, strict=True):
            if kind.is_vector != wants_vector:
                wanted = "vectors such as grad(u)" if wants_vector else "scalars, got a vector"
                raise argument.place.error(f"{name}(…) is of {wanted}")
        if name not in names.CALLABLE:
            self.called.setdefault(name, node.place)
        return _VECTOR if name in ("grad", "vec") else _SCALAR


def _counts() -> Mapping[str, tuple[int, int]]:
    functions = {name: (one.least, one.most) for name, one in names.FUNCTIONS.items()}
    return {**functions, **names.OPERATORS, **names.RANDOM}


def _no_random(name: str, allowed: tuple[str, ...]) -> str:
    if name == "noise" and allowed:
        return "noise(s) is for equations; a start has normal() and uniform()"
    if name != "noise" and allowed:
        return f"{name}() is for starts; an equation has noise(s)"
    return f"{name}(…) has no place here"


def _vector(node: Node, kinds: list[Kind]) -> Kind:
    """The kind of sums and products of vectors; whatever else one does to them is refused."""
    number = sum(kind.is_vector for kind in kinds)
    if isinstance(node, Negative) or (isinstance(node, Sum) and number == len(kinds)):
        return _VECTOR
    if isinstance(node, Sum):
        raise node.place.error("a vector and a scalar cannot be added")
    if isinstance(node, Product) and number == 1:
        return _VECTOR
    if isinstance(node, Product):
        raise node.place.error("two vectors are multiplied by dot(a, b)")
    what = "divided by" if isinstance(node, Inverse) else "raised, compared or joined"
    raise node.place.error(f"a vector cannot be {what}")


def _value(node: Node) -> float:
    return float(Moment({}).scalar(node))


def _check_constant(node: Node) -> None:
    if isinstance(node, Number):
        return
    if not abs(_value(node)) <= LARGEST:
        raise node.place.error(f"this constant is not a finite number up to {LARGEST:g}")
