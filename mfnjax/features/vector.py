"""The 18 features of a field, a history or a mask: the jitted kernel and its eager door."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from mfnjax._checks import check_int, shown
from mfnjax.errors import DataError, ParameterError
from mfnjax.features._sums import cell_mean
from mfnjax.features.clusters import (
    AXES,
    ClusterStatistics,
    _count_roots,
    _find_roots,
    cluster_statistics_host,
    size_statistics,
)
from mfnjax.features.config import FeatureConfig
from mfnjax.features.record import (
    COUNT_FEATURES,
    FEATURE_NAMES,
    FEATURE_UNITS,
    MASK_FEATURES,
    FeatureVector,
)
from mfnjax.features.statistics import field_statistics
from mfnjax.features.temporal import temporal_features
from mfnjax.fractal.box_counting import _box_counts, box_sizes, fit_box_counts

__all__ = [
    "COUNT_FEATURES",
    "FEATURE_NAMES",
    "FEATURE_UNITS",
    "MASK_FEATURES",
    "FeatureVector",
    "compute_features",
    "feature_vector",
]

LARGEST_MV = 200.0
"""Potentials beyond are a mistake of unit: the model's lie in −95 … 40 mV."""

HOST_CELLS = 512 * 512
"""Above this many cells the eager door counts components with SciPy: see `clusters`."""

_SHORTEST_BUFFER = 32


def feature_vector(
    history: ArrayLike,
    length: ArrayLike | None = None,
    config: FeatureConfig | None = None,
    *,
    mask: ArrayLike | None = None,
    ndim: int | None = None,
) -> jax.Array:
    """The 18 features as an array; jitted, and usable under ``jit`` and ``vmap``.

    The final frame feeds all but the temporal features. A padded history with a traced
    `length` gives the bits of the unpadded one, so rows of many lengths share one program.
    Only shapes, box sizes, connectivity and periodicity are static; thresholds and the
    stability window are traced. Values are not checked: of a field or history with a NaN in it
    (in a cell that takes part) all 18 are NaN. Of one frame the four over time are NaN: not known.

    The features have no useful gradient as a whole (counts and masks are piecewise constant):
    differentiate `mfnjax.features.soft_features`.

    Args:
        history: Potential in volts, (T, H, W) or one frame (H, W); or a boolean mask (H, W); or
            these with one or three axes of space (see `ndim`).
        length: Frames that count, 1 … T; None counts all. Only for a history.
        config: How to measure; None takes the documented defaults.
        mask: As in `compute_features`; traced.
        ndim: As in `compute_features`.

    Returns:
        Shape (18,), in the order of `FEATURE_NAMES` and the units of `FEATURE_UNITS`, in the
        dtype of the input (for a mask: JAX's default float, and NaN for what it does not have).

    Raises:
        ParameterError: Wrong number of axes, dtype or length.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import feature_vector
        >>> padded = jnp.zeros((8, 16, 16)).at[:5].set(-0.07)
        >>> print(f"{feature_vector(padded, 5)[4]:.1f} mV")
        -70.0 mV
    """
    config = FeatureConfig() if config is None else config
    kind = _check_array(history, mask, ndim)
    if kind.dtype == np.bool_:
        if length is not None:
            raise ParameterError(f"length is for a history (T, H, W), got {length!r} with a mask")
        weights = _weights(mask, kind, jnp.zeros(()).dtype)
        return _mask_vector(
            jnp.asarray(history).reshape(kind.space), weights, **_static(kind, config)
        )
    # JAX reads the machine's own byte order only.
    is_host = isinstance(history, np.ndarray)
    frames = _frames(jnp.asarray(np.asarray(history, kind.dtype) if is_host else history), kind)
    weights = _weights(mask, kind, frames.dtype)
    if length is None:
        length = len(frames)
    if isinstance(length, jax.core.Tracer):
        length = length.astype(jnp.int32)
    else:
        length = np.int32(check_int("length", _item(length), 1, len(frames)))
    traced = _traced(config, frames.dtype)
    return _history_vector(frames, length, *traced, weights, **_static(kind, config))


