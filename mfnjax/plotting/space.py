"""Where a field lies: its directions of space, their edges, and the cells that take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mfnjax.errors import ParameterError

Extent = Sequence[tuple[float, float]]
"""The outer edges (low, high) of a field along each axis, in the order of its shape."""

_AXES = ("z", "y", "x")


@final
@dataclass(frozen=True)
class Space:
    """The directions of space of a field, for its picture.

    Attributes:
        names: Their names, slowest axis first: ("y", "x").
        shape: Their cells.
        edges: Their outer edges (low, high).
        unit: What follows a name on an axis: " (cells)", or nothing where the edges were given.
        mask: Fractions of the cells that take part, of that shape, or None.
        num_axes: Axes of the field's array, those of one cell included.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    edges: tuple[tuple[float, float], ...]
    unit: str
    mask: np.ndarray | None
    num_axes: int

    @property
    def sides(self) -> tuple[float, ...]:
        """The sides of a cell."""
        pairs = zip(self.edges, self.shape, strict=True)
        return tuple((high - low) / size for (low, high), size in pairs)

    def centres(self, axis: int) -> np.ndarray:
        """The places of the cell centres along an axis."""
        low, side = self.edges[axis][0], self.sides[axis]
        return low + side * (np.arange(self.shape[axis]) + 0.5)

    def laid(self, values: Any) -> np.ma.MaskedArray:
        """A field, or frames of it, over the directions of space; what takes no part is masked."""
        array = np.asarray(values)
        array = array.reshape(array.shape[: array.ndim - self.num_axes] + self.shape)
        outside = False if self.mask is None else np.broadcast_to(self.mask == 0, array.shape)
        return np.ma.masked_array(array, outside)

    def label(self, axis: int) -> str:
        """What is written beside an axis."""
        return f"{self.names[axis]}{self.unit}"


def space_of(
    shape: tuple[int, ...], mask: Any = None, extent: Extent | None = None, *, thin: bool = False
) -> Space:
    """The directions of space of a field: its axes of more than one cell, or with `thin` all.

    Raises:
        ParameterError: The field has no axis or over three, or no cell; or mask or extent are
            none of its.
    """
    if not 1 <= len(shape) <= 3 or 0 in shape:
        raise ParameterError(f"a picture needs a field with one to three axes, got shape {shape}")
    if mask is not None and np.shape(mask) != shape:
        raise ParameterError(f"mask must have the field's shape {shape}, got {np.shape(mask)}")
    unit = " (cells)" if extent is None else ""
    edges = [(-0.5, size - 0.5) for size in shape] if extent is None else list(extent)
    if len(edges) != len(shape) or not all(len(e) == 2 and e[0] < e[1] for e in edges):
        raise ParameterError(f"extent must be one (low, high) for each axis of {shape}: {extent!r}")
    kept = [axis for axis, size in enumerate(shape) if thin or size > 1] or [len(shape) - 1]
    sizes = tuple(shape[axis] for axis in kept)
    return Space(
        names=tuple(_AXES[axis - len(shape)] for axis in kept),
        shape=sizes,
        edges=tuple((float(edges[axis][0]), float(edges[axis][1])) for axis in kept),
        unit=unit,
        mask=None if mask is None else np.asarray(mask, np.float64).reshape(sizes),
        num_axes=len(shape),
    )
