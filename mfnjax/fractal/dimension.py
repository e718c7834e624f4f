"""The box-counting dimension one can trust: a number with an interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfnjax._checks import check_int, check_items, check_real, shown
from mfnjax.errors import DataError, ParameterError
from mfnjax.fractal.cover import host_cover_counts, regular_numbers
from mfnjax.fractal.scaling import fit_scaling, local_slopes

LARGEST_SIDE = 4096
"""Longest side of an image, in cells."""

_FEWEST_BOXES = 8
_FEWEST_SCALES = 3


@dataclass(frozen=True)
class DimensionEstimate:
    """A dimension with what it was read from.

    Attributes:
        dimension: Posterior mean of D.
        standard_error: Posterior standard deviation of D.
        interval: (low, high), which holds D with probability ``confidence``, within [0, 2].
        confidence: That probability.
        r_squared: Of the straight line through ln N against ln s over the range used. It is
            close to 1 for every set and says little: judge by the interval.
        sizes: The box sizes counted that enter the fit, in cells, shape (n,).
        counts: Fewest boxes of each size that cover the set, shape (n,).
        local_slopes: −d ln N/d ln s about each size (within a factor 2), shape (n,).
        fit_range: Smallest and largest size that carry weight: below the first, the local
            slope differs from that of the rest by more than its noise.
    """

    dimension: float
    standard_error: float
    interval: tuple[float, float]
    confidence: float
    r_squared: float
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    local_slopes: NDArray[np.float64]
    fit_range: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, under the attributes' names."""
        plain = dict(self.__dict__)
        for name in ("sizes", "counts", "local_slopes"):
            plain[name] = [None if v != v else v for v in plain[name].tolist()]
        for name in ("interval", "fit_range"):
            plain[name] = list(plain[name])
        return plain


