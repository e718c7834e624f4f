"""From a tree to arrays: the cell-by-cell part with Python's operators, ∇ by whoever brings one.

Derivatives go through all of it. u^2 with a whole constant exponent is a product, whose derivative
is right everywhere; another power, `sqrt` and `log` have that of the function, which is infinite or
none at the end of its range: √(u + 1e-12) is the way to say that it shall be finite.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import jax.numpy as jnp

from mfnjax.text import names
from mfnjax.text.tree import (
    Call,
    Comparison,
    Inverse,
    Logic,
    Name,
    Negative,
    Node,
    Number,
    Power,
    Product,
    Sum,
    calls_in,
    names_in,
)

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
Vector = tuple[Any, ...]


@final
@dataclass(frozen=True)
class Moment:
    """Fields and parameters at one moment, and the ∇ to take derivatives of them with.

    Attributes:
        values: Name → array, number or function.
        nabla: What has the coordinates and the operators; None where an expression has neither.
        fields: Which of the names are fields of the model.
        random: Name of a drawing function → function of the place of its call.
    """

    values: Mapping[str, Any]
    nabla: Any = None
    fields: frozenset[str] = frozenset()
    random: Mapping[str, Callable[[Any], Any]] | None = None

    def scalar(self, node: Node) -> Any:
        """The value of a scalar expression: an array, or a number where nothing varies."""
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            return self._named(node.name)
        if isinstance(node, Call):
            return self._called(node)
        if isinstance(node, Product):
            return self._folded(node, operator.mul, Inverse, operator.truediv)
        if isinstance(node, Sum):
            return self._folded(node, operator.add, Negative, operator.sub)
        parts = [self.scalar(part) for part in node.children]
        if isinstance(node, Negative):
            return -parts[0]
        if isinstance(node, Inverse):
            return _apply(operator.truediv, operator.truediv, 1.0, parts[0])
        if isinstance(node, Power):
            return _power(*parts)
        if isinstance(node, Comparison):
            return _as_number(_COMPARE[node.sign](*parts))
        assert isinstance(node, Logic)
        return _joined(node.word, [part != 0 for part in parts])

    def vector(self, node: Node) -> Vector:
        """The value of a vector expression at the cell centres, in the order x, y, z."""
        if isinstance(node, Call) and node.name == "grad":
            return tuple(self.nabla.gradient(self.operand(node.parts[0])))
        if isinstance(node, Call):
            return self._components(node)
        if isinstance(node, Negative):
            return tuple(-part for part in self.vector(node.parts[0]))
        if isinstance(node, Sum):
            return tuple(sum(parts[1:], parts[0]) for parts in zip(*map(self.vector, node.parts)))  # noqa: B905
        vector, scalars = _vector_and_scalars(node)
        factor = self.scalar(_product(scalars))
        return tuple(factor * part for part in self.vector(vector))

    def operand(self, node: Node) -> Any:
        """What an operator is applied to: a field as it is, or a function of fields that knows it.

        So that the ghost cells of f(u) are f of the ghost cells of u, whatever the sides.
        """
        if isinstance(node, Name) and node.name in self.fields:
            return self._named(node.name)
        if not names.OPERATORS.keys().isdisjoint(calls_in(node)):
            return self.scalar(node)
        given = {name: self._named(name) for name in sorted(names_in(node) - {*names.CONSTANTS})}
        arrays = {name: value for name, value in given.items() if jnp.ndim(value)}
        spread = {name: given[name] for name in given if name in self.fields}
        arrays = {**spread, **arrays} or {"": self.values[min(self.fields)]}

        def local(*cells: Any) -> Any:
            here = replace(self, values={**self.values, **dict(zip(arrays, cells, strict=True))})
            return _spread(here.scalar(node), cells[0])

        return self.nabla.local(local, *arrays.values())

    def term(self, node: Node) -> Any:
        """The value of a term of u_t: as `scalar`, but a field may be carried in it.

        k·∇·(c u) carries u with the velocity −k·c, whose sign says where the flow comes from.
        """
        factors = factors_of(node)
        carrying = [one for one in factors if self._carries(one)]
        if len(carrying) != 1:
            return self.scalar(node)
        rest = tuple(one for one in factors if one is not carrying[0])
        factor = self.scalar(_product(rest))
        if jnp.ndim(factor):
            raise carrying[0].place.error(
                "what stands before div(vec(…)*u) must be the same everywhere: write it inside"
            )
        return -self.nabla.divergence(self.flux(carrying[0].children[0], -factor))

    def _carries(self, node: Node) -> bool:
        """Whether it is the div of a flow that carries a field."""
        return (
            isinstance(node, Call)
            and node.name == "div"
            and any(
                vector.name == "vec"
                and not _slopes(vector)
                and not all(self.fields.isdisjoint(names_in(one)) for one in scalars)
                for vector, scalars in vector_terms(node.parts[0])
            )
        )

    def flux(self, node: Node, factor: Any = None) -> Any:
        """``factor`` (None: 1) times the flux of a vector expression through the faces."""
        terms = vector_terms(node)
        fluxes = [self._one_flux(vector, scalars, factor) for vector, scalars in terms]
        return sum(fluxes[1:], fluxes[0])

    def _one_flux(self, vector: Call, scalars: tuple[Node, ...], factor: Any) -> Any:
        if factor is not None and (vector.name == "grad" or _slopes(vector)):
            return factor * self._one_flux(vector, scalars, None)
        if vector.name == "grad":
            return self.nabla.flux(self.scalar(_product(scalars)), self.operand(vector.parts[0]))
        self._check_entries(vector)
        if slopes := _slopes(vector):
            inner, own = slopes
            each = tuple(self.scalar(_product((*scalars, *factors))) for factors in own)
            return self.nabla.flux(each, self.operand(inner))
        carrying = tuple(one for one in scalars if self.fields.isdisjoint(names_in(one)))
        carried = tuple(one for one in scalars if one not in carrying)
        speed = self._components(vector)
        if carrying:
            own = self.scalar(_product(carrying))
            factor = own if factor is None else factor * own
        if factor is not None:
            speed = tuple(factor * part for part in speed)
        if not carried:
            like = self.values[min(self.fields)]
            return self.nabla.carried(tuple(_spread(part, like) for part in speed))
        return self.nabla.advective_flux(speed, self.operand(_product(carried)))

    def _components(self, node: Call) -> Vector:
        self._check_entries(node)
        return tuple(self.scalar(part) for part in node.parts)

    def _check_entries(self, node: Call) -> None:
        axes = tuple(self.nabla.axes)
        if len(node.parts) != len(axes):
            raise node.place.error(
                f"vec(…) has {len(node.parts)} entries; the grid has {', '.join(axes)}"
            )

    def _folded(self, node: Any, join: Any, kind: type, part_join: Any) -> Any:
        first, *others = node.parts
        result = self.scalar(first)
        for part in others:
            takes_away = isinstance(part, kind)
            value = self.scalar(part.children[0] if takes_away else part)
            one = part_join if takes_away else join
            result = _apply(one, one, result, value)
        return result

    def _named(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if name in names.CONSTANTS:
            return names.CONSTANTS[name]
        return getattr(self.nabla, name)

    def _called(self, node: Call) -> Any:
        name = node.name
        if name in names.FUNCTIONS:
            function = names.FUNCTIONS[name]
            arguments = [self.scalar(part) for part in node.parts]
            return _apply(function.of_numbers, function.of_arrays, *arguments)
        if self.random and name in self.random:
            return self.random[name](node.place)
        if name == "lap":
            return self.nabla.laplacian(self.operand(node.parts[0]))
        if name == "div":
            if self._carries(node):
                raise node.place.error("div(vec(…)*u) must be a term of its own in an equation")
            return self.nabla.divergence(self.flux(node.parts[0]))
        if name == "dot":
            pairs = zip(*map(self.vector, node.parts), strict=True)
            products = [a * b for a, b in pairs]
            return sum(products[1:], products[0])
        if name in names.DERIVATIVES:
            return self._derivative(node)
        return self.values[name](*[self.scalar(part) for part in node.parts])

    def _derivative(self, node: Call) -> Any:
        """∂u/∂x by central differences; twice the same one by the compact second difference."""
        axis, inner, axes = names.DERIVATIVES[node.name], node.parts[0], tuple(self.nabla.axes)
        if axis not in axes:
            raise node.place.error(f"the grid has no direction {axis}, only {', '.join(axes)}")
        if isinstance(inner, Call) and inner.name == node.name:
            along = tuple(float(one == axis) for one in axes)
            return self.nabla.divergence(self.nabla.flux(along, self.operand(inner.parts[0])))
        return self.nabla.derivative(self.operand(inner), axis)


def vector_terms(node: Node) -> list[tuple[Call, tuple[Node, ...]]]:
    """A vector expression as a sum: each term's ``grad`` or ``vec``, and its scalar factors."""
    if isinstance(node, Sum):
        return [term for part in node.parts for term in vector_terms(part)]
    if isinstance(node, Negative):
        minus = Number(node.place, -1.0)
        return [(one, (minus, *factors)) for one, factors in vector_terms(node.parts[0])]
    if isinstance(node, Product):
        vector, scalars = _vector_and_scalars(node)
        return [(one, (*scalars, *factors)) for one, factors in vector_terms(vector)]
    assert isinstance(node, Call)
    return [(node, ())]