def compute_features(
    array: Any,
    config: FeatureConfig | None = None,
    *,
    mask: ArrayLike | None = None,
    ndim: int | None = None,
) -> FeatureVector:
    """The 18 features of a field, a history or a mask, checked and as a record.

    The eager door to `feature_vector`: it looks for NaN, keeps the number of compilations
    small (histories are padded to a power of two of frames), and counts the components of
    large images (over 512² cells) with SciPy on the host.

    All 18 have a meaning in one, two and three dimensions. An axis of one cell is no direction
    of space: (1, W) has the features of (W,). Boxes are intervals, squares or cubes (`D_box` of a
    solid is about 1, 2 or 3), and 4 and 8 neighbours are 2 and 2, or 6 and 26.

    Args:
        array: Potential in volts, (H, W) or (T, H, W), float32 or float64; or a boolean image
            (H, W); or these with one or three axes of space. float64 is measured in float32
            unless ``jax_enable_x64`` is on.
        config: How to measure; None takes the documented defaults.
        mask: Fraction φ ∈ [0, 1] of each cell that takes part, of a frame's shape. Means,
            moments, `f_active` and `E_trend` weigh by φ; extrema, boxes and components are of the
            cells with φ > 0, whole. None is 1 everywhere.
        ndim: Axes of space of the array, 1 to 3. None: those of `mask`, or all of a boolean image;
            else potentials (W,), (H, W), (T, H, W) and (T, D, H, W) have 1, 2, 2 and 3. So (T, W)
            needs ``ndim=1``, and one frame (D, H, W) ``ndim=3``.

    Returns:
        The features; of one frame NaN for the four over time, and for a boolean image for all but
        `MASK_FEATURES`: what is not known is NaN.

    Raises:
        ParameterError: Wrong number of axes, an empty array, or neither float nor boolean; or
            a mask of another shape, outside [0, 1], or 0 everywhere.
        DataError: A cell holds NaN or infinity, the message says which; or a potential lies beyond
            ±0.2 V, as those in millivolts do.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.features import compute_features
        >>> colony = np.zeros((64, 64), bool)
        >>> colony[8:24, 8:24] = True
        >>> features = compute_features(colony)
        >>> features.N_clusters_low, features.max_cluster_size, features.f_active
        (1, 256, 0.0625)
    """
    if isinstance(array, jax.core.Tracer) or isinstance(mask, jax.core.Tracer):
        return FeatureVector(feature_vector(array, config=config, mask=mask, ndim=ndim))
    config = FeatureConfig() if config is None else config
    kind = _check_array(array, mask, ndim)
    array = array if isinstance(array, jax.Array) else np.asarray(array, kind.dtype)
    large = math.prod(kind.space) > HOST_CELLS
    static = {**_static(kind, config), "with_clusters": not large}
    if kind.dtype == np.bool_:
        weights = _weights(mask, kind, jnp.zeros(()).dtype)
        image = jnp.asarray(array).reshape(kind.space)
        values = _mask_vector(image, weights, **static)
        if large:
            values = _with_host_clusters(values, [_inside(image, weights)], config)
        return FeatureVector(values)
    frames = _frames(array, kind).astype(jax.dtypes.canonicalize_dtype(kind.dtype), copy=False)
    weights = _weights(mask, kind, frames.dtype)
    traced = _traced(config, frames.dtype)
    values = _history_vector(_padded(frames), np.int32(len(frames)), *traced, weights, **static)
    # Of a NaN or infinity all features are NaN, so the input itself is only searched when an
    # output is not finite that one frame has, or several.
    last = "f_active" if len(frames) > 1 else "dV_mean"
    looked_at = np.asarray(values)[: FEATURE_NAMES.index(last)]
    inside = np.asarray(array)
    if mask is not None:
        inside = np.where(np.asarray(mask) > 0, inside, 0)
    if not np.isfinite(looked_at).all():
        _refuse_non_finite(inside, kind)
    _refuse_millivolts(inside)
    if large:
        final = np.asarray(frames)[-1]
        masks = [_inside(final > level, weights) for level in traced[0]]
        values = _with_host_clusters(values, masks, config)
    return FeatureVector(values)


@partial(jax.jit, static_argnames=("sizes", "connectivity", "periodic", "with_clusters"))
def _history_vector(
    history: jax.Array,
    length: jax.Array,
    levels: jax.Array,
    stability_threshold_mv: jax.Array,
    stability_window: jax.Array,
    weights: jax.Array | None = None,
    *,
    sizes: tuple[int, ...],
    connectivity: int,
    periodic: bool,
    with_clusters: bool = True,
) -> jax.Array:
    dtype = history.dtype
    length = jnp.clip(length, 1, history.shape[0])
    # The barrier keeps what follows apart from the buffer, whose length differs by padding.
    final = lax.optimization_barrier(lax.dynamic_index_in_dim(history, length - 1, keepdims=False))
    statistics = field_statistics(final, weights)
    temporal = temporal_features(history, length, stability_threshold_mv, stability_window, weights)
    masks = _inside(final > levels[(..., *[None] * final.ndim)], weights)
    dimension, r_squared, active, counts, largest, size_std = _geometry(
        masks, weights, dtype, sizes, connectivity, periodic, with_clusters
    )
    several = length >= 2
    unknown = jnp.full((), jnp.nan, dtype)
    stable_step = jnp.where(several, temporal.stable_step.astype(dtype), unknown)
    # A NaN or an infinity in a frame reaches one of the two.
    known = jnp.isfinite(statistics.mean) & (jnp.isfinite(temporal.change_mean) | ~several)
    values = jnp.stack(
        [
            *(dimension, r_squared),
            *statistics,
            *(temporal.change_mean, temporal.change_max),
            *(stable_step, temporal.energy_trend),
            active,
            *counts,
            *(largest, size_std),
        ]
    )
    return jnp.where(known, values, unknown)


