"""Grey levels as masks: one threshold, stated, that fits the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mfnjax._checks import shown
from mfnjax.errors import DataError, ParameterError
from mfnjax.images.labels import are_labels

MASK = "a mask of 0 and 1"
"""How the levels 0 and 1 of whole numbers are called."""

RULES = ("half", "otsu")
"""Thresholds that have a name."""


@final
@dataclass(frozen=True)
class Threshold:
    """A level that separates an image in two, and what led to it.

    Attributes:
        value: Cells above it are set.
        rule: What it is, in words.
        low: Least level of the image.
        high: Largest level.
        labels: Whether the levels are the numbers of objects.
    """

    value: float
    rule: str
    low: float
    high: float
    labels: bool = False

    def describe(self, mask: np.ndarray, *, invert: bool = False) -> str:
        """What was measured, in one line: threshold, levels, and the share of the cells."""
        count = int(mask.sum())
        side = "at or below" if invert else "above"
        level, span = f"{self.value:.6g}", f"the levels are {self.low:.6g} … {self.high:.6g}"
        if self.low == self.high:
            span = f"all are {self.low:.6g}"
        if count in (0, mask.size):
            which = "no cell is" if count == 0 else "every cell is"
            return f"warning: {which} {side} {level} ({self.rule}); {span}"
        return f"{count / mask.size:.2%} of the cells are {side} {level} ({self.rule}); {span}"


def half_range(dtype: Any) -> float:
    """Half of what a grey level of ``dtype`` can be: ½ for booleans and floats.

    Examples:
        >>> from mfnjax.images import half_range
        >>> half_range("uint8"), half_range("uint16"), half_range(bool)
        (127.5, 32767.5, 0.5)
    """
    dtype = np.dtype(dtype)
    return np.iinfo(dtype).max / 2 if dtype.kind in "iu" else 0.5


def choose_threshold(levels: Any, threshold: float | str | None = None) -> Threshold:
    """The level that separates object and background.

    Without a ``threshold``, the levels of masks (0 and 1) and of labels (numbers of objects,
    0 elsewhere) are recognised; of all others it is `half_range` of their dtype where that lies
    between the two phases that Otsu's method finds, and Otsu's threshold where it does not.

    Args:
        levels: Grey levels (H, W).
        threshold: A number in the unit of the levels, ``half``, ``otsu``, or None.

    Returns:
        The threshold; an image of one level has no other than half the range.

    Raises:
        ParameterError: Not (H, W), or not numbers, or a threshold that is not finite.
        DataError: A level is NaN.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.images import choose_threshold
        >>> camera = np.array([[300, 310, 1800, 1790]], np.uint16)
        >>> choose_threshold(camera).rule, choose_threshold(camera).value
        ("Otsu's threshold", 1050.0)

    Source:
        N. Otsu 1979, IEEE Trans. Syst. Man Cybern. 9:62, doi:10.1109/TSMC.1979.4310076.
    """
    array = _checked(levels)
    ends = float(array.min()), float(array.max())
    if threshold is not None and threshold not in RULES:
        if isinstance(threshold, (str, bool)) or not np.isfinite(threshold):
            raise ParameterError(
                f"threshold must be a finite number, half or otsu; got {shown(threshold)}"
            )
        return Threshold(float(threshold), "given", *ends)
    half, half_words = half_range(array.dtype), f"half the range of {array.dtype}"
    if array.dtype == np.bool_:
        return Threshold(half, "a mask", *ends)
    if threshold == "half" or ends[0] == ends[1]:
        return Threshold(half, half_words, *ends)
    if threshold is None and ends == (0.0, 1.0) and ((array == 0) | (array == 1)).all():
        return Threshold(0.5, MASK, *ends)
    if threshold is None and are_labels(array):
        return Threshold(0.0, "the numbers of objects", *ends, labels=True)
    value, below, above = _otsu(array)
    if threshold is None and below <= half < above:
        return Threshold(half, half_words, *ends)
    return Threshold(value, "Otsu's threshold", *ends)


def mask_from_levels(
    levels: Any, threshold: float | str | None = None, *, invert: bool = False
) -> np.ndarray:
    """Cells above a threshold; with ``invert`` those at or below it.

    Args:
        levels: Grey levels (H, W).
        threshold: As in `choose_threshold`.
        invert: Take the other side.

    Returns:
        Boolean mask (H, W).

    Raises:
        ParameterError: Not (H, W), or not numbers, or a threshold that is not finite.
        DataError: A level is NaN.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.images import mask_from_levels
        >>> mask_from_levels(np.array([[0, 127, 128, 255]], np.uint8)).tolist()
        [[False, False, True, True]]
        >>> mask_from_levels(np.array([[0, 1, 1, 0]], np.uint8)).tolist()
        [[False, True, True, False]]
    """
    value = choose_threshold(levels, threshold).value
    # In float64, so that neither side is rounded (or wraps) to the other's dtype.
    above = np.asarray(levels).astype(np.float64) > value
    return ~above if invert else above


def _checked(levels: Any) -> np.ndarray:
    array = np.asarray(levels)
    if array.ndim != 2 or array.size == 0:
        raise ParameterError(f"an image must have shape (H, W), got {array.ndim}-D {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ParameterError(f"an image must hold numbers, got dtype {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        row, column = (int(index) for index in np.argwhere(np.isnan(array))[0])
        raise DataError(f"the image holds a NaN at row {row}, column {column} (0-based)")
    return array


def _otsu(array: np.ndarray) -> tuple[float, float, float]:
    """Otsu's threshold, halfway to the next level, and the means of the two classes.

    Of all levels there are, not of a histogram's bins: it is the cut of largest variance between
    the classes, the first of them if several are.
    """
    levels, counts = np.unique(array[np.isfinite(array)], return_counts=True)
    levels = levels.astype(np.float64)
    if len(levels) < 2:
        return half_range(array.dtype), -np.inf, np.inf
    # From −1 to 1, so that squares neither overflow nor cancel.
    middle, reach = levels[0] / 2 + levels[-1] / 2, levels[-1] / 2 - levels[0] / 2
    sums = np.cumsum(counts * ((levels - middle) / reach))
    below, total = np.cumsum(counts)[:-1], counts.sum()
    low, high = sums[:-1] / below, (sums[-1] - sums[:-1]) / (total - below)
    cut = int(np.argmax(below / total * (total - below) * (high - low) ** 2))
    value = levels[cut] / 2 + levels[cut + 1] / 2
    return float(value), float(low[cut] * reach + middle), float(high[cut] * reach + middle)
