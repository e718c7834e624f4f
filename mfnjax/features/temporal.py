"""What changes over a history: step sizes, the time of rest, the trend of the energy."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from mfnjax.features._sums import cell_mean, cell_sum, compensated_add, fill_outside


class TemporalFeatures(NamedTuple):
    """Four scalars of one history."""

    change_mean: jax.Array
    change_max: jax.Array
    stable_step: jax.Array
    energy_trend: jax.Array


class _Running(NamedTuple):
    """What the pass over the frames carries, in volts."""

    change_sum: tuple[jax.Array, jax.Array]
    change_max: jax.Array
    trend_sum: tuple[jax.Array, jax.Array]
    calm_run: jax.Array
    stable_step: jax.Array


@jax.jit
def temporal_features(
    history: jax.Array,
    length: ArrayLike,
    stability_threshold_mv: ArrayLike = 0.001,
    stability_window: ArrayLike = 10,
    mask: jax.Array | None = None,
) -> TemporalFeatures:
    """Step sizes, time of rest and energy trend of the first `length` frames.

    With d_t = |V_{t+1} − V_t|: mean and maximum of d over cells and steps; the 1-based step at
    which the first run of w differences begins whose spatial standard deviation stays below
    the threshold (`length` if there is none); and the least-squares slope of E_t = Σ V_t²
    over t. Fewer than two frames have none of them: NaN, and a time of rest of 0.

    One pass over the frames in their order, so that frames beyond `length` cost nothing and
    padding changes no bit. The bound of that loop is traced: forward-mode differentiation
    works, reverse mode does not (`mfnjax.features.soft_features` has both).

    Args:
        history: Potential in volts, shape (T, H, W), or with one or three axes of space.
        length: Number of frames that count, 1 … T, traced.
        stability_threshold_mv: A step is calm below this std of d [mV], traced.
        stability_window: Calm steps in a row w, ≥ 1, traced.
        mask: Fraction φ ∈ [0, 1] of each cell that takes part, of a frame's shape: means, the
            standard deviation and Σ weigh by it, the maximum is over cells with φ > 0. None is 1.

    Returns:
        Mean and maximum step [mV/step], time of rest [steps, int32], trend [mV²/step].

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import temporal_features
        >>> ramp = -0.07 + 0.001 * jnp.arange(4.0)[:, None, None] * jnp.ones((1, 2, 2))
        >>> result = temporal_features(ramp, 4, stability_window=2)
        >>> print(f"{result.change_mean:.2f} mV/step, at rest from step {result.stable_step}")
        1.00 mV/step, at rest from step 1
    """
    dtype = history.dtype
    length = jnp.asarray(length, jnp.int32)
    window = jnp.asarray(stability_window, jnp.int32)
    threshold = jnp.asarray(stability_threshold_mv, dtype)
    middle = (length - 1).astype(dtype) / 2
    first = fill_outside(history[0], mask)

    def frame(step: jax.Array) -> jax.Array:
        return fill_outside(lax.dynamic_index_in_dim(history, step, keepdims=False), mask)

    def advance(step: jax.Array, running: _Running) -> _Running:
        current = frame(step)
        change = jnp.abs(current - frame(step - 1))
        # Both are centred on a value of the field itself, for the reason of `field_statistics`.
        origin = change[(0,) * change.ndim]
        mean = origin + cell_mean(change - origin, mask)
        deviation = change - mean
        std_mv = jnp.sqrt(cell_mean(deviation * deviation, mask)) * 1e3
        # E_t − E_0 = Σ (V_t − V_0)(V_t + V_0): a sum of 1e7 mV² never enters, only its change.
        energy = cell_sum((current - first) * (current + first), mask)
        moment = energy * (step.astype(dtype) - middle)
        calm_run = jnp.where(std_mv < threshold, running.calm_run + 1, 0)
        # The difference that ends here has the 0-based index step − 1, hence + 1 for + 2.
        found = (calm_run == window) & (running.stable_step == 0)
        return _Running(
            compensated_add(running.change_sum, mean),
            jnp.maximum(running.change_max, jnp.max(change)),
            compensated_add(running.trend_sum, moment),
            calm_run,
            jnp.where(found, step - window + 1, running.stable_step),
        )

    zero, none = jnp.zeros((), dtype), jnp.int32(0)
    start = _Running((zero, zero), zero, (zero, zero), none, none)
    end = lax.fori_loop(jnp.int32(1), length, advance, start)
    several = length >= 2
    steps = jnp.maximum(length - 1, 1).astype(dtype)
    # Σ (t − t̄)² = n (n² − 1)/12; the products run in floats because n³ overflows int32.
    n = jnp.maximum(length, 2).astype(dtype)
    spread = n * (n - 1) * (n + 1) / 12
    stable = jnp.where(end.stable_step > 0, end.stable_step, length)
    unknown = jnp.full((), jnp.nan, dtype)
    change_mean = (end.change_sum[0] + end.change_sum[1]) / steps * 1e3
    energy_trend = (end.trend_sum[0] + end.trend_sum[1]) / spread * 1e6
    return TemporalFeatures(
        change_mean=jnp.where(several, change_mean, unknown),
        change_max=jnp.where(several, end.change_max * 1e3, unknown),
        stable_step=jnp.where(several, stable, 0),
        energy_trend=jnp.where(several, energy_trend, unknown),
    )
