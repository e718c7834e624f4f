"""From the means over coarse cells to the means over finer ones: conservative reconstruction.

In each coarse cell the field is taken to be the parabola whose means over that cell and its two
neighbours are the given ones; the finer cells get its means. Means over coarse cells are kept
exactly, and the error falls with the third power of their width.

Source: P. Colella, P. R. Woodward (1984), The piecewise parabolic method,
doi:10.1016/0021-9991(84)90143-8 (there with limiters, which would not be linear).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def refined(values: Any, factors: tuple[int, ...], *, periodic: bool) -> jax.Array:
    """Means over coarse cells → means over cells finer by ``factors`` along each side.

    Examples:
        >>> import jax.numpy as jnp
        >>> fine = refined(jnp.array([[0.0, 1.0, 4.0]]), (1, 2), periodic=False)
        >>> fine.reshape(1, 3, 2).mean(2).tolist()
        [[0.0, 1.0, 4.0]]
    """
    for axis, factor in enumerate(factors):
        if factor > 1:
            matrix = jnp.asarray(
                _reconstruction(values.shape[axis], factor, periodic), values.dtype
            )
            if values.ndim == 2:
                values = matrix @ values if axis == 0 else values @ matrix.T
            else:
                values = jnp.moveaxis(jnp.tensordot(matrix, values, (1, axis)), 0, axis)
    return values


def _reconstruction(size: int, factor: int, periodic: bool) -> np.ndarray:
    """The matrix (size·factor, size) along one side; walls mirror the field."""
    # ξ ∈ [−½, ½] across a coarse cell; means of ξ and of ξ² − 1/12 over each finer cell.
    edges = np.linspace(-0.5, 0.5, factor + 1)
    first = (edges[1:] + edges[:-1]) / 2
    second = (edges[1:] ** 3 - edges[:-1] ** 3) * factor / 3 - 1 / 12
    # u = c + ½(right − left)ξ + ½(right − 2c + left)(ξ² − 1/12).
    weights = np.stack([(second - first) / 2, 1 - second, (second + first) / 2])
    cells = np.arange(size)
    around = np.stack([cells - 1, cells, cells + 1])
    around = around % size if periodic else np.clip(around, 0, size - 1)
    matrix = np.zeros((size, factor, size))
    for neighbour, weight in zip(around, weights, strict=True):
        matrix[cells, :, neighbour] += weight
    return matrix.reshape(size * factor, size)
