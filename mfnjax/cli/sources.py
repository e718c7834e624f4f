"""What ``mfn features`` measures: files of several kinds, brought to fields or masks."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from mfnjax.core.quantity import POTENTIAL
from mfnjax.errors import DataError, ParameterError
from mfnjax.images import IMAGE_SUFFIXES, Image, choose_threshold, mask_from_levels, open_image
from mfnjax.models.base import main_field
from mfnjax.simulation.exchange import holds_run
from mfnjax.simulation.trajectory import Trajectory, is_run

if TYPE_CHECKING:
    from mfnjax.tables import Dialect

ARRAY_SUFFIXES = (".npz", ".npy")


def files_in(names: tuple[str, ...]) -> list[str]:
    """The files that are meant: themselves, and of a folder those that can be measured.

    Raises:
        DataError: A folder holds none.
    """
    found = []
    for name in names:
        inside = [name]
        if Path(name).is_dir() and not holds_run(name):
            files = sorted(Path(name).iterdir())
            inside = [
                str(file)
                for file in files
                if file.suffix.lower() in IMAGE_SUFFIXES + ARRAY_SUFFIXES and file.name[0] != "."
            ]
            if not inside:
                raise DataError(f"{name}: is a folder that holds no result and no image")
        found += inside
    return found


@final
@dataclass(frozen=True)
class Reading:
    """How files are to be read.

    Attributes:
        threshold: Level that separates object and background, ``half`` or ``otsu``; None is the
            kind's own.
        invert: The object is at or below it.
        field: Name of the array in an ``.npz``, or None.
        channel: Channel of a colour image, its name or its number, or None.
        page: Plane of a stack, or None.
        series: Series of a TIFF, or None.
        ndim: Axes of space of an array; None is a saved run's own, else what the array's axes say.
        dialect: How a table of numbers is written.
        unit: Of potentials: V or mV; None is V, and integers are an image.
    """

    threshold: float | str | None = None
    invert: bool = False
    field: str | None = None
    channel: str | None = None
    page: int | None = None
    series: int | None = None
    ndim: int | None = None
    dialect: Dialect | None = None
    unit: str | None = None


@final
@dataclass(frozen=True)
class Source:
    """What a file holds to be measured.

    Attributes:
        array: A field or history in volts (float), or a mask (boolean).
        ndim: Its axes of space, or None where the array's axes say it.
        fractions: The fraction of each cell that takes part, or None.
        threshold: Level that separated object and background; None: a field, as it is.
        reading: Which cells are set, and why: threshold, levels, share. None: a field.
        labels: The number of the object of each cell, 0 of none; None: it is no image of labels.
        image: What an image file says about itself, or None.
    """

    array: np.ndarray
    ndim: int | None = None
    fractions: np.ndarray | None = None
    threshold: float | None = None
    reading: str | None = None
    labels: np.ndarray | None = None
    image: Image | None = None


def read_source(path: str | Path, reading: Reading) -> Source:
    """Read a file as a field or history in volts (float), or as a mask (boolean).

    Raises:
        DataError: The file cannot be used.
        ParameterError: What it holds has the wrong shape or kind.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if holds_run(path):
        source, is_potential = _of_run(path, Trajectory.load(path), reading.field)
        return _field_or_mask(source, is_potential, reading)
    if suffix not in IMAGE_SUFFIXES + ARRAY_SUFFIXES:
        return _of_table(path, reading)
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    if reading.field is not None and suffix != ".npz":
        raise ParameterError(f"--field names an array of an .npz file, {suffix} holds one alone")
    if suffix in IMAGE_SUFFIXES:
        return _of_image(path, reading)
    for name in ("channel", "page", "series"):
        if getattr(reading, name) is not None:
            raise ParameterError(f"--{name} is for images, {suffix} has none")
    source, is_potential = _read_arrays(path, reading.field)
    if reading.ndim is not None:
        source = replace(source, ndim=reading.ndim)
    return _field_or_mask(source, is_potential, reading)


def _of_table(path: Path, reading: Reading) -> Source:
    """A field of a table of numbers."""
    from mfnjax.tables import MATRIX_SUFFIXES, read_matrix

    if path.suffix.lower() not in MATRIX_SUFFIXES:
        known = ", ".join(ARRAY_SUFFIXES + IMAGE_SUFFIXES + MATRIX_SUFFIXES)
        raise DataError(f"{path}: not a result, an image or a table of numbers ({known})")
    for name in ("field", "channel", "page", "series"):
        if getattr(reading, name) is not None:
            raise ParameterError(f"--{name} has no meaning for a table of numbers")
    array, told = read_matrix(path, reading.dialect)
    source = _field_or_mask(Source(array, reading.ndim), True, reading)
    said = ", ".join(text for text in (told, source.reading) if text)
    return replace(source, reading=said or None)


def _of_image(path: Path, reading: Reading) -> Source:
    for name in ("unit", "ndim"):
        if getattr(reading, name) is not None:
            raise ParameterError(f"--{name} is for arrays, {path.suffix} is an image")
    with _quiet_decoders():
        image = open_image(
            path,
            channel=reading.channel,
            page=reading.page,
            series=reading.series,
            grey=True,
        )
    return replace(_masked(image.values, reading.threshold, reading.invert), image=image)


