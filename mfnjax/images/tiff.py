"""TIFF files, OME-TIFF and ImageJ's among them, by tifffile."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mfnjax.errors import DataError
from mfnjax.images.pillow import page_of_tiff, unpack_bytes
from mfnjax.images.stack import Stack, check_size, printing, upright

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins: either byte order, classic or big."""

_WHITE, _BLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6

_JPEG, _FAX = (6, 7), (2, 3, 4)
"""What Pillow's libtiff unpacks to pixels: both come out as they should there."""

_LZW = 5

_MICROMETRE = ("micron", "microns", "um", "μm", "µm")


@contextmanager
def open_tiff(path: Path, series: int | None) -> Iterator[Stack]:
    """The planes of one series of a TIFF.

    Raises:
        DataError: Damaged, several series where none is named, or values that cannot be kept.
    """
    from tifffile import TiffFile

    log = logging.getLogger("tifffile")
    was, log.disabled = log.disabled, True  # what is damaged is told by the error, in one line
    try:
        with TiffFile(path) as file:
            yield _stack(path, file, _one_series(file, series))
    finally:
        log.disabled = was


def _one_series(file: Any, number: int | None) -> Any:
    count = len(file.series)
    if not count:
        raise DataError("damaged or unsupported image (no page in it)")
    if number is None:
        if count > 1 and _are_alike(file.series):
            return _as_pages(file.series)
        if count > 1:
            shapes = ", ".join(f"{one.axes} {one.shape}" for one in file.series[:4])
            raise DataError(
                f"holds {count} series ({shapes}{', …' if count > 4 else ''}); say which with "
                f"--series 0 to {count - 1}"
            )
        number = 0
    if number >= count:
        raise DataError(f"no series {number}; there are 0 to {count - 1}")
    return file.series[number]


def _are_alike(series: list[Any]) -> bool:
    """Whether all are single planes of one kind: pages that were written one by one."""
    kinds = {(one.keyframe.hash, int(one.keyframe.photometric)) for one in series}
    return len(kinds) == 1 and all(one.size == one.keyframe.size for one in series)


def _as_pages(series: list[Any]) -> Any:
    first = series[0]
    return SimpleNamespace(
        keyframe=first.keyframe,
        pages=[one.pages[0] for one in series],
        axes=f"I{first.axes}",
        shape=(len(series), *first.shape),
        size=len(series) * first.size,
        dataoffset=None,
    )


def _stack(path: Path, file: Any, series: Any) -> Stack:
    page = series.keyframe
    _check(page)
    photometric, compression = int(page.photometric), int(page.compression)
    samples = int(page.samplesperpixel)
    sizes = zip(series.axes, series.shape, strict=True)
    outer = [(name, size) for name, size in sizes if name not in "YXS" and size > 1]
    axes = "".join(name if name in "TZC" else "I" for name, _ in outer)
    shape = tuple(size for _, size in outer)
    if math.prod(shape) * page.size != series.size:
        raise DataError(f"its axes {series.axes} {series.shape} are not those of its pages")
    are_channels = _are_channels(page)
    if are_channels:
        axes, shape = axes + ("I" if "C" in axes else "C"), (*shape, samples)
    orientation = int(page.tags.valueof(274, 1))
    by_libtiff = compression in _JPEG + _FAX
    must_unpack = compression == _LZW and not _can_unpack(page)

    def stored(number: int) -> np.ndarray:
        number, sample = divmod(number, samples if are_channels else 1)
        if by_libtiff:  # upright already
            array = page_of_tiff(path, _page(series, number).index)
            return array[..., sample] if are_channels else array
        if must_unpack:
            array = _unpacked(file, _page(series, number))
        elif series.dataoffset is not None:
            array = _contiguous(path, file, series, number)
        else:
            array = _page(series, number).asarray(maxworkers=1)
        planar, _, height, width, inside = page.shaped
        # Samples come as planes, or side by side.
        array = array.reshape(planar, height, width, inside)
        array = np.moveaxis(array[..., 0], 0, -1) if planar > 1 else array[0]
        if are_channels or samples == 1:
            array = array[..., sample]
        return upright(array.astype(array.dtype.newbyteorder("="), copy=False), orientation)

    def plane(number: int) -> np.ndarray:
        array = stored(number)
        if photometric == _PALETTE:
            return _coloured(array, page.colormap)
        if photometric == _WHITE and not by_libtiff:
            return ~array if array.dtype == np.bool_ else 2**page.bitspersample - 1 - array
        return array

    size, unit, interval = _scale(file, page)
    return Stack(
        axes=axes,
        shape=shape,
        plane=plane,
        indices=stored if photometric == _PALETTE else None,
        pixel_size=size,
        unit=unit,
        frame_interval=interval,
    )


def _page(series: Any, number: int) -> Any:
    page = series.pages[number]
    if page is None or 0 in page.databytecounts:  # tifffile would fill in zeros
        raise DataError(f"page {number} is missing, or strips or tiles of it are")
    return page


