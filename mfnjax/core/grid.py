"""The grid: how many cells, how far apart, and what lies outside."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any, final

import jax
import numpy as np

from mfnjax._checks import shown
from mfnjax.core.boundary import as_boundary
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError


@final
@register_pytree
@dataclass(frozen=True)
class Grid:
    """A rectangular grid of square cells.

    The shape is static; the spacing is traced (changing it compiles nothing); the kind of
    boundary is part of the type. One-dimensional data are grids of shape (1, W).

    Attributes:
        shape: Cells (H, W).
        spacing: Side of a cell dx, in the length unit of the model's diffusivities. An array is a
            batch of grids, for `jax.vmap`.
        boundary: A name (``periodic``, ``neumann``, ``dirichlet``) or a `Boundary`.

    Raises:
        ParameterError: The shape is not a pair of positive integers, the spacing is not
            positive, or the boundary is unknown.

    Examples:
        >>> from mfnjax import Grid
        >>> Grid((32, 48), boundary="neumann")
        Grid(shape=(32, 48), spacing=1.0, boundary=Neumann())
    """

    shape: tuple[int, int] = field(metadata={"static": True})
    spacing: Any = 1.0
    boundary: Any = "periodic"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _as_shape(self.shape))
        object.__setattr__(self, "boundary", as_boundary(self.boundary))
        if not isinstance(self.spacing, jax.core.Tracer):
            _check_spacing(self.spacing)

    @property
    def num_cells(self) -> int:
        """Cells in all, H·W."""
        return self.shape[0] * self.shape[1]

    @property
    def num_axes(self) -> int:
        """Directions of space: axes with more than one cell."""
        return sum(size > 1 for size in self.shape)


def _check_spacing(spacing: Any) -> None:
    if isinstance(spacing, (tuple, list)):
        raise ParameterError(
            f"spacing must be one number, the side of a square cell; got {spacing!r}"
        )
    values = np.asarray(spacing)  # an array is a batch of spacings, for `jax.vmap`
    good = values.dtype.kind in "iuf" and np.all(np.isfinite(values) & (values > 0))
    if not good:
        raise ParameterError(f"spacing must be positive and finite, got {shown(spacing)}")


def check_one_spacing(grid: Grid) -> None:
    """Raise ParameterError if ``grid`` is a batch of grids outside of `jax.vmap`."""
    if getattr(grid.spacing, "ndim", 0):
        raise ParameterError(
            "spacing must be one number, the side of a square cell; got the shape "
            f"{np.shape(grid.spacing)} (an array is a batch of grids, for jax.vmap)"
        )


def _as_shape(shape: Any) -> tuple[int, int]:
    try:
        height, width = (operator.index(size) for size in shape)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise ParameterError(f"a grid's shape is (H, W), two integers ≥ 1; got {shape!r}")
    return height, width
