"""Tables that a network learns from: which columns go in, which comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mfnjax.dataset.plan import plan_from_identity
from mfnjax.dataset.schema import read_metadata
from mfnjax.errors import DataError
from mfnjax.tables import PARQUET_SUFFIXES, Dialect, Sheet, read_sheet


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
        reading: How the file was read, where that had to be found out.
    """

    path: Path
    inputs: np.ndarray
    target: np.ndarray
    input_names: tuple[str, ...]
    target_name: str
    reading: str = ""


def read_columns(
    path: Path,
    inputs: tuple[str, ...] | None,
    target: str | None,
    dialect: Dialect | None = None,
) -> Columns:
    """Read what a network shall learn.

    Of a dataset of mfnjax the inputs are the features and the target is its first swept
    parameter, unless they are named; of any other table the inputs are all other numbers.

    Raises:
        DataError: The file cannot be read or can be read in two ways, has no rows, has no such
            column of numbers, or a cell in one is no number.
    """
    sheet = read_sheet(path, dialect)
    default_inputs, default_target = _defaults(path, sheet)
    name = target or default_target
    if name is None:
        raise DataError(f"{path}: say with --target which column the network shall predict")
    names = inputs or tuple(column for column in default_inputs if column != name)
    if not len(sheet.lines):
        raise DataError(f"{path}: the table has no rows")
    sheet.cells(name)  # a target that is not there is told before what is left
    if not names:
        raise DataError(f"{path}: no column of numbers is left as an input")
    if name in names:
        raise DataError(f"{path}: {name} cannot be an input and the target")
    columns = [sheet.numbers(column) for column in names]
    return Columns(path, np.stack(columns, axis=1), sheet.numbers(name), names, name, sheet.reading)


def _defaults(path: Path, sheet: Sheet) -> tuple[tuple[str, ...], str | None]:
    """(input columns, target column or None) of a table, if the user names none."""
    try:
        if path.suffix.lower() not in PARQUET_SUFFIXES:
            raise DataError("a plain table")
        plan = plan_from_identity(read_metadata(path)["plan"])
    except DataError:
        left_out = (sheet.is_text, sheet.is_empty)
        return tuple(n for n in sheet.names if not any(is_so(n) for is_so in left_out)), None
    return plan.table.outputs, next(iter(plan.table.swept), None)
