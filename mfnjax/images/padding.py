"""Masks of any shape as the square ones that box counts halve."""

from __future__ import annotations

from typing import Any

import numpy as np

from mfnjax.errors import ParameterError


def pad_to_power_of_two(mask: Any) -> np.ndarray:
    """Background at the bottom and right, up to the next power of two, square.

    Args:
        mask: Boolean (H, W).

    Returns:
        Boolean (N, N), N the least power of two ≥ max(H, W).

    Raises:
        ParameterError: Not a boolean (H, W) array.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.images import pad_to_power_of_two
        >>> pad_to_power_of_two(np.ones((3, 5), bool)).shape
        (8, 8)
    """
    array = np.asarray(mask)
    if array.ndim != 2 or array.size == 0 or array.dtype != np.bool_:
        raise ParameterError(
            f"mask must be a boolean array (H, W), got shape {array.shape}, dtype {array.dtype}"
        )
    side = 1 << (max(array.shape) - 1).bit_length()
    padded = np.zeros((side, side), bool)
    padded[: array.shape[0], : array.shape[1]] = array
    return padded
