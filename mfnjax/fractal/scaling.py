"""A power law with honest error bars from counts that wiggle: N(s) ≈ A·s^(−D).

Counts of a fractal do not scatter about a power law like independent readings. They wave
log-periodically (a set made of copies shrunk by b repeats itself at s, b·s, b²·s, …), they
are disturbed by pixels at small s and by the set's outline at large s, and a random set
carries the accidents of its first generations through all later ones. A least-squares error
bar knows none of that and comes out several times too small.

Here ln N = a − D·ln s + g(s), with g a Gaussian process whose covariance is one of several
hypotheses about those disturbances. D has a flat prior on [0, 2]; each hypothesis is weighted
by its marginal (restricted) likelihood, and the spread between hypotheses is part of the
standard error. Plain NumPy in float64: fifty numbers go in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The grid of hypotheses, in natural logarithms of counts. Chosen once, on random families
# (Moran and product Cantor sets, fractal percolation, random m-of-b² sets), not per set.
_BASES = (2, 3, 4, 5, 6)
_PERIODS = np.log(np.geomspace(1.7, 6.5, 10))
_WAVE_SD = (0.05, 0.2)
_LATTICE_SD = 0.2
_NOISE_SD = (0.005, 0.02, 0.1)
_NOISE_LENGTH = 0.15
_NOISE_WHITE = 0.3
_GENEALOGY = (0.0, 0.03, 0.3)
_PIXEL_SD = 0.3
_PIXEL_POWER = 1.5
_RANGE_STARTS = (1, 2, 4, 8, 14)
_OUTLINE_SD = 1.0
_OFFSET_GAIN_SD = 0.25
_ON_LATTICE = 0.03
_FLOOR_SD = 1.5e-3


@dataclass(frozen=True)
class ScalingFit:
    """Posterior of the exponent: its mean and standard deviation, and the likeliest start."""

    dimension: float
    standard_error: float
    first: int


def local_slopes(sizes: Array, counts: Array, reach: float = 2.0) -> Array:
    """−d ln N / d ln s at each size: least squares over the sizes within a factor ``reach``.

    Examples:
        >>> import numpy as np
        >>> s = np.array([1.0, 2.0, 4.0, 8.0])
        >>> local_slopes(s, 64 / s**1.5).round(6).tolist()
        [1.5, 1.5, 1.5, 1.5]
    """
    x, y = np.log(sizes), np.log(counts)
    near = np.abs(x[:, None] - x) <= np.log(reach) + 1e-9
    weight = near / near.sum(1, keepdims=True)
    centred = np.where(near, x - (weight * x).sum(1)[:, None], 0.0)
    spread = (centred**2).sum(1)
    # A size with no neighbour in reach has no slope of its own.
    slopes = -(centred * y).sum(1) / np.where(spread > 0, spread, 1.0)
    return np.where(spread > 0, slopes, np.nan)


def fit_scaling(sizes: Array, counts: Array, extent: float) -> ScalingFit:
    """Exponent of counts N(s) ∝ s^(−D) with its uncertainty.

    Args:
        sizes: Box sides, rising, shape (n,), n ≥ 3.
        counts: Counts > 0, shape (n,).
        extent: The side of the set that sets where the outline disturbs the counts.
    """
    x, y = np.log(sizes), np.log(counts)
    kernels, prior, starts = _hypotheses(sizes, counts, extent)
    design = np.stack([np.ones_like(x), x.mean() - x, y - y.mean()], axis=1)
    gram, log_det = _whitened_gram(kernels, design)
    normal, right, total = gram[:, :2, :2], gram[:, :2, 2], gram[:, 2, 2]
    covariance = np.linalg.inv(normal)
    estimate = np.einsum("gij,gj->gi", covariance, right)
    misfit = total - np.einsum("gi,gi->g", estimate, right)
    evidence = -0.5 * (misfit + log_det + np.linalg.slogdet(normal)[1])
    dimension, variance = estimate[:, 1], covariance[:, 1, 1]
    possible = prior * ((dimension > -0.02) & (dimension < 2.02))
    if possible.any():
        prior = possible
    weight = prior * np.exp(evidence - evidence[prior > 0].max())
    weight /= weight.sum()
    mean = float(weight @ dimension)
    spread = float(weight @ (variance + (dimension - mean) ** 2))
    # The start of the range that carries most weight, all other hypotheses summed out.
    votes = {start: weight[starts == start].sum() for start in np.unique(starts)}
    return ScalingFit(mean, spread**0.5, int(max(votes, key=lambda start: votes[start])))


def _whitened_gram(kernels: Array, design: Array) -> tuple[Array, Array]:
    """XᵀK⁻¹X and ln|K| of each kernel, by one Cholesky factorisation.

    That of [[K, X], [Xᵀ, c·1]] is [[L, 0], [XᵀL⁻ᵀ, …]], so no system need be solved after
    it. The corner c only has to keep the matrix positive; it does not enter.
    """
    number, n, columns = len(kernels), *design.shape
    bordered = np.empty((number, n + columns, n + columns))
    bordered[:, :n, :n] = kernels
    bordered[:, n:, :n] = design.T
    bordered[:, :n, n:] = design
    bordered[:, n:, n:] = 1e14 * np.eye(columns)
    factor = np.linalg.cholesky(bordered)
    white = factor[:, n:, :n]
    log_det = 2.0 * np.log(np.diagonal(factor[:, :n, :n], axis1=1, axis2=2)).sum(1)
    return white @ white.transpose(0, 2, 1), log_det


def _hypotheses(
    sizes: Array, counts: Array, extent: float
) -> tuple[Array, Array, NDArray[np.int_]]:
    """Covariances (G, n, n), prior weights (G,), and the range start of each hypothesis (G,)."""
    n, eye = len(sizes), np.eye(len(sizes))
    lag = np.log(sizes[:, None] / sizes)
    waves, shrink, wave_prior, exact = _structures(sizes, lag)

    noise = (1 - _NOISE_WHITE) * np.exp(-np.abs(lag) / _NOISE_LENGTH) + _NOISE_WHITE * eye
    # Outline: boxes cut by the rim add a fraction of order s/extent. Gain: the best of many
    # grid offsets saves more where boxes are few. Both are smooth in s, so of rank one.
    outline = _OUTLINE_SD * sizes / extent
    gain = _OFFSET_GAIN_SD * np.minimum(counts**-0.5, (sizes / extent) ** 0.5)
    smooth = np.outer(outline, outline) + np.outer(gain, gain)
    noises = np.array([sd**2 * noise + smooth for sd in _NOISE_SD])
    # Genealogy: accidents among the N(s) pieces at size s are inherited by all smaller
    # sizes, so that the covariance at two sizes is that of the more numerous one.
    genealogy = np.array([c / np.maximum(counts[:, None], counts) for c in _GENEALOGY])

    ranges, starts = [_FLOOR_SD**2 * eye], [1]
    pixels = _PIXEL_SD**2 / (sizes[:, None] * sizes) ** _PIXEL_POWER
    for start in _RANGE_STARTS:
        kept = sizes >= start
        if start > 1 and (kept.sum() < 8 or counts[kept].max() < 6 * counts.min()):
            continue
        # Below the start of the range the local slope is not the set's: a free deviation.
        ranges.append(_FLOOR_SD**2 * eye + np.diag(1.0 * ~kept) + pixels)
        starts.append(start)

    scaled = shrink[:, :, None] * shrink[:, None, :]
    kernels = (waves[:, None] + scaled[:, None] * noises)[:, :, None, None]
    kernels = kernels + genealogy[:, None] + np.array(ranges)
    prior = np.broadcast_to(wave_prior[:, None, None, None], kernels.shape[:4]).copy()
    # An image that is exact on its own lattice has no pixel effects to excuse.
    prior[exact, :, :, 1:] = 0.0
    start_of = np.broadcast_to(np.array(starts), kernels.shape[:4])
    return kernels.reshape(-1, n, n), prior.ravel(), start_of.ravel()


def _structures(sizes: Array, lag: Array) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Log-periodic hypotheses: covariance, noise factors per size, prior weight, 'exact' flag."""
    ones = np.ones_like(sizes)
    rows = [(np.zeros_like(lag), ones, 1.0, False)]
    share = 1.0 / (3 * len(_BASES))
    for base in _BASES:
        steps = lag / np.log(base)
        # One free level per lattice s₀·b^j: any b-periodic function of ln s.
        same = (np.abs(steps - np.round(steps)) < 1e-9).astype(float)
        calm = np.where(same[:, 0] > 0, _ON_LATTICE, 1.0) if sizes[0] == 1 else ones
        exact = bool(sizes[0] == 1)
        rows.append((_LATTICE_SD**2 * same, ones, share, False))
        rows.append((_LATTICE_SD**2 * same, calm, share, exact))
        rows.append(((0.1 * _LATTICE_SD) ** 2 * same, calm, share, exact))
    share = 1.0 / (len(_PERIODS) * len(_WAVE_SD))
    for period in _PERIODS:
        wave = np.exp(-2.0 * np.sin(np.pi * lag / period) ** 2 / 0.7**2)
        rows.extend((sd**2 * wave, ones, share, False) for sd in _WAVE_SD)
    waves, shrink, prior, exact_flags = zip(*rows, strict=True)
    return np.array(waves), np.array(shrink), np.array(prior), np.array(exact_flags)
