"""Whether a file's decimals are written with a point or a comma: beyond doubt, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pyarrow as pa

from mfnjax.errors import DataError
from mfnjax.tables.cells import DECIMAL, LEADING_ZERO, THOUSANDS, matches

NAMES = {".": "point", ",": "comma"}


@final
@dataclass(frozen=True)
class _Place:
    line: int
    cell: str


def find_decimal(
    path: object,
    columns: Sequence[pa.Array],
    lines: Sequence[int],
    *,
    by_commas: bool,
    has_more: bool,
) -> str:
    """The decimal mark that the cells (columns of the same lines) leave no doubt about.

    '0,5' and '1,25' are decimals. '1,050' alone is 1.05 or 1050, and so is '1.050' where cells are
    not separated by commas. In a table with commas between its cells and no point anywhere, numbers
    with leading zeros or empty cells beyond the header can be halves of numbers with decimal
    commas.

    Raises:
        DataError: There is doubt; it names the cells and the option that settles it.
    """
    cells = pa.concat_arrays(columns) if columns else pa.array([], pa.string())
    of_cell = np.tile(lines, len(columns))
    sure = {mark: _first(cells, of_cell, DECIMAL[mark], but=THOUSANDS[mark]) for mark in ".,"}
    unsure = {mark: _first(cells, of_cell, THOUSANDS[mark]) for mark in ".,"}
    point, comma = sure["."], sure[","]
    if point and comma:
        raise DataError(
            f"{path}: decimals are written in two ways: {comma.cell!r} in row {comma.line}, "
            f"{point.cell!r} in row {point.line}: say --decimal '.' or --decimal ','"
        )
    if comma:
        return ","
    if point:
        return "."
    for mark, found in unsure.items():
        if found and (mark == "," or not by_commas or unsure[","]):
            raise DataError(
                f"{path}: row {found.line}: {found.cell!r} can have decimals or thousands: say "
                f"--decimal {mark!r} if {mark!r} is its decimal mark, and write thousands without "
                "a mark"
            )
    zeros = _first(cells, of_cell, LEADING_ZERO)
    if by_commas and not unsure["."] and (zeros or has_more):
        odd = f"{zeros.cell!r} in row {zeros.line}" if zeros else "empty cells beyond the header"
        raise DataError(
            f"{path}: are its commas between the cells decimal commas, too ({odd}, and no point "
            "anywhere)? If not, say --decimal '.'; if so, separate the cells with semicolons"
        )
    return "."


def _first(
    cells: pa.Array, lines: np.ndarray, pattern: str, *, but: str | None = None
) -> _Place | None:
    """The first cell that a pattern describes, and ``but`` does not."""
    found = matches(cells, pattern)
    if but is not None:
        found &= ~matches(cells, but)
    if not found.any():
        return None
    places = np.flatnonzero(found)
    at = places[np.argmin(lines[places])]
    return _Place(int(lines[at]), cells[at].as_py())
