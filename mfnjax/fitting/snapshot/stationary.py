"""What a Gray–Scott pattern at rest says about its parameters.

At rest the two equations

    0 = D_u∇²u − uv² + F(1 − u),    0 = D_v∇²v + uv² − (F + k)v

can be added: the reaction drops out, and what remains is linear. So one field gives the other,

    1 − u = (F − D_u∇²)⁻¹ (F + k − D_v∇²) v,

a division in the eigenvectors of ∇², and the second equation alone says whether v is at rest.
Given both fields, every parameter is linear in what is known.

Only v up to scale is a pattern's own: with v → cv, the parameters
(F, F + k, D_u, D_v) → (c²F, c(F + k), c²D_u, cD_v) give the same u.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.nabla import laplacian
from mfnjax.core.spectral import from_modes, laplacian_eigenvalues, scale_modes, to_modes
from mfnjax.errors import DataError, ParameterError
from mfnjax.models.gray_scott import GrayScottModel


def substrate_at_rest(model: GrayScottModel, v: jax.Array, grid: Grid) -> jax.Array:
    """The u of a pattern at rest whose v is known: 1 − (F − D_u∇²)⁻¹(F + k − D_v∇²)v.

    Args:
        model: The parameters; F > 0.
        v: The field v (H, W), floating.
        grid: Its grid, periodic or no-flux.

    Returns:
        u (H, W).

    Raises:
        ParameterError: The boundary has no fast transform.

    Examples:
        A homogeneous v: F(1 − u) = (F + k)v.

        >>> import jax.numpy as jnp
        >>> from mfnjax import GrayScottModel, Grid
        >>> from mfnjax.fitting.snapshot import substrate_at_rest
        >>> u = substrate_at_rest(GrayScottModel(0.04, 0.06), jnp.full((4, 4), 0.2), Grid((4, 4)))
        >>> print(f"{u[0, 0]:.2f}")
        0.50
    """
    ratio = _removal(model, v, grid) / _supply(model, v, grid)
    return 1 - from_modes(scale_modes(ratio, to_modes(v, grid)), grid)


def imbalance(model: GrayScottModel, v: jax.Array, grid: Grid) -> jax.Array:
    """How far v is from rest: (F + k − D_v∇²)v − uv², with u from `substrate_at_rest`.

    Args:
        model: The parameters; F > 0.
        v: The field v (H, W), floating.
        grid: Its grid, periodic or no-flux.

    Returns:
        −v_t (H, W), 1/time; zero where, and only where, v and that u are at rest.
    """
    removed = from_modes(scale_modes(_removal(model, v, grid), to_modes(v, grid)), grid)
    return removed - substrate_at_rest(model, v, grid) * v * v


def _removal(model: GrayScottModel, v: jax.Array, grid: Grid) -> jax.Array:
    return model.feed + model.kill - model.d_v * laplacian_eigenvalues(grid, v.dtype)


def _supply(model: GrayScottModel, v: jax.Array, grid: Grid) -> jax.Array:
    return model.feed - model.d_u * laplacian_eigenvalues(grid, v.dtype)


def rates_of_fields(
    u: Any, v: Any, *, grid: Grid, d_u: float | None = None, d_v: float | None = None
) -> dict[str, float]:
    """Gray–Scott's parameters from both fields of a pattern at rest, by linear least squares.

    Both equations at every cell, F and k (and the diffusivities that are not given) unknown:

        F(1 − u) + D_u∇²u = uv²,    (F + k)v − D_v∇²v = uv².

    Args:
        u: Field u (H, W).
        v: Field v (H, W).
        grid: Their grid.
        d_u: D_u where it is known, length²/time.
        d_v: D_v where it is known.

    Returns:
        ``feed``, ``kill``, ``d_u``, ``d_v``.

    Raises:
        ParameterError: The fields are not of the grid's shape.
        DataError: A value is not finite, or the fields do not vary, which leaves an unknown open.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax import GrayScottModel, Grid, simulate
        >>> from mfnjax.fitting.snapshot import rates_of_fields
        >>> grid, model = Grid((32, 32)), GrayScottModel(0.039, 0.058)
        >>> start = model.initial_state(grid, key=jax.random.key(0))
        >>> end = simulate(model, start, grid=grid, steps=20_000).state
        >>> rates = rates_of_fields(end["u"], end["v"], grid=grid)
        >>> print(f"F = {rates['feed']:.4f}, k = {rates['kill']:.4f}")
        F = 0.0390, k = 0.0580
    """
    fields = {"u": np.asarray(u), "v": np.asarray(v)}
    for name, field in fields.items():
        if field.shape != grid.shape or field.dtype.kind != "f":
            raise ParameterError(
                f"{name} must be a floating field of shape {grid.shape}, got {field.dtype} of "
                f"shape {field.shape}"
            )
        if not np.isfinite(field).all():
            raise DataError(f"{name} holds a NaN or an infinity")
    curve_u, curve_v = (
        np.asarray(laplacian(jnp.asarray(field), grid), float).ravel() for field in fields.values()
    )
    u_flat, v_flat = (field.astype(float).ravel() for field in fields.values())
    conversion = u_flat * v_flat**2
    none = np.zeros_like(u_flat)
    # Columns: F, F + k, D_u, D_v. Rows: the first equation at every cell, then the second.
    columns = {
        "feed": np.concatenate([1 - u_flat, none]),
        "removal": np.concatenate([none, v_flat]),
        "d_u": np.concatenate([curve_u, none]),
        "d_v": np.concatenate([none, -curve_v]),
    }
    right = np.concatenate([conversion, conversion])
    known = {name: value for name, value in (("d_u", d_u), ("d_v", d_v)) if value is not None}
    for name, value in known.items():
        right = right - float(value) * columns.pop(name)
    matrix = np.stack(list(columns.values()), axis=1)
    solution, _, rank, _ = np.linalg.lstsq(matrix, right, rcond=1e-9)
    if rank < matrix.shape[1]:
        raise DataError("the fields do not vary enough to tell the parameters apart")
    found = dict(zip(columns, (float(x) for x in solution), strict=True)) | known
    return {
        "feed": found["feed"],
        "kill": found["removal"] - found["feed"],
        "d_u": float(found["d_u"]),
        "d_v": float(found["d_v"]),
    }
