"""A table as it stands in a file: named columns of cells, and the line of every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mfnjax.errors import DataError
from mfnjax.tables.cells import GROUPED, are_booleans, are_missing, are_numbers, matches, to_numbers


@final
@dataclass(frozen=True)
class Sheet:
    """The cells of a table.

    Attributes:
        path: The file, for messages.
        names: The columns' names, without spaces around them.
        columns: An Arrow array (n,) a column: text, or what a Parquet file holds.
        lines: The line (n,) of each row, as a text editor or spreadsheet numbers it.
        header: The line of the names.
        decimal: The decimal mark of numbers in text.
        reading: How it was read, in words; empty where nothing had to be found out.
    """

    path: Any
    names: tuple[str, ...]
    columns: tuple[Any, ...]
    lines: np.ndarray
    header: int
    decimal: str = "."
    reading: str = ""

    def cells(self, name: str) -> pa.Array:
        """A column by its name.

        Raises:
            DataError: There is none, or more than one.
        """
        if self.names.count(name) != 1:
            what = "more than one column" if name in self.names else "no column"
            columns = ", ".join(self.names) or "none, the file is empty"
            raise DataError(f"{self.path}: row {self.header}: {what} {name!r}; columns: {columns}")
        return self.columns[self.names.index(name)]

    def texts(self, name: str) -> list[str]:
        """A column as it is written."""
        return [str(cell) for cell in self.cells(name).to_pylist()]

    def numbers(self, name: str, *, missing: bool = False) -> np.ndarray:
        """A column (n,) as float64.

        Args:
            name: Its name.
            missing: Cells may hold nothing (blank, NA, …), which is NaN.

        Raises:
            DataError: No such column, or a cell that is no finite number; it names the row.
        """
        return self.numbers_of(self.cells(name), name, missing=missing)

    def numbers_of(self, cells: Any, name: str, *, missing: bool = False) -> np.ndarray:
        """As `numbers`, of cells that were taken out of `columns`."""
        if not pa.types.is_string(cells.type):
            values = self._typed(cells, name)
            empty = np.isnan(values)
            texts = cells
        else:
            texts, empty = cells, are_missing(cells)
            is_bad = ~(empty | are_numbers(cells, self.decimal))
            if is_bad.any() and not are_booleans(cells):
                raise self._no_number(name, int(np.argmax(is_bad)), cells)
            values = to_numbers(cells, self.decimal)
        if not missing and empty.any():
            at = int(np.argmax(empty))
            text = str(texts[at].as_py() or "") if texts[at].is_valid else ""
            raise DataError(
                f"{self.path}: row {self.lines[at]}, column {name}: {text or 'blank'}"
                f"{' is not finite' if text else ''}"
            )
        if np.isinf(values).any():
            at = int(np.argmax(np.isinf(values)))
            raise DataError(
                f"{self.path}: row {self.lines[at]}, column {name}: {texts[at].as_py()} is not "
                "finite"
            )
        return values

    def is_text(self, name: str) -> bool:
        """Whether a column has no number at all, nor what could be one in another dialect."""
        cells = self.cells(name)
        if pa.types.is_string(cells.type):
            found = [are_numbers(cells, mark) for mark in ".,"] + [matches(cells, GROUPED)]
            return not (np.any(found) or are_booleans(cells))
        return not _is_number(cells.type)

    def is_empty(self, name: str) -> bool:
        """Whether no cell of a column holds anything."""
        cells = self.cells(name)
        return cells.null_count == len(cells) or (
            pa.types.is_string(cells.type) and bool(are_missing(cells).all())
        )

    def _typed(self, cells: Any, name: str) -> np.ndarray:
        if not _is_number(cells.type):
            raise DataError(
                f"{self.path}: column {name!r} holds {cells.type}, numbers were expected"
            )
        return pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False)

    def _no_number(self, name: str, at: int, cells: Any) -> DataError:
        cell = cells[at].as_py()
        other = "," if self.decimal == "." else "."
        hint = ""
        if are_numbers(cells.slice(at, 1), other)[0]:
            mark, own = ("comma", "point") if other == "," else ("point", "comma")
            hint = f" (a decimal {mark}? write a {own})"
        return DataError(
            f"{self.path}: row {self.lines[at]}, column {name}: {cell!r} is no number{hint}"
        )


def _is_number(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
