"""PNG and JPEG, and what libtiff alone unpacks, by Pillow."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from mfnjax.errors import DataError
from mfnjax.images.png import is_deep_colour, read_deep_colour
from mfnjax.images.stack import Stack, check_size, printing, upright

_ORIENTATION = 274


@contextmanager
def open_pillow(path: Path) -> Iterator[Stack]:
    """The planes of a file that Pillow reads.

    Raises:
        DataError: Damaged, or its values cannot be kept.
    """
    from PIL import Image

    with Image.open(path) as image:
        check_size(image.height, image.width)
        pages = getattr(image, "n_frames", 1)
        orientation = image.getexif().get(_ORIENTATION, 1)
        with path.open("rb") as file:
            is_deep = is_deep_colour(file.read(26))

        def plane(number: int) -> np.ndarray:
            if is_deep:
                return upright(read_deep_colour(path.read_bytes()), orientation)
            if pages > 1:
                image.seek(number)
            image.load()
            return upright(samples(image), orientation)

        def indices(number: int) -> np.ndarray:
            image.seek(number)
            image.load()
            return upright(np.array(image), orientation)

        horizontal, vertical = image.info.get("dpi", (0.0, 0.0))
        is_print = printing(horizontal) or printing(vertical)
        yield Stack(
            axes="I" if pages > 1 else "",
            shape=(pages,) if pages > 1 else (),
            plane=plane,
            indices=indices if image.mode == "P" else None,
            pixel_size=None if is_print else (25400.0 / vertical, 25400.0 / horizontal),
            unit=None if is_print else "µm",
        )


def samples(image: Any) -> np.ndarray:
    """What a loaded picture stores: (H, W), or (H, W, S) with colour or alpha."""
    mode, clear = image.mode, image.info.get("transparency")
    if mode in ("1", "L", "I", "F") or mode.startswith("I;16"):
        array = np.array(image)
        if mode == "I" and image.format == "PNG":  # 16 bits, as older versions of Pillow give them
            array = array.astype(np.uint16)
        if clear is None:
            return array
        opaque = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else True
        return np.stack([array, np.where(array == clear, 0, opaque).astype(array.dtype)], 2)
    if mode in ("P", "PA"):
        return np.array(image.convert("RGB" if mode == "P" and clear is None else "RGBA"))
    if mode == "RGB" and clear is not None:
        return np.array(image.convert("RGBA"))
    if mode in ("LA", "RGB", "RGBA"):
        return np.array(image)
    raise DataError(f"{mode} colours: convert it to RGB or grey")


def page_of_tiff(path: Path, number: int) -> np.ndarray:
    """A page of a TIFF, upright, as `samples`; for 1-bit and 8-bit pages."""
    from PIL import Image

    with Image.open(path) as image:
        image.seek(number)
        image.load()
        return samples(image)


def unpack_bytes(data: bytes, compression: int, size: int) -> bytes:
    """``size`` bytes out of a strip or tile that libtiff unpacks: as one grey line of a TIFF."""
    from PIL import Image

    tags = {256: size, 257: 1, 258: 8, 259: compression, 262: 1, 277: 1, 278: 1, 279: len(data)}
    entries = sorted({**tags, 273: 8 + 2 + 12 * 9 + 4}.items())
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    header = b"II*\0" + struct.pack("<IH", 8, 9) + table + bytes(4)
    with Image.open(BytesIO(header + data), formats=("TIFF",)) as image:
        return image.tobytes()