def fractal_dimension(
    mask: ArrayLike,
    *,
    sizes: Sequence[int] | None = None,
    offsets: int = 8,
    confidence: float = 0.95,
) -> DimensionEstimate:
    """Box-counting dimension of a set of pixels, with a standard error and an interval.

    D in N(s) ∝ s^(−D), with N(s) the fewest boxes of side s, over shifts of the grid, that
    cover the set (`min_cover_counts`). The counts of many sizes are fitted by a power law whose
    deviations are modelled, not assumed independent: log-periodic waves, the accidents of a
    random set, pixels at small sizes, the outline at large ones (`mfnjax.fractal.scaling`).
    The range of sizes starts where the local slope settles and ends at a tenth of the set.

    The interval is about the scaling *seen in the image*. It cannot know about a crossover
    below the pixel or beyond the frame: level sets of rough surfaces, and percolation clusters
    on small lattices, scale with an effective dimension there, and that is what is reported.

    The counting runs on the host, in NumPy: nothing is compiled. Not differentiable: counts are
    integers.

    Args:
        mask: Image, shape (H, W), up to 4096 a side; any non-zero cell belongs to the set.
        sizes: Box sides in cells, at least 3 different ones; by default the 5-smooth numbers
            1, 2, 3, 4, 5, 6, 8, 9, 10, 12, … up to a tenth of the set's extent.
        offsets: Grid shifts tried per axis and size (all there are below twice this number).
        confidence: Probability of the interval, inside (0, 1).

    Returns:
        A `DimensionEstimate`.

    Raises:
        ParameterError: An argument is out of range, or the image has not two axes.
        DataError: The mask is empty, holds NaN, or is too small a set to scale: a single
            pixel, or fewer than three sizes with at least 2 boxes.

    Examples:
        >>> import numpy as np
        >>> gasket = np.bitwise_and.outer(np.arange(128), np.arange(128)) == 0
        >>> found = fractal_dimension(gasket)
        >>> abs(found.dimension - 1.58496) < 0.01
        True
        >>> found.interval[0] < 1.58496 < found.interval[1]
        True

    Source:
        K. Falconer 2014, *Fractal Geometry*, ch. 2 (the minimum over grids); D. Sornette 1998,
        Phys. Rep. 297:239, doi:10.1016/S0370-1573(97)00076-8 (log-periodic waves); C. E.
        Rasmussen, C. K. I. Williams 2006, *Gaussian Processes for Machine Learning*, §2.7.
    """
    image = _checked_mask(mask)
    offsets = check_int("offsets", offsets, 1, 64)
    confidence = check_real("confidence", confidence, 0.0, 1.0, open_low=True, open_high=True)
    chosen = None if sizes is None else _checked_sizes(sizes, max(image.shape))
    sides = _extent(image)
    if max(sides) == 1:
        raise DataError("the mask is a single pixel: a point has no scaling to measure")

    tried = chosen or regular_numbers(max(64, 1 << (max(image.shape) - 1).bit_length()) // 8)
    counts = host_cover_counts(image, tried, offsets).astype(np.int64)
    scale = np.asarray(tried, dtype=np.int64)
    used = counts >= 2 if chosen else _usable(scale, counts, max(sides))
    scale, counts = scale[used], counts[used]
    if len(scale) < _FEWEST_SCALES:
        raise DataError(
            f"the set ({sides[0]} × {sides[1]} cells) is too small: it needs at least "
            f"{_FEWEST_SCALES} box sizes with 2 boxes or more, and has {len(scale)}"
        )
    return _estimate(scale, counts, sides, confidence)


def fractal_dimensions(masks: Iterable[ArrayLike], **options: Any) -> list[DimensionEstimate]:
    """`fractal_dimension` of each image of a batch.

    Args:
        masks: Images, an array (B, H, W) or any iterable of (H, W).
        **options: As for `fractal_dimension`.

    Returns:
        One `DimensionEstimate` an image; the numbers are those of single calls.
    """
    return [fractal_dimension(mask, **options) for mask in masks]


def _estimate(
    sizes: NDArray[np.int64], counts: NDArray[np.int64], sides: tuple[int, int], confidence: float
) -> DimensionEstimate:
    s, n = sizes.astype(float), counts.astype(float)
    # Both sides of a solid set are cut by boxes; a thin one has only its length.
    extent = float(min(sides) if min(sides) >= s[-1] else max(sides))
    fit = fit_scaling(s, n, extent)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * fit.standard_error
    low, high = np.clip([fit.dimension - half, fit.dimension + half], 0.0, 2.0)
    inside = s >= fit.first
    correlation = (
        np.corrcoef(np.log(s[inside]), np.log(n[inside]))[0, 1] if n.min() < n.max() else 1.0
    )
    return DimensionEstimate(
        dimension=float(np.clip(fit.dimension, 0.0, 2.0)),
        standard_error=fit.standard_error,
        interval=(float(low), float(high)),
        confidence=confidence,
        r_squared=float(correlation**2),
        sizes=sizes,
        counts=counts,
        local_slopes=local_slopes(s, n),
        fit_range=(int(s[inside][0]), int(sizes[-1])),
    )


def _usable(sizes: NDArray[np.int64], counts: NDArray[np.int64], side: int) -> NDArray[np.bool_]:
    """Sizes small beside the set and with boxes enough; for tiny sets, whatever there is."""
    used = (sizes <= max(side / 10, 16)) & (counts >= _FEWEST_BOXES)
    if used.sum() < 12:
        used = (sizes <= side / 4) & (counts >= 3)
    return used if used.sum() >= _FEWEST_SCALES else (sizes <= side) & (counts >= 2)


def _checked_mask(mask: ArrayLike) -> NDArray[np.bool_]:
    try:
        array = np.asarray(mask)
    except ValueError:
        raise ParameterError(f"mask must be an image (H, W), got {shown(mask)}") from None
    if array.ndim != 2 or min(array.shape, default=0) < 1:
        raise ParameterError(f"mask must have two axes (H, W), got shape {array.shape}")
    if max(array.shape) > LARGEST_SIDE:
        raise ParameterError(f"mask may have up to {LARGEST_SIDE} cells a side, got {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ParameterError(f"mask must hold booleans or real numbers, got dtype {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise DataError("the mask holds NaN: threshold a finite field")
    image = array != 0
    if not image.any():
        raise DataError("the mask is empty: there is no set to measure")
    return image


def _checked_sizes(sizes: Sequence[int], side: int) -> tuple[int, ...]:
    listed = check_items("sizes", sizes, "a list of box sides in cells")
    checked = tuple(sorted({check_int("sizes", size, 1, side) for size in listed}))
    if len(checked) < _FEWEST_SCALES:
        raise ParameterError(
            f"sizes needs at least {_FEWEST_SCALES} different values, got {sizes!r}"
        )
    return checked


def _extent(image: NDArray[np.bool_]) -> tuple[int, int]:
    rows, columns = (np.nonzero(image.any(axis))[0] for axis in (1, 0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
