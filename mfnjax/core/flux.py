"""Fluxes on the faces of the cells, and how they are limited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax

Piece = Callable[[int, int], Any]
"""From ``start`` and ``stop`` to the faces ``start:stop`` along an axis, the first axis' number 0.

What a divergence needs are the faces before and after each cell. Read as two pieces, each made of
slices of plain buffers, they are one loop to XLA; an array of all the faces would be stored first
(measured: a third of the time of a step).
"""


@final
@dataclass(frozen=True)
class Flux:
    """What passes the faces, for each direction of space; where a mask is, their open part.

    Fluxes are added, subtracted and multiplied by a number.

    Attributes:
        pieces: By the axis of an array, cells along it and `Piece`.
    """

    pieces: dict[int, tuple[int, Piece]]

    @property
    def faces(self) -> dict[int, jax.Array]:
        """By the axis of an array, one with one face more than cells."""
        return {axis: piece(0, cells + 1) for axis, (cells, piece) in self.pieces.items()}

    def change_across(self, axis: int) -> jax.Array:
        """What leaves each cell along an axis less what enters it."""
        cells, piece = self.pieces[axis]
        return piece(1, cells + 1) - piece(0, cells)

    def _with(self, change: Callable[..., Any], *others: Flux) -> Flux:
        def changed(axis: int) -> Piece:
            own = [flux.pieces[axis][1] for flux in (self, *others)]
            return lambda start, stop: change(*[piece(start, stop) for piece in own])

        return Flux({axis: (cells, changed(axis)) for axis, (cells, _) in self.pieces.items()})

    def __add__(self, other: Flux) -> Flux:
        return self._with(lambda one, two: one + two, other)

    def __sub__(self, other: Flux) -> Flux:
        return self._with(lambda one, two: one - two, other)

    def __neg__(self) -> Flux:
        return self._with(lambda face: -face)

    def __rmul__(self, factor: Any) -> Flux:
        return self._with(lambda face: factor * face)

    __mul__ = __rmul__


def part(array: jax.Array, axis: int, start: int, stop: int) -> jax.Array:
    """``array[start:stop]`` along an axis; a negative ``stop`` counts from the end."""
    size = array.shape[axis]
    stop = size if stop == 0 else stop % size if stop < 0 else stop
    return lax.slice_in_dim(array, start, stop, axis=axis)


def difference(array: jax.Array, axis: int) -> jax.Array:
    """u_{j+1} − u_j along an axis."""
    return part(array, axis, 1, 0) - part(array, axis, 0, -1)


def mean(array: jax.Array, axis: int) -> jax.Array:
    """(u_{j+1} + u_j)/2 along an axis."""
    return 0.5 * (part(array, axis, 1, 0) + part(array, axis, 0, -1))


def limited_slope(before: jax.Array, after: jax.Array) -> jax.Array:
    """Van Leer's slope of two one-sided differences: their harmonic mean, or 0 at an extremum.

    Source: B. van Leer (1974), doi:10.1016/0021-9991(74)90019-9.
    """
    product = before * after
    agree = product > 0
    total = jnp.where(agree, before + after, 1.0)
    return jnp.where(agree, 2.0 * product / total, 0.0)


def upwind_faces(
    padded: jax.Array,
    velocity: jax.Array,
    axis: int,
    *,
    is_torus: bool,
    steps: jax.Array | None = None,
) -> jax.Array:
    """The value of u on the faces, from the side that the flow comes from.

    Args:
        padded: u with a halo of one cell along ``axis`` alone.
        velocity: On the faces along ``axis``.
        axis: The axis.
        is_torus: Whether the two ends of the axis are one face.
        steps: u_{j+1} − u_j on the faces, of which van Leer's limiter makes the slopes in the
            cells (second order); None: the upwind cell's own value.

    Returns:
        One array of the shape of ``velocity``. What flows in through an outer face has the value
        on that face, the mean of ghost and cell.
    """
    cells = part(padded, axis, 1, -1)
    half: Any = 0.0
    if steps is not None:
        half = 0.5 * limited_slope(part(steps, axis, 0, -1), part(steps, axis, 1, 0))
    low, high = cells - half, cells + half  # at the face before and after each cell
    if is_torus:
        first, last = part(high, axis, cells.shape[axis] - 1, 0), part(low, axis, 0, 1)
    else:
        outer = mean(padded, axis)
        first, last = part(outer, axis, 0, 1), part(outer, axis, outer.shape[axis] - 1, 0)
    from_before = jnp.concatenate([first, high], axis)
    from_after = jnp.concatenate([low, last], axis)
    return jnp.where(velocity > 0, from_before, from_after)
