"""Statistics of a black-and-white picture of a pattern: what its outlines say, wherever they lie.

How much of the picture's variance each wavelength has; how often the two phases fall into pieces;
how long the outlines are; and how thick both phases are, from the distance of every cell to the
next outline and from its maxima along the middle of a stripe or spot. Lengths are in the unit that
they are told, or in the pattern's own wavelength.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mfnjax.fitting.snapshot.classes import count_components, strongest_octave

BANDS = np.geomspace(1 / 40, 1 / 3, 25)
"""Edges of the bands of the spectrum, in cycles per unit of length."""

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)

NUMBER = len(BANDS) - 1 + 5 + 2 * (1 + len(QUANTILES) + 4)
"""How many statistics there are."""


def outline_statistics(mask: np.ndarray, *, unit: float = 1.0) -> np.ndarray:
    """Statistics of a mask that do not depend on where its features lie.

    Args:
        mask: (H, W), boolean, periodic, with cells of both kinds.
        unit: The unit of length, in cells.

    Returns:
        (NUMBER,): shares of the variance by band (their roots), ln of the dominant wavenumber,
        relative width of its peak, ln of the mean wavenumber, length of the outlines, share of the
        cells inside; and for the inside and the outside the number of pieces, the thickness by
        quantiles, and along the middle its median, spread, number of maxima and asymmetry.

    Examples:
        Shifting the picture changes nothing, and swapping its axes neither.

        >>> import numpy as np
        >>> from experiments.outlines.statistics import NUMBER, outline_statistics
        >>> x = 2 * np.pi * np.arange(64) / 16
        >>> mask = np.cos(x)[:, None] + np.cos(x + 1)[None, :] > 0.5
        >>> one, other = outline_statistics(mask), outline_statistics(np.roll(mask, 5, 0).T)
        >>> one.shape == (NUMBER,), np.allclose(one, other)
        (True, True)
    """
    bands, wavenumber, width, mean = _spectrum(mask, unit)
    crossings = sum(float(np.mean(mask != np.roll(mask, 1, axis))) for axis in (0, 1))
    whole = [
        *bands,
        np.log(wavenumber),
        width,
        np.log(mean),
        crossings * unit / wavenumber,
        float(mask.mean()),
    ]
    phases = [_phase(phase, wavenumber / unit) for phase in (mask, ~mask)]
    return np.concatenate([whole, *phases])


def _spectrum(mask: np.ndarray, unit: float) -> tuple[np.ndarray, float, float, float]:
    """(roots of the shares by band, dominant wavenumber, relative width of its peak, mean
    wavenumber), wavenumbers in cycles per unit."""
    rows, columns = mask.shape
    q = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None, :])
    power = np.abs(np.fft.fft2(mask - mask.mean())) ** 2
    power /= power.sum()
    band = np.digitize(q * unit, BANDS).ravel()
    shares = np.bincount(band, power.ravel(), minlength=len(BANDS) + 1)[1:-1]
    octave = strongest_octave(power, q, min(rows, columns))
    weight = power[octave] / power[octave].sum()
    dominant = float(weight @ q[octave])
    width = float(np.sqrt(weight @ (q[octave] - dominant) ** 2)) / dominant
    return np.sqrt(shares), dominant * unit, width, float((power * q).sum()) * unit


def _phase(phase: np.ndarray, wavenumber: float) -> list[float]:
    """Of one phase: pieces, thickness by quantiles, and thickness along the middle; wavenumber in
    cycles per cell."""
    area = 1 / wavenumber**2
    margin = min(int(2 / wavenumber) + 1, min(phase.shape))
    padded = ndimage.distance_transform_edt(np.pad(phase, margin, mode="wrap"))
    distance = padded[margin:-margin, margin:-margin]
    middle = (ndimage.maximum_filter(distance, 5, mode="wrap") == distance) & phase
    half = distance[middle] - 0.5
    low, median, high = np.quantile(half, [0.1, 0.5, 0.9])
    depths = np.quantile(distance[phase] - 0.5, QUANTILES)
    return [
        float(np.sqrt(count_components(phase, periodic=True) * area / phase.size)),
        *np.log(np.maximum(depths, 0.3) * wavenumber),
        float(np.log(median * wavenumber)),
        float(half.std() / half.mean()),
        float(np.sqrt(middle.sum() * area / phase.size)),
        float((high + low - 2 * median) / half.mean()),
    ]
