"""What lies outside the grid: one class a kind, each says how a halo is filled."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp

from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError


class Boundary(abc.ABC):
    """How the cells just outside a field follow from those inside."""

    name: str

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

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        return _layer(field, -1, axis), _layer(field, 0, axis)


@final
@register_pytree
@dataclass(frozen=True)
class Neumann(Boundary):
    """No flux: a missing neighbour has the value of the cell itself."""

    name = "neumann"

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        return _layer(field, 0, axis), _layer(field, -1, axis)


@final
@register_pytree
@dataclass(frozen=True)
class Dirichlet(Boundary):
    """A missing neighbour has the value 0."""

    name = "dirichlet"

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        zero = jnp.zeros_like(_layer(field, 0, axis))
        return zero, zero


_BY_NAME: dict[str, Boundary] = {b.name: b for b in (Periodic(), Neumann(), Dirichlet())}


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
