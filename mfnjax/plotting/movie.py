"""Films: GIF through Pillow, MP4 through imageio-ffmpeg (the extra ``video``).

Frames are drawn as indices into one palette (240 colours of the map and 16 greys for the
caption), so that a GIF holds exactly the colours of the map, with no dithering.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mfnjax._files import check_writable, replacing
from mfnjax.core.quantity import POTENTIAL, Quantity
from mfnjax.errors import DataError, ParameterError

_COLOURS, _GREYS = 240, 16
_WHITE = _COLOURS + _GREYS - 1
_MARGIN, _CAPTION, _BAR = 10, 24, 14
_BLOCK = 16  # H.264 codes blocks of 16 pixels: whole blocks need no rescaling


def require_encoder() -> Any:
    """Return imageio_ffmpeg, or say how to get it.

    Raises:
        DataError: It is not installed.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        raise DataError(
            "an .mp4 movie needs imageio-ffmpeg: pip install 'mfnjax[video]' (or write a .gif)"
        ) from None
    return imageio_ffmpeg


def write_movie(
    path: str | Path,
    history: Any,
    *,
    steps: Sequence[int],
    quantity: Quantity = POTENTIAL,
    frames_per_second: float = 15.0,
    size_pixels: int = 384,
) -> Path:
    """Write a history as a film with a colour bar and the step number.

    One colour scale for the whole film: the middle 99 % of all its values. Written whole or not
    at all.

    Args:
        path: ``.gif`` or ``.mp4``.
        history: (T, H, W), in the stored unit.
        steps: The step that each frame stands at.
        quantity: What it is.
        frames_per_second: Speed.
        size_pixels: Longer side of the field on the screen, about (cells are whole pixels).

    Returns:
        The path.

    Raises:
        ParameterError: Not a (T, H, W) array, or another number of steps.
        DataError: Another suffix, no encoder, or the file cannot be written.
    """
    path = Path(path)
    array = np.asarray(history)
    if array.ndim != 3 or array.size == 0:
        raise ParameterError(f"a movie needs a history (T, H, W), got shape {array.shape}")
    if len(steps) != len(array):
        raise ParameterError(f"{len(array)} frames need as many steps, got {len(steps)}")
    suffix = path.suffix.lower()
    if suffix not in (".gif", ".mp4"):
        raise DataError(f"{path}: a movie's name ends in .gif or .mp4")
    encoder = require_encoder() if suffix == ".mp4" else None
    check_writable(path)
    palette = _palette(quantity.colour_map)
    canvases = _canvases(array, steps, quantity, size_pixels)
    with replacing(path) as beside:
        if encoder is None:
            _write_gif(beside, canvases, palette, frames_per_second)
        else:
            _write_mp4(beside, canvases, palette, frames_per_second, encoder)
    return path


def _palette(colour_map: str) -> np.ndarray:
    """(256, 3) uint8: the colour map, then black to white."""
    import matplotlib

    colours = matplotlib.colormaps[colour_map](np.linspace(0, 1, _COLOURS))[:, :3]
    greys = np.repeat(np.linspace(0, 1, _GREYS)[:, None], 3, axis=1)
    return np.round(255 * np.concatenate([colours, greys])).astype(np.uint8)


def _canvases(
    array: np.ndarray, steps: Sequence[int], quantity: Quantity, size_pixels: int
) -> Iterator[np.ndarray]:
    """The film's frames as palette indices (height, width)."""
    low, high = (float(q) for q in np.percentile(quantity.shown(array), (0.5, 99.5)))
    span = high - low if high > low else 1.0
    zoom = max(1, round(size_pixels / max(array.shape[1:])))
    height, width = (zoom * side for side in array.shape[1:])
    decimals = max(0, 2 - math.floor(math.log10(span)))
    labels = [f"{value:.{decimals}f}" for value in (high, low)]
    bar_left = _MARGIN + width + _MARGIN
    needed = (2 * _MARGIN + height + _CAPTION, bar_left + _BAR + 8 + _text_width(labels) + _MARGIN)
    shape = tuple(-(-size // _BLOCK) * _BLOCK for size in needed)
    base = np.full(shape, _WHITE, np.uint8)
    ramp = np.linspace(_COLOURS - 1, 0, height).round().astype(np.uint8)
    base[_MARGIN : _MARGIN + height, bar_left : bar_left + _BAR] = ramp[:, None]
    text_left = bar_left + _BAR + 6
    _write_text(base, (text_left, _MARGIN - 2), labels[0])
    _write_text(base, (text_left, _MARGIN + height - 15), labels[1])
    for frame, step in zip(array, steps, strict=True):
        share = np.clip((quantity.shown(frame) - low) / span, 0, 1)
        indices = np.round(share * (_COLOURS - 1)).astype(np.uint8)
        canvas = base.copy()
        area = canvas[_MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width]
        area[:] = indices.repeat(zoom, axis=0).repeat(zoom, axis=1)
        caption = f"{quantity.title}   step {step}"
        _write_text(canvas, (_MARGIN, _MARGIN + height + 6), caption)
        yield canvas


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(14)


def _text_width(texts: Sequence[str]) -> int:
    return max(round(_font().getlength(text)) for text in texts)


def _write_text(canvas: np.ndarray, position: tuple[int, int], text: str) -> None:
    """Draw text on ``canvas`` in the greys of the palette."""
    from PIL import Image, ImageDraw

    height, width = canvas.shape
    ink = Image.new("L", (width, height), 255)
    ImageDraw.Draw(ink).text(position, text, fill=30, font=_font())
    grey = np.asarray(ink)
    touched = grey < 255
    canvas[touched] = _COLOURS + np.round(grey[touched] / 255 * (_GREYS - 1)).astype(np.uint8)


def _write_gif(
    path: Path, canvases: Iterator[np.ndarray], palette: np.ndarray, frames_per_second: float
) -> None:
    from PIL import Image

    images = []
    for canvas in canvases:
        image = Image.fromarray(canvas)
        image.putpalette(palette.tobytes())
        images.append(image)
    duration_ms = max(round(1000 / frames_per_second), 20)
    images[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=[duration_ms] * (len(images) - 1) + [1200],
        loop=0,
    )


def _write_mp4(
    path: Path,
    canvases: Iterator[np.ndarray],
    palette: np.ndarray,
    frames_per_second: float,
    encoder: Any,
) -> None:
    writer = None
    try:
        for canvas in canvases:
            if writer is None:
                height, width = canvas.shape
                writer = encoder.write_frames(
                    str(path), (width, height), fps=frames_per_second, macro_block_size=_BLOCK
                )
                with warnings.catch_warnings():
                    # JAX warns of every fork; the child here runs ffmpeg and nothing else.
                    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
                    writer.send(None)
            writer.send(np.ascontiguousarray(palette[canvas]))
    finally:
        if writer is not None:
            writer.close()
