"""Moments and extrema of one field."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mfnjax.features._sums import cell_mean, fill_outside

SIGMA_MIN_MV = 1e-10
"""Below this standard deviation a field counts as constant: skewness and kurtosis are 0."""


class FieldStatistics(NamedTuple):
    """Six scalars of one field: mV, mV, mV, mV, [-], [-]."""

    minimum: jax.Array
    maximum: jax.Array
    mean: jax.Array
    std: jax.Array
    skewness: jax.Array
    kurtosis: jax.Array


@jax.jit
def field_statistics(field: jax.Array, mask: jax.Array | None = None) -> FieldStatistics:
    """Extrema and the first four moments of a field.

    σ² = ⟨(V − μ)²⟩, skewness ⟨(V − μ)³⟩/σ³, excess kurtosis ⟨(V − μ)⁴⟩/σ⁴ − 3, all population
    moments; skewness and kurtosis are 0 where σ ≤ 1e-10 mV. With a mask ⟨x⟩ = Σφx/Σφ, and the
    extrema are those of the cells with φ > 0.

    Args:
        field: Potential in volts, with one to three axes.
        mask: Fraction φ ∈ [0, 1] of each cell that takes part, of the field's shape; None is 1.

    Returns:
        Minimum, maximum, mean, standard deviation [mV], skewness and excess kurtosis [-].

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import field_statistics
        >>> statistics = field_statistics(jnp.array([[-0.07, -0.07], [-0.05, -0.05]]))
        >>> print(f"{statistics.mean:.1f} {statistics.std:.1f} {statistics.kurtosis:.1f}")
        -60.0 10.0 -2.0
    """
    field = fill_outside(jnp.asarray(field), mask)
    # Differences from the first cell are exact or nearly so: a constant float32 field has
    # σ = 0, where squares of −70 mV would leave noise. The second centring removes what the
    # first one leaves when that cell is the outlier.
    origin = field[(0,) * field.ndim]
    offsets = field - origin
    shift = cell_mean(offsets, mask)
    residuals = offsets - shift
    correction = cell_mean(residuals, mask)
    residuals = residuals - correction
    sigma = jnp.sqrt(cell_mean(residuals * residuals, mask))
    varied = sigma * 1e3 > SIGMA_MIN_MV
    # Standardised before the powers are taken: σ⁴ of a faint field underflows float32.
    z = residuals / jnp.where(varied, sigma, 1)
    skewness = cell_mean(z * z * z, mask)
    kurtosis = cell_mean((z * z) * (z * z), mask) - 3
    zero = jnp.zeros((), field.dtype)
    return FieldStatistics(
        minimum=jnp.min(field) * 1e3,
        maximum=jnp.max(field) * 1e3,
        mean=(origin + (shift + correction)) * 1e3,
        std=sigma * 1e3,
        skewness=jnp.where(varied, skewness, zero),
        kurtosis=jnp.where(varied, kurtosis, zero),
    )
