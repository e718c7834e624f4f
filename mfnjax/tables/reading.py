"""Read a table of text, Excel or Parquet: find out how it is written, or refuse it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mfnjax.errors import DataError, ParameterError
from mfnjax.tables.cells import are_missing, are_numbers, trimmed
from mfnjax.tables.decimals import NAMES, find_decimal
from mfnjax.tables.rows import Rows, rows_of_text
from mfnjax.tables.sheet import Sheet
from mfnjax.tables.units import is_units_row
from mfnjax.tables.workbook import EXCEL_SUFFIXES, rows_of_workbook

PARQUET_SUFFIXES = (".parquet", ".pq")
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat", *EXCEL_SUFFIXES, *PARQUET_SUFFIXES)
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "bar": "|"}
_DECIMALS = {"point": ".", "comma": ","}


@final
@dataclass(frozen=True)
class Dialect:
    """What is known of how a table is written; None is found out.

    Attributes:
        delimiter: What separates cells: one character, or comma, semicolon, tab, space or bar.
        decimal: The decimal mark: '.' or ',', or the word point or comma.
        skip: Lines above the names of the columns that are left out.
        sheet: The sheet of an Excel workbook that has several.
    """

    delimiter: str | None = None
    decimal: str | None = None
    skip: int | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        for name, words in (("delimiter", DELIMITERS), ("decimal", _DECIMALS)):
            text = getattr(self, name)
            if text is not None:
                mark = words.get(text, "\t" if text == "\\t" else text)
                object.__setattr__(self, name, mark)
                if len(mark) != 1 or mark in '"\r\n' or mark.isalnum():
                    raise ParameterError(
                        f"{name} must be one character or {', '.join(words)}; got {text!r}"
                    )
        if self.decimal not in (None, ".", ","):
            raise ParameterError(f"decimal must be '.' or ','; got {self.decimal!r}")
        if self.skip is not None and self.skip < 0:
            raise ParameterError(f"skip must be a number of lines ≥ 0; got {self.skip!r}")


def read_sheet(path: str | Path, dialect: Dialect | None = None) -> Sheet:
    """Read a table of any kind, by the name's ending: Parquet, Excel (.xlsx), and else text.

    Of text are found out: the encoding, what separates the cells (comma, semicolon, tab, bar or
    spaces; Excel's line ``sep=;``), comment lines that begin with ``#`` (of which the last may hold
    the names), the decimal mark, and a row of units below the names. Empty cells beyond the names
    pass; anything else there is an error. What stays in doubt is an error that names what settles
    it.

    Args:
        path: The file.
        dialect: What is known of how it is written.

    Raises:
        DataError: It cannot be read, or can be read in two ways.
        ParameterError: ``dialect`` says what such a file does not have.

    Examples:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "front.csv"
        >>> _ = path.write_text("sep=;\\nx;t;u\\nµm;h;\\n0;0;0,25\\n50;0;NA\\n", encoding="utf-16")
        >>> sheet = read_sheet(path)
        >>> sheet.numbers("u", missing=True).tolist()
        [0.25, nan]
        >>> sheet.reading.split(", ")[1:]
        ["cells separated by ';' (its first line says so)", 'names in row 2', 'decimal comma',
         'units in row 3']
    """
    path, dialect = Path(path), dialect or Dialect()
    suffix = path.suffix.lower()
    if not path.is_file():
        why = "is a folder" if path.is_dir() else "cannot be read (no such file)"
        raise DataError(f"{path}: {why}")
    if suffix in PARQUET_SUFFIXES:
        _refuse(path, dialect, "delimiter", "decimal", "skip", "sheet")
        return _of_parquet(path)
    if suffix in EXCEL_SUFFIXES:
        _refuse(path, dialect, "delimiter")
        return _sheet(path, rows_of_workbook(path, dialect.sheet, dialect.skip or 0), dialect)
    _refuse(path, dialect, "sheet")
    return _sheet(path, rows_of_text(path, dialect.delimiter, dialect.skip or 0), dialect)


def _sheet(path: Path, rows: Rows, dialect: Dialect) -> Sheet:
    """Named columns of rows, once decimals and units are known."""
    written: list[Any] = list(zip_longest(rows.names, *rows.cells))
    if rows.delimiter is None:  # numbers of Excel have no mark yet
        texts = [trimmed(["" if isinstance(cell, float) else cell for cell in c]) for c in written]
    else:
        texts = [trimmed(column) for column in written]
    decimal = dialect.decimal or find_decimal(
        path,
        texts,
        [rows.header, *rows.lines],
        by_commas=rows.delimiter == ",",
        has_more=rows.has_more,
    )
    if rows.delimiter is None:
        texts = [trimmed([marked(cell, decimal) for cell in column]) for column in written]
    sheet = Sheet(
        path,
        tuple(str(column[0].as_py()) for column in texts),
        tuple(column[1:] for column in texts),
        np.asarray(rows.lines, np.int64),
        rows.header,
        decimal,
    )
    _check_ends(sheet, written)
    said = [rows.reading] if rows.reading else []
    if decimal != ".":
        said.append(f"decimal {NAMES[decimal]}")
    if is_units_row(sheet):
        said.append(f"units in row {rows.lines[0]}")
        columns = tuple(cells[1:] for cells in sheet.columns)
        sheet = replace(sheet, columns=columns, lines=sheet.lines[1:])
    if "" in sheet.names:
        kept = _named_columns(sheet)
        if not (sheet.names[0] or are_missing(sheet.columns[0]).all()):
            said.append("row numbers in the first column left out")
        sheet = replace(
            sheet,
            names=tuple(sheet.names[at] for at in kept),
            columns=tuple(sheet.columns[at] for at in kept),
        )
    if not len(sheet.lines) and sheet.names:
        raise DataError(f"{path}: no rows below the header (row {sheet.header})")
    return replace(sheet, reading=", ".join(said))


def _check_ends(sheet: Sheet, written: list[Any]) -> None:
    """A row can end before columns without numbers; else a cell before its end may be lost."""
    for name, cells in zip(sheet.names, sheet.columns, strict=True):
        is_lost = cells.null_count == len(cells) or are_numbers(cells, sheet.decimal).any()
        if cells.null_count and is_lost:
            at = int(np.argmax(np.asarray(cells.is_null())))
            there = sum(column[at + 1] is not None for column in written)
            raise DataError(
                f"{sheet.path}: row {sheet.lines[at]}: {there} cells, but row {sheet.header} names "
                f"{len(sheet.names)} columns, and what {name!r} holds is no text"
            )


def marked(cell: str | float | None, decimal: str) -> str | None:
    """A cell as text; numbers of Excel get the decimal mark of the others."""
    if not isinstance(cell, float):
        return cell
    return str(int(cell)) if cell.is_integer() else repr(cell).replace(".", decimal)


def _named_columns(sheet: Sheet) -> list[int]:
    """Places of the columns with a name; one without must be empty, or number the rows."""
    for at, (name, cells) in enumerate(zip(sheet.names, sheet.columns, strict=True)):
        filled = ~are_missing(cells) & np.asarray(cells.is_valid())
        if name or not filled.any():
            continue
        counted = [str(row) for row in range(len(cells) + 1)]
        if at > 0 or cells.to_pylist() not in (counted[:-1], counted[1:]):
            line = int(np.argmax(filled))
            raise DataError(
                f"{sheet.path}: row {sheet.lines[line]}: {cells[line].as_py()!r} stands in column "
                f"{at + 1}, which has no name in row {sheet.header} (--skip N leaves out N lines "
                "above the names)"
            )
    return [at for at, name in enumerate(sheet.names) if name]


def _of_parquet(path: Path) -> Sheet:
    try:
        # Not pq.read_table: it would look for a partitioned data set in the path's folders.
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    columns = tuple(_plain(column.combine_chunks()) for column in table.columns)
    return Sheet(path, tuple(table.column_names), columns, np.arange(1, table.num_rows + 1), 0)


def _plain(column: Any) -> Any:
    """Text of any kind as text; a null in it is a blank."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return column
    return column.cast(pa.string()).fill_null("")


def _refuse(path: Path, dialect: Dialect, *names: str) -> None:
    for name in names:
        if getattr(dialect, name) is not None:
            raise ParameterError(f"{name} has no meaning for {path.name}")
