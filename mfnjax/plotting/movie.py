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
from mfnjax.plotting.space import Extent, Space, space_of

_COLOURS, _GREYS = 240, 16
_WHITE = _COLOURS + _GREYS - 1
_CURVE, _FRAME = _COLOURS // 3, _COLOURS + _GREYS // 2
_MARGIN, _CAPTION, _BAR, _GAP = 10, 24, 14, 6
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
    mask: Any = None,
    extent: Extent | None = None,
) -> Path:
    """Write a history as a film with a colour bar and the step number.

    One colour scale for the whole film: the middle 99 % of all its values. Written whole or not
    at all. A field along a line is filmed as its profile, from the least to the largest value;
    one in space as its three middle planes (x–y, with z–y beside and x–z beneath it).

    Args:
        path: ``.gif`` or ``.mp4``.
        history: (T, H, W), or with one or three axes of space, in the stored unit.
        steps: The step that each frame stands at.
        quantity: What it is.
        frames_per_second: Speed.
        size_pixels: Longer side of the field on the screen, about (cells are whole pixels).
        mask: Fractions of the cells that take part, of a frame's shape; cells of 0 are blank.
        extent: Outer edges (low, high) along each axis of a frame, for cells that are not square.

    Returns:
        The path.

    Raises:
        ParameterError: Not such an array, or another number of steps.
        DataError: Another suffix, no encoder, or the file cannot be written.
    """
    path = Path(path)
    array = np.asarray(history)
    if array.ndim < 2 or array.size == 0:
        raise ParameterError(f"a movie needs a history (T, …), got shape {array.shape}")
    space = space_of(array.shape[1:], mask, extent)
    if len(steps) != len(array):
        raise ParameterError(f"{len(array)} frames need as many steps, got {len(steps)}")
    suffix = path.suffix.lower()
    if suffix not in (".gif", ".mp4"):
        raise DataError(f"{path}: a movie's name ends in .gif or .mp4")
    encoder = require_encoder() if suffix == ".mp4" else None
    check_writable(path)
    palette = _palette(quantity.colour_map)
    canvases = _canvases(space.laid(array), steps, quantity, size_pixels, space)
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
    frames: np.ma.MaskedArray,
    steps: Sequence[int],
    quantity: Quantity,
    size_pixels: int,
    space: Space,
) -> Iterator[np.ndarray]:
    """The film's frames as palette indices (height, width)."""
    is_line = len(space.shape) == 1
    ends = (0, 100) if is_line else (0.5, 99.5)
    low, high = (float(q) for q in np.percentile(quantity.shown(frames.compressed()), ends))
    span = high - low if high > low else 1.0
    longest = max(size * side for size, side in zip(space.shape, space.sides, strict=True))
    zooms = [max(1, round(size_pixels * side / longest)) for side in space.sides]
    draw = _PICTURES[len(space.shape)]

    def picture(frame: np.ma.MaskedArray) -> np.ndarray:
        share = np.clip((quantity.shown(frame.data) - low) / span, 0, 1)
        indices = np.round(share * (_COLOURS - 1)).astype(np.uint8)
        return draw(np.where(np.ma.getmaskarray(frame), np.uint8(_WHITE), indices), zooms)

    height, width = picture(frames[0]).shape
    decimals = max(0, 2 - math.floor(math.log10(span)))
    labels = [f"{value:.{decimals}f}" for value in (high, low)]
    bar_left = _MARGIN + width + _MARGIN
    needed = (2 * _MARGIN + height + _CAPTION, bar_left + _BAR + 8 + _text_width(labels) + _MARGIN)
    shape = tuple(-(-size // _BLOCK) * _BLOCK for size in needed)
    base = np.full(shape, _WHITE, np.uint8)
    ramp = np.linspace(_COLOURS - 1, 0, height).round().astype(np.uint8)
    if not is_line:
        base[_MARGIN : _MARGIN + height, bar_left : bar_left + _BAR] = ramp[:, None]
    text_left = bar_left + _BAR + 6
    _write_text(base, (text_left, _MARGIN - 2), labels[0])
    _write_text(base, (text_left, _MARGIN + height - 15), labels[1])
    for frame, step in zip(frames, steps, strict=True):
        canvas = base.copy()
        canvas[_MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width] = picture(frame)
        caption = f"{quantity.title}   step {step}"
        _write_text(canvas, (_MARGIN, _MARGIN + height + 6), caption)
        yield canvas


def _plane(indices: np.ndarray, zooms: Sequence[int]) -> np.ndarray:
    return indices.repeat(zooms[0], axis=0).repeat(zooms[1], axis=1)


def _slices(indices: np.ndarray, zooms: Sequence[int]) -> np.ndarray:
    """The middle planes: x–y, z–y to its right, x–z beneath."""
    z, y, x = (size // 2 for size in indices.shape)
    front = _plane(indices[z], (zooms[1], zooms[2]))
    side = _plane(indices[:, :, x].T, (zooms[1], zooms[0]))
    below = _plane(indices[:, y], (zooms[0], zooms[2]))
    height, width = front.shape
    canvas = np.full(
        (height + _GAP + below.shape[0], width + _GAP + side.shape[1]), _WHITE, np.uint8
    )
    canvas[:height, :width] = front
    canvas[:height, width + _GAP :] = side
    canvas[height + _GAP :, :width] = below
    return canvas


def _profile(indices: np.ndarray, zooms: Sequence[int]) -> np.ndarray:
    """A curve in a frame, half as high as it is wide."""
    width = indices.size * zooms[0]
    height = max(width // 2, 32)
    canvas = np.full((height, width), _WHITE, np.uint8)
    canvas[-1], canvas[:, 0] = _FRAME, _FRAME
    inside = indices != _WHITE
    rows = np.round((1 - indices / (_COLOURS - 1)) * (height - 3)).astype(int)
    # From one cell centre to the next the curve is a straight line, flat towards a blank cell.
    pixels = np.arange(width)
    cells = pixels // zooms[0]
    offsets = (pixels + 0.5) / zooms[0] - cells - 0.5
    others = np.clip(cells + np.sign(offsets).astype(int), 0, indices.size - 1)
    others = np.where(inside[others], others, cells)
    heights = rows[cells] + np.abs(offsets) * (rows[others] - rows[cells])
    before = np.concatenate([heights[:1], heights[:-1]])
    before = np.where(np.roll(inside[cells], 1), before, heights)
    lows, highs = np.minimum(before, heights).round(), np.maximum(before, heights).round()
    for pixel in pixels[inside[cells]]:
        canvas[int(lows[pixel]) : int(highs[pixel]) + 2, pixel] = _CURVE
    return canvas


_PICTURES = {1: _profile, 2: _plane, 3: _slices}


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
