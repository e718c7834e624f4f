"""PNG files of 16 bits a sample with colour or alpha, of which Pillow keeps 8."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from mfnjax.errors import DataError
from mfnjax.images.stack import check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_SAMPLES = {2: 3, 4: 2, 6: 4}
"""Colour type → samples a pixel: RGB, grey and alpha, RGBA."""


def is_deep_colour(start: bytes) -> bool:
    """Whether a file that begins so is such a PNG."""
    return start[:8] == SIGNATURE and start[24:25] == b"\x10" and start[25] in _SAMPLES


def read_deep_colour(content: bytes) -> np.ndarray:
    """Samples (H, W, S), uint16; a colour that tRNS calls transparent gives an alpha.

    Raises:
        DataError: Damaged or interlaced.
    """
    width, height, _, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    check_size(height, width)
    if interlaced:
        raise DataError("an interlaced PNG of 16-bit colour: save it without interlacing")
    data, clear = _chunks(content)
    samples = _SAMPLES[colour]
    size = height * (1 + width * samples * 2)
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(data, size)
    if len(raw) != size:
        raise DataError("the pixels end early")
    lines = np.frombuffer(raw, np.uint8).reshape(height, -1)
    flat = _unfiltered(lines[:, 0], lines[:, 1:].reshape(height, width, samples * 2))
    pixels = flat.reshape(height, -1).view(">u2").reshape(height, width, samples).astype(np.uint16)
    if clear is None or samples != 3:
        return pixels
    alpha = (pixels != np.frombuffer(clear[:6], ">u2")).any(2, keepdims=True)
    return np.concatenate([pixels, alpha * np.uint16(65535)], 2)


def _chunks(content: bytes) -> tuple[bytes, bytes | None]:
    """The packed pixels, and the transparent colour."""
    place, data, clear = 8, [], None
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        body = content[place + 8 : place + 8 + length]
        check = content[place + 8 + length : place + 12 + length]
        if zlib.crc32(kind + body) != int.from_bytes(check, "big"):
            raise DataError("damaged: a checksum is wrong")
        if kind == b"IDAT":
            data.append(body)
        elif kind == b"tRNS":
            clear = body
        elif kind == b"IEND":
            return b"".join(data), clear
        place += 12 + length
    raise DataError("the file ends early")


def _unfiltered(kinds: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Undo the filter of each line, (H, W, bytes a pixel), along the diagonals.

    A pixel needs those to the left, above, and above left: so all of a diagonal are computed at
    once, and a picture takes H + W steps.
    """
    if kinds.max(initial=0) > 4:
        raise DataError("damaged: an unknown filter")
    height, width, _ = deltas.shape
    # A line and a column of zeros stand before the first.
    pixels = np.zeros((height + 1, width + 1, deltas.shape[2]), np.uint8)
    for step in range(height + width - 1):
        rows = np.arange(max(0, step - width + 1), min(height, step + 1))
        columns = step - rows
        left, above, corner = (
            pixels[rows + down, columns + right].astype(np.int16)
            for down, right in ((1, 0), (0, 1), (0, 0))
        )
        by_left, by_above, by_corner = (
            np.abs(left + above - corner - one) for one in (left, above, corner)
        )
        paeth = np.where(
            (by_left <= by_above) & (by_left <= by_corner),
            left,
            np.where(by_above <= by_corner, above, corner),
        )
        guesses = (np.zeros_like(left), left, above, (left + above) >> 1, paeth)
        guess = np.choose(kinds[rows, None], guesses)
        pixels[rows + 1, columns + 1] = (deltas[rows, columns] + guess).astype(np.uint8)
    return np.ascontiguousarray(pixels[1:, 1:])