@partial(jax.jit, static_argnames=("sizes", "connectivity", "periodic", "with_clusters"))
def _mask_vector(
    mask: jax.Array,
    weights: jax.Array | None = None,
    *,
    sizes: tuple[int, ...],
    connectivity: int,
    periodic: bool,
    with_clusters: bool = True,
) -> jax.Array:
    dtype = jnp.zeros(()).dtype
    dimension, r_squared, active, counts, largest, size_std = _geometry(
        _inside(mask[None], weights), weights, dtype, sizes, connectivity, periodic, with_clusters
    )
    values = jnp.full(len(FEATURE_NAMES), jnp.nan, dtype)
    known = jnp.stack([dimension, r_squared, active, counts[0], largest, size_std])
    return values.at[np.array([FEATURE_NAMES.index(name) for name in MASK_FEATURES])].set(known)


def _geometry(
    masks: jax.Array,
    weights: jax.Array | None,
    dtype: Any,
    sizes: tuple[int, ...],
    connectivity: int,
    periodic: bool,
    with_clusters: bool,
) -> tuple[jax.Array, ...]:
    """Box counts, area and clusters of the first mask, and the cluster counts of all.

    The masks are nested and the first is the largest, so an empty one settles everything;
    without `with_clusters` the cluster entries are NaN.
    """

    def measure() -> tuple[jax.Array, ...]:
        dimension, r_squared = fit_box_counts(_box_counts(masks[0], sizes=sizes), sizes, dtype)
        if weights is None:
            area = jnp.sum(masks[0], dtype=jnp.int32).astype(dtype) / masks[0].size
        else:
            area = cell_mean(masks[0].astype(dtype), weights)
        if not with_clusters:
            unknown = jnp.full((), jnp.nan, dtype)
            return dimension, r_squared, area, jnp.full(len(masks), unknown), unknown, unknown
        roots = _find_roots(masks, connectivity=connectivity, periodic=periodic)
        counts = _count_roots(masks, roots).astype(dtype)
        largest, size_std = size_statistics(masks[0], roots[0], dtype)
        return dimension, r_squared, area, counts, largest.astype(dtype), size_std

    def nothing() -> tuple[jax.Array, ...]:
        zero = jnp.zeros((), dtype)
        return zero, zero, zero, jnp.zeros(len(masks), dtype), zero, zero

    return lax.cond(jnp.any(masks[0]), measure, nothing)


def _static(kind: _Kind, config: FeatureConfig) -> dict[str, Any]:
    """What shapes a program: box sizes, connectivity, periodicity."""
    sizes = box_sizes(
        min(kind.space),
        min_box_size=config.min_box_size,
        max_box_size=config.max_box_size,
        num_scales=config.num_scales,
    )
    return {"sizes": sizes, "connectivity": config.connectivity, "periodic": config.periodic}


def _traced(config: FeatureConfig, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.int32]:
    """What a program takes as numbers: the three levels in volts, the rule of rest."""
    levels_mv = (config.threshold_low_mv, config.threshold_med_mv, config.threshold_high_mv)
    levels = np.asarray(levels_mv, np.float64) / 1000
    threshold = np.asarray(config.stability_threshold_mv, dtype)
    return levels.astype(dtype), threshold, np.int32(config.stability_window)


def _padded(frames: np.ndarray | jax.Array) -> np.ndarray | jax.Array:
    """Fill up to a power of two of frames, so that few lengths compile; one frame stays one."""
    length = frames.shape[0]
    capacity = max(_SHORTEST_BUFFER, 1 << (length - 1).bit_length())
    if length in (1, capacity):
        return frames
    # On the host, because a jitted pad would compile for each length again.
    buffer = np.zeros((capacity, *frames.shape[1:]), frames.dtype)
    buffer[:length] = frames
    return buffer


