"""The final fields of a dataset, as Zarr beside the table.

The group holds, for each grid size n, ``size_n/fields`` (rows, C, n, n) float32 and
``size_n/sim_id`` (rows,), and names the C fields in its attributes. Rows that failed are not there.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from mfnjax.dataset.plan import Plan
from mfnjax.dataset.schema import read_metadata
from mfnjax.errors import DataError, ParameterError

CHUNK_BYTES = 4 * 2**20


def require_zarr() -> Any:
    """The zarr module, or a ParameterError that says how to get it."""
    try:
        import zarr
    except ImportError as error:
        raise ParameterError("saved fields need the extra: pip install mfnjax[fields]") from error
    return zarr


def assemble_fields(target: Path, parts: list[Path], plan: Plan) -> None:
    """Copy the fields of all parts into one Zarr group, whole or not at all."""
    zarr = require_zarr()
    beside = target.with_name(f".{target.name}.partial")
    try:
        if beside.exists():
            shutil.rmtree(beside)
        group = zarr.open_group(str(beside), mode="w")
        group.attrs["fields"] = list(plan.table.fields)
        group.attrs["fingerprint"] = plan.fingerprint
        for part in parts:
            if part.exists():
                _append(group, part)
        if target.exists():
            shutil.rmtree(target)
        beside.rename(target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _append(group: Any, part: Path) -> None:
    with np.load(part) as arrays:
        for name in arrays.files:
            if name.startswith("fields_"):
                size = name.removeprefix("fields_")
                _extend(group, f"size_{size}/fields", arrays[name])
                _extend(group, f"size_{size}/sim_id", arrays[f"ids_{size}"])


def _extend(group: Any, name: str, rows: np.ndarray) -> None:
    if name not in group:
        row_bytes = max(rows[:1].nbytes, 1)
        chunk = max(1, min(1024, CHUNK_BYTES // row_bytes))
        group.create_array(
            name, shape=(0, *rows.shape[1:]), chunks=(chunk, *rows.shape[1:]), dtype=rows.dtype
        )
    group[name].append(rows)


def load_fields(path: str | Path, grid_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the saved fields of one grid size.

    Args:
        path: The dataset (``.parquet``) or its fields (``.zarr``).
        grid_size: Cells per side.

    Returns:
        sim_id (n,) and fields (n, C, grid_size, grid_size), float32.

    Raises:
        DataError: There are none, or they are of another dataset than the table beside them.
    """
    zarr = require_zarr()
    folder = Path(path).with_suffix(".zarr")
    if not folder.is_dir():
        raise DataError(f"{folder}: no saved fields there; make the dataset with save_fields")
    group = zarr.open_group(str(folder), mode="r")
    table = folder.with_suffix(".parquet")
    if table.is_file() and read_metadata(table)["fingerprint"] != group.attrs.get("fingerprint"):
        raise DataError(f"{folder}: these fields are not those of {table.name}, made later or else")
    name = f"size_{grid_size}"
    if name not in group:
        known = ", ".join(sorted(group.group_keys()))
        raise DataError(f"{folder}: has no fields of grid size {grid_size}; it has {known}")
    return np.asarray(group[f"{name}/sim_id"]), np.asarray(group[f"{name}/fields"])
