"""What lies outside the grid: how the cells just outside a field follow from those inside.

A side is an affine rule for its ghost cell g, with u the cell inside, h the spacing across the side
and n the outward normal: g = α·u + β. The Laplacian's matrix stays symmetric whatever α and β are.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import shown
from mfnjax.core.pytree import register_partly_fixed, register_pytree
from mfnjax.errors import ParameterError
from mfnjax.text.equations import Formula

AXES = ("x", "y", "z")
"""The directions of space, x along the last axis of an array, y along the one before it."""


@final
@register_pytree
@dataclass(frozen=True)
class Place:
    """Where and when: what a number that depends on it is a function of.

    Attributes:
        t: Time.
        x: Coordinate along the last axis of an array, and so on; 0 where there is no such axis.
        y: Along the last but one.
        z: Along the last but two.
    """

    t: Any = 0.0
    x: Any = 0.0
    y: Any = 0.0
    z: Any = 0.0


class Boundary(abc.ABC):
    """How the cells just outside a field follow from those inside.

    Class attributes:
        name: The name it is called by.
        self_adjoint: Whether the layers are affine in the field and the stencil with them is its
            own transpose, with eigenvalues from −4·axes/dx² to 0. Derivatives then run the stencil
            itself; else they are those of `ends`.
        transform: ``"fourier"``, ``"cosine"`` or ``"sine"``, the transform whose modes are the
            stencil's eigenvectors; None for none. Spectral steppers need one.
        closed: Whether nothing passes it: ∇² of a constant is 0, and of any field sums to 0.
    """

    name: str = "own"
    self_adjoint: bool = False
    transform: str | None = None
    closed: bool = False

    @abc.abstractmethod
    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        """Return the one-cell layers before and after ``field`` along ``axis``."""

    def layers(
        self, field: jax.Array, axis: int, spacing: Any, place: Callable[[bool], Place]
    ) -> tuple[jax.Array, jax.Array]:
        """`ends`, where they may depend on the spacing and on ``place(is_after)``."""
        return self.ends(field, axis)

    def of(self, field: str | None) -> Boundary:
        """The boundary of one field."""
        return self

    def along(self, axis: str) -> Boundary:
        """The boundary of both sides of an axis, ``"x"``, ``"y"`` or ``"z"``."""
        return self

    @property
    def linear(self) -> Boundary:
        """The sides of a small change of the field: the same without their fixed values."""
        return self

    @property
    def bounded(self) -> bool:
        """Whether the stencil's eigenvalues are known to lie from −4·axes/dx² to 0."""
        return self.self_adjoint

    @property
    def is_plain(self) -> bool:
        """Whether the layers depend on the field alone."""
        return True

    def pad(self, field: jax.Array) -> jax.Array:
        """Return ``field`` with a halo of one cell; an axis of one cell gets none."""
        for axis in range(field.ndim):
            if field.shape[axis] > 1:
                before, after = self.ends(field, axis)
                field = jnp.concatenate([before, field, after], axis)
        return field


def _layer(field: jax.Array, index: int, axis: int) -> jax.Array:
    start = index % field.shape[axis]
    return jax.lax.slice_in_dim(field, start, start + 1, axis=axis)


def _is_zero(value: Any) -> bool:
    return type(value) in (int, float) and value == 0


_register_side = register_partly_fixed(lambda _, value: _is_zero(value) or callable(value))
"""A plain 0 and a function of the place are static: the customary sides have nothing traced."""


class Side(Boundary):
    """The same rule on every side: g = α·u + β, by `ghost`."""

    fixed_slope: ClassVar[float | None] = None
    """α where it is the same number for every side of the kind."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, _as_number(type(self).__name__, field.name, value))

    @abc.abstractmethod
    def ghost(self, inside: jax.Array, spacing: Any, numbers: tuple[Any, ...]) -> jax.Array:
        """The layer outside, from the layer inside and the side's numbers at its place."""

    @property
    def _numbers(self) -> tuple[Any, ...]:
        return tuple(getattr(self, f.name) for f in dataclasses.fields(self))  # type: ignore[arg-type]

    @property
    def self_adjoint(self) -> bool:  # type: ignore[override]
        """Where α is a fixed number."""
        return self.fixed_slope is not None

    @property
    def is_plain(self) -> bool:
        """Whether all of its numbers are 0."""
        return all(map(_is_zero, self._numbers))

    @property
    def linear(self) -> Self:
        """The same with the value 0."""
        return self if self.is_plain else type(self)()

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        """The layers of a side whose numbers are 0."""
        return self.layers(field, axis, 1.0, lambda is_after: Place())

    def layers(
        self, field: jax.Array, axis: int, spacing: Any, place: Callable[[bool], Place]
    ) -> tuple[jax.Array, jax.Array]:
        """The layers before and after a field."""
        before, after = (
            self.one_layer(field, axis, spacing, place, is_after) for is_after in (False, True)
        )
        return before, after

    def one_layer(
        self,
        field: jax.Array,
        axis: int,
        spacing: Any,
        place: Callable[[bool], Place],
        is_after: bool,
    ) -> jax.Array:
        """The layer on one side."""
        inside = _layer(field, -1 if is_after else 0, axis)
        numbers = [_at(n, inside, axis, lambda: place(is_after)) for n in self._numbers]
        return self.ghost(inside, spacing, tuple(numbers))


