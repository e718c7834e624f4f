"""The eigenvalues and eigenvectors of the stencil of ∇²: Fourier modes, cosines and sines.

On a torus the eigenvectors are Fourier modes, between no-flux walls (a missing neighbour has the
value of the cell) the cosines of the DCT-II, between walls that hold the value 0 the sines of the
DST-II. Each axis has its own, and the eigenvalues are sums of −(4/h²)·sin²(θ_k/2) with

    θ_k = 2πk/N on a torus, πk/N between no-flux walls, π(k + 1)/N between walls of the value 0.

Walls of another value add to the stencil what does not depend on the field (see the steppers).

Source: G. Strang (1999), The discrete cosine transform, doi:10.1137/S0036144598336745.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.fft
import numpy as np
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.core.operator import Eigenvalues
from mfnjax.core.sides import AXES, Boundary
from mfnjax.errors import ParameterError


def transforms_of(grid: Grid, boundary: Boundary | None = None) -> tuple[str, ...] | None:
    """The transform along each axis of an array; None where an axis has none."""
    boundary = grid.boundary.of(None) if boundary is None else boundary
    if grid.mask is not None:
        return None
    found = []
    for number, size in enumerate(grid.shape):
        kind = boundary.along(AXES[len(grid.shape) - 1 - number]).transform
        found.append(kind if kind is not None or size > 1 else "fourier")
    return None if None in found else tuple(found)  # type: ignore[arg-type]


def _checked(grid: Grid) -> tuple[str, ...]:
    transforms = transforms_of(grid)
    if transforms is None:
        raise ParameterError(
            "a fast transform of the Laplacian exists for the boundaries periodic and neumann, and "
            f"between two walls of a value, without a mask; got {grid.boundary!r}"
        )
    return transforms


def mode_eigenvalues(grid: Grid, dtype: Any) -> Eigenvalues:
    """Eigenvalues of ∇² and of each second derivative, in the layout of `to_modes` [1/length²]."""
    tables: dict[int, np.ndarray] = {}
    transforms = _checked(grid)
    last = _real_axis(transforms)
    for axis, (size, kind) in enumerate(zip(grid.shape, transforms, strict=True)):
        modes = np.arange(size // 2 + 1 if axis == last else size)
        half = (np.pi if kind == "fourier" else np.pi / 2) / size
        # The shape is static: sines on the host, in float64 whatever the dtype.
        table = np.sin((modes + (kind == "sine")) * half) ** 2 if size > 1 else np.zeros(len(modes))
        tables[axis] = table.reshape([-1 if k == axis else 1 for k in range(len(grid.shape))])
    by_axis = {}
    for name in grid.axes:
        spacing = jnp.asarray(grid.spacings[grid.axis(name)], dtype)
        by_axis[name] = jnp.asarray(-4.0 * tables[grid.axis(name)], dtype) / (spacing * spacing)
    if grid.is_isotropic:
        spacing = jnp.asarray(grid.spacing, dtype)
        total = jnp.asarray(-4.0 * sum(tables.values()), dtype) / (spacing * spacing)
    else:
        shape = np.broadcast_shapes(*[t.shape for t in tables.values()])
        total = sum(by_axis.values(), start=jnp.zeros(shape, dtype))
    return Eigenvalues(total, by_axis)


def laplacian_eigenvalues(grid: Grid, dtype: Any) -> jax.Array:
    """Eigenvalues of the stencil of ∇², in the layout of `to_modes` [1/length²].

    Args:
        grid: The grid; each axis periodic, no-flux or between two walls of a value.
        dtype: Floating dtype of the result.

    Returns:
        λ ≤ 0, of the grid's shape; a torus has W // 2 + 1 modes along its last axis.

    Raises:
        ParameterError: The sides have no fast transform.

    Examples:
        >>> from mfnjax import Grid
        >>> from mfnjax.core.spectral import laplacian_eigenvalues
        >>> laplacian_eigenvalues(Grid((1, 4)), "float32").round().astype(int).tolist()
        [[0, -2, -4]]
    """
    return mode_eigenvalues(grid, dtype).total


def _real_axis(transforms: tuple[str, ...]) -> int | None:
    """The axis along which half of the Fourier modes are enough: the last periodic one."""
    periodic = [axis for axis, kind in enumerate(transforms) if kind == "fourier"]
    return periodic[-1] if periodic else None


def _groups(grid: Grid) -> dict[str, list[int]]:
    """The axes of each transform, counted from the end, for arrays with leading axes."""
    transforms, found = _checked(grid), {"fourier": [], "cosine": [], "sine": []}  # type: ignore[var-annotated]
    for axis, kind in enumerate(transforms):
        found[kind].append(axis - len(transforms))
    return found


def _flip(field: jax.Array, axes: list[int]) -> jax.Array:
    """(−1)^j u_j along axes: it makes sines of cosines, in the reverse order."""
    for axis in axes:
        signs = (-1.0) ** np.arange(field.shape[axis])
        shape = [-1 if k == axis % field.ndim else 1 for k in range(field.ndim)]
        field = field * jnp.asarray(signs.reshape(shape), field.dtype)
    return field


def to_modes(field: jax.Array, grid: Grid) -> jax.Array:
    """Coefficients of real fields (…, *shape) in the eigenvectors of the stencil of ∇²."""
    axes = _groups(grid)
    if axes["sine"]:
        field = _flip(field, axes["sine"])
    if real := sorted(axes["cosine"] + axes["sine"]):
        field = jax.scipy.fft.dctn(field, type=2, norm="ortho", axes=tuple(real))
    if axes["sine"]:
        field = jnp.flip(field, axes["sine"])
    return jnp.fft.rfftn(field, axes=axes["fourier"]) if axes["fourier"] else field


def from_modes(modes: jax.Array, grid: Grid) -> jax.Array:
    """The real fields (…, *shape) with these coefficients; the inverse of `to_modes`."""
    axes = _groups(grid)
    if axes["fourier"]:
        sizes = [grid.shape[axis] for axis in axes["fourier"]]
        modes = jnp.fft.irfftn(modes, s=sizes, axes=axes["fourier"])
    if axes["sine"]:
        modes = jnp.flip(modes, axes["sine"])
    if real := sorted(axes["cosine"] + axes["sine"]):
        modes = jax.scipy.fft.idctn(modes, type=2, norm="ortho", axes=tuple(real))
    return _flip(modes, axes["sine"]) if axes["sine"] else modes


def scale_modes(factor: jax.Array, modes: jax.Array) -> jax.Array:
    """Real factors times coefficients, without a promotion to complex."""
    if jnp.iscomplexobj(modes):
        return lax.complex(factor * modes.real, factor * modes.imag)
    return factor * modes
