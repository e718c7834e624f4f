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
            own transpose, with eigenvalues from −4·axes/dx² to 0. Derivatives then run the stencil
            itself; else they are those of `ends`.
        transform: ``"fourier"`` or ``"cosine"``, the transform whose modes are the stencil's
            eigenvectors; None for none. Spectral steppers need one.
        closed: Whether nothing passes it: ∇² of a constant is 0, and of any field sums to 0.
    """

    name: str = "own"
    self_adjoint: ClassVar[bool] = False
    transform: ClassVar[str | None] = None
    closed: ClassVar[bool] = False

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
    transform = "fourier"
    closed = True

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        return _layer(field, -1, axis), _layer(field, 0, axis)


@final
@register_pytree
@dataclass(frozen=True)
class Neumann(Boundary):
    """No flux: a missing neighbour has the value of the cell itself."""

    name = "neumann"
    self_adjoint = True
    transform = "cosine"
    closed = True

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


BOUNDARIES: dict[str, Boundary] = {b.name: b for b in (Periodic(), Neumann(), Dirichlet())}
"""Every boundary that has a name, by it."""


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
    if not isinstance(boundary, str) or boundary not in BOUNDARIES:
        raise ParameterError(f"boundary must be one of {', '.join(BOUNDARIES)}; got {boundary!r}")
    return BOUNDARIES[boundary]
