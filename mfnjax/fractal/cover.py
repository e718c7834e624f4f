"""How few boxes of one size cover a set: counts minimised over the offset of the grid.

The box count N(s) of the theory is the *smallest* number of boxes that cover the set; a grid
pinned to the image's corner only bounds it from above. Here every scale is counted for a whole
family of grid offsets in one pass: a sliding window tells for each position whether a box put
there would be hit, and the positions of one offset are those of one residue class.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mfnjax._checks import check_int
from mfnjax.fractal.box_counting import check_sizes, image_array


def regular_numbers(largest: int) -> tuple[int, ...]:
    """The 5-smooth numbers 2^a·3^b·5^c up to ``largest``: 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, …

    Dense in ln s (about eight in an octave around 64), and they hold the powers of 2, 3, 4, 5
    and 6 on which many sets count exactly; all have divisors, which `min_cover_counts` needs
    to be fast.

    Examples:
        >>> regular_numbers(12)
        (1, 2, 3, 4, 5, 6, 8, 9, 10, 12)
    """
    numbers = {1}
    for prime in (2, 3, 5):
        grown = set(numbers)
        for number in numbers:
            while (number := number * prime) <= largest:
                grown.add(number)
        numbers = grown
    return tuple(sorted(numbers))


def coarsening(size: int, offsets: int) -> int:
    """The largest divisor of ``size`` that still leaves ``offsets`` grid positions per axis.

    Offsets are tried in steps of this many cells: all of them for sizes under 2·``offsets``.

    Examples:
        >>> coarsening(7, 8), coarsening(32, 8), coarsening(27, 8)
        (1, 4, 3)
    """
    return max(d for d in range(1, size + 1) if size % d == 0 and size // d >= min(size, offsets))


def min_cover_counts(mask: ArrayLike, sizes: Iterable[int], *, offsets: int = 8) -> Array:
    """Smallest number of occupied boxes of each size, over shifts of the grid.

    N(s) = min over (u, v) of #{(i, j): any of mask[u + i·s : u + (i+1)·s, v + j·s : v + (j+1)·s]}

    The shifts start at the corner of the set's bounding box (so the counts do not change when
    the set is moved inside the image) and go in steps of `coarsening(s, offsets)` cells; boxes
    reach over the edges, nothing is cut off. Batch with ``jax.vmap``. Not differentiable: counts
    are integers.

    Args:
        mask: Boolean image, shape (H, W); any non-zero cell belongs to the set.
        sizes: Box sides, in cells, each ≥ 1 (static).
        offsets: Grid positions tried per axis, at least (all there are for small boxes).

    Returns:
        Counts, int32, shape (len(sizes),); all 0 for an empty mask.

    Raises:
        ParameterError: Not an image, or a size or a number of offsets below 1.

    Examples:
        >>> import jax.numpy as jnp
        >>> plus = jnp.zeros((9, 9), bool).at[4, 2:7].set(True).at[2:7, 4].set(True)
        >>> min_cover_counts(plus, (1, 2, 5, 9)).tolist()
        [9, 5, 1, 1]
    """
    offsets = check_int("offsets", offsets, 1, 4096)
    return _compiled_counts(image_array("mask", mask), check_sizes(sizes), offsets)


def host_cover_counts(mask: np.ndarray, sizes: tuple[int, ...], offsets: int) -> np.ndarray:
    """`min_cover_counts` of one image on the host: as fast there, and nothing is compiled."""
    return np.asarray(_cover_counts(mask, sizes, offsets))


def _cover_counts(mask: Any, sizes: tuple[int, ...], offsets: int) -> Any:
    jobs: dict[int, list[int]] = {}
    for size in sorted(sizes):
        jobs.setdefault(coarsening(size, offsets), []).append(size)
    xp = _namespace(mask)
    image = mask.astype(bool).astype(xp.uint8)
    # At factor 1 every offset is tried and the anchor does not matter; beyond, it does.
    pooled = {1: image[None]}
    counts: dict[int, Array] = {}
    for factor in sorted(jobs):
        if factor > 1 and len(pooled) == 1:
            pooled[1] = _anchored(image)
        source = max(d for d in pooled if factor % d == 0)
        pooled[factor] = _any_pool(pooled[source], factor // source)
        windows = [size // factor for size in jobs[factor]]
        found = _window_counts(pooled[factor], windows)
        counts.update(zip(jobs[factor], found, strict=True))
    return xp.stack([counts[size] for size in sizes])


_compiled_counts = partial(jax.jit, static_argnames=("sizes", "offsets"))(_cover_counts)


def _namespace(array: Any) -> Any:
    """NumPy for its own arrays, else JAX's."""
    return np if isinstance(array, np.ndarray) else jnp


