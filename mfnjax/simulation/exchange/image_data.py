"""VTK image data (.vti), as ParaView opens it: the fields as cell data.

A file holds one state. The frames of a run lie beside ``run.vti`` in ``run_frames/``, and
``run.vti.series`` is what ParaView opens as a film of them.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

from mfnjax._files import replacing, write_text
from mfnjax.errors import DataError, ParameterError
from mfnjax.simulation.exchange.labelled import ABOUT, describe, described, distance, fields_of

_START, _END = b'<AppendedData encoding="raw">\n_', b"\n</AppendedData>\n</VTKFile>\n"
_TYPES = {"float32": "Float32", "float64": "Float64"}


def write_image_data(dataset: Any, path: Path) -> None:
    """Write a run: its frames, and then its last state.

    Raises:
        ParameterError: An ensemble.
    """
    if "member" in dataset.dims:
        raise ParameterError("a .vti file holds one run, not an ensemble: take a member, or .nc")
    head, about = _geometry(dataset), describe(dataset)
    fields = {name: dataset[name] for name in fields_of(dataset)}
    films = {name: field for name, field in fields.items() if "time" in field.dims}
    series = path.with_name(path.name + ".series")
    series.unlink(missing_ok=True)
    if _folder(path).exists():
        if other := [one.name for one in _folder(path).iterdir() if one.suffix != ".vti"]:
            raise DataError(f"{_folder(path)}: holds {other[0]}, it is not replaced")
        shutil.rmtree(_folder(path))
    if films:
        _folder(path).mkdir()
        files = []
        for at, time in enumerate(np.asarray(dataset["time"].values)):
            frame = _folder(path) / f"{at:06d}.vti"
            arrays = {name: np.asarray(field[at]) for name, field in films.items()}
            _write(frame, head, arrays, f"frame {at} of {path.name}")
            files.append({"name": f"{_folder(path).name}/{frame.name}", "time": float(time)})
        write_text(series, json.dumps({"file-series-version": "1.0", "files": files}, indent=1))
    last = {n: np.asarray(f[-1] if n in films else f) for n, f in fields.items()}
    with replacing(path) as beside:
        _write(beside, head, last, about)


def read_image_data(path: Path) -> Any:
    """Read what `write_image_data` wrote, as the dataset."""
    about, last = _read(path)
    dataset = described(about)
    axes = [name for name in "zyx" if name in dataset.dims]
    shape = [dataset.sizes[name] for name in axes]
    states = []
    if "time" in dataset.dims:
        count = dataset.sizes["time"]
        states = [_read(_folder(path) / f"{at:06d}.vti")[1] for at in range(count)]
    for name, values in last.items():
        if states and name in states[0]:
            values = np.concatenate([state[name] for state in states])
            dataset[name] = (("time", *axes), values.reshape(-1, *shape))
        else:
            dataset[name] = (axes, values.reshape(shape))
    return dataset


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}_frames")


def _geometry(dataset: Any) -> str:
    """Extent, origin and spacing of the cells, x first."""
    axes = [name for name in "xyz" if name in dataset.dims]
    more = 3 - len(axes)
    sizes = [dataset.sizes[name] for name in axes]
    steps = [distance(dataset, name) for name in axes]
    begins = [float(dataset[name][0]) - step / 2 for name, step in zip(axes, steps, strict=True)]
    extent = " ".join(f"0 {size}" for size in sizes + [0] * more)
    origin, spacing = (
        " ".join(repr(float(number)) for number in numbers)
        for numbers in (begins + [0.0] * more, steps + [1.0] * more)
    )
    return (
        f'<ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n'
        f'<Piece Extent="{extent}">'
    )


def _write(path: Path, head: str, arrays: Mapping[str, np.ndarray], about: str) -> None:
    """One state: a head of XML, and the arrays behind it as they are."""
    order = "LittleEndian" if sys.byteorder == "little" else "BigEndian"
    extent, piece = head.split("\n")
    codes = " ".join(map(str, [*about.encode(), 0]))
    lines, offset = [], 0
    for name, values in arrays.items():
        lines.append(
            f'<DataArray type="{_TYPES[str(values.dtype)]}" Name={quoteattr(name)} '
            f'format="appended" offset="{offset}"/>'
        )
        offset += 8 + values.nbytes
    text = (
        '<?xml version="1.0"?>',
        f'<VTKFile type="ImageData" version="1.0" byte_order="{order}" header_type="UInt64">',
        extent,
        "<FieldData>",
        f'<Array type="String" Name="{ABOUT}" NumberOfTuples="1" format="ascii">{codes}</Array>',
        "</FieldData>",
        f"{piece}<PointData/><CellData>",
        *lines,
        "</CellData></Piece></ImageData>\n",
    )
    with path.open("wb") as file:
        file.write("\n".join(text).encode() + _START)
        for values in arrays.values():
            file.write(np.uint64(values.nbytes).tobytes() + values.tobytes())
        file.write(_END)


def _read(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    raw = path.read_bytes()
    end = raw.index(_START)
    root = ElementTree.fromstring(raw[:end] + b"</VTKFile>")
    codes = (root.findtext(f".//Array[@Name='{ABOUT}']") or "").split()[:-1]
    kinds = {vtk: kind for kind, vtk in _TYPES.items()}
    arrays = {}
    for array in root.iter("DataArray"):
        start = end + len(_START) + int(array.attrib["offset"])
        dtype = np.dtype(kinds[array.attrib["type"]])
        size = int(np.frombuffer(raw, np.uint64, 1, start)[0]) // dtype.itemsize
        arrays[array.attrib["Name"]] = np.frombuffer(raw, dtype, size, start + 8).copy()
    return bytes(map(int, codes)).decode(), arrays