def _slopes(vector: Call) -> tuple[Node, list[tuple[Node, ...]]] | None:
    """u and the factors (a, b) of vec(a*dx(u), b*dy(u)): anisotropic diffusion; else None."""
    inner: list[Node] = []
    own = []
    for name, part in zip(names.DERIVATIVES, vector.parts, strict=False):
        factors = factors_of(part)
        slopes = [one for one in factors if isinstance(one, Call) and one.name == name]
        if len(slopes) != 1 and not (isinstance(part, Number) and part.value == 0):
            return None
        inner += [one.parts[0] for one in slopes]
        own.append(tuple(one for one in factors if one not in slopes))
    return (inner[0], own) if inner and all(one == inner[0] for one in inner) else None


def factors_of(node: Node) -> tuple[Node, ...]:
    """The factors of a product, of products within it too."""
    if isinstance(node, Negative):
        return (Number(node.place, -1.0), *factors_of(node.parts[0]))
    if isinstance(node, Product):
        return tuple(factor for part in node.parts for factor in factors_of(part))
    return (node,)


def is_vector(node: Node) -> bool:
    """Whether an expression that has been checked is a vector."""
    if isinstance(node, Call):
        return node.name in ("grad", "vec")
    return isinstance(node, (Sum, Product, Negative)) and any(map(is_vector, node.parts))


