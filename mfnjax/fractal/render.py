"""Sets as masks: exactly by recursion for sets on their own base, by points for all others."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from mfnjax._checks import check_choice, check_int
from mfnjax.errors import ParameterError

PATTERNS: dict[str, NDArray[np.bool_]] = {
    "sierpinski_triangle": np.array([[1, 0], [1, 1]], bool),
    "sierpinski_carpet": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool),
    "vicsek": np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool),
    "cantor_dust": np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], bool),
    "square": np.ones((2, 2), bool),
    "line": np.array([[0, 0], [1, 1]], bool),
}
"""Generators: each set cell is replaced by the pattern again and again."""

_CELLS_MAX = 4096


def pattern_mask(pattern: str | ArrayLike, level: int) -> NDArray[np.bool_]:
    """The level-th stage of a set built by replacing each cell by a pattern.

    The mask has b^level cells a side, and exactly m^(level−j) boxes of side b^j hold a part
    of it, for a b×b pattern of m cells: its dimension is ln m/ln b.

    Args:
        pattern: A name in `PATTERNS`, or a square array of 0 and 1.
        level: Number of replacements, ≥ 1; the mask may have up to 4096 cells a side.

    Returns:
        Boolean mask, shape (b^level, b^level).

    Raises:
        ParameterError: The pattern is not square or empty, or the mask would be too large.

    Examples:
        >>> int(pattern_mask("sierpinski_carpet", 3).sum())
        512
    """
    if isinstance(pattern, str):
        check_choice("pattern", pattern, tuple(PATTERNS))
        cells = PATTERNS[pattern]
    else:
        cells = np.asarray(pattern) != 0
    if cells.ndim != 2 or cells.shape[0] != cells.shape[1] or cells.shape[0] < 2 or not cells.any():
        raise ParameterError(f"pattern must be square (b, b), b ≥ 2, not empty, got {cells.shape}")
    highest = int(math.log(_CELLS_MAX, cells.shape[0]) + 1e-9)
    level = check_int("level", level, 1, highest)
    mask = np.ones((1, 1), bool)
    for _ in range(level):
        mask = np.kron(mask, cells)
    return mask


def koch_mask(side: int = 1024, depth: int | None = None) -> NDArray[np.bool_]:
    """The Koch curve's corners on a side×side grid, base along row 0.

    Args:
        side: Cells a side, 8…4096.
        depth: Replacements, 1…10; by default as many as make the segments shorter than a cell,
            and one more.

    Returns:
        Boolean mask, shape (side, side).

    Examples:
        >>> bool(koch_mask(64)[0, 0])
        True

    Source:
        H. von Koch 1904, Ark. Mat. Astr. Fys. 1:681.
    """
    side = check_int("side", side, 8, _CELLS_MAX)
    if depth is None:
        depth = math.ceil(math.log(side, 3)) + 1
    corners = np.array([0.0, 1.0], complex)
    for _ in range(check_int("depth", depth, 1, 10)):
        start, third = corners[:-1], np.diff(corners) / 3
        tip = start + third * (1 + np.exp(1j * np.pi / 3))
        grown = np.stack([start, start + third, tip, start + 2 * third], axis=1)
        corners = np.append(grown.ravel(), corners[-1])
    mask = np.zeros((side, side), bool)
    scaled = np.clip(np.rint(corners.imag * (side - 1)), 0, side - 1).astype(int)
    mask[scaled, np.rint(corners.real * (side - 1)).astype(int)] = True
    return mask


def render_points(
    points: ArrayLike, shape: tuple[int, int], bounds: ArrayLike | None = None
) -> Array:
    """The cells of a grid that hold at least one point; row 0 is at the smallest y.

    Not differentiable: a cell is hit or not.

    Args:
        points: (x, y), shape (N, 2).
        shape: (H, W) of the mask (static).
        bounds: (x_min, x_max, y_min, y_max), shape (4,); by default the smallest square
            around the points that sits at their lower left. Points outside, and NaN, are left out.

    Returns:
        Boolean mask, shape (H, W).

    Raises:
        ParameterError: ``points`` has not the shape (N, 2).

    Examples:
        >>> import jax.numpy as jnp
        >>> points = jnp.asarray([[0.1, 0.1], [0.9, 0.6]])
        >>> render_points(points, (2, 2), jnp.asarray([0.0, 1.0, 0.0, 1.0])).tolist()
        [[True, False], [False, True]]
    """
    if np.ndim(points) != 2 or np.shape(points)[1] != 2 or np.shape(points)[0] == 0:
        raise ParameterError(f"points must have the shape (N, 2), N ≥ 1, got {np.shape(points)}")
    edges = None if bounds is None else jnp.asarray(bounds)
    return _render(jnp.asarray(points), edges, shape=tuple(shape))


@partial(jax.jit, static_argnames=("shape",))
def _render(points: Array, bounds: Array | None, *, shape: tuple[int, int]) -> Array:
    if bounds is None:
        low = jnp.min(points, axis=0)
        side = jnp.max(jnp.max(points, axis=0) - low)
        side = jnp.where(side > 0, side, 1.0)
        bounds = jnp.stack([low[0], low[0] + side, low[1], low[1] + side])
    height, width = shape
    across = (points[:, 0] - bounds[0]) / (bounds[1] - bounds[0])
    up = (points[:, 1] - bounds[2]) / (bounds[3] - bounds[2])
    inside = (across >= 0) & (across <= 1) & (up >= 0) & (up <= 1)
    # The far edge belongs to the last cell. Points outside go to a row that is dropped.
    column = jnp.minimum((across * width).astype(jnp.int32), width - 1)
    row = jnp.where(inside, jnp.minimum((up * height).astype(jnp.int32), height - 1), height)
    return jnp.zeros(shape, bool).at[row, column].set(True, mode="drop")
