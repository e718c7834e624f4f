"""A TIFF of any sample format, byte order, compression and container, written by hand."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np


def lzw(data: bytes) -> bytes:
    """LZW that never makes a longer code: a clear code before the table grows to 10 bits."""
    codes = [code for k in range(0, len(data), 200) for code in (256, *data[k : k + 200])] + [257]
    bits = "".join(f"{code:09b}" for code in codes)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def packbits(data: bytes) -> bytes:
    """Literal runs alone."""
    parts = [data[k : k + 128] for k in range(0, len(data), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


PACKERS = {1: bytes, 8: zlib.compress, 32773: packbits, 5: lzw}
"""Compression tag → how it packs."""

FORMATS = {"u": 1, "b": 1, "i": 2, "f": 3, "c": 6}


def write_tiff(
    path: Path,
    array: np.ndarray,
    photometric: int,
    *,
    order: str = "<",
    compression: int = 1,
    container: str = "strips",
    extra: int | None = None,
    colormap: np.ndarray | None = None,
    predictor: int = 1,
    more: dict[int, tuple[str, list[int]]] | None = None,
) -> Path:
    """Write (H, W) or (H, W, S); ``container`` is strips, big (BigTIFF), tiles or planar."""
    height, width = array.shape[:2]
    samples = array[..., None] if array.ndim == 2 else array
    count = samples.shape[2]
    is_bits = array.dtype == bool
    bits = 1 if is_bits else 8 * array.dtype.itemsize
    planes = [samples[..., k : k + 1] for k in range(count)] if container == "planar" else [samples]
    blocks = []
    for plane in planes:
        if container == "tiles":
            blocks += _tiles(plane)
        else:
            blocks += [plane[row : row + 5] for row in range(0, height, 5)]
    packed = [PACKERS[compression](_raw(block, order, is_bits, predictor)) for block in blocks]

    is_big = container == "big"
    size, head = ("Q", 16) if is_big else ("I", 8)
    place, offsets = head, []
    for block in packed:
        offsets.append(place)
        place += len(block)
    tags: dict[int, tuple[str, list[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * count),
        259: ("H", [compression]),
        262: ("H", [photometric]),
        277: ("H", [count]),
        284: ("H", [2 if container == "planar" else 1]),
        339: ("H", [FORMATS[array.dtype.kind]] * count),
    }
    if container == "tiles":
        tags |= {322: ("I", [16]), 323: ("I", [16]), 324: (size, offsets)}
        tags[325] = (size, [len(block) for block in packed])
    else:
        tags |= {273: (size, offsets), 278: ("I", [5]), 279: (size, [len(b) for b in packed])}
    if predictor != 1:
        tags[317] = ("H", [predictor])
    if extra is not None:
        tags[338] = ("H", [extra])
    if colormap is not None:
        tags[320] = ("H", colormap.ravel().tolist())
    content = _header(order, is_big, place) + b"".join(packed)
    path.write_bytes(content + _directory(tags | (more or {}), order, is_big, place))
    return path


def _tiles(plane: np.ndarray) -> list[np.ndarray]:
    height, width, _ = plane.shape
    full = np.pad(plane, ((0, -height % 16), (0, -width % 16), (0, 0)))
    return [
        full[row : row + 16, column : column + 16]
        for row in range(0, height, 16)
        for column in range(0, width, 16)
    ]


def _raw(block: np.ndarray, order: str, is_bits: bool, predictor: int) -> bytes:
    if is_bits:
        return np.packbits(block.reshape(len(block), -1), axis=1).tobytes()
    if predictor == 2:
        block = np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))
    return block.astype(block.dtype.newbyteorder(order)).tobytes()


def _header(order: str, is_big: bool, place: int) -> bytes:
    start = b"II" if order == "<" else b"MM"
    if is_big:
        return start + struct.pack(order + "HHHQ", 43, 8, 0, place)
    return start + struct.pack(order + "HI", 42, place)


def _directory(
    tags: dict[int, tuple[str, list[int]]], order: str, is_big: bool, place: int
) -> bytes:
    kinds = {"H": 3, "I": 4, "Q": 16}
    size, room, entry = ("Q", 8, 20) if is_big else ("I", 4, 12)
    table = struct.pack(order + ("Q" if is_big else "H"), len(tags))
    beyond = place + len(table) + entry * len(tags) + room
    tail = b""
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(data) > room:
            field, tail = struct.pack(order + size, beyond + len(tail)), tail + data
        else:
            field = data.ljust(room, b"\0")
        table += struct.pack(order + "HH" + size, tag, kinds[kind], len(values)) + field
    return table + bytes(room) + tail
