"""What lies outside a whole grid: a pair of sides an axis, or a boundary for each field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import jax

from mfnjax._checks import shown
from mfnjax.core.pytree import register_pytree
from mfnjax.core.sides import AXES, Boundary, Ghost, Neumann, Periodic, Place, Side
from mfnjax.errors import ParameterError


@final
@register_pytree
@dataclass(frozen=True)
class Sides(Boundary):
    """A pair of sides an axis: (before, after) for the axes of an array in their order.

    An axis of one cell is no direction of space and has None.
    """

    pairs: tuple[tuple[Any, Any] | None, ...]
    name = "sides"

    @property
    def bounded(self) -> bool:
        return all(side.bounded for side in self._all())

    def _all(self) -> list[Any]:
        return [side for pair in self.pairs if pair for side in pair]

    @property
    def self_adjoint(self) -> bool:  # type: ignore[override]
        return all(side.self_adjoint for side in self._all())

    @property
    def closed(self) -> bool:  # type: ignore[override]
        return all(side.closed for side in self._all())

    @property
    def is_plain(self) -> bool:
        return all(side.is_plain for side in self._all())

    @property
    def linear(self) -> Sides:
        return Sides(tuple(p and (p[0].linear, p[1].linear) for p in self.pairs))

    def along(self, axis: str) -> Boundary:
        """The one rule of both sides of an axis, or the pair where they differ."""
        pair = self.pairs[-1 - AXES.index(axis)]
        if pair is None:
            return Periodic()
        return pair[0] if type(pair[0]) is type(pair[1]) else Sides((pair,))

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        return self.layers(field, axis, 1.0, lambda is_after: Place())

    def layers(
        self, field: jax.Array, axis: int, spacing: Any, place: Callable[[bool], Place]
    ) -> tuple[jax.Array, jax.Array]:
        pair = self.pairs[axis - field.ndim] or (Periodic(), Periodic())
        if isinstance(pair[0], Periodic):
            return pair[0].layers(field, axis, spacing, place)
        before, after = (
            side.one_layer(field, axis, spacing, place, is_after)
            for side, is_after in zip(pair, (False, True), strict=True)
        )
        return before, after


@final
@register_pytree
@dataclass(frozen=True)
class ByField(Boundary):
    """A boundary for each field, by its name."""

    fields: dict[str, Boundary]
    name = "by field"

    @property
    def self_adjoint(self) -> bool:  # type: ignore[override]
        return all(one.self_adjoint for one in self.fields.values())

    @property
    def closed(self) -> bool:  # type: ignore[override]
        return all(one.closed for one in self.fields.values())

    @property
    def is_plain(self) -> bool:
        return all(one.is_plain for one in self.fields.values())

    @property
    def linear(self) -> ByField:
        return ByField({name: one.linear for name, one in self.fields.items()})

    def of(self, field: str | None) -> Boundary:
        """The boundary of a field; of none (an expression), the one that all share.

        Raises:
            ParameterError: There is none of that name.
        """
        if field is None:
            first, *others = self.fields.values()
            same = self.is_plain and all(one == first for one in others)
            return first if same else self
        if field not in self.fields:
            raise ParameterError(
                f"the boundary names the fields {', '.join(self.fields)}; {field!r} has none"
            )
        return self.fields[field]

    def along(self, axis: str) -> Boundary:
        """The one rule of both sides of an axis, where all fields have the same kind."""
        found = [one.along(axis) for one in self.fields.values()]
        return found[0] if len(set(map(type, found))) == 1 else self

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        raise ParameterError("each field has a boundary of its own: boundary.of(field)")

    def __hash__(self) -> int:
        return hash(tuple(self.fields.items()))


def each_side(boundary: Boundary) -> list[Boundary]:
    """The sides that the boundary of one field is made of."""
    return boundary._all() if isinstance(boundary, Sides) else [boundary]


BOUNDARIES: dict[str, Boundary] = {b.name: b for b in (Periodic(), Neumann(), Ghost())}
"""Every boundary that a word stands for, by it."""


def as_boundary(boundary: Any, shape: tuple[int, ...] = (2, 2)) -> Boundary:
    """Return what a user says of the sides as a `Boundary`.

    Args:
        boundary: A name (``periodic``, ``neumann``, ``dirichlet``); a side or a `Boundary`; a
            mapping of the sides ``x-``, ``x+``, ``y`` (both) … to one of these; or of field names
            to any of these.
        shape: Shape of the grid: every direction of space must be named.

    Raises:
        ParameterError: The name is not known, a side is missing or named twice, or one side of an
            axis alone is periodic.

    Examples:
        >>> from mfnjax.core import as_boundary
        >>> as_boundary("neumann")
        Neumann(slope=0.0)
    """
    if isinstance(boundary, Boundary):
        return boundary
    if isinstance(boundary, Mapping):
        if any(_is_side_name(key) for key in boundary):
            return _as_sides(boundary, shape)
        if not boundary or not all(isinstance(key, str) for key in boundary):
            raise ParameterError(f"boundary must name sides or fields, got {shown(boundary)}")
        return ByField({name: as_boundary(one, shape) for name, one in boundary.items()})
    if not isinstance(boundary, str) or boundary not in BOUNDARIES:
        raise ParameterError(
            f"boundary must be one of {', '.join(BOUNDARIES)}; got {shown(boundary)}"
        )
    return BOUNDARIES[boundary]


def _is_side_name(key: Any) -> bool:
    return isinstance(key, str) and key.rstrip("+-") in AXES and len(key) <= 2


def _as_sides(given: Mapping[str, Any], shape: tuple[int, ...]) -> Sides:
    axes = [AXES[len(shape) - 1 - k] for k in range(len(shape))]
    found: dict[str, Side] = {}
    for key, value in given.items():
        if not _is_side_name(key) or key[0] not in axes:
            known = ", ".join(f"{a}, {a}-, {a}+" for a in reversed(axes))
            raise ParameterError(f"boundary has no side {key!r}; sides: {known}")
        side = as_boundary(value, shape)
        if not isinstance(side, Side):
            raise ParameterError(f"the side {key} must be one side, got {shown(value)}")
        for name in (key,) if len(key) == 2 else (f"{key}-", f"{key}+"):
            if name in found:
                raise ParameterError(f"boundary names the side {name} twice")
            found[name] = side
    pairs: list[Any] = []
    for axis, size in zip(axes, shape, strict=True):
        if size == 1:
            pairs.append(None)
            continue
        pair = [found.get(f"{axis}{end}") for end in "-+"]
        if any(isinstance(side, Periodic) for side in pair):
            if any(side is not None and not isinstance(side, Periodic) for side in pair):
                raise ParameterError(
                    f"one side of {axis} is periodic and the other is not: it takes both"
                )
            pair = [Periodic(), Periodic()]
        missing = [f"{axis}{end}" for end, side in zip("-+", pair, strict=True) if side is None]
        if missing:
            raise ParameterError(f"boundary does not say what is at the side {missing[0]}")
        pairs.append(tuple(pair))
    return Sides(tuple(pairs))
