"""The eigenvalues and eigenvectors of the 5-point Laplacian: cosines and Fourier modes.

On a torus the eigenvectors are Fourier modes, between no-flux walls (a missing neighbour has the
value of the cell) they are the cosines of the DCT-II, and the eigenvalues are

    λ_jk = −(4/dx²)·(sin²(θ_j/2) + sin²(θ_k/2)),   θ_k = 2πk/N on a torus, πk/N between walls.

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
from mfnjax.errors import ParameterError


def laplacian_eigenvalues(grid: Grid, dtype: Any) -> jax.Array:
    """Eigenvalues of the 5-point ∇², in the layout of `to_modes` [1/length²].

    Args:
        grid: The grid, periodic or no-flux.
        dtype: Floating dtype of the result.

    Returns:
        λ ≤ 0: shape (H, W // 2 + 1) on a torus, (H, W) between no-flux walls.

    Raises:
        ParameterError: The boundary has no fast transform.

    Examples:
        >>> from mfnjax import Grid
        >>> from mfnjax.core.spectral import laplacian_eigenvalues
        >>> laplacian_eigenvalues(Grid((1, 4)), "float32").round().astype(int).tolist()
        [[0, -2, -4]]
    """
    periodic = _is_periodic(grid)
    height, width = grid.shape
    modes = (np.arange(height), np.arange(width // 2 + 1 if periodic else width))
    halves = (np.pi if periodic else np.pi / 2) / np.asarray(grid.shape, float)
    # The shape is static: sines on the host, in float64 whatever the dtype.
    rows, columns = (
        np.sin(k * half) ** 2 if size > 1 else np.zeros(len(k))
        for k, half, size in zip(modes, halves, grid.shape, strict=True)
    )
    spacing = jnp.asarray(grid.spacing, dtype)
    table = jnp.asarray(-4.0 * (rows[:, None] + columns[None, :]), dtype)
    return table / (spacing * spacing)


def to_modes(field: jax.Array, grid: Grid) -> jax.Array:
    """Coefficients of real fields (…, H, W) in the eigenvectors of the 5-point ∇²."""
    if _is_periodic(grid):
        return jnp.fft.rfft2(field)
    return jax.scipy.fft.dctn(field, type=2, norm="ortho", axes=(-2, -1))


def from_modes(modes: jax.Array, grid: Grid) -> jax.Array:
    """The real fields (…, H, W) with these coefficients; the inverse of `to_modes`."""
    if _is_periodic(grid):
        return jnp.fft.irfft2(modes, s=grid.shape)
    return jax.scipy.fft.idctn(modes, type=2, norm="ortho", axes=(-2, -1))


def scale_modes(factor: jax.Array, modes: jax.Array) -> jax.Array:
    """Real factors times coefficients, without a promotion to complex."""
    if jnp.iscomplexobj(modes):
        return lax.complex(factor * modes.real, factor * modes.imag)
    return factor * modes


def _is_periodic(grid: Grid) -> bool:
    transform = grid.boundary.transform
    if transform not in ("fourier", "cosine"):
        raise ParameterError(
            "a fast transform of the Laplacian exists for the boundaries periodic and neumann; "
            f"got {grid.boundary!r}"
        )
    return bool(transform == "fourier")
