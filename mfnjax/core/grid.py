"""The grid: how many cells, how far apart, which take part, and what lies outside."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_int, shown
from mfnjax.core.boundary import ByField, Sides, as_boundary
from mfnjax.core.pytree import register_partly_fixed
from mfnjax.core.sides import AXES, Boundary, Place, Robin
from mfnjax.errors import ParameterError
from mfnjax.images import mask_from_levels, read_image


def _is_fixed(name: str, value: Any) -> bool:
    """The shape, and what there usually is nothing of: a mask, another origin than 0."""
    if name == "shape":
        return True
    is_plain = value is None or type(value) in (float, int)
    return name in ("mask", "origin") and is_plain and not value


@final
@register_partly_fixed(_is_fixed)
@dataclass(frozen=True)
class Grid:
    """A box of cells in one, two or three directions of space.

    The shape is static; spacing, origin, mask and the numbers of the sides are traced (changing
    one compiles nothing); the kinds of the sides are part of the type. The last axis is x, the one
    before it y, before that z. An axis of one cell is no direction of space, so that (1, W) is a
    one-dimensional grid, as (W,) is.

    Attributes:
        shape: Cells along each axis: an integer, or one to three.
        spacing: Distance of the cells, in the length unit of the model's diffusivities: a number,
            or a tuple of one an axis in the order of ``shape``. An array is a batch of grids, for
            `jax.vmap`.
        boundary: What lies outside: a name (``periodic``, ``neumann``, ``dirichlet``), a side
            (`Periodic`, `Neumann`, `Dirichlet`, `Robin`, `Ghost`) or a `Boundary` for all sides; a
            mapping such as ``{"x-": Dirichlet(1.0), "x+": "neumann", "y": "periodic"}``; or one of
            field names to these.
        mask: Which cells take part: booleans, or the fraction φ in [0, 1] of each cell, of the
            grid's shape. Nothing passes its outline. None: all take part.
        origin: Where the first cell begins: a number, or one an axis in the order of ``shape``.

    Raises:
        ParameterError: A value is not accepted.

    Examples:
        >>> from mfnjax import Dirichlet, Grid
        >>> Grid((32, 48), boundary="neumann")
        Grid(shape=(32, 48), spacing=1.0, boundary=Neumann(slope=0.0))
        >>> Grid(64, 0.5, boundary={"x-": Dirichlet(1.0), "x+": "neumann"}).axes
        ('x',)
    """

    shape: tuple[int, ...]
    spacing: Any = 1.0
    boundary: Any = "periodic"
    mask: Any = field(default=None, repr=False)
    origin: Any = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _as_shape(self.shape))
        object.__setattr__(self, "boundary", as_boundary(self.boundary, self.shape))
        for name in ("spacing", "origin"):
            object.__setattr__(self, name, self._per_axis(name, getattr(self, name)))
        if self.mask is not None:
            object.__setattr__(self, "mask", _as_mask(self.mask, self.shape))
        _check_boundary(self.boundary, self)

    def _per_axis(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(value, tuple) and len(value) != len(self.shape):
            raise ParameterError(
                f"{name} must be a number or one an axis, {len(self.shape)} in all; got {value!r}"
            )
        for one in value if isinstance(value, tuple) else (value,):
            if not isinstance(one, jax.core.Tracer):
                _check_number(name, one, positive=name == "spacing")
        return value

    @classmethod
    def disc(cls, size: int, spacing: Any = 1.0, *, diameter: float | None = None) -> Self:
        """A round dish: a square grid of no-flux sides whose cells take part inside a circle.

        Args:
            size: Cells along a side.
            spacing: Distance of the cells.
            diameter: Of the circle, in cells; None: the side.

        Returns:
            The grid; φ of a cell that the circle cuts is the part inside (to 1/64).
        """
        size = check_int("size", size, 4, 1 << 14)
        radius = (size if diameter is None else diameter) / 2
        fine = (np.arange(size * 8) + 0.5) / 8 - size / 2
        inside = fine[:, None] ** 2 + fine[None, :] ** 2 <= radius**2
        mask = inside.reshape(size, 8, size, 8).mean((1, 3))
        return cls((size, size), spacing, "neumann", mask)

    @classmethod
    def from_image(
        cls, path: str | Path, spacing: Any = 1.0, *, boundary: Any = "neumann", dark: bool = False
    ) -> Self:
        """A dish of the outline of a picture: its pixels are the cells, its levels the mask.

        Args:
            path: PNG, TIFF or JPEG; what is above the threshold that `mfnjax.images` chooses takes
                part.
            spacing: Distance of the cells.
            boundary: What lies outside the picture.
            dark: The dark pixels take part instead.

        Raises:
            DataError: The file cannot be read.
        """
        inside = mask_from_levels(read_image(path), invert=dark)
        return cls(inside.shape, spacing, boundary, inside)

    @property
    def num_cells(self) -> int:
        """Cells in all."""
        return math.prod(self.shape)

    @property
    def num_axes(self) -> int:
        """Directions of space: axes with more than one cell."""
        return sum(size > 1 for size in self.shape)

    @property
    def axes(self) -> tuple[str, ...]:
        """The directions of space by name, x first."""
        return tuple(
            name for name, size in zip(AXES, reversed(self.shape), strict=False) if size > 1
        )

    def axis(self, name: str) -> int:
        """The axis of an array that lies along ``"x"``, ``"y"`` or ``"z"``."""
        if name not in self.axes:
            raise ParameterError(f"the grid has the directions {', '.join(self.axes)}; not {name}")
        return len(self.shape) - 1 - AXES.index(name)

    @property
    def is_isotropic(self) -> bool:
        """Whether one number is the spacing along all axes."""
        return not isinstance(self.spacing, tuple)

    @property
    def spacings(self) -> tuple[Any, ...]:
        """The spacing along each axis of an array."""
        return (
            self.spacing if isinstance(self.spacing, tuple) else (self.spacing,) * len(self.shape)
        )

    @property
    def cell_volume(self) -> Any:
        """Length, area or volume of a cell."""
        used = [h for h, n in zip(self.spacings, self.shape, strict=True) if n > 1]
        return math.prod(used[1:], start=used[0]) if used else 1.0

    def coordinate(self, name: str, dtype: Any = None) -> jax.Array:
        """Coordinates of the cell centres along a direction, an array that broadcasts to a field.

        Args:
            name: ``"x"``, ``"y"`` or ``"z"``.
            dtype: Floating dtype; None is JAX's default.
        """
        return self.position(name, np.arange(self.shape[self.axis(name)]) + 0.5, dtype)

    def position(self, name: str, cells: Any, dtype: Any = None) -> jax.Array:
        """Coordinates at ``cells`` (a vector, in cells from the grid's edge) along a direction."""
        dtype = jnp.result_type(float) if dtype is None else dtype
        axis = self.axis(name)
        origin = self.origin[axis] if isinstance(self.origin, tuple) else self.origin
        along = jnp.asarray(origin, dtype) + jnp.asarray(cells, dtype) * jnp.asarray(
            self.spacings[axis], dtype
        )
        return along.reshape([-1 if k == axis else 1 for k in range(len(self.shape))])

    def face(self, axis: int, is_after: bool, t: Any, dtype: Any) -> Place:
        """The place of the outer faces on one side."""
        found: dict[str, Any] = {}
        layer = tuple(1 if k == axis else size for k, size in enumerate(self.shape))
        for name in self.axes:
            along = self.axis(name)
            size = self.shape[along]
            cells = [size if is_after else 0] if along == axis else np.arange(size) + 0.5
            along_it = self.position(name, np.asarray(cells, float), dtype)
            found[name] = jnp.broadcast_to(along_it, layer)
        return Place(t, **found)

    def place(self, t: Any, dtype: Any) -> Place:
        """The place of the cell centres."""
        shape = self.shape
        return Place(
            t, **{n: jnp.broadcast_to(self.coordinate(n, dtype), shape) for n in self.axes}
        )

    def layers_of(
        self, array: jax.Array, boundary: Boundary, axis: int, t: Any
    ) -> tuple[jax.Array, jax.Array]:
        """The one-cell layers before and after an array of the grid's shape along an axis."""
        spacing = jnp.asarray(self.spacings[axis], array.dtype)
        return boundary.layers(
            array, axis, spacing, lambda is_after: self.face(axis, is_after, t, array.dtype)
        )


def _check_boundary(boundary: Boundary, grid: Grid) -> None:
    if isinstance(boundary, ByField):
        for one in boundary.fields.values():
            _check_boundary(one, grid)
    elif isinstance(boundary, Sides):
        if len(boundary.pairs) != len(grid.shape):
            raise ParameterError(
                f"the boundary is one of {len(boundary.pairs)} axes, the grid has {len(grid.shape)}"
            )
        for pair, spacing in zip(boundary.pairs, grid.spacings, strict=True):
            for side in pair or ():
                if isinstance(side, Robin):
                    side.check(spacing)
    elif isinstance(boundary, Robin):
        for spacing in grid.spacings:
            boundary.check(spacing)


def _check_number(name: str, value: Any, *, positive: bool) -> None:
    values = np.asarray(value)  # an array is a batch of spacings, for `jax.vmap`
    good = values.dtype.kind in "iuf" and np.all(np.isfinite(values))
    if not good or (positive and not np.all(values > 0)):
        kind = "positive and finite" if positive else "finite"
        raise ParameterError(f"{name} must be {kind}, got {shown(value)}")


def check_one_spacing(grid: Grid) -> None:
    """Raise ParameterError if ``grid`` is a batch of grids outside of `jax.vmap`."""
    for name, values in (("spacing", grid.spacing), ("origin", grid.origin)):
        for one in values if isinstance(values, tuple) else (values,):
            if getattr(one, "ndim", 0):
                raise ParameterError(
                    f"{name} must be one number, or a tuple of one an axis; got the shape "
                    f"{np.shape(one)} (an array is a batch of grids, for jax.vmap)"
                )


def _as_shape(shape: Any) -> tuple[int, ...]:
    try:
        sizes = tuple(map(operator.index, shape if np.iterable(shape) else (shape,)))
    except TypeError:
        sizes = ()
    if not 1 <= len(sizes) <= 3 or min(sizes) < 1 or isinstance(shape, str):
        raise ParameterError(
            f"a grid's shape is (W,), (H, W) or (D, H, W), integers ≥ 1; got {shape!r}"
        )
    return sizes


def _as_mask(mask: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(mask, jax.core.Tracer):
        array = np.asarray(mask)
        if array.dtype.kind not in "biuf":
            raise ParameterError(f"mask must be booleans or numbers, got {shown(mask)}")
        if array.dtype.kind in "fiu" and not np.all((array >= 0) & (array <= 1)):
            raise ParameterError("mask must lie in [0, 1]: the part of each cell that takes part")
        if not array.any():
            raise ParameterError("mask leaves no cell that takes part")
        if array.dtype.kind != "f":
            mask = array.astype(np.float32)
    if np.shape(mask) != shape:
        raise ParameterError(f"mask must have the grid's shape {shape}, got {np.shape(mask)}")
    return mask
