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

from mfnjax.core.grid import Grid, check_one_spacing
from mfnjax.core.sides import Boundary


def pad(field: jax.Array, grid: Grid, boundary: Boundary, t: Any = 0.0) -> jax.Array:
    """The field with a halo of one cell along every direction of space, a plain buffer.

    Its corners belong to no face and are read by no operator.
    """
    if boundary.is_plain:
        return lax.optimization_barrier(boundary.pad(field))
    padded, done = field, []
    for axis in _axes(field.shape):
        layers = grid.layers_of(field, boundary, axis, t)
        wide = [(1, 1) if k in done else (0, 0) for k in range(field.ndim)]
        before, after = (jnp.pad(layer, wide, mode="edge") for layer in layers)
        padded = jnp.concatenate([before, padded, after], axis)
        done.append(axis)
    return lax.optimization_barrier(padded)


def inner(padded: jax.Array, shape: tuple[int, ...], shifts: dict[int, int] | None = None) -> Any:
    """The cells of the grid in a padded array, or those ``shifts`` cells away along some axes."""
    index = []
    for axis, size in enumerate(shape):
        start = 1 + (shifts or {}).get(axis, 0)
        index.append(slice(start, start + size) if size > 1 else slice(None))
    return padded[tuple(index)]


def _axes(shape: tuple[int, ...]) -> list[int]:
    return [axis for axis, size in enumerate(shape) if size > 1]


def _centre_and_stencil(
    field: jax.Array, grid: Grid, boundary: Boundary, t: Any
) -> tuple[jax.Array, jax.Array]:
    """The field and its stencil, both read from one padded buffer."""
    padded = pad(field, grid, boundary, t)
    shape, axes = field.shape, _axes(field.shape)
    centre = inner(padded, shape)
    total = -2.0 * len(axes) * centre
    for axis in axes:
        total = inner(padded, shape, {axis: -1}) + inner(padded, shape, {axis: 1}) + total
    return centre, total


def with_difference_sum(
    field: jax.Array, grid: Grid, boundary: Boundary | None = None, t: Any = 0.0
) -> tuple[jax.Array, jax.Array]:
    """Return (u, dx²·∇²u); dx²·∇²u is the sum over the neighbours of u_n − u.

    A step that goes on with the returned u instead of its own reads everything from the one padded
    buffer, which spares the loop around it a copy of every field.

    With a boundary that is declared `self_adjoint` the stencil is affine and its linear part its
    own transpose. Its tangent and its cotangent are therefore the stencil again: reverse mode runs
    the fast form too, instead of the transpose of slices.

    Args:
        field: u, of the grid's shape.
        grid: Its grid; mask and spacings are not looked at.
        boundary: What lies outside; None is the grid's.
        t: Time, where a side depends on it.

    Returns:
        Two arrays of the shape and unit of u.
    """
    boundary = grid.boundary.of(None) if boundary is None else boundary
    if not boundary.self_adjoint:
        return _centre_and_stencil(field, grid, boundary, t)
    if boundary.is_plain:
        return _centre_and_own_transpose(field, boundary)
    return _centre_and_affine(field, grid, boundary, t)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _centre_and_own_transpose(field: jax.Array, boundary: Boundary) -> tuple[jax.Array, jax.Array]:
    return _centre_and_stencil(field, Grid(field.shape), boundary, 0.0)


@_centre_and_own_transpose.defjvp
def _centre_and_own_transpose_jvp(
    boundary: Boundary, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    (tangent,) = tangents
    of_tangent = _self_adjoint(tangent, boundary)
    return _centre_and_own_transpose(*primals, boundary), (tangent, of_tangent)


@jax.custom_jvp
def _centre_and_affine(
    field: jax.Array, grid: Grid, boundary: Boundary, t: Any
) -> tuple[jax.Array, jax.Array]:
    return _centre_and_stencil(field, grid, boundary, t)


@_centre_and_affine.defjvp
def _centre_and_affine_jvp(primals: Any, tangents: Any) -> Any:
    field, boundary, tangent = primals[0], primals[2], tangents[0]

    def of_zero(grid: Grid, boundary: Boundary, t: Any) -> jax.Array:
        return _centre_and_stencil(jnp.zeros_like(field), grid, boundary, t)[1]

    _, of_values = jax.jvp(of_zero, primals[1:], tangents[1:])
    of_tangent = _self_adjoint(tangent, boundary.linear)
    return _centre_and_stencil(*primals), (tangent, of_tangent + of_values)


def _self_adjoint(field: jax.Array, boundary: Boundary) -> jax.Array:
    """The stencil, declared to be its own transpose.

    `lax.custom_linear_solve` with the identity as matrix and the stencil as 'solver' has exactly
    the rules wanted, in forward, reverse and batched mode: the linear map itself for tangents and,
    being symmetric, for cotangents.
    """
    grid = Grid(field.shape)

    def solve(_: Any, b: jax.Array) -> jax.Array:
        return _centre_and_stencil(b, grid, boundary, 0.0)[1]

    return lax.custom_linear_solve(lambda x: x, field, solve, symmetric=True)


def difference_sum(field: jax.Array, grid: Grid) -> jax.Array:
    """Return dx²·∇²u, the sum over the neighbours of u_n − u, in the unit of u."""
    return with_difference_sum(field, grid)[1]


def fastest_decay(grid: Grid) -> float:
    """The largest rate at which ∇² lets anything decay on a grid, Σ 4/h² [1/length²]."""
    used = [float(h) for h, n in zip(grid.spacings, grid.shape, strict=True) if n > 1]
    return sum(4.0 / h**2 for h in used)


def largest_stable_step(diffusivity: Any, grid: Grid) -> float:
    """Largest dt of explicit Euler for u_t = D∇²u: dt = 2 / (D·Σ_axes 4/h²).

    The most negative eigenvalue of the stencil is −Σ 4/h² (von Neumann analysis; on square cells
    the familiar dt·D·4/dx² ≤ 1).

    Args:
        diffusivity: D, a concrete number ≥ 0.
        grid: The grid.

    Returns:
        The step; infinity where nothing diffuses.
    """
    check_one_spacing(grid)
    if grid.is_isotropic:
        rate = 2.0 * grid.num_axes * float(diffusivity)
        return float(grid.spacing) ** 2 / rate if rate > 0 else math.inf
    rate = fastest_decay(grid) * float(diffusivity)
    return 2.0 / rate if rate > 0 else math.inf