def _masked(
    levels: np.ndarray, threshold: float | str | None, invert: bool, rule: str | None = None
) -> Source:
    """The cells of an image above a threshold, and how that was chosen."""
    found = choose_threshold(levels, threshold)
    found = found if rule is None else replace(found, rule=rule)
    mask = mask_from_levels(levels, found.value, invert=invert)
    return Source(
        mask,
        threshold=found.value,
        reading=found.describe(mask, invert=invert),
        labels=levels if found.labels and not invert else None,
    )


@contextmanager
def _quiet_decoders() -> Iterator[None]:
    """Keep what libtiff says in C off the terminal: the error that follows says it once."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _read_arrays(path: Path, field: str | None) -> tuple[Source, bool]:
    """The array of a .npy or .npz file, and whether it is a potential in volts."""
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as start:
                if start.read(6) != b"\x93NUMPY":
                    raise DataError("not a NumPy file")
            return Source(np.load(path, allow_pickle=False)), True
        if not zipfile.is_zipfile(path):
            raise DataError("not an .npz file (a zip of arrays)")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # damaged archives fail in many ways, all of them this one
        raise DataError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    return _choose(path, arrays, field)


def _choose(path: Path, arrays: dict[str, np.ndarray], field: str | None) -> tuple[Source, bool]:
    if is_run(arrays):
        return _of_run(path, Trajectory.load(path), field)
    arrays.pop("meta", None)
    if field is not None:
        if field not in arrays:
            raise DataError(f"{path}: no array {field!r}; it holds {', '.join(arrays) or 'none'}")
        return Source(arrays[field]), True
    for name in ("history", "field"):
        if name in arrays:
            return Source(arrays[name]), True
    if len(arrays) != 1:
        raise DataError(
            f"{path}: holds {len(arrays)} arrays ({', '.join(arrays) or 'none'}); "
            "say which with --field"
        )
    return Source(next(iter(arrays.values()))), True


def _of_run(path: Path, run: Trajectory, field: str | None) -> tuple[Source, bool]:
    """A field of a run, or its history; whether it is a potential, which is measured in volts."""
    name = main_field(run.simulation.model) if field is None else field
    if name not in run.state.names:
        raise DataError(f"{path}: no field {name!r}; it holds {', '.join(run.state.names)}")
    is_potential = run.quantity(name).unit == POTENTIAL.unit
    grid = run.simulation.grid
    fractions = getattr(grid, "mask", None)
    source = Source(
        np.asarray(run.state[name]),
        len(grid.shape),
        None if fractions is None else np.asarray(fractions, np.float64),
    )
    if not is_potential or name not in run.histories:
        return source, is_potential
    every = run.simulation.save_every
    if every != 1:
        raise DataError(
            f"{path}: its frames are {every} steps apart, and features over time compare each step "
            "with the next: save every frame (--save-every 1), or none"
        )
    return replace(source, array=np.asarray(run.histories[name])), True


def _field_or_mask(source: Source, is_potential: bool, reading: Reading) -> Source:
    """Potentials stay; everything else, and what has a threshold, becomes a mask."""
    array = source.array
    if is_potential and array.dtype.kind in "iu" and reading.unit is not None:
        array = array.astype(np.float64)
    if is_potential and array.dtype.kind == "f" and reading.threshold is None:
        if reading.invert:
            raise ParameterError("--invert is for images and masks: give a --threshold")
        kept = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float32)
        volts = array if reading.unit != "mV" else array.astype(np.float64) / 1000
        return replace(source, array=volts.astype(kept, copy=False))
    if array.ndim == (source.ndim or 2) + 1 and array.dtype.kind == "f":
        array = array[-1]
    threshold, rule = reading.threshold, None
    if not is_potential and threshold is None:
        inside = array if source.fractions is None else array[source.fractions > 0]
        threshold, rule = middle_level(inside), "halfway between minimum and maximum"
    # Cells are compared one by one: what is known to be a line or a cube may lie as an image.
    image = array.reshape(-1, array.shape[-1]) if array.ndim == source.ndim else array
    found = _masked(image, threshold, reading.invert, rule)
    labels = None if found.labels is None else array
    return replace(
        found,
        array=found.array.reshape(array.shape),
        labels=labels,
        ndim=source.ndim,
        fractions=source.fractions,
    )


def middle_level(array: np.ndarray) -> float:
    """Halfway between the least and the largest value: the customary level of a pattern."""
    return (float(array.min()) + float(array.max())) / 2


def numbers_of(labels: np.ndarray) -> list[int]:
    """The objects of an image of labels."""
    return [int(number) for number in np.unique(labels) if number != 0]


def is_double(name: str, reading: Reading) -> bool:
    """Whether a file holds potentials in float64; one that cannot be read is told of later."""
    if Path(name).suffix.lower() in IMAGE_SUFFIXES and not holds_run(name):  # a mask
        return False
    try:
        return bool(read_source(name, reading).array.dtype == np.float64)
    except (DataError, ParameterError):
        return False
