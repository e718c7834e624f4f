"""Files of runs that other programs open, by the name's ending."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from mfnjax._files import check_writable, replacing
from mfnjax.errors import DataError
from mfnjax.simulation.exchange.hyperstack import (
    holds_hyperstack,
    read_hyperstack,
    write_hyperstack,
)
from mfnjax.simulation.exchange.image_data import read_image_data, write_image_data
from mfnjax.simulation.exchange.labelled import require, unlabelled


@final
@dataclass(frozen=True)
class _Kind:
    """What writes a dataset to a path, what reads it, and the modules that these need."""

    write: Callable[[Any, Path], None]
    read: Callable[[Path], Any]
    modules: tuple[str, ...]


def write_run(dataset: Any, path: str | Path) -> Path:
    """Write a run (`labelled`) as the file that the name's ending says, whole or not at all.

    Raises:
        ParameterError: Such a file cannot hold the run, or a module is missing.
        DataError: Another ending, or the file cannot be written.
    """
    path = check_can_write(path)
    _KINDS[path.suffix.lower()].write(dataset, path)
    return path


def read_run(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what `write_run` wrote: all that is no array, and the arrays.

    Raises:
        DataError: Not such a file.
    """
    path = Path(path)
    kind = _kind(path)
    if not path.exists():
        raise DataError(f"{path}: no such file")
    for module in kind.modules:
        require(module)
    try:
        return unlabelled(kind.read(path))
    except Exception as error:  # a damaged file fails in many ways, all of them this one
        text = " ".join(str(error).split())
        raise DataError(f"{path}: not a run saved by mfnjax ({text})") from error


def holds_run(path: str | Path) -> bool:
    """Whether a file is named as one of these is; a ``.tif``, which most images are, holds one."""
    suffix = Path(path).suffix.lower()
    return holds_hyperstack(Path(path)) if suffix == ".tif" else suffix in SUFFIXES


def check_can_write(path: str | Path) -> Path:
    """Refuse, before a run, a file that could not be written after it.

    Raises:
        ParameterError: A module is missing.
        DataError: Another ending, or no file can be made there.
    """
    path = Path(path)
    for module in _kind(path).modules:
        require(module)
    if path.suffix.lower() != ".zarr":
        return check_writable(path)
    if path.exists() and not any((path / name).exists() for name in ("zarr.json", ".zgroup")):
        raise DataError(f"{path}: is there and no Zarr store: it is not replaced")
    check_writable(path.with_name(path.name + ".new"))
    return path


def _kind(path: Path) -> _Kind:
    try:
        return _KINDS[path.suffix.lower()]
    except KeyError:
        raise DataError(f"{path}: a run's name ends in .npz, {', '.join(SUFFIXES)}") from None


def _write_zarr(dataset: Any, path: Path) -> None:
    """Write the folder beside, and put it in the place of the old one."""
    encoding = _encoding(dataset, "chunks")
    how = {"consolidated": False, "zarr_format": 3, "encoding": encoding}
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
        try:
            dataset.to_zarr(beside / "new", mode="w", **how)
            if path.exists():
                path.rename(beside / "old")
            (beside / "new").rename(path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def _write_hdf(dataset: Any, path: Path) -> None:
    encoding = _encoding(dataset, "chunksizes", zlib=True)
    with replacing(path) as beside:
        dataset.to_netcdf(beside, engine="h5netcdf", encoding=encoding)


def _read_hdf(path: Path) -> Any:
    with require("xarray").open_dataset(path, engine="h5netcdf", decode_times=False) as dataset:
        return dataset.load()


def _read_zarr(path: Path) -> Any:
    with require("xarray").open_zarr(path, consolidated=False, decode_times=False) as dataset:
        return dataset.load()


def _encoding(dataset: Any, name: str, **more: Any) -> dict[str, Mapping[str, Any]]:
    """A chunk a frame, and no number that stands for 'missing'."""
    encoding: dict[str, Mapping[str, Any]] = {}
    for key, variable in dataset.variables.items():
        encoding[key] = {"_FillValue": None}
        if name == "chunks" and variable.dtype.kind == "f":
            encoding[key] = {"fill_value": np.nan}  # of frames that are yet to come
        if variable.ndim > 1:
            chunks = [1 if d in ("member", "time") else n for d, n in variable.sizes.items()]
            encoding[key] = {**encoding[key], name: tuple(chunks), **more}
    return encoding


_KINDS = {
    ".nc": _Kind(_write_hdf, _read_hdf, ("xarray", "h5netcdf", "h5py")),
    ".h5": _Kind(_write_hdf, _read_hdf, ("xarray", "h5netcdf", "h5py")),
    ".zarr": _Kind(_write_zarr, _read_zarr, ("xarray", "zarr")),
    ".vti": _Kind(write_image_data, read_image_data, ("xarray",)),
    ".tif": _Kind(write_hyperstack, read_hyperstack, ("xarray", "tifffile")),
}
SUFFIXES = tuple(_KINDS)
