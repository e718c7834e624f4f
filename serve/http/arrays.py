"""Arrays from bodies that nobody vouches for: ``.npy`` and ``.npz``.

Everything is decided from headers, before anything is unpacked: no pickles, no objects, and no
more bytes than announced and allowed.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy

from serve.http.errors import ApiError, invalid

NPY_MAGIC, ZIP_MAGIC = b"\x93NUMPY", b"PK\x03\x04"
PREFERRED = ("history", "field", "mask")
END_MAGIC = b"PK\x05\x06"
MAX_DIRECTORY_BYTES = 2**16
MAX_ENTRIES = 64
MAX_HEADER = 4096


def read_array(body: bytes, *, max_bytes: int) -> np.ndarray:
    """The array of a ``.npy`` body, or the one that counts of a ``.npz`` body.

    Raises:
        ApiError: 400, it is not such a file or holds something else than numbers; 413, it would
            unpack to more than ``max_bytes``.
    """
    if body.startswith(NPY_MAGIC):
        return _npy(body, max_bytes)
    if body.startswith(ZIP_MAGIC):
        return _npz(body, max_bytes)
    raise invalid("", "the body is neither a .npy nor a .npz file")


def _npy(body: bytes, max_bytes: int) -> np.ndarray:
    file = io.BytesIO(body)
    try:
        version = npy.read_magic(file)
        readers: dict[Any, Any] = {
            (1, 0): npy.read_array_header_1_0,
            (2, 0): npy.read_array_header_2_0,
        }
        shape, fortran, dtype = readers[version](file, max_header_size=MAX_HEADER)
    except Exception:  # a hostile header fails in many ways, all of them this one
        raise invalid("", "the .npy header cannot be read") from None
    if dtype.hasobject or dtype.kind not in "fb" or dtype.itemsize > 8:
        raise invalid("", f"the array must hold float32, float64 or bool, got {str(dtype)[:40]}")
    if any(type(side) is not int or side < 0 for side in shape):
        raise invalid("", f"the array must have a shape of whole numbers, got {str(shape)[:40]}")
    size = dtype.itemsize * math.prod(shape)
    if size > max_bytes:
        raise ApiError(413, f"the array would be {size} bytes, more than the {max_bytes} allowed")
    if size != len(body) - file.tell():
        raise invalid("", f"the header announces {size} bytes, {len(body) - file.tell()} follow")
    flat = np.frombuffer(body, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _npz(body: bytes, max_bytes: int) -> np.ndarray:
    _check_directory(body)
    try:
        archive = zipfile.ZipFile(io.BytesIO(body))
        entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    except Exception:
        raise invalid("", "the .npz file cannot be read") from None
    if len(archive.infolist()) > MAX_ENTRIES:
        raise invalid("", f"the .npz file has more than {MAX_ENTRIES} entries")
    chosen = next((entries[name] for name in PREFERRED if name in entries), None)
    if chosen is None and len(entries) == 1:
        (chosen,) = entries.values()
    if chosen is None:
        raise invalid("", f"the .npz file must have an array named {', '.join(PREFERRED)}")
    if chosen.file_size > max_bytes + MAX_HEADER:
        raise ApiError(
            413, f"the array would be {chosen.file_size} bytes, more than the {max_bytes} allowed"
        )
    if chosen.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise invalid("", "the .npz file is compressed in an unusual way")
    try:
        with archive.open(chosen) as file:
            content = file.read(chosen.file_size + 1)
    except Exception:
        raise invalid("", "the .npz file is damaged") from None
    if not content.startswith(NPY_MAGIC):
        raise invalid("", f"{chosen.filename[:40]!r} of the .npz file is not an array")
    return _npy(content, max_bytes)


def _check_directory(body: bytes) -> None:
    """Raise a 400 for a directory that would take seconds to read, by what its end says of it."""
    end = body[-(2**16 + 22) :]
    at = end.find(END_MAGIC)
    while at >= 0:
        if int.from_bytes(end[at + 12 : at + 16], "little") > MAX_DIRECTORY_BYTES:
            raise invalid("", f"the .npz file has more than {MAX_ENTRIES} entries")
        at = end.find(END_MAGIC, at + 1)


def write_npy(array: np.ndarray) -> bytes:
    """``array`` as a ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()
