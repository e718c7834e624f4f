"""Spots, labyrinth or holes: the class of a pattern from its two phases."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from mfnjax.errors import ParameterError

PATTERN_CLASSES = ("spots", "labyrinth", "holes", "uniform")

COMPACT = 0.7
"""A piece of the rarer phase is compact if its mean area is below this many squared wavelengths.
Measured: spots and holes 0.1–0.4, labyrinths above 1."""


def dominant_wavelength(field: Any) -> float:
    """The wavelength of the strongest ring of a field's power spectrum, in cells.

    The power-weighted mean wavenumber over the peak's own octave, which is finer than a ring.

    Args:
        field: (H, W), periodic.

    Returns:
        λ in cells; infinity for a field that does not vary.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.fitting.snapshot import dominant_wavelength
        >>> wave = np.sin(2 * np.pi * np.arange(64) / 8)[None, :] * np.ones((64, 1))
        >>> print(f"{dominant_wavelength(wave):.1f}")
        8.0
    """
    values = _field(field)
    power = np.abs(np.fft.rfft2(values - values.mean())) ** 2
    rows, columns = values.shape
    wavenumber = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    if power.max() <= 1e-20 * max(np.abs(values).max(), 1e-300) ** 2 * values.size**2:
        return float("inf")
    octave = strongest_octave(power, wavenumber, min(rows, columns))
    return float(power[octave].sum() / (power * wavenumber)[octave].sum())


def strongest_octave(power: np.ndarray, wavenumber: np.ndarray, side: int) -> np.ndarray:
    """Which waves lie within half an octave of the ring with most power, as a mask like them.

    A ring holds the wavenumbers (cycles per cell) with the same whole number of waves in ``side``
    cells, rounded; waves longer than that, of an elongated picture, count to the first.
    """
    ring = np.maximum(np.round(wavenumber * side), wavenumber > 0).astype(int)
    first = int(np.argmax(np.bincount(ring.ravel(), power.ravel())))
    peak = first / side
    octave = (wavenumber > peak / np.sqrt(2)) & (wavenumber < peak * np.sqrt(2))
    return octave | (ring == 1) if first == 1 else octave


def classify_pattern(field: Any, *, periodic: bool = True) -> str:
    """Whether v makes spots, a labyrinth or holes.

    The field is cut halfway between its extremes. The rarer of the two phases decides: in compact
    pieces, of a mean area below 0.7 squared wavelengths, it makes spots (if v is high in it) or
    holes; else the pattern is a labyrinth.

    Args:
        field: v (H, W), with little noise.
        periodic: Whether opposite edges meet.

    Returns:
        One of `PATTERN_CLASSES`; ``uniform`` where v varies by less than 5 % of its mean.

    Raises:
        ParameterError: Not a finite field (H, W).

    Examples:
        >>> import numpy as np
        >>> from mfnjax.fitting.snapshot import classify_pattern
        >>> x = 2 * np.pi * np.arange(64) / 16
        >>> spots = np.exp(np.cos(x)[:, None] + np.cos(x)[None, :])
        >>> classify_pattern(spots), classify_pattern(-spots)
        ('spots', 'holes')
    """
    values = _field(field)
    low, high = np.quantile(values, [0.005, 0.995])
    if high - low <= 0.05 * abs(values.mean()):
        return "uniform"
    above = values > (low + high) / 2
    rare = above if above.mean() < 0.5 else ~above
    count = count_components(rare, periodic=periodic)
    if rare.sum() / max(count, 1) >= COMPACT * dominant_wavelength(values) ** 2:
        return "labyrinth"
    return "spots" if rare is above else "holes"


def count_components(mask: np.ndarray, *, periodic: bool) -> int:
    """How many pieces a mask has; with ``periodic`` they may meet across opposite edges."""
    labels, count = ndimage.label(mask)
    if not periodic or count == 0:
        return int(count)
    parent = np.arange(count + 1)

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    for one, other in ((labels[0], labels[-1]), (labels[:, 0], labels[:, -1])):
        for a, b in zip(one, other, strict=True):
            if a and b:
                parent[root(a)] = root(b)
    return len({root(label) for label in range(1, count + 1)})


def _field(field: Any) -> np.ndarray:
    values = np.asarray(field)
    if values.ndim != 2 or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise ParameterError(
            f"a pattern must be a finite field (H, W), got {values.dtype} of shape {values.shape}"
        )
    return values.astype(float)
