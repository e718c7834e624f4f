"""The columns of the table: names, order, types, units, and what the file says about itself."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mfnjax._version import __version__
from mfnjax.dataset.plan import Plan
from mfnjax.dataset.sampling import Columns
from mfnjax.dataset.table import Column
from mfnjax.errors import DataError
from mfnjax.features.measurement import DIMENSION_COLUMNS

METADATA_KEY = b"mfnjax"
"""Key of the file's JSON metadata."""


def columns_of(plan: Plan) -> tuple[Column, ...]:
    """The columns of a plan's table, in order."""
    identity = (
        Column("sim_id", pa.int64()),
        Column("random_seed", pa.int64()),
        Column("grid_size", pa.int64(), "cells"),
        Column("steps", pa.int64(), "steps"),
    )
    stamp = (Column("mfn_version", pa.string()), Column("timestamp", pa.string()))
    table = plan.table
    dimension = DIMENSION_COLUMNS if plan.dimension else ()
    dimensions = tuple(Column(name, pa.float64()) for name in dimension)
    counts = tuple(Column(name, pa.int64(), "count") for name in table.model.counters)
    return (*identity, *table.parameters, *table.features, *dimensions, *stamp, *counts)


def schema_of(plan: Plan) -> pa.Schema:
    """The Arrow schema of a plan's table, with units, without the file's own metadata."""
    return pa.schema(
        pa.field(
            c.name, c.type, c.name in plan.may_lack, metadata={"unit": c.unit} if c.unit else None
        )
        for c in columns_of(plan)
    )


def build_table(plan: Plan, columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Columns of numbers → a table of the plan's schema, stamped with version and time."""
    schema = schema_of(plan)
    count = len(columns["sim_id"])
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    stamps = {"mfn_version": [__version__] * count, "timestamp": [now] * count}
    given: dict[str, Any] = {**columns, **stamps}
    arrays = [
        _with_gaps(given[f.name], f.type) if f.nullable else pa.array(given[f.name], type=f.type)
        for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _with_gaps(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """A column that is empty where a value is NaN."""
    gaps = np.isnan(values)
    filled = np.where(gaps, 0.0, values).astype(kind.to_pandas_dtype())
    return pa.array(filled, kind, mask=gaps)


def file_metadata(plan: Plan, failures: Iterable[Any], content_hash: str, rows: int) -> bytes:
    """What a finished file says about itself, as JSON."""
    failed = [failure.to_dict() for failure in failures]
    return json.dumps(
        {
            "format": "mfnjax-dataset-1",
            "plan": plan.identity,
            "fingerprint": plan.fingerprint,
            "feature_schema_version": plan.schema,
            "equations": plan.table.equations,
            "units": {c.name: c.unit for c in columns_of(plan) if c.unit},
            "requested": plan.config.num_samples,
            "rows": rows,
            "failed": len(failed),
            "failures": failed[:1000],
            "content_hash": content_hash,
        }
    ).encode()


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What a dataset says about itself.

    Raises:
        DataError: Not a file, not Parquet, or not a dataset of mfnjax.
    """
    try:
        found = pq.read_metadata(path).metadata or {}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException) as error:
        text = " ".join(str(error).split())
        raise DataError(f"{path}: not a Parquet file ({text})") from error
    if METADATA_KEY not in found:
        raise DataError(f"{path}: a Parquet file, but not a dataset made by mfnjax")
    values: dict[str, Any] = json.loads(found[METADATA_KEY])
    return values


class ContentHash:
    """SHA-256 of every column but ``timestamp``, however the rows are cut into groups."""

    def __init__(self, schema: pa.Schema) -> None:
        self._hashes = {f.name: hashlib.sha256() for f in schema if f.name != "timestamp"}
        # With gaps a column is floats with NaN, in groups of rows without one, too.
        self._gaps = {f.name for f in schema if f.nullable}

    def update(self, table: pa.Table) -> None:
        """Take in the next rows."""
        for name, digest in self._hashes.items():
            column = table.column(name)
            digest.update(column_bytes(column.cast("float64") if name in self._gaps else column))

    def hexdigest(self) -> str:
        """The hash of all rows so far."""
        whole = hashlib.sha256()
        for name, digest in self._hashes.items():
            whole.update(name.encode() + b"\0" + digest.digest())
        return f"sha256:{whole.hexdigest()}"


def column_bytes(column: pa.ChunkedArray) -> bytes:
    """The values of a column as bytes: little-endian numbers, or lines of text."""
    if pa.types.is_string(column.type):
        return "".join(f"{value}\n" for value in column.to_pylist()).encode()
    values = column.to_numpy()
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def drop_rows(columns: Columns, keep: np.ndarray) -> Columns:
    """The rows of ``columns`` that ``keep`` marks."""
    return columns if keep.all() else {name: values[keep] for name, values in columns.items()}
