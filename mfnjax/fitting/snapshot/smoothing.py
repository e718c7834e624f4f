"""Noise in a picture of a pattern: how much of it there is, and how to take it out.

A pattern has a wavelength of many cells and next to nothing at the shortest waves a grid can hold;
white noise is the same at all. So the shortest waves measure the noise, and a Wiener filter, which
weighs each wavenumber by the share of its power that is not noise, takes most of it out.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.spectral import from_modes, laplacian_eigenvalues, scale_modes, to_modes

SHORT_WAVES = 0.75
"""Modes whose eigenvalue is above this share of the largest one (waves of 2 to 2.5 cells)."""

RINGS_PER_UNIT = 20
"""Width of a ring of wavenumbers in the spectrum: 1/20 of an inverse cell."""


def estimate_noise(image: np.ndarray, grid: Grid) -> float:
    """Standard deviation of white noise in an image of a smooth pattern, from its short waves.

    Args:
        image: (H, W).
        grid: Its grid, periodic or no-flux.

    Returns:
        σ, in the unit of the image.

    Examples:
        >>> import numpy as np
        >>> from mfnjax import Grid
        >>> from mfnjax.fitting.snapshot import estimate_noise
        >>> wave = np.sin(2 * np.pi * np.arange(64) / 16)[None, :] * np.ones((64, 1))
        >>> noise = 0.1 * np.random.default_rng(0).standard_normal((64, 64))
        >>> print(f"{estimate_noise(wave + noise, Grid((64, 64))):.2f}")
        0.10
    """
    modes, curvature, white = _spectrum(image, grid)
    short = curvature > SHORT_WAVES * curvature.max()
    return float(np.sqrt(np.mean(np.abs(modes[short]) ** 2) / white))


def wiener_filter(image: np.ndarray, noise: float, grid: Grid) -> np.ndarray:
    """What a radial Wiener filter does to each mode: 1 − noise power / power, at least 0.

    Args:
        image: (H, W).
        noise: σ of white noise, in the unit of the image; 0 filters nothing.
        grid: Its grid, periodic or no-flux.

    Returns:
        Factors in [0, 1], in the layout of `mfnjax.core.spectral.to_modes`. The mean stays.
    """
    modes, curvature, white = _spectrum(image, grid)
    ring = np.round(RINGS_PER_UNIT * np.sqrt(curvature)).astype(int).ravel()
    power = np.bincount(ring, np.abs(modes).ravel() ** 2) / np.maximum(np.bincount(ring), 1)
    white_power = noise**2 * white
    share = np.maximum(power - white_power, 0) / np.where(power > 0, power, 1)
    if white_power == 0:
        share = np.ones_like(power)
    factors = share[ring].reshape(modes.shape)
    factors[0, 0] = 1
    return factors


def filtered(image: np.ndarray, factors: np.ndarray, grid: Grid) -> np.ndarray:
    """The image with each mode times its factor (H, W), float64."""
    return np.asarray(_filtered(as_default_float(factors), as_default_float(image), grid), float)


def as_default_float(values: Any) -> np.ndarray:
    """As an array of JAX's default floating dtype, made on the host: there it compiles nothing."""
    return np.asarray(values, jnp.result_type(float))


def apply_filter(factors: jax.Array, field: jax.Array, grid: Grid) -> jax.Array:
    """The field with each mode times its factor."""
    return from_modes(scale_modes(factors, to_modes(field, grid)), grid)


def _spectrum(image: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray, float]:
    """(modes, −λ, power of unit white noise in a mode); the mean is taken out first."""
    modes, eigenvalues = map(np.asarray, _modes(as_default_float(image), grid))
    white = float(grid.num_cells) if np.iscomplexobj(modes) else 1.0
    return modes, -eigenvalues.astype(float), white


@jax.jit
def _modes(values: jax.Array, grid: Grid) -> tuple[jax.Array, jax.Array]:
    return to_modes(values - jnp.mean(values), grid), laplacian_eigenvalues(grid, values.dtype)


_filtered = jax.jit(apply_filter)
