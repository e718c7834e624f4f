"""What a file of images holds, before any of it is read: planes in an order, and their size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from mfnjax.errors import DataError

LARGEST_PLANE = 178_956_970
"""Most cells of one plane (Pillow's own limit): a small file can claim any size."""


@final
@dataclass(frozen=True)
class Stack:
    """Planes of one size.

    Attributes:
        axes: A letter for each axis but those of a plane, slowest first: T time, Z depth,
            C channel, I any other. Empty for one plane.
        shape: Length of each.
        plane: Number of a plane, in the order of ``axes`` → values (H, W), or (H, W, S) with
            S = 2 grey and alpha, 3 colour, 4 colour and alpha; as stored, bright is high.
        indices: The same for the numbers that a palette image stores; None: it has no palette.
        pixel_size: Height and width of a pixel in ``unit``; None: the file does not say.
        unit: Of ``pixel_size``.
        frame_interval: Seconds between two frames; None: the file does not say.
    """

    axes: str
    shape: tuple[int, ...]
    plane: Callable[[int], np.ndarray]
    indices: Callable[[int], np.ndarray] | None = None
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    frame_interval: float | None = None


def check_size(height: int, width: int) -> None:
    """Refuse a plane that no camera took: a few bytes can claim, or unpack to, any size.

    Raises:
        DataError: Empty, or over `LARGEST_PLANE` cells.
    """
    if height * width == 0:
        raise DataError("the image is empty")
    if height * width > LARGEST_PLANE:
        raise DataError(f"{height} × {width} pixels; at most {LARGEST_PLANE} are read")


# EXIF orientation → flip up–down, flip left–right, swap the axes first.
_TURNS = {
    2: (False, True, False),
    3: (True, True, False),
    4: (True, False, False),
    5: (False, False, True),
    6: (False, True, True),
    7: (True, True, True),
    8: (True, False, True),
}


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """An image (H, W, …) as a viewer shows it, by the orientation of its EXIF or TIFF tag."""
    up_down, left_right, swapped = _TURNS.get(orientation, (False, False, False))
    array = array.swapaxes(0, 1) if swapped else array
    return array[:: -1 if up_down else 1, :: -1 if left_right else 1]


def printing(dots_per_inch: float) -> bool:
    """Whether a resolution is one for paper (a whole number of dots) and measures nothing."""
    return abs(dots_per_inch - round(dots_per_inch)) < 0.02 or dots_per_inch < 1