def _barrier(array: Any) -> Any:
    """Keep XLA from fusing what reads ``array`` again and again with what made it."""
    return array if isinstance(array, np.ndarray) else jax.lax.optimization_barrier(array)


def _anchored(image: Any) -> Any:
    """The image as it is, and moved so that the set touches its upper left, upper right corner.

    A coarse family of offsets may miss the one grid on which a set counts exactly. That grid
    mostly starts at the image's own corner or at a corner of the set. Only zeros wrap around.
    """
    xp = _namespace(image)
    rows, columns = xp.any(image != 0, axis=1), xp.any(image != 0, axis=0)
    up, left = xp.argmax(rows), xp.argmax(columns)
    right = xp.argmax(columns[::-1])
    upper_left = xp.roll(image, xp.stack([-up, -left]), (0, 1))
    upper_right = xp.roll(image[:, ::-1], xp.stack([-up, -right]), (0, 1))
    return _barrier(xp.stack([image, upper_left, upper_right]))


def _any_pool(images: Any, factor: int) -> Any:
    """Is anything set in each factor×factor block? Images have shape (K, H, W)."""
    if factor == 1:
        return images
    xp = _namespace(images)
    pads = [(0, 0), *((0, -side % factor) for side in images.shape[1:])]
    blocks = xp.pad(images, pads)
    number, rows, columns = blocks.shape
    blocks = blocks.reshape(number, rows // factor, factor, columns)
    tall = xp.max(blocks, axis=2).reshape(number, rows // factor, columns // factor, factor)
    return _barrier(xp.max(tall, axis=3))


def _window_counts(images: Any, windows: list[int]) -> list[Any]:
    """min over all offsets of the count of occupied window×window boxes, for rising windows."""
    xp, reach = _namespace(images), max(windows)
    # Position p of the padded image is the box that starts at p - (reach - 1).
    hit = xp.pad(images, ((0, 0), (reach - 1, reach - 1), (reach - 1, reach - 1)))
    hit, width, results = _barrier(hit), 1, []
    for window in windows:
        while width < window:
            # Two boxes side by side, overlapping or touching, make a longer one. The barrier
            # keeps XLA from fusing the chain, which would read 4^depth cells for each one.
            step = min(width, window - width)
            hit = hit[:, :-step] | hit[:, step:]
            hit = hit[:, :, :-step] | hit[:, :, step:]
            hit = _barrier(hit)
            width += step
        # Boxes that start before -(window - 1) hold padding only.
        live = hit[:, reach - window :, reach - window :]
        results.append(xp.min(_phase_sums(live, window)))
    return results


def _phase_sums(hit: Any, period: int) -> Any:
    """Sum over each residue class of positions modulo ``period``: (K, period, period)."""
    xp = _namespace(hit)
    pads = [(0, 0), *((0, -side % period) for side in hit.shape[1:])]
    hit = xp.pad(hit, pads)
    number, rows, columns = hit.shape
    hit = hit.reshape(number, rows // period, period, columns)
    by_row = xp.sum(hit, axis=1, dtype=xp.int32)
    return xp.sum(by_row.reshape(number, period, columns // period, period), axis=2)