def _check(page: Any) -> None:
    """Refuse, by name, what would not come out as it is stored."""
    from tifffile import TIFF

    check_size(page.imagelength * page.samplesperpixel, page.imagewidth)
    photometric, compression, bits = page.photometric, int(page.compression), page.bitspersample
    kind = "b" if page.dtype is None else page.dtype.kind
    if page.dtype is None or kind == "c":
        name = "complex" if kind == "c" else f"format {page.sampleformat}"
        raise DataError(f"{bits}-bit samples of {name} are not supported")
    if page.imagedepth > 1:
        raise DataError("volumes inside of one page are not supported; save a page a plane")
    if int(photometric) not in (_WHITE, _BLACK, _RGB, _PALETTE, _YCBCR):
        name = getattr(photometric, "name", photometric)
        raise DataError(f"{name} colours: convert it to RGB or grey")
    if int(photometric) == _WHITE and kind not in "ub":
        raise DataError("0 is white, and no level is black, where samples are signed or floats")
    if int(photometric) == _PALETTE and page.colormap is None:
        raise DataError("a palette image without its colours")
    if compression in _JPEG and bits != 8:
        raise DataError(f"{bits}-bit JPEG is not supported")
    if int(photometric) == _YCBCR and compression not in _JPEG:
        raise DataError("YCBCR colours: convert it to RGB or grey")
    if compression == 1 and page.predictor != 1:
        raise DataError("damaged or unsupported image (a predictor without compression)")
    if compression in (*_JPEG, *_FAX):
        return
    missing = None
    if not _can_unpack(page) and compression != _LZW:
        missing = f"compression {getattr(page.compression, 'name', compression)}"
    elif page.predictor != 1 and not _has(TIFF.UNPREDICTORS, int(page.predictor)):
        missing = f"predictor {getattr(page.predictor, 'name', page.predictor)}"
    elif bits not in (1, 8, 16, 32, 64) and importlib.util.find_spec("imagecodecs") is None:
        missing = f"{bits}-bit samples"
    if missing:
        raise DataError(f"{missing} needs imagecodecs: pip install 'mfnjax[images]'")


def _has(codecs: Any, key: int) -> bool:
    try:
        codecs[key]
    except KeyError:
        return False
    return True


def _can_unpack(page: Any) -> bool:
    from tifffile import TIFF

    return _has(TIFF.DECOMPRESSORS, int(page.compression))


def _are_channels(page: Any) -> bool:
    """Whether the samples of a pixel are channels of a camera: no colour, no alpha."""
    is_colour = int(page.photometric) in (_RGB, _YCBCR)
    spare = page.samplesperpixel - (3 if is_colour else 1)
    if spare == 0:
        return False
    return not (spare == 1 and (is_colour or tuple(page.extrasamples) in ((1,), (2,))))


def _contiguous(path: Path, file: Any, series: Any, number: int) -> np.ndarray:
    """A plane of a file whose planes lie one after the other, perhaps of one page (ImageJ's)."""
    page = series.keyframe
    dtype = page.dtype.newbyteorder(file.byteorder)
    place = series.dataoffset + number * page.size * dtype.itemsize
    array = np.fromfile(path, dtype, page.size, offset=place)
    if array.size < page.size:
        raise DataError("the pixels end early")
    return array


def _unpacked(file: Any, page: Any) -> np.ndarray:
    """A page of LZW strips or tiles: tifffile knows where they go, libtiff unpacks them."""
    keyframe = page.keyframe
    keyframe.compression = 1
    values = np.zeros(keyframe.shaped, keyframe.dtype)
    for data, index in file.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        _, _, (_, rows, columns, inside) = keyframe.decode(None, index, _fullsize=False)
        if keyframe.is_tiled:
            rows, columns = keyframe.tilelength, keyframe.tilewidth
        size = rows * math.ceil(columns * inside * keyframe.bitspersample / 8)
        raw = unpack_bytes(data, _LZW, size)
        segment, (planar, depth, row, column, _), _ = keyframe.decode(raw, index)
        place = values[planar, depth, row : row + rows, column : column + columns]
        place[...] = segment[0, : place.shape[0], : place.shape[1]]
    return values


def _coloured(indices: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours of a palette, in 8 bits where they were written with 8."""
    table = np.asarray(colours, np.uint16)
    if (table % 257 == 0).all() or (table % 256 == 0).all():
        table = (table >> 8).astype(np.uint8)
    return np.moveaxis(table[:, indices], 0, -1)


def _scale(file: Any, page: Any) -> tuple[tuple[float, float] | None, str | None, float | None]:
    """Pixel size, its unit, and seconds a frame, as the file says."""
    if file.is_ome:
        return _scale_of_ome(file.ome_metadata)
    about = (file.imagej_metadata or {}) if file.is_imagej else {}
    interval = about.get("finterval") or None
    across, down = page.resolution
    if not (across > 0 and down > 0 and math.isfinite(across) and math.isfinite(down)):
        return None, None, interval
    unit = str(about.get("unit", "")).replace("\\u00B5", "µ").strip()
    centimetres = int(page.resolutionunit) == 3
    if unit and unit != "inch":
        is_known = not unit.startswith("pixel")
        size = (1 / down, 1 / across) if is_known else None
        name = "µm" if unit in _MICROMETRE else unit
        return size, name if is_known else None, interval
    if int(page.resolutionunit) not in (2, 3):
        return None, None, interval
    inch = 2.54 if centimetres else 1.0
    if printing(across * inch) or printing(down * inch):
        return None, None, interval
    length = 1e4 if centimetres else 25400.0
    return (length / down, length / across), "µm", interval


def _scale_of_ome(text: str) -> tuple[tuple[float, float] | None, str | None, float | None]:
    from tifffile import xml2dict

    images = xml2dict(text).get("OME", {}).get("Image", {})
    pixels = (images[0] if isinstance(images, list) else images).get("Pixels", {})
    interval = pixels.get("TimeIncrement")
    if pixels.get("TimeIncrementUnit", "s") == "ms" and interval:
        interval = interval / 1e3
    down, across = pixels.get("PhysicalSizeY"), pixels.get("PhysicalSizeX")
    if not down or not across:
        return None, None, interval
    unit = pixels.get("PhysicalSizeXUnit", "µm")
    return (float(down), float(across)), "µm" if unit == "μm" else unit, interval
