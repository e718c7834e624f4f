"""Read an image file: which plane of it, and what it says about itself."""

from __future__ import annotations

import math
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mfnjax._checks import check_choice, check_int
from mfnjax.errors import DataError, ParameterError
from mfnjax.images.grey import CHANNELS, grey_levels
from mfnjax.images.pillow import open_pillow
from mfnjax.images.stack import Stack
from mfnjax.images.tiff import STARTS, open_tiff

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
"""Files that `read_image` takes."""


@final
@dataclass(frozen=True, eq=False)
class Image:
    """An image or a stack, and what its file says about it.

    Attributes:
        values: As stored; bright is high, and it is upright.
        axes: A letter for each axis of ``values``: T time, Z depth, C channel, I any other, Y, X,
            and S the samples of a colour.
        pixel_size: Height and width of a pixel, in ``unit``; None where the file says neither, or
            a resolution for printing (a whole number of dots per inch).
        unit: Of ``pixel_size``, such as µm.
        frame_interval: Seconds between two frames, or None.
    """

    values: np.ndarray
    axes: str
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    frame_interval: float | None = None

    @property
    def scale(self) -> str | None:
        """The pixel size and frame interval in words, or None."""
        words = []
        if self.pixel_size is not None:
            down, across = self.pixel_size
            size = f"{down:.6g}" if math.isclose(down, across) else f"{down:.6g} × {across:.6g}"
            words.append(f"a pixel is {size} {self.unit}")
        if self.frame_interval is not None:
            words.append(f"a frame {self.frame_interval:.6g} s")
        return ", ".join(words) or None


def read_image(
    path: str | Path,
    *,
    channel: str | int | None = None,
    page: int | None = None,
    series: int | None = None,
) -> np.ndarray:
    """Read a grey image.

    A colour image whose channels are equal is grey. Any other is refused unless ``channel`` says
    what to read; so is one that is partly transparent. Values are those of the file, in every
    sample format; where a file says that 0 is white they are turned, so that bright is high.

    Args:
        path: A PNG, TIFF (OME-TIFF and ImageJ's, too) or JPEG file.
        channel: One of `CHANNELS` of a colour image, or the number of a channel from 0; None
            refuses colour, and several channels.
        page: Which plane of a stack, from 0, in the order of its axes but the channels; None
            refuses several.
        series: Which series of a TIFF that holds several, from 0.

    Returns:
        Grey levels (H, W): boolean, unsigned or signed integers, or floats, as stored.

    Raises:
        DataError: No such file, another format, damaged, colour, transparent, several planes, or
            values that cannot be kept.
        ParameterError: Unknown channel, or a negative number.
    """
    return open_image(path, channel=channel, page=page, series=series, grey=True).values


def open_image(
    path: str | Path,
    *,
    channel: str | int | None = None,
    page: int | None = None,
    series: int | None = None,
    grey: bool = False,
) -> Image:
    """Read an image or a stack with its axes, pixel size and frame interval.

    Args:
        path: As in `read_image`.
        channel: As in `read_image`; None takes colours and channels as they are.
        page: As in `read_image`; None takes all planes.
        series: Which series of a TIFF that holds several.
        grey: Take one plane of grey levels, as `read_image` does.

    Returns:
        The image.

    Raises:
        DataError: As `read_image`, but for what is taken as it is.
        ParameterError: Unknown channel, or a negative number.
    """
    path = Path(path)
    if isinstance(channel, str) and channel.isdecimal():
        channel = int(channel)
    elif isinstance(channel, str):
        check_choice("channel", channel, CHANNELS)
    for name, number in (("channel", channel), ("page", page), ("series", series)):
        if number is not None and not isinstance(number, str):
            check_int(name, number, 0, 10**9)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise DataError(f"{path}: not an image file ({', '.join(IMAGE_SUFFIXES)})")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged file is told by the error, in one line
            with _opened(path, series) as stack:
                return _taken(stack, channel, page, grey=grey)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except ParameterError:
        raise
    except Exception as error:  # decoders fail in many ways, all of them this one
        reason = (
            "not a readable image"
            if "cannot identify" in str(error)
            else " ".join(str(error).split())
        )
        raise DataError(f"{path}: damaged or unsupported image ({reason})") from error


def _opened(path: Path, series: int | None) -> AbstractContextManager[Stack]:
    with path.open("rb") as file:
        is_tiff = file.read(4) in STARTS
    if is_tiff:
        return open_tiff(path, series)
    if series:
        raise DataError("has no series; only a TIFF has")
    return open_pillow(path)


def _taken(stack: Stack, channel: str | int | None, page: int | None, *, grey: bool) -> Image:
    plane = stack.plane
    if channel == "index":
        if stack.indices is None:
            raise DataError("no palette image: it has no channel index")
        plane, channel = stack.indices, None
    found, axes, channel = _chosen(stack, channel, page, grey=grey)
    numbers = np.asarray(found)
    planes = [plane(int(number)) for number in numbers.flat]
    if grey or channel is not None:
        planes = [grey_levels(one, channel) for one in planes]
    values = planes[0] if len(planes) == 1 else np.stack(planes)
    is_grey = planes[0].ndim == 2
    return Image(
        values.reshape(numbers.shape + planes[0].shape),
        axes + ("YX" if is_grey else "YXS"),
        stack.pixel_size,
        stack.unit,
        stack.frame_interval,
    )


def _chosen(
    stack: Stack, channel: str | int | None, page: int | None, *, grey: bool
) -> tuple[np.ndarray, str, str | int | None]:
    """Numbers of the planes to read, the axes that they have, and what is left to choose."""
    numbers, axes = np.arange(math.prod(stack.shape)).reshape(stack.shape), stack.axes
    place = axes.find("C")
    if place >= 0 and (channel is not None or grey):
        last = numbers.shape[place] - 1
        if channel is None:
            raise DataError(f"holds {last + 1} channels; say which with --channel 0 to {last}")
        if isinstance(channel, str) or channel > last:
            raise DataError(f"no channel {channel}; there are 0 to {last}")
        numbers = np.asarray(numbers.take(channel, place))
        axes, place = axes.replace("C", ""), -1
        channel = None
    if page is not None:
        pages = np.moveaxis(numbers, place, -1) if place >= 0 else numbers[..., None]
        pages = pages.reshape(-1, pages.shape[-1])
        if page >= len(pages):
            raise DataError(f"no page {page}; there are 0 to {len(pages) - 1}")
        return (pages[page], "C", channel) if place >= 0 else (pages[page][0], "", channel)
    if numbers.size > 1 and grey:
        sizes = ", ".join(f"{name} {size}" for name, size in zip(axes, numbers.shape, strict=True))
        last = numbers.size - 1
        raise DataError(f"holds {numbers.size} pages ({sizes}); say which with --page 0 to {last}")
    return numbers, axes, channel
