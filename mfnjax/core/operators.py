"""Finite-difference operators, written once against a halo, each with its stable step.

Speed on XLA's CPU backend: the halo is made a plain buffer by an optimisation barrier. Without
it the concatenations of the padding are fused into the stencil, a branch per element, and the
loop is not vectorised (about twice as slow).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mfnjax.core.boundary import Boundary
from mfnjax.core.grid import Grid, check_one_spacing


def _centre_and_stencil(field: jax.Array, boundary: Boundary) -> tuple[jax.Array, jax.Array]:
    """The field and its stencil, both read from one padded buffer."""
    padded = lax.optimization_barrier(boundary.pad(field))
    rows, columns = (size > 1 for size in field.shape)
    row = slice(1, -1) if rows else slice(None)
    column = slice(1, -1) if columns else slice(None)
    centre = padded[row, column]
    total = -2.0 * (rows + columns) * centre
    if rows:
        total = padded[:-2, column] + padded[2:, column] + total
    if columns:
        total = padded[row, :-2] + padded[row, 2:] + total
    return centre, total


def with_difference_sum(field: jax.Array, boundary: Boundary) -> tuple[jax.Array, jax.Array]:
    """Return (u, dx²·∇²u); dx²·∇²u is the sum over the neighbours of u_n − u.

    A step that goes on with the returned u instead of its own reads everything from the one padded
    buffer, which spares the loop around it a copy of every field.

    With a boundary that is declared `self_adjoint` the stencil is linear and its own transpose. Its
    tangent and its cotangent are therefore the stencil again: reverse mode runs the fast form too,
    instead of the transpose of slices.

    Args:
        field: u, (H, W).
        boundary: What lies outside.

    Returns:
        Two arrays (H, W) in the unit of u.
    """
    if boundary.self_adjoint:
        return _centre_and_own_transpose(field, boundary)
    return _centre_and_stencil(field, boundary)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _centre_and_own_transpose(field: jax.Array, boundary: Boundary) -> tuple[jax.Array, jax.Array]:
    return _centre_and_stencil(field, boundary)


@_centre_and_own_transpose.defjvp
def _centre_and_own_transpose_jvp(
    boundary: Boundary, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    (tangent,) = tangents
    of_tangent = _self_adjoint(tangent, boundary)
    return _centre_and_own_transpose(*primals, boundary), (tangent, of_tangent)


def _self_adjoint(field: jax.Array, boundary: Boundary) -> jax.Array:
    """The stencil, declared to be its own transpose.

    `lax.custom_linear_solve` with the identity as matrix and the stencil as 'solver' has exactly
    the rules wanted, in forward, reverse and batched mode: the linear map itself for tangents and,
    being symmetric, for cotangents.
    """
    return lax.custom_linear_solve(
        lambda x: x, field, lambda _, b: _centre_and_stencil(b, boundary)[1], symmetric=True
    )


def difference_sum(field: jax.Array, grid: Grid) -> jax.Array:
    """Return dx²·∇²u, the sum over the neighbours of u_n − u: (H, W) in the unit of u."""
    return with_difference_sum(field, grid.boundary)[1]


def laplacian(field: jax.Array, grid: Grid) -> jax.Array:
    """Five-point Laplacian ∇²u = (Σ_neighbours u_n − u) / dx² (three points on a (1, W) grid).

    Second-order accurate in dx. The neighbours outside the grid are the boundary's business.

    Args:
        field: u, (H, W).
        grid: Its grid.

    Returns:
        ∇²u, (H, W), the unit of u over the square of the unit of dx.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import Grid, laplacian
        >>> u = jnp.zeros((3, 3)).at[1, 1].set(1.0)
        >>> print(laplacian(u, Grid((3, 3), boundary="dirichlet")).astype(int))
        [[ 0  1  0]
         [ 1 -4  1]
         [ 0  1  0]]
    """
    check_one_spacing(grid)
    spacing = jnp.asarray(grid.spacing, field.dtype)
    return difference_sum(field, grid) / (spacing * spacing)


def largest_stable_step(diffusivity: Any, grid: Grid) -> float:
    """Largest dt of explicit Euler for u_t = D∇²u: dt = dx² / (2·axes·D).

    The 5-point Laplacian's most negative eigenvalue is −4·axes/dx² (von Neumann analysis;
    in two dimensions the familiar dt·D·4/dx² ≤ 1).

    Args:
        diffusivity: D, a concrete number ≥ 0.
        grid: The grid.

    Returns:
        The step; infinity where nothing diffuses.
    """
    check_one_spacing(grid)
    rate = 2.0 * grid.num_axes * float(diffusivity)
    return float(grid.spacing) ** 2 / rate if rate > 0 else math.inf
