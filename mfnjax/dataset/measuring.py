"""What a dataset measures of a run of any model, in the units of its own fields."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.features import feature_vector, field_statistics
from mfnjax.features.record import FEATURE_NAMES, MASK_FEATURES
from mfnjax.features.temporal import temporal_features
from mfnjax.models.base import Values, main_field
from mfnjax.simulation import Trajectory

Measure = Callable[[jax.Array, jax.Array, jax.Array, Values, jax.Array | None], jax.Array]
"""(frames of the main field (T, H, W), how many of them count, steps between two, final fields,
mask) → the features, in the order of the table's columns."""

FRAMES = 128
"""Most frames of a run that are measured, where the user does not say how many."""

CALM = 1e-5
"""A field is calm while the standard deviation, over the cells, of its change in a step is below
this fraction of the spread (largest − smallest value) that it has over the frames of the run. So
the verdict does not change when the field's unit does."""

STATISTICS = ("min", "max", "mean", "std", "skew", "kurt")

GEOMETRY = ("D_box", "D_r2", "f_active", "N_clusters", "max_cluster_size", "cluster_size_std")
"""Measured on the mask (last field of the model > the middle of its range)."""

_GEOMETRY_UNITS = ("", "", "", "count", "cells", "cells")


def final_features(fields: tuple[str, ...]) -> dict[str, str]:
    """Name → unit of what is measured of the final fields, in order."""
    statistics = {f"{field}_{name}": "" for field in fields for name in STATISTICS}
    return {**statistics, **dict(zip(GEOMETRY, _GEOMETRY_UNITS, strict=True))}


def change_features(main: str) -> dict[str, str]:
    """Name → unit of what is measured of the main field over time, in order."""
    changes = {f"{main}_change_{name}": "1/step" for name in ("mean", "max")}
    return {**changes, "T_stable": "steps", "E_trend": "1/step"}


@jax.jit
def measure_fields(values: Values, mask: jax.Array | None = None) -> jax.Array:
    """Statistics of every final field and the geometry of the last one's mask.

    Of the cells that take part, where there is a ``mask`` of their fractions.

    Returns:
        (6·fields + 6,): `final_features`, the statistics in the fields' own units.
    """
    found = []
    for value in values:
        statistics = field_statistics(value, mask)
        # `field_statistics` speaks millivolts of volts; these fields have units of their own.
        scaled = (statistics.mean * 1e-3, statistics.std * 1e-3)
        found += [*_ends(value, mask), *scaled]
        found += [statistics.skewness, statistics.kurtosis]
    last = values[-1]
    low, high = _ends(last, mask)
    middle = (low + high) / 2
    places = np.array([FEATURE_NAMES.index(name) for name in MASK_FEATURES])
    geometry = feature_vector(last > middle, mask=mask, ndim=last.ndim)[places]
    return jnp.concatenate([jnp.stack(found).astype(geometry.dtype), geometry])


def _ends(values: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """The least and the largest value of the cells that take part."""
    if mask is None:
        return jnp.min(values), jnp.max(values)
    inside = mask > 0
    return jnp.min(values, where=inside, initial=jnp.inf), jnp.max(
        values, where=inside, initial=-jnp.inf
    )


@jax.jit
def measure_changes(
    history: jax.Array, frames: jax.Array, every: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Mean and largest change a step, time of rest, and trend of Σ u² of a field over time.

    The field is at rest from the first frame on that begins ten calm intervals in a row (`CALM`);
    one that never rests has its last frame's step. Fewer than two frames have none of them: NaN.

    Args:
        history: Frames (T, H, W), after each ``every`` steps.
        frames: How many of them count, int32.
        every: Steps between two frames, int32.
        mask: Fractions of the cells; None: all take part.

    Returns:
        (4,): `change_features`, in the field's own unit.
    """
    dtype, step = history.dtype, every.astype(history.dtype)
    counts = jnp.arange(len(history), dtype=jnp.int32) < frames
    space = tuple(range(1, history.ndim))
    inside = None if mask is None else mask > 0
    low = jnp.min(history, axis=space, where=inside, initial=None if mask is None else jnp.inf)
    high = jnp.max(history, axis=space, where=inside, initial=None if mask is None else -jnp.inf)
    lowest = jnp.min(jnp.where(counts, low, jnp.inf))
    highest = jnp.max(jnp.where(counts, high, -jnp.inf))
    # A field that never changed is calm, too.
    calm = jnp.maximum(CALM * (highest - lowest) * step, jnp.finfo(dtype).tiny)
    # `temporal_features` speaks millivolts of volts and counts frames.
    found = temporal_features(history, frames, calm * 1e3, mask=mask)
    return jnp.stack(
        [
            found.change_mean * 1e-3 / step,
            found.change_max * 1e-3 / step,
            jnp.where(frames >= 2, (found.stable_step * every).astype(dtype), jnp.nan),
            found.energy_trend * 1e-6 / step,
        ]
    )


def measure_model(
    history: jax.Array,
    frames: jax.Array,
    every: jax.Array,
    values: Values,
    mask: jax.Array | None = None,
) -> jax.Array:
    """`measure_fields` and `measure_changes`: the features of a run of any model."""
    fields = measure_fields(values, mask)
    changes = measure_changes(history, frames, every, mask)
    return jnp.concatenate([fields, changes.astype(fields.dtype)])


def measure_run(run: Trajectory) -> np.ndarray:
    """The features of a run with frames of its main field."""
    (history,) = run.histories.values()
    count, every = len(history), run.simulation.save_every
    # Room for many lengths: few programs.
    room = np.zeros((max(FRAMES, 1 << max(count - 1, 0).bit_length()), *history.shape[1:]))
    padded = room.astype(history.dtype)
    padded[:count] = history
    numbers = np.int32(count), np.int32(every)
    mask = _mask(run)
    return np.asarray(_compiled_measure(padded, *numbers, run.state.values, mask), np.float64)


def _mask(run: Trajectory) -> jax.Array | None:
    mask = run.simulation.grid.mask
    return None if mask is None else jnp.asarray(mask, jnp.float32)


_compiled_measure = jax.jit(measure_model)


def features_of_run(run: Trajectory) -> dict[str, float]:
    """What a dataset measures of a saved run, by name; the changes only if there are frames."""
    values = tuple(jnp.asarray(value, jnp.float32) for value in run.state.values)
    names, found = list(final_features(run.state.names)), [measure_fields(values, _mask(run))]
    main = main_field(run.simulation.model)
    history = run.histories.get(main)
    if history is not None and len(history):
        every = np.int32(run.simulation.save_every)
        frames = jnp.asarray(history, jnp.float32)
        found.append(measure_changes(frames, np.int32(len(history)), every, _mask(run)))
        names += change_features(main)
    numbers = np.concatenate([np.asarray(part, np.float64) for part in found])
    return dict(zip(names, numbers.tolist(), strict=True))
