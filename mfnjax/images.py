"""Images as data: files to grey levels, grey levels to masks.

A measurement of a photograph starts with a decision about what belongs to the object. Here it is
one threshold, stated; nothing is guessed from the content of the image.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mfnjax._checks import check_choice
from mfnjax.errors import DataError, ParameterError

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
"""Files that `read_image` takes."""

CHANNELS = ("red", "green", "blue", "luma")
"""What may be read from a colour image; luma is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""

_GREY_MODES = ("1", "L", "I", "F")


def read_image(path: str | Path, *, channel: str | None = None) -> np.ndarray:
    """Read a grey image.

    A colour image whose channels are equal is grey. Any other is refused unless ``channel`` says
    what to read; so is one that is partly transparent, or that has several pages.

    Args:
        path: A PNG, TIFF or JPEG file.
        channel: One of `CHANNELS`, for a colour image; None refuses colour.

    Returns:
        Grey levels (H, W): boolean, unsigned or signed integers, or float32, as stored.

    Raises:
        DataError: No such file, another format, damaged, colour, transparent, or several pages.
        ParameterError: Unknown channel.
    """
    from PIL import Image

    path = Path(path)
    if channel is not None:
        check_choice("channel", channel, CHANNELS)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise DataError(f"{path}: not an image file ({', '.join(IMAGE_SUFFIXES)})")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged file is told by the error, in one line
            with Image.open(path) as image:
                pages = getattr(image, "n_frames", 1)
                if pages > 1:
                    raise DataError(f"holds {pages} pages; save the one to measure by itself")
                image.load()
                return _grey_levels(image, channel)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # decoders fail in many ways, all of them this one
        reason = "not a readable image" if "cannot identify" in str(error) else str(error)
        raise DataError(f"{path}: damaged or unsupported image ({reason})") from error


def _grey_levels(image: Any, channel: str | None) -> np.ndarray:
    mode = image.mode
    if mode in _GREY_MODES or mode.startswith("I;16"):
        return np.array(image)
    has_alpha = mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info
    pixels = np.array(image.convert("RGBA" if has_alpha else "RGB"))
    if has_alpha and not (pixels[..., 3] == 255).all():
        raise DataError("partly transparent: flatten it onto a background first")
    red, green, blue = (pixels[..., index] for index in range(3))
    if (red == green).all() and (green == blue).all():
        return red
    if channel is None:
        raise DataError(
            f"a colour image ({mode}): grey is expected; say what to read with --channel "
            f"{', '.join(CHANNELS)}, or convert it"
        )
    if channel == "luma":
        return np.array(image.convert("RGB").convert("L"))
    return {"red": red, "green": green, "blue": blue}[channel]


def half_range(dtype: Any) -> float:
    """Half of what a grey level of ``dtype`` can be: ½ for booleans and floats.

    Examples:
        >>> from mfnjax.images import half_range
        >>> half_range("uint8"), half_range("uint16"), half_range(bool)
        (127.5, 32767.5, 0.5)
    """
    dtype = np.dtype(dtype)
    return np.iinfo(dtype).max / 2 if dtype.kind in "iu" else 0.5


def mask_from_levels(
    levels: Any, threshold: float | None = None, *, invert: bool = False
) -> np.ndarray:
    """Cells above a threshold; with ``invert`` those at or below it.

    Args:
        levels: Grey levels (H, W).
        threshold: In the unit of the levels; None is `half_range` of their dtype.
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
    """
    array = np.asarray(levels)
    if array.ndim != 2 or array.size == 0:
        raise ParameterError(f"an image must have shape (H, W), got {array.ndim}-D {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ParameterError(f"an image must hold numbers, got dtype {array.dtype}")
    if threshold is None:
        threshold = half_range(array.dtype)
    if not np.isfinite(threshold):
        raise ParameterError(f"threshold must be a finite number, got {threshold!r}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        row, column = (int(index) for index in np.argwhere(np.isnan(array))[0])
        raise DataError(f"the image holds a NaN at row {row}, column {column} (0-based)")
    # In float64, so that neither side is rounded (or wraps) to the other's dtype.
    above = array.astype(np.float64) > float(threshold)
    return ~above if invert else above


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
