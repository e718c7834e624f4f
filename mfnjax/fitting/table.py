"""Measurements in a table, one row a position and time, as what a fit needs.

Every error names the row (as a text editor numbers lines) and the column.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import final

import numpy as np

from mfnjax.errors import DataError, ParameterError

FLOOR = 0.5
"""A standard deviation is taken to be at least this part of the median of the positive ones: those
of a few replicates are 0 by chance, and a datum with σ = 0 would outweigh all others."""
MAX_STEPS = 200_000


@final
@dataclass(frozen=True)
class Table:
    """Measurements on evenly spaced positions at a few times.

    Attributes:
        positions: x (W,), evenly spaced.
        times: t (T,), rising.
        values: y (T, W); NaN where there is no row. The first time is complete.
        sd: Standard deviations (T, W) after the floor, or None.
        floor: The floor, or None.
        raised: How many standard deviations the floor raised.
        names: Column names of x, t, y and sd.
    """

    positions: np.ndarray
    times: np.ndarray
    values: np.ndarray
    sd: np.ndarray | None
    floor: float | None
    raised: int
    names: dict[str, str]

    @property
    def spacing(self) -> float:
        """Distance of two positions."""
        return float(self.positions[-1] - self.positions[0]) / (len(self.positions) - 1)


def read_table(
    path: str | Path, *, x: str, t: str, y: str, sd: str | None = None, replicates: int = 1
) -> Table:
    """Read a CSV file (comma, semicolon or tab) with a header.

    Args:
        path: The file; a byte-order mark is no problem, columns that are not named are not read.
        x: Column of the positions.
        t: Column of the times.
        y: Column of the measurements.
        sd: Column of their standard deviations, or None.
        replicates: The measurements are means of so many, with the standard deviation of one: that
            of the mean is smaller by its square root.

    Raises:
        DataError: No such file or column; a blank, a word, a NaN or an infinity in a column that
            is used; a negative standard deviation; a position twice at one time; positions that
            are not evenly spaced; a first time that is not complete; fewer than 3 positions or 2
            times; measurements that are all the same.
        ParameterError: One column is named twice.

    Examples:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "front.csv"
        >>> _ = path.write_text("x,t,u\\n0,0,1\\n1,0,0\\n2,0,0\\n0,5,1\\n1,5,1\\n2,5,0\\n")
        >>> read_table(path, x="x", t="t", y="u").values.tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    """
    columns = {"x": x, "t": t, "y": y} | ({} if sd is None else {"sd": sd})
    for role, name in columns.items():
        if (other := next(r for r, n in columns.items() if n == name)) != role:
            raise ParameterError(f"column {name!r} is named for both {other} and {role}")
    rows = _read(Path(path), list(columns.values()))
    seen: dict[tuple[float, float], int] = {}
    numbers: dict[tuple[float, float], list[float]] = {}
    for line, cells in rows:
        found = [_number(path, line, name, cells[name]) for name in columns.values()]
        place = (found[1], found[0])
        if place in seen:
            raise DataError(
                f"{path}: row {line}: {x} = {cells[x].strip()} at {t} = {cells[t].strip()} again "
                f"(first in row {seen[place]})"
            )
        if sd is not None and found[3] < 0:
            raise DataError(f"{path}: row {line}, column {sd}: {found[3]:g} is negative")
        seen[place], numbers[place] = line, found[2:]
    times = np.array(sorted({place[0] for place in seen}))
    positions = np.array(sorted({place[1] for place in seen}))
    _check_axes(path, x, t, positions, times, seen)
    values = np.full((len(times), len(positions)), np.nan)
    spread = np.full_like(values, np.nan)
    for (time, position), measured in numbers.items():
        at = (int(np.searchsorted(times, time)), int(np.searchsorted(positions, position)))
        values[at] = measured[0]
        spread[at] = measured[1] if sd is not None else np.nan
    if np.nanmin(values) == np.nanmax(values):
        raise DataError(
            f"{path}: column {y}: every measurement is {np.nanmin(values):g}: nothing can be fitted"
        )
    if sd is None:
        return Table(positions, times, values, None, None, 0, columns)
    spread, floor, raised = _floored(f"{path}: column {sd}", spread / math.sqrt(replicates))
    return Table(positions, times, values, spread, floor, raised, columns)


def common_step(times: Sequence[float] | np.ndarray, largest: float) -> tuple[float, list[int]]:
    """A step dt ≤ ``largest`` of which all times are multiples, counted from the first.

    Returns:
        dt, and the number of steps to every time but the first.

    Raises:
        DataError: There is no such step, or only one so small that it takes too many.

    Examples:
        >>> common_step([0, 12, 24, 30], 4.0)
        (3.0, [4, 8, 10])
    """
    first = Fraction(str(float(times[0])))
    gaps = [Fraction(str(float(time))) - first for time in times[1:]]
    denominator = math.lcm(*(gap.denominator for gap in gaps))
    base = Fraction(math.gcd(*(int(gap * denominator) for gap in gaps)), denominator)
    dt = base / math.ceil(base / Fraction(largest))
    counts = [int(gap / dt) for gap in gaps]
    if counts[-1] > MAX_STEPS:
        raise DataError(
            f"the times {', '.join(f'{float(time):g}' for time in times[:6])} … are multiples only "
            f"of {float(base):g}: a run would take {counts[-1]} steps; round them"
        )
    return float(dt), counts


def _read(path: Path, wanted: list[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows that are not empty, each with its line and the wanted cells."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    for name in wanted:
        if header.count(name) != 1:
            what = "no column" if name not in header else "more than one column"
            columns = ", ".join(header) or "none, the file is empty"
            raise DataError(f"{path}: row 1: {what} {name!r}; columns: {columns}")
    places = {name: header.index(name) for name in wanted}
    rows = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        line = reader.line_num
        for name, place in places.items():
            if place >= len(cells) or not cells[place].strip():
                raise DataError(f"{path}: row {line}, column {name}: blank")
        rows.append((line, {name: cells[place] for name, place in places.items()}))
    if not rows:
        raise DataError(f"{path}: no rows below the header")
    return rows


def _number(path: str | Path, line: int, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        hint = " (a decimal comma? write a point)" if cell.count(",") == 1 else ""
        raise DataError(f"{path}: row {line}, column {name}: {cell!r} is no number{hint}") from None
    if not math.isfinite(value):
        raise DataError(f"{path}: row {line}, column {name}: {cell.strip()} is not finite")
    return value


def _check_axes(
    path: str | Path,
    x: str,
    t: str,
    positions: np.ndarray,
    times: np.ndarray,
    seen: dict[tuple[float, float], int],
) -> None:
    if len(positions) < 3 or len(times) < 2:
        raise DataError(
            f"{path}: a fit needs 3 positions ({x}) at 2 times ({t}) or more, got "
            f"{len(positions)} and {len(times)}"
        )
    gaps = np.diff(positions)
    usual = float(np.median(gaps))
    if np.any(odd := np.abs(gaps - usual) > 1e-4 * usual):
        at = int(np.argmax(odd))
        line = min(row for place, row in seen.items() if place[1] == positions[at + 1])
        raise DataError(
            f"{path}: row {line}, column {x}: positions must be evenly spaced, but "
            f"{positions[at + 1]:g} follows {positions[at]:g}, where {positions[at] + usual:g} was "
            "expected"
        )
    for position in positions:
        if (times[0], position) not in seen:
            raise DataError(
                f"{path}: the first time ({t} = {times[0]:g}) is the start of the run and must be "
                f"complete: it has no row for {x} = {position:g}"
            )


def _floored(where: str, spread: np.ndarray) -> tuple[np.ndarray, float, int]:
    positive = spread[spread > 0]
    if not positive.size:
        raise DataError(f"{where}: every standard deviation is 0")
    floor = FLOOR * float(np.median(positive))
    raised = int(np.sum(spread < floor))
    return np.where(np.isfinite(spread), np.maximum(spread, floor), np.nan), floor, raised
