"""Tables that a network learns from: Parquet or CSV, which columns go in, which comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.csv

from mfnjax.dataset.plan import plan_from_identity
from mfnjax.dataset.reading import read_table
from mfnjax.dataset.schema import read_metadata
from mfnjax.errors import DataError

TABLE_SUFFIXES = (".parquet", ".csv")


@final
@dataclass(frozen=True)
class Columns:
    """The samples of a table.

    Attributes:
        path: Where they come from.
        inputs: (n, columns), float64.
        target: (n,), float64.
        input_names: The columns' names.
        target_name: The target's.
    """

    path: Path
    inputs: np.ndarray
    target: np.ndarray
    input_names: tuple[str, ...]
    target_name: str


def read_columns(path: Path, inputs: tuple[str, ...] | None, target: str | None) -> Columns:
    """Read what a network shall learn.

    Of a dataset of mfnjax the inputs are the features and the target is its first swept
    parameter, unless they are named; of any other table the inputs are all other numbers.

    Raises:
        DataError: The file cannot be read, has no rows, or has no such column of numbers.
    """
    table = any_table(path)
    default_inputs, default_target = _defaults(path, table)
    name = target or default_target
    if name is None:
        raise DataError(f"{path}: say with --target which column the network shall predict")
    names = inputs or tuple(column for column in default_inputs if column != name)
    if table.num_rows == 0:
        raise DataError(f"{path}: the table has no rows")
    if not names:
        raise DataError(f"{path}: no column of numbers is left as an input")
    if name in names:
        raise DataError(f"{path}: {name} cannot be an input and the target")
    columns = {column: numbers(path, table, column) for column in (*names, name)}
    for column, values in columns.items():
        bad = ~np.isfinite(values)
        if bad.any():
            raise DataError(f"{path}: row {int(np.argmax(bad))} of {column} is not a finite number")
    wanted = columns.pop(name)
    return Columns(path, np.stack(list(columns.values()), axis=1), wanted, names, name)


def any_table(path: Path) -> pa.Table:
    """A Parquet or CSV file as a table; every failure is a DataError."""
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise DataError(f"{path}: a table ends in {' or '.join(TABLE_SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    if suffix == ".parquet":
        return read_table(path)
    try:
        return pa.csv.read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def numbers(path: Path, table: pa.Table, name: str) -> np.ndarray:
    """A column as float64; an empty cell is NaN.

    Raises:
        DataError: There is none of that name, or it holds no numbers.
    """
    if name not in table.column_names:
        known = ", ".join(table.column_names)
        raise DataError(f"{path}: no column {name!r}; columns: {known}")
    column = table[name]
    if not _is_number(column.type):
        raise DataError(f"{path}: column {name!r} holds {column.type}, numbers were expected")
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)


def _is_number(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _defaults(path: Path, table: pa.Table) -> tuple[tuple[str, ...], str | None]:
    """(input columns, target column or None) of a table, if the user names none."""
    try:
        if path.suffix.lower() != ".parquet":
            raise DataError("a plain table")
        plan = plan_from_identity(read_metadata(path)["plan"])
    except DataError:
        kinds = {field.name: field.type for field in table.schema}
        return tuple(name for name, kind in kinds.items() if _is_number(kind)), None
    return plan.table.outputs, next(iter(plan.table.swept), None)