def _vector_and_scalars(node: Node) -> tuple[Node, tuple[Node, ...]]:
    vector = next(part for part in node.children if is_vector(part))
    return vector, tuple(part for part in node.children if part is not vector)


def _product(factors: tuple[Node, ...]) -> Node:
    """The product of the factors: 1 of none."""
    if not factors:
        return Number(None, 1.0)  # type: ignore[arg-type]  # it is nobody's words
    return factors[0] if len(factors) == 1 else Product(factors[0].place, factors)


def _apply(of_numbers: Any, of_arrays: Any, *values: Any) -> Any:
    """A function of Python numbers where all are, NaN where it has no value."""
    if not all(isinstance(value, (int, float)) for value in values):
        return of_arrays(*values)
    try:
        return of_numbers(*values)
    except (ArithmeticError, ValueError):
        return math.nan


def _power(base: Any, exponent: Any) -> Any:
    is_number = isinstance(exponent, (int, float))
    if is_number and isinstance(base, (int, float)):
        return _apply(math.pow, math.pow, base, exponent)
    if is_number and float(exponent).is_integer():
        return base ** int(exponent)
    return jnp.power(base, exponent)


def _as_number(holds: Any) -> Any:
    return float(holds) if isinstance(holds, bool) else jnp.where(holds, 1.0, 0.0)


def _joined(word: str, parts: list[Any]) -> Any:
    if word == "not":
        return _as_number(not parts[0] if isinstance(parts[0], bool) else ~parts[0])
    result = parts[0]
    for part in parts[1:]:
        result = result & part if word == "and" else result | part
    return _as_number(result)


def _spread(value: Any, like: Any) -> Any:
    """The value with the shape of the cells, which a number has not."""
    return value if jnp.shape(value) == jnp.shape(like) else jnp.zeros_like(like) + value
