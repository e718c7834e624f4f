"""Statistics of one field that do not depend on where its features lie.

Two patterns of one kind differ cell by cell and agree in these: how much power a wavelength has,
how often a value occurs, how fast values grow apart with distance. All are differentiable.
Fields are periodic.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_int
from mfnjax.errors import ParameterError


def radial_power_spectrum(field: jax.Array, *, bins: int | None = None) -> jax.Array:
    """Power of a field by rings of wavenumber: Pⱼ = Σ_{q in ring j} |û_q|²/N².

    Ring j holds the wavenumbers with round(|q|·min(H, W)) = j, in cycles over the shorter side.
    The sum over all rings but the first is the variance (Parseval); ring 0 is the squared mean.

    Args:
        field: u (H, W), floating.
        bins: Rings that are returned; None: all up to half the shorter side.

    Returns:
        (bins,), in the squared unit of u.

    Raises:
        ParameterError: Not such a field.

    Examples:
        A wave of amplitude 1 has variance ½, all at its own wavenumber.

        >>> import jax.numpy as jnp
        >>> from mfnjax.fitting.snapshot import radial_power_spectrum
        >>> wave = jnp.cos(2 * jnp.pi * 3 * jnp.arange(32.0) / 32)[None] * jnp.ones((32, 1))
        >>> radial_power_spectrum(wave, bins=5).round(3).tolist()
        [0.0, 0.0, 0.0, 0.5, 0.0]
    """
    values = _check_field(field)
    side = min(values.shape)
    bins = side // 2 + 1 if bins is None else check_int("bins", bins, 1, 10 * side)
    q = np.hypot(np.fft.fftfreq(values.shape[0])[:, None], np.fft.fftfreq(values.shape[1])[None, :])
    ring = np.round(q * side).astype(np.int32).ravel()
    modes = jnp.fft.fft2(values)
    power = (modes.real**2 + modes.imag**2).ravel() / values.size**2
    return jax.ops.segment_sum(power, jnp.asarray(ring), int(ring.max()) + 1)[:bins]


def soft_histogram(field: jax.Array, edges: Any, width: Any) -> jax.Array:
    """Shares of the cells between edges, each edge blurred: σ((u − a)/w) − σ((u − b)/w), averaged.

    σ is the logistic function. As w → 0 this is the histogram; its gradient is the formula's.

    Args:
        field: u (H, W), floating.
        edges: Rising edges (n + 1,), in the unit of u.
        width: w > 0, in the unit of u.

    Returns:
        (n,) shares [-]; they add up to the share between the first and the last edge.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fitting.snapshot import soft_histogram
        >>> soft_histogram(jnp.array([[0.1, 0.2], [0.3, 0.9]]), [0.0, 0.5, 1.0], 1e-3).tolist()
        [0.75, 0.25]
    """
    values = _check_field(field)
    steps = jnp.asarray(edges, values.dtype)
    above = jax.nn.sigmoid((values[..., None] - steps) / width).mean((0, 1))
    return above[:-1] - above[1:]


def autocovariance(field: jax.Array) -> jax.Array:
    """C(r) = ⟨(u(x) − ū)(u(x + r) − ū)⟩ over the torus, (H, W), by Wiener–Khinchin."""
    values = _check_field(field)
    modes = jnp.fft.fft2(values - jnp.mean(values))
    power = (modes.real**2 + modes.imag**2).astype(modes.dtype)
    return jnp.fft.ifft2(power).real / values.size


def structure_function(field: jax.Array, *, lags: int | None = None) -> jax.Array:
    """S(r) = ⟨(u(x + r) − u(x))²⟩ = 2(C(0) − C(r)), averaged over the directions of r.

    Args:
        field: u (H, W), floating.
        lags: Distances 0 … lags − 1 that are returned; None: up to half the shorter side.

    Returns:
        (lags,), in the squared unit of u. Lag j averages the shifts with round(|r|) = j.

    Raises:
        ParameterError: Not such a field.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fitting.snapshot import structure_function
        >>> structure_function(jnp.ones((8, 8)), lags=3).tolist()
        [0.0, 0.0, 0.0]
    """
    values = _check_field(field)
    lags = min(values.shape) // 2 + 1 if lags is None else check_int("lags", lags, 1, 10**6)
    covariance = autocovariance(values)
    return 2 * (covariance[0, 0] - _radial_mean(covariance, lags))


def correlation_length(field: jax.Array) -> jax.Array:
    """ℓ = √(Var(u)/⟨|∇u|²⟩): 1/ℓ² is the mean squared wavenumber, weighted by power.

    For a wave of wavenumber k it is 1/k, its wavelength over 2π; for C(r) = σ²·exp(−r²/2ξ²) in
    two dimensions it is ξ/√2. The gradient is spectral, so both are exact on the grid.

    Args:
        field: u (H, W), floating, not constant.

    Returns:
        ℓ in cells, a scalar.

    Raises:
        ParameterError: Not such a field.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fitting.snapshot import correlation_length
        >>> wave = jnp.cos(2 * jnp.pi * jnp.arange(32.0) / 8)[None] * jnp.ones((32, 1))
        >>> print(f"{correlation_length(wave):.4f} = 8 / 2π")
        1.2732 = 8 / 2π
    """
    values = _check_field(field)
    rows, columns = values.shape
    squared = (2 * np.pi) ** 2 * (
        np.fft.fftfreq(rows)[:, None] ** 2 + np.fft.fftfreq(columns)[None, :] ** 2
    )
    modes = jnp.fft.fft2(values - jnp.mean(values))
    power = modes.real**2 + modes.imag**2
    return jnp.sqrt(jnp.sum(power) / jnp.sum(power * jnp.asarray(squared, power.dtype)))


def _radial_mean(table: jax.Array, lags: int) -> jax.Array:
    """Means over the shifts (in the layout of the FFT) at each rounded distance < lags."""
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in table.shape)
    distance = np.round(np.hypot(rows[:, None], columns[None, :])).astype(np.int32).ravel()
    number = int(max(distance.max() + 1, lags))
    counts = np.maximum(np.bincount(distance, minlength=number), 1)
    sums = jax.ops.segment_sum(table.ravel(), jnp.asarray(distance), number)
    return (sums / jnp.asarray(counts, table.dtype))[:lags]


def _check_field(field: Any) -> jax.Array:
    values = jnp.asarray(field)
    if values.ndim != 2 or values.size == 0 or not jnp.issubdtype(values.dtype, jnp.floating):
        raise ParameterError(
            f"a field must be floating of shape (H, W), got {values.dtype} of shape {values.shape}"
        )
    return values
