"""Result files: one ``.npz`` of arrays, with what they are as JSON in ``meta``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfnjax._files import replacing
from mfnjax.errors import DataError

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]

_READERS: dict[str, Callable[[Meta, Arrays], Any]] = {}


def register_format(name: str, reader: Callable[[Meta, Arrays], Any]) -> None:
    """Say what makes a result of a file whose ``meta`` names this format."""
    _READERS[name] = reader


def write_record(path: str | Path, meta: Meta, arrays: Mapping[str, Any]) -> Path:
    """Write arrays and ``meta`` (which names its ``format``), whole or not at all.

    Raises:
        DataError: The name does not end in .npz, or the file cannot be written.
    """
    path = _npz_path(path)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, meta=np.array(json.dumps(meta)), **arrays)
    return path


def read_record(path: str | Path, formats: tuple[str, ...] | None = None) -> Any:
    """Read a file that `write_record` wrote, as the result that it holds.

    Args:
        path: The file.
        formats: Formats to accept; None takes all that are known.

    Raises:
        DataError: Not such a file.
    """
    if Path(path).suffix != ".npz":
        return _read_other(path, formats)
    path = _npz_path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not a result saved by mfnjax (not an .npz file)")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        kind = meta.get("format") if isinstance(meta, dict) else None
        if not isinstance(kind, str) or kind not in (formats or _READERS):
            raise DataError(f"its format is {kind!r}, not {' or '.join(formats or _READERS)}")
        return _READERS[kind](meta, arrays)
    except Exception as error:  # a damaged file fails in many ways, all of them this one
        text = " ".join(str(error).split())
        raise DataError(f"{path}: not a result saved by mfnjax ({text})") from error


def _read_other(path: str | Path, formats: tuple[str, ...] | None) -> Any:
    """A run in a file for other programs."""
    from mfnjax.simulation.exchange import read_run

    meta, arrays = read_run(path)
    if meta["format"] not in (formats or _READERS):
        raise DataError(f"{path}: its format is {meta['format']!r}")
    return _READERS[meta["format"]](meta, arrays)


def format_of(arrays: Mapping[str, np.ndarray]) -> str | None:
    """The format that an ``.npz``'s arrays name, or None."""
    meta = arrays.get("meta")
    if meta is None or meta.dtype.kind != "U":
        return None
    try:
        values = json.loads(str(meta))
    except ValueError:
        return None
    return values.get("format") if isinstance(values, dict) else None


def _npz_path(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".npz":
        raise DataError(f"{path}: a result file ends in .npz")
    return path
