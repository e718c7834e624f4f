"""Whether the levels of an image are numbers of objects."""

from __future__ import annotations

import numpy as np

_SMALL = 4
"""Cells of an area that noise does not have."""


def are_labels(array: np.ndarray) -> bool:
    """Whether an image numbers objects: 0 is background, and each area of one number is a thing.

    A photograph has noise: its areas of one level are a cell or two. A smooth drawing has rings
    of levels, of which only the outermost touch 0. So an image is one of labels if its numbers are
    whole and begin at 0, the areas of one number have some cells each, and most touch 0; and if
    either the numbers are dense, or each is one area.

    Args:
        array: Levels (H, W).
    """
    from scipy import ndimage

    flat = array.ravel()
    if array.min() != 0 or (flat[1:] == flat[:-1]).mean() < 0.5:  # noise: most are told here
        return False
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.rint(array))).all():
        return False
    numbers = np.unique(array)
    objects = len(numbers) - 1
    if objects < 2 or objects > array.size // _SMALL:
        return False
    dense = np.searchsorted(numbers, array)
    areas, count = _areas(dense)
    if count > array.size // _SMALL or np.median(np.bincount(areas.ravel())[1:]) < _SMALL:
        return False
    touching = np.unique(areas[ndimage.binary_dilation(dense == 0) & (dense > 0)])
    if 2 * len(touching) < count:
        return False
    return bool(2 * objects >= numbers[-1] or count == objects)


def _areas(dense: np.ndarray) -> tuple[np.ndarray, int]:
    """The connected areas of one number, counted from 1 (0 has none), and how many there are."""
    from scipy import ndimage

    # Between two cells stands a bridge where they hold the same number.
    bridged = np.zeros([2 * side - 1 for side in dense.shape], bool)
    bridged[::2, ::2] = dense > 0
    bridged[1::2, ::2] = (dense[1:] == dense[:-1]) & (dense[1:] > 0)
    bridged[::2, 1::2] = (dense[:, 1:] == dense[:, :-1]) & (dense[:, 1:] > 0)
    areas, count = ndimage.label(bridged)
    return areas[::2, ::2], count