def _at(number: Any, inside: jax.Array, axis: int, place: Callable[[], Place]) -> Any:
    """A side's number as it is at a layer: a scalar, or an array of the layer's shape."""
    if _is_zero(number):
        return 0
    value = jnp.asarray(number(place()) if callable(number) else number, inside.dtype)
    across = tuple(n for k, n in enumerate(inside.shape) if k != axis)
    if value.shape == across and value.ndim:
        return jnp.expand_dims(value, axis)
    if value.shape and value.shape != inside.shape:
        raise ParameterError(
            f"a side's value must be a number or an array of the side's shape {across}; "
            f"got the shape {value.shape}"
        )
    return value


def _as_number(kind: str, name: str, value: Any) -> Any:
    if isinstance(value, str):
        return Formula(value, f"{kind}({name}=)")
    if callable(value) or isinstance(value, jax.core.Tracer):
        return value
    try:
        value = np.asarray(value) if isinstance(value, (list, tuple)) else value
        array = np.asarray(value)
        good = array.dtype.kind in "iuf" and bool(np.all(np.isfinite(array)))
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ParameterError(
            f"{kind}({name}=) must be a finite number, an array of the side's shape, a function of "
            f"the place or text; got {shown(value)}"
        )
    return value


@final
@_register_side
@dataclass(frozen=True)
class Periodic(Side):
    """The grid is a torus: the neighbour of the last cell is the first."""

    name = "periodic"
    transform = "fourier"
    closed = True
    fixed_slope = 1.0

    def ghost(self, inside: jax.Array, spacing: Any, numbers: tuple[Any, ...]) -> jax.Array:
        raise NotImplementedError("the layer of a torus is that of the other side")

    def layers(
        self, field: jax.Array, axis: int, spacing: Any, place: Callable[[bool], Place]
    ) -> tuple[jax.Array, jax.Array]:
        return _layer(field, -1, axis), _layer(field, 0, axis)


@final
@_register_side
@dataclass(frozen=True)
class Neumann(Side):
    """∂u/∂n = slope: g = u + h·slope; with the slope 0 no diffusive flux passes.

    What a flow carries (advection) does pass: close a box by a velocity that is 0 at its walls.
    """

    slope: Any = 0.0
    name = "neumann"
    fixed_slope = 1.0

    @property
    def transform(self) -> str | None:  # type: ignore[override]
        return "cosine"

    @property
    def closed(self) -> bool:  # type: ignore[override]
        return self.is_plain

    def ghost(self, inside: jax.Array, spacing: Any, numbers: tuple[Any, ...]) -> jax.Array:
        return inside if _is_zero(numbers[0]) else inside + spacing * numbers[0]


@final
@_register_side
@dataclass(frozen=True)
class Dirichlet(Side):
    """u = value on the face: g = 2·value − u.

    The word ``"dirichlet"`` for a whole grid is the documented v4.1 rule, ``Ghost(0.0)``.
    """

    value: Any = 0.0
    name = "wall"
    transform = "sine"
    fixed_slope = -1.0

    def ghost(self, inside: jax.Array, spacing: Any, numbers: tuple[Any, ...]) -> jax.Array:
        return -inside if _is_zero(numbers[0]) else 2 * numbers[0] - inside


@final
@_register_side
@dataclass(frozen=True)
class Ghost(Side):
    """g = value: a missing neighbour has this value.

    ``Ghost(0.0)`` is what v4.1 calls ``"dirichlet"``.
    """

    value: Any = 0.0
    name = "dirichlet"
    fixed_slope = 0.0

    def ghost(self, inside: jax.Array, spacing: Any, numbers: tuple[Any, ...]) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(numbers[0], inside.dtype), inside.shape)


@final
@_register_side
@dataclass(frozen=True)
class Robin(Side):
    """a·u + b·∂u/∂n = c on the face: g = (c − (a/2 − b/h)·u)/(a/2 + b/h).

    Raises:
        ParameterError: a/2 + b/h ≤ 0 (where the grid is made, of numbers that are known).
    """

    a: Any
    b: Any
    c: Any = 0.0
    name = "robin"

    @property
    def is_plain(self) -> bool:
        return False

    @property
    def bounded(self) -> bool:
        """Where a and b are numbers of one sign: −1 ≤ α ≤ 1."""
        known = [n for n in (self.a, self.b) if not callable(n)]
        known = [n for n in known if not isinstance(n, jax.core.Tracer)]
        return len(known) == 2 and all(np.all(np.asarray(n) >= 0) for n in known)

    @property
    def linear(self) -> Robin:
        return Robin(self.a, self.b, 0.0)

    def ghost(self, inside: jax.Array, spacing: Any, numbers: tuple[Any, ...]) -> jax.Array:
        a, b, c = numbers
        half, steep = a / 2, b / spacing
        return (c - (half - steep) * inside) / (half + steep)

    def check(self, spacing: Any) -> None:
        """Raise ParameterError where a/2 + b/h ≤ 0, of numbers that are known."""
        numbers = (self.a, self.b, spacing)
        if any(callable(n) or isinstance(n, jax.core.Tracer) for n in numbers):
            return
        below = np.asarray(self.a, float) / 2 + np.asarray(self.b, float) / np.asarray(spacing)
        if np.any(below <= 0):
            raise ParameterError(
                f"Robin(a={shown(self.a)}, b={shown(self.b)}) has a/2 + b/h ≤ 0 at the spacing "
                f"{shown(spacing)}: the ghost cell is not defined"
            )
