"""What lies outside the grid: one class a kind, each says how a halo is filled."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar, final

import jax
import jax.numpy as jnp

from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError


class Boundary(abc.ABC):
    """How the cells just outside a field follow from those inside.

    Class attributes:
        name: The name it is called by.
        self_adjoint: Whether the layers are linear in the field and the stencil with them is its
            own transpose. Derivatives then run the stencil itself; else they are those of `ends`.
    """

    name: str
    self_adjoint: ClassVar[bool] = False

    @abc.abstractmethod
    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        """Return the one-cell layers before and after ``field`` along ``axis``."""

    def pad(self, field: jax.Array) -> jax.Array:
        """Return ``field`` (H, W) with a halo of one cell, (H + 2, W + 2).

        An axis of one cell is no direction of space (1-D data are grids (1, W)): it gets no halo.
        """
        for axis in (0, 1):
            if field.shape[axis] > 1:
                before, after = self.ends(field, axis)
                field = jnp.concatenate([before, field, after], axis)
        return field


def _layer(field: jax.Array, index: int, axis: int) -> jax.Array:
    start = index % field.shape[axis]
    return jax.lax.slice_in_dim(field, start, start + 1, axis=axis)


@final
@register_pytree
@dataclass(frozen=True)
class Periodic(Boundary):
    """The grid is a torus: the neighbour of the last cell is the first."""

    name = "periodic"
    self_adjoint = True

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        return _layer(field, -1, axis), _layer(field, 0, axis)


@final
@register_pytree
@dataclass(frozen=True)
class Neumann(Boundary):
    """No flux: a missing neighbour has the value of the cell itself."""

    name = "neumann"
    self_adjoint = True

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        return _layer(field, 0, axis), _layer(field, -1, axis)


@final
@register_pytree
@dataclass(frozen=True)
class Dirichlet(Boundary):
    """A missing neighbour has the value 0."""

    name = "dirichlet"
    self_adjoint = True

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        zero = jnp.zeros_like(_layer(field, 0, axis))
        return zero, zero


_BY_NAME: dict[str, Boundary] = {b.name: b for b in (Periodic(), Neumann(), Dirichlet())}


def is_built_in(boundary: Boundary) -> bool:
    """Whether it is one of those here, judged by its class: a user's own may bear any name."""
    return type(boundary) in map(type, _BY_NAME.values())


def as_boundary(boundary: str | Boundary) -> Boundary:
    """Return the boundary of that name; a boundary object is returned as it is.

    Raises:
        ParameterError: The name is not known.

    Examples:
        >>> from mfnjax.core import as_boundary
        >>> as_boundary("neumann")
        Neumann()
    """
    if isinstance(boundary, Boundary):
        return boundary
    if not isinstance(boundary, str) or boundary not in _BY_NAME:
        raise ParameterError(f"boundary must be one of {', '.join(_BY_NAME)}; got {boundary!r}")
    return _BY_NAME[boundary]
