"""A field as a table of numbers alone: a row of text or of a sheet is a row of cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mfnjax.errors import DataError
from mfnjax.tables.cells import are_numbers, matches, to_numbers, trimmed
from mfnjax.tables.decimals import NAMES, find_decimal
from mfnjax.tables.reading import PARQUET_SUFFIXES, TABLE_SUFFIXES, Dialect, marked
from mfnjax.tables.rows import Line, lines_of_text
from mfnjax.tables.workbook import EXCEL_SUFFIXES, lines_of_workbook

MATRIX_SUFFIXES = tuple(suffix for suffix in TABLE_SUFFIXES if suffix not in PARQUET_SUFFIXES)


def read_matrix(path: str | Path, dialect: Dialect | None = None) -> tuple[np.ndarray, str]:
    """The numbers (H, W) of a table without names, and how it was read in words.

    Whole numbers from 0 to 65535 are uint8 or uint16, as an image has them; all else is float64.

    Raises:
        DataError: It cannot be read, or can be read in two ways; rows of several lengths; a cell
            that is no number.
    """
    path, dialect = Path(path), dialect or Dialect()
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    skip = dialect.skip or 0
    lines: list[Line]
    if path.suffix.lower() in EXCEL_SUFFIXES:
        lines, said = lines_of_workbook(path, dialect.sheet, skip)
        delimiter = None
    else:
        lines, _, delimiter, said = lines_of_text(path, dialect.delimiter, skip)
    lines = [line for line in lines if any(cell not in ("", None) for cell in line[1])]
    if not lines:
        raise DataError(f"{path}: holds no numbers")
    width = len(lines[0][1])
    for line, cells in lines:
        if len(cells) != width:
            raise DataError(
                f"{path}: row {line}: {len(cells)} cells, but row {lines[0][0]} has {width}"
            )
    of_cell = [line for line, _ in lines for _ in range(width)]
    written = [cell for _, cells in lines for cell in cells]
    texts = trimmed(["" if isinstance(cell, float) else cell for cell in written])
    decimal = dialect.decimal or find_decimal(
        path, [texts], of_cell, by_commas=delimiter == ",", has_more=False
    )
    if delimiter == "," and dialect.decimal is None and width % 2 == 0:
        _check_halves(path, texts, width)
    texts = trimmed([marked(cell, decimal) for cell in written])
    bad = ~are_numbers(texts, decimal)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{path}: row {of_cell[at]}, cell {at % width + 1}: {texts[at].as_py()!r} is no number "
            "(a field is a table of numbers alone)"
        )
    values = to_numbers(texts, decimal).reshape(-1, width)
    is_whole = matches(texts, r"^\+?[0-9]+$").all()
    if is_whole and values.max() < 2**16:
        values = values.astype(np.uint8 if values.max() < 2**8 else np.uint16)
    if decimal != ".":
        said = [*said, f"decimal {NAMES[decimal]}"]
    return values, ", ".join(said)


def _check_halves(path: Path, texts: object, width: int) -> None:
    """Pairs of whole numbers between commas can be numbers with decimal commas; 0 and 1 cannot."""
    is_whole = matches(texts, r"^[+-]?[0-9]+$").reshape(-1, width)
    is_mask = matches(texts, "^[01]$").all()
    is_second = matches(texts, r"^[0-9]+$").reshape(-1, width)[:, 1::2]
    if is_whole.all() and is_second.all() and not is_mask:
        raise DataError(
            f"{path}: are its commas between the cells decimal commas, too (all numbers are whole, "
            f"{width} a row)? If not, say --decimal point; if so, separate the cells with "
            "semicolons"
        )
