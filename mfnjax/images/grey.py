"""Colours as grey levels."""

from __future__ import annotations

import numpy as np

from mfnjax.errors import DataError

CHANNELS = ("red", "green", "blue", "luma", "index")
"""What may be read from a colour image; luma is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), index
the numbers that a palette image stores."""

_COLOURS = CHANNELS[:3]


def grey_levels(pixels: np.ndarray, channel: str | int | None) -> np.ndarray:
    """Grey levels (H, W) of (H, W), or of (H, W, S) samples.

    A colour image whose channels are equal is grey; so is an opaque one with alpha.

    Raises:
        DataError: Partly transparent, coloured where no channel is named, or no such channel.
    """
    if pixels.ndim == 2:
        if channel not in (None, 0, *_COLOURS, "luma"):
            raise DataError(f"a grey image has no channel {channel}")
        return pixels
    if pixels.shape[2] in (2, 4):
        dtype = pixels.dtype
        opaque = np.iinfo(dtype).max if dtype.kind in "iu" else 1
        if not (pixels[..., -1] == opaque).all():
            raise DataError("partly transparent: flatten it onto a background first")
        pixels = pixels[..., :-1]
    if pixels.shape[2] == 1 or (pixels[..., :1] == pixels).all():
        return pixels[..., 0]
    if channel is None:
        raise DataError(
            "a colour image (RGB): grey is expected; say what to read with --channel "
            f"{', '.join(CHANNELS[:4])}, or convert it"
        )
    if channel == "luma":
        return _luma(pixels)
    index = channel if isinstance(channel, int) else _COLOURS.index(channel)
    if not 0 <= index < pixels.shape[2]:
        raise DataError(f"no channel {channel}; there are 0 to {pixels.shape[2] - 1}")
    return pixels[..., index]


def _luma(pixels: np.ndarray) -> np.ndarray:
    """Rounded as Pillow rounds it where levels are whole."""
    if pixels.dtype.kind == "f":
        return (pixels @ np.array([0.299, 0.587, 0.114])).astype(pixels.dtype)
    weighted = pixels.astype(np.int64) @ np.array([19595, 38470, 7471])
    return ((weighted + 0x8000) >> 16).astype(pixels.dtype)
