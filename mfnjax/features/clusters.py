"""Connected components of masks: inside jit for simulated fields, by SciPy for large images.

The jitted form hooks trees and halves their height in the same round (the FastSV scheme). The
number of rounds is about log₂ of the longest path on the fields that simulations make (5 on a
64² spiral), but can reach hundreds on a photograph with a million cells of filaments, where
SciPy's sequential union–find takes milliseconds. Both are exact on every mask.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from mfnjax._checks import check_bool, check_choice, check_int
from mfnjax.errors import ParameterError
from mfnjax.features._sums import cell_sum

CONNECTIVITIES = (4, 8)
"""The two neighbourhoods, by their number in a plane: cells that share a face (2, 4 or 6 in one,
two or three dimensions), or any part of their boundary (2, 8 or 26)."""

AXES = {1: "W", 2: "H, W", 3: "D, H, W"}
"""How the axes of a field are written, by their number."""


class ClusterStatistics(NamedTuple):
    """Components of one mask: number, largest size [cells], population std of sizes [cells]."""

    count: Any
    largest: Any
    size_std: Any


def label_components(
    mask: ArrayLike, *, connectivity: int = 4, periodic: bool = False, ndim: int = 2
) -> jax.Array:
    """Label the connected components of a mask, or of a stack of masks.

    A component is labelled by the smallest row-major index of its cells, so labels do not
    depend on how they were found. They have no gradient: a mask is piecewise constant.

    Args:
        mask: Boolean, shape (H, W) or (B, H, W); the B masks are labelled separately.
        connectivity: 4 or 8 neighbours (`CONNECTIVITIES`), static.
        periodic: Components continue across opposite edges, static.
        ndim: Axes of one mask, 1 to 3: with 3 it has the shape (D, H, W) or (B, D, H, W).

    Returns:
        int32 labels of the same shape, −1 outside the mask.

    Raises:
        ParameterError: `mask` is not such an array, or an option is not accepted.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import label_components
        >>> label_components(jnp.array([[True, False, True], [True, False, False]])).tolist()
        [[0, -1, 2], [0, -1, -1]]

    References:
        Y. Zhang, A. Azad, Z. Hu, FastSV: A distributed-memory connected component algorithm
        with fast convergence, SIAM PP 2020, doi:10.1137/1.9781611976137.5.
    """
    ndim = check_int("ndim", ndim, 1, 3)
    _check(mask, (ndim,), (ndim,), connectivity, periodic)
    mask = jnp.asarray(mask)
    stack = mask if mask.ndim > ndim else mask[None]
    roots = _find_roots(stack, connectivity=connectivity, periodic=periodic)
    cells = stack.size // len(stack)
    return jnp.where(stack, roots % cells, -1).reshape(mask.shape)


@partial(jax.jit, static_argnames=("connectivity", "periodic"))
def _find_roots(masks: jax.Array, *, connectivity: int, periodic: bool) -> jax.Array:
    """Smallest index into the flat stack of each cell's component; own index outside."""
    own = jnp.arange(masks.size, dtype=jnp.int32).reshape(masks.shape)
    join = partial(_neighbour_minimum, masks, connectivity, periodic)

    def improve(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        parents, _ = state
        grandparents = _take(parents, parents)
        lowest = join(grandparents)
        # Hook every tree that touches a lower one (scatter), and every cell by itself; then
        # halve the heights twice. All labels only fall and stay in their component, so a
        # round that changes nothing has proved that each component carries one label.
        hooked = parents.reshape(-1).at[parents].min(lowest, mode="promise_in_bounds")
        labels = jnp.minimum(jnp.minimum(hooked.reshape(parents.shape), lowest), grandparents)
        labels = _take(labels, labels)
        labels = _take(labels, labels)
        return labels, jnp.any(labels != parents)

    start = (join(own), jnp.any(masks))
    return lax.while_loop(lambda state: state[1], improve, start)[0]


def _take(labels: jax.Array, index: jax.Array) -> jax.Array:
    return labels.reshape(-1).at[index].get(mode="promise_in_bounds")


def _neighbour_minimum(
    masks: jax.Array, connectivity: int, periodic: bool, labels: jax.Array
) -> jax.Array:
    """Smallest label among a set cell and its set neighbours; a cell outside keeps its own."""
    outside = masks.size
    inside = jnp.where(masks, labels, outside)
    axes = range(1, masks.ndim)
    widths = ((0, 0), *[(1, 1)] * len(axes))
    if periodic:
        halo = jnp.pad(inside, widths, mode="wrap")
    else:
        halo = jnp.pad(inside, widths, constant_values=outside)
    # The barrier makes the halo a plain buffer: fused, it is a branch per element.
    halo = lax.optimization_barrier(halo)
    lowest = halo if connectivity == 8 else inside
    for axis in axes:
        if connectivity == 8:
            across = lowest
            lowest = _part(lowest, axis, 1)
        else:
            across = halo
            for other in axes:
                across = across if other == axis else _part(across, other, 1)
        sides = jnp.minimum(_part(across, axis, 0), _part(across, axis, 2))
        lowest = jnp.minimum(lowest, sides)
    return jnp.where(masks, lowest, labels)


def _part(halo: jax.Array, axis: int, first: int) -> jax.Array:
    """All but two of the cells along an axis, from the ``first`` on."""
    return lax.slice_in_dim(halo, first, halo.shape[axis] - 2 + first, axis=axis)


def cluster_counts(
    masks: ArrayLike, *, connectivity: int = 4, periodic: bool = False, ndim: int = 2
) -> jax.Array:
    """Number of components of each mask of a stack.

    Args:
        masks: Boolean, shape (B, H, W).
        connectivity: 4 or 8 neighbours (`CONNECTIVITIES`), static.
        periodic: Components continue across opposite edges, static.
        ndim: Axes of one mask, 1 to 3: with 3 the stack has the shape (B, D, H, W).

    Returns:
        int32, shape (B,).

    Raises:
        ParameterError: `masks` is not such a stack, or an option is not accepted.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import cluster_counts
        >>> diagonal = jnp.eye(3, dtype=bool)[None]
        >>> int(cluster_counts(diagonal)[0]), int(cluster_counts(diagonal, connectivity=8)[0])
        (3, 1)
    """
    _check(masks, (), (check_int("ndim", ndim, 1, 3),), connectivity, periodic)
    masks = jnp.asarray(masks)
    return _count_roots(masks, _find_roots(masks, connectivity=connectivity, periodic=periodic))


def _count_roots(masks: jax.Array, roots: jax.Array) -> jax.Array:
    own = jnp.arange(masks.size, dtype=jnp.int32).reshape(masks.shape)
    return jnp.sum(masks & (roots == own), axis=tuple(range(1, masks.ndim)), dtype=jnp.int32)


def cluster_statistics(
    mask: ArrayLike, *, connectivity: int = 4, periodic: bool = False
) -> ClusterStatistics:
    """Number of components, largest size and spread of the sizes, inside jit.

    The spread is the population standard deviation of the sizes, 0 with fewer than two
    components. No useful gradient exists; `mfnjax.features.soft_euler_characteristic` is a
    differentiable relative of the count.

    Args:
        mask: Boolean, with one to three axes.
        connectivity: 4 or 8 neighbours (`CONNECTIVITIES`), static.
        periodic: Components continue across opposite edges, static.

    Returns:
        Count [int32], largest size [cells, int32], std of sizes [cells, JAX's default float].

    Raises:
        ParameterError: `mask` is not such an array, or an option is not accepted.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import cluster_statistics
        >>> result = cluster_statistics(jnp.array([[True, True, True, False, True]]))
        >>> int(result.count), int(result.largest), float(result.size_std)
        (2, 3, 1.0)
    """
    _check(mask, (1, 2, 3), (), connectivity, periodic)
    masks = jnp.asarray(mask)[None]
    roots = _find_roots(masks, connectivity=connectivity, periodic=periodic)
    counts = _count_roots(masks, roots)
    return ClusterStatistics(counts[0], *size_statistics(masks[0], roots[0], jnp.zeros(()).dtype))


def size_statistics(mask: jax.Array, roots: jax.Array, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """Largest size [int32] and population std of sizes [`dtype`] from the root of each cell.

    `roots` holds flat indices into `mask`; what it holds outside the mask does not matter.
    """
    sizes = jnp.zeros(mask.size, jnp.int32)
    sizes = sizes.at[roots.reshape(-1)].add(
        mask.reshape(-1).astype(jnp.int32), mode="promise_in_bounds"
    )
    is_root = sizes > 0
    count = jnp.maximum(jnp.sum(is_root, dtype=jnp.int32), 1)
    # Sizes are centred in exact integers first: float32 alone loses equal large sizes.
    centred = jnp.where(is_root, sizes - jnp.sum(sizes, dtype=jnp.int32) // count, 0)
    number = count.astype(dtype)
    mean = jnp.sum(centred, dtype=jnp.int32).astype(dtype) / number
    deviation = jnp.where(is_root, centred.astype(dtype) - mean, 0)
    variance = cell_sum((deviation * deviation).reshape(mask.shape)) / number
    return jnp.max(sizes), jnp.sqrt(variance)


def cluster_statistics_host(
    mask: Any, *, connectivity: int = 4, periodic: bool = False
) -> ClusterStatistics:
    """The same statistics of a host image by ``scipy.ndimage.label``: quick on large images.

    Args:
        mask: Boolean NumPy array, with one to three axes.
        connectivity: 4 or 8 neighbours (`CONNECTIVITIES`).
        periodic: Components continue across opposite edges.

    Returns:
        Count [int], largest size [cells, int], std of sizes [cells, float].

    Raises:
        ParameterError: `mask` is not such an array, or an option is not accepted.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.features import cluster_statistics_host
        >>> cluster_statistics_host(np.array([[True, True, True, False, True]]))
        ClusterStatistics(count=2, largest=3, size_std=1.0)
    """
    from scipy import ndimage

    _check(mask, (1, 2, 3), (), connectivity, periodic)
    mask = np.asarray(mask)
    structure = ndimage.generate_binary_structure(mask.ndim, 1 if connectivity == 4 else mask.ndim)
    labels, count = ndimage.label(mask, structure=structure)
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1)
    sizes[0] = 0
    if periodic and count > 1:
        merged = _merge_across_edges(labels, int(count), connectivity)
        sizes = np.bincount(merged, weights=sizes[1:]).astype(np.int64)
    sizes = sizes[sizes > 0]
    if not sizes.size:
        return ClusterStatistics(0, 0, 0.0)
    return ClusterStatistics(int(sizes.size), int(sizes.max()), float(np.std(sizes)))


def _merge_across_edges(labels: np.ndarray, count: int, connectivity: int) -> np.ndarray:
    """New label of each old one once opposite edges touch."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offsets = (0,) if connectivity == 4 else (-1, 0, 1)
    labels = np.atleast_2d(labels)
    along = tuple(range(labels.ndim - 1))
    pairs = [
        np.stack([last, np.roll(first, shift, along)]).reshape(2, -1)
        for last, first in (
            (labels.take(-1, axis), labels.take(0, axis)) for axis in range(labels.ndim)
        )
        for shift in itertools.product(offsets, repeat=labels.ndim - 1)
    ]
    rows, columns = np.concatenate(pairs, axis=1)
    both = (rows > 0) & (columns > 0)
    rows, columns = rows[both] - 1, columns[both] - 1
    graph = coo_array((np.ones(rows.size, bool), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _check(
    mask: Any,
    ndims: tuple[int, ...],
    ndims_of_stack: tuple[int, ...],
    connectivity: Any,
    periodic: Any,
) -> None:
    check_choice("connectivity", connectivity, CONNECTIVITIES)
    check_bool("periodic", periodic)
    shape, dtype = np.shape(mask), getattr(mask, "dtype", None)
    names = {ndim: f"({AXES[ndim]})" for ndim in ndims}
    names.update({ndim + 1: f"(B, {AXES[ndim]})" for ndim in ndims_of_stack})
    if dtype is None or dtype != np.bool_ or len(shape) not in names or 0 in shape:
        raise ParameterError(
            f"mask must be a boolean array of shape {' or '.join(names.values())}, got shape "
            f"{shape} and dtype {dtype if dtype is not None else type(mask).__name__}"
        )
    if np.prod(shape, dtype=np.int64) >= 2**31 - 1:
        raise ParameterError(f"mask has shape {shape}: 2³¹ cells or more cannot be labelled")
