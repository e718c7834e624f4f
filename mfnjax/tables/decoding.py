"""The text of a file, in whichever encoding it was written."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from mfnjax.errors import DataError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte-order mark"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_OTHERS = (
    (b"PK\x03\x04", "a zip archive; an Excel workbook is named .xlsx"),
    (b"PAR1", "Parquet, which is named .parquet"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save it as .xlsx"),
    (b"\x1f\x8b", "compressed with gzip: unpack it"),
    (b"\x89PNG", "a picture"),
    (b"%PDF", "a PDF"),
)
"""First bytes of what is often named like a table, and what it is."""
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f]")


def decoded(path: Path) -> tuple[str, str]:
    """The text of a file, and its encoding in words.

    Without a mark it is UTF-8, else UTF-16 if every other byte is 0, else Windows' Latin-1: that
    one takes (nearly) any bytes, but all numbers are the same in it.

    Raises:
        DataError: The file cannot be read, or is no text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    for start, kind in _OTHERS:
        if raw.startswith(start):
            raise DataError(f"{path}: not a text file, it is {kind}")
    for mark, codec, words in _MARKS:
        if raw.startswith(mark):
            return _decoded(path, raw, codec), words
    for codec, zeros in (("utf-16-le", raw[1::2]), ("utf-16-be", raw[::2])):
        if len(raw) > 3 and zeros.count(0) > 0.8 * len(zeros):
            return _decoded(path, raw, codec), "UTF-16"
    try:
        text, words = raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        text, words = _decoded(path, raw, "cp1252"), "Latin-1"
    if _CONTROL.search(raw):
        raise DataError(f"{path}: not a text file (it holds control characters)")
    return text, words


def _decoded(path: Path, raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8, UTF-16 or Latin-1") from error
