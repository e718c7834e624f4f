"""What is in a dataset, and whether it can be true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mfnjax.dataset.plan import Plan, plan_from_identity
from mfnjax.dataset.schema import ContentHash, read_metadata, schema_of
from mfnjax.errors import DataError


@final
@dataclass(frozen=True)
class ColumnSummary:
    """Smallest, mean and largest value of a numeric column."""

    name: str
    unit: str
    low: float
    mean: float
    high: float


@final
@dataclass(frozen=True)
class DatasetInfo:
    """What `inspect_dataset` found.

    Attributes:
        path: The file.
        rows: Rows in it.
        requested: Rows that were asked for.
        failures: Rows that failed: sim_id, parameters, error (the first 1000).
        failed: How many failed.
        size_bytes: Size of the file.
        row_groups: Row groups.
        plan: What decided the rows: configuration, model, versions.
        schema: The Arrow schema.
        columns: Ranges of the numeric columns.
        problems: What is wrong, in words; empty if nothing is.
        content_hash: Hash of every column but the time stamp.
    """

    path: str
    rows: int
    requested: int
    failures: tuple[dict[str, Any], ...]
    failed: int
    size_bytes: int
    row_groups: int
    plan: dict[str, Any]
    schema: pa.Schema
    columns: tuple[ColumnSummary, ...]
    problems: tuple[str, ...]
    content_hash: str


def inspect_dataset(path: str | Path) -> DatasetInfo:
    """Read a whole dataset, a row group at a time, and check it.

    The schema is the documented one; the content has the hash that the file states; ids rise and
    seeds follow them; parameters lie in the configuration's ranges; no value is NaN or infinite;
    and each feature is physically possible (potentials within the clamp, fractions in [0, 1],
    counts no larger than the grid …).

    Raises:
        DataError: The file cannot be read, or is not a dataset of mfnjax.
    """
    metadata = read_metadata(path)
    plan = plan_from_identity(metadata["plan"])
    expected = schema_of(plan)
    problems: list[str] = []
    try:
        with pq.ParquetFile(path) as file:
            schema, groups = file.schema_arrow, file.num_row_groups
            found = schema.remove_metadata()
            if not found.equals(expected.remove_metadata(), check_metadata=False):
                problems.append("the columns are not those of this kind of dataset")
                tables: Iterator[pa.Table] = iter(())
            else:
                tables = (file.read_row_group(index) for index in range(groups))
            columns, rows, content = _scan(plan, expected, tables, problems)
    except (OSError, pa.ArrowException) as error:
        text = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read ({text})") from error
    if rows != metadata["rows"] or rows + metadata["failed"] != metadata["requested"]:
        problems.append(
            f"{rows} rows and {metadata['failed']} failures for {metadata['requested']} requested"
        )
    if content != metadata["content_hash"]:
        problems.append(f"the content hash is {content}, the file says {metadata['content_hash']}")
    return DatasetInfo(
        path=str(path),
        rows=rows,
        requested=metadata["requested"],
        failures=tuple(metadata["failures"]),
        failed=metadata["failed"],
        size_bytes=Path(path).stat().st_size,
        row_groups=groups,
        plan=metadata["plan"],
        schema=schema,
        columns=columns,
        problems=tuple(problems),
        content_hash=content,
    )


def _scan(
    plan: Plan, schema: pa.Schema, tables: Iterator[pa.Table], problems: list[str]
) -> tuple[tuple[ColumnSummary, ...], int, str]:
    """One pass over the rows: ranges, problems, hash."""
    content, rows, last_id = ContentHash(schema), 0, -1
    numeric = [f for f in schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]
    sums = {f.name: [np.inf, 0.0, -np.inf, 0] for f in numeric}
    for table in tables:
        content.update(table)
        rows += table.num_rows
        values = {f.name: table[f.name].to_numpy() for f in schema if f.type != pa.string()}
        for name, running in sums.items():
            known = values[name]
            if name in plan.may_lack:
                known = known[~np.isnan(known)]
            if len(known):
                running[0] = min(running[0], float(known.min()))
                running[1] += float(known.sum())
                running[2] = max(running[2], float(known.max()))
                running[3] += len(known)
        ids = values["sim_id"]
        if not (np.diff(ids, prepend=last_id) > 0).all():
            _note(problems, "sim_id does not rise from row to row")
        last_id = int(ids[-1])
        for problem in _check(plan, values):
            _note(problems, problem)
    columns = tuple(
        ColumnSummary(
            f.name, (f.metadata or {}).get(b"unit", b"").decode(), low, total / known, top
        )
        for f in numeric
        for low, total, top, known in [sums[f.name]]
        if known
    )
    return columns, rows, content.hexdigest()


def _note(problems: list[str], problem: str) -> None:
    if problem not in problems:
        problems.append(problem)


def _check(plan: Plan, values: dict[str, np.ndarray]) -> Iterator[str]:
    """What is impossible in these rows."""
    config = plan.config
    gaps = {name: np.nan_to_num(values[name], posinf=np.inf) for name in plan.may_lack}
    values = {**values, **gaps}
    if not (values["random_seed"] == config.base_seed + values["sim_id"]).all():
        yield "random_seed is not base_seed + sim_id"
    if not np.isin(values["grid_size"], config.grid_sizes).all():
        yield f"grid_size holds a value that is not one of {config.grid_sizes}"
    bounds = {"steps": config.steps_range, **plan.table.bounds(values)}
    for name, (low, high) in bounds.items():
        column = values[name]
        if not np.isfinite(column).all():
            yield f"{name} holds a NaN or an infinity"
        elif not ((column >= low) & (column <= high)).all():
            ids = values["sim_id"][~((column >= low) & (column <= high))]
            yield f"{name} is out of its range (first at sim_id {ids[0]})"