def _with_host_clusters(values: jax.Array, masks: list[Any], config: FeatureConfig) -> np.ndarray:
    """Fill in the cluster features that the program left out, counted on the host."""
    result = np.array(values, np.float64)  # float32 has no number for 2²⁴ + 1 cells
    found: list[ClusterStatistics] = [
        cluster_statistics_host(
            np.asarray(mask), connectivity=config.connectivity, periodic=config.periodic
        )
        for mask in masks
    ]
    names = ("N_clusters_low", "N_clusters_med", "N_clusters_high")
    for name, statistics in zip(names, found, strict=False):
        result[FEATURE_NAMES.index(name)] = statistics.count
    result[FEATURE_NAMES.index("max_cluster_size")] = found[0].largest
    result[FEATURE_NAMES.index("cluster_size_std")] = found[0].size_std
    return result


class _Kind(NamedTuple):
    """What an array is: a frame's shape, its directions of space, whether it has many frames."""

    shape: tuple[int, ...]
    space: tuple[int, ...]
    has_time: bool
    dtype: Any


def _check_array(array: Any, mask: Any = None, ndim: int | None = None) -> _Kind:
    """What something that has features is, or a ParameterError that says why it has none."""
    try:
        shape = np.shape(array)
        dtype = np.dtype(getattr(array, "dtype", None) or np.asarray(array).dtype)
    except (TypeError, ValueError):
        raise ParameterError(f"array must be one of numbers, got {shown(array)}") from None
    dtype = dtype.newbyteorder("=")
    name, is_image = ("mask", True) if dtype == np.bool_ else ("array", False)
    if ndim is not None:
        ndim = check_int("ndim", ndim, 1, 3)
    elif mask is not None:
        ndim = np.ndim(mask)
    usual = len(shape) if is_image or len(shape) < 3 else len(shape) - 1
    chosen = usual if ndim is None else ndim
    if chosen not in AXES or len(shape) - chosen not in ((0,) if is_image else (0, 1)):
        axes = AXES.get(2 if ndim is None else ndim, "H, W")
        expected = f"({axes})" if is_image else f"({axes}) or (T, {axes})"
        raise ParameterError(f"{name} must have shape {expected}, got {len(shape)}-D {shape}")
    if 0 in shape:
        raise ParameterError(f"{name} must have at least one cell, got shape {shape}")
    if dtype in (np.bool_, np.float32, np.float64):
        frame = shape[len(shape) - chosen :]
        space = tuple(size for size in frame if size > 1) or (1,)
        return _Kind(frame, space, len(shape) > chosen, dtype)
    hint = ""
    if dtype.kind in "iu":
        hint = "; compare an integer image with a threshold first (array > level)"
    raise ParameterError(
        "array must hold potentials in volts as float32 or float64, or be a boolean mask, "
        f"got dtype {dtype}{hint}"
    )


def _frames(array: Any, kind: _Kind) -> Any:
    """A field or a history as frames over its directions of space."""
    frames = array if kind.has_time else array[None]
    return frames.reshape(frames.shape[0], *kind.space)


def _weights(mask: Any, kind: _Kind, dtype: Any) -> jax.Array | None:
    """The fractions φ over the directions of space, or a ParameterError that says why not."""
    if mask is None:
        return None
    if np.shape(mask) != kind.shape:
        raise ParameterError(
            f"mask must have the shape of a frame, {kind.shape}, got {np.shape(mask)}"
        )
    if not isinstance(mask, jax.core.Tracer):
        fractions = np.asarray(mask)
        is_fraction = fractions.dtype.kind in "biuf" and np.all((fractions >= 0) & (fractions <= 1))
        if not is_fraction or not fractions.any():
            raise ParameterError("mask must hold fractions from 0 to 1, not all of them 0")
    return jnp.asarray(mask, dtype).reshape(kind.space)


def _inside(masks: Any, weights: Any) -> Any:
    """The set cells that take part."""
    return masks if weights is None else masks & (weights > 0)


def _refuse_millivolts(volts: np.ndarray) -> None:
    largest = 1e3 * max(float(volts.max()), -float(volts.min()))
    if largest > LARGEST_MV:
        raise DataError(
            f"potentials must lie within ±{LARGEST_MV:g} mV, got {largest:.6g} mV: arrays are in "
            "volts (mfn features --unit mV reads millivolts)"
        )


def _refuse_non_finite(array: np.ndarray, kind: _Kind) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if not len(bad):
        return
    first = tuple(int(index) for index in bad[0])
    cell = first[len(first) - len(kind.shape) :]
    where = f"cell {cell}" + (f" of frame {first[0]}" if kind.has_time else "")
    raise DataError(
        f"the field holds {array[first]} at {where} (0-based; {len(bad)} such "
        f"value{'s' if len(bad) > 1 else ''}); features need finite potentials"
    )


def _item(value: Any) -> Any:
    """A 0-d array as its Python number; anything else as it is."""
    return value.item() if isinstance(value, (np.ndarray, jax.Array)) and not value.ndim else value
