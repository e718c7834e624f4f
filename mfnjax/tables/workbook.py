"""The rows of an Excel workbook."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from typing import Any

from mfnjax.errors import DataError, ParameterError
from mfnjax.tables.rows import Line, Rows, checked_rows

EXCEL_SUFFIXES = (".xlsx", ".xlsm")


def rows_of_workbook(path: Path, sheet: str | None, skip: int) -> Rows:
    """The rows of its sheet, or of the named one; numbers stay numbers."""
    rows, said = lines_of_workbook(path, sheet, skip)
    return checked_rows(path, rows, delimiter=None, said=said)


def lines_of_workbook(path: Path, sheet: str | None, skip: int) -> tuple[list[Line], list[str]]:
    """The lines of its sheet in cells, and what was found out.

    Raises:
        DataError: It cannot be read; no such sheet, or several and none is named; a formula whose
            value is not in the file.
        ParameterError: openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise ParameterError(
            f"{path}: a workbook needs openpyxl: pip install 'mfnjax[excel]'"
        ) from error
    try:
        books = [openpyxl.load_workbook(path, data_only=only) for only in (True, False)]
    except Exception as error:  # damaged zips and documents fail in many ways, all of them this one
        text = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as an Excel workbook ({text})") from error
    full = [page.title for page in books[0].worksheets if page.max_row > 1 or page["A1"].value]
    if sheet is None and len(full) > 1:
        raise DataError(f"{path}: holds the sheets {', '.join(full)}: say --sheet")
    name = sheet or (full[0] if full else books[0].worksheets[0].title)
    if name not in books[0].sheetnames:
        raise DataError(f"{path}: no sheet {name!r}; it holds {', '.join(books[0].sheetnames)}")
    rows: list[Line] = []
    for values, formulas in zip(
        books[0][name].iter_rows(), books[1][name].iter_rows(), strict=True
    ):
        for value, formula in zip(values, formulas, strict=True):
            if formula.data_type == "f" and value.value is None:
                raise DataError(
                    f"{path}: the value of the formula in {formula.coordinate} is not in the file: "
                    "open and save it in Excel or LibreOffice"
                )
        if values and values[0].row > skip:
            rows.append((values[0].row, [_plain(cell.value) for cell in values]))
    said = [f"sheet {name}"] if len(books[0].sheetnames) > 1 else []
    return rows, said


def _plain(value: Any) -> str | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return float(value)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)
