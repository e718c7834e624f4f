"""Measurements in a table, a row a position and time or a column a time, as what a fit needs.

Every error names the row (as a text editor numbers lines) and the column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import final

import numpy as np

from mfnjax.errors import DataError, ParameterError
from mfnjax.tables import Dialect, Sheet, read_sheet
from mfnjax.tables.cells import are_numbers, to_numbers, trimmed

FLOOR = 0.5
"""A standard deviation is taken to be at least this part of the median of the positive ones: those
of a few replicates are 0 by chance, and a datum with σ = 0 would outweigh all others."""
MAX_STEPS = 200_000
_NAMED_NUMBER = re.compile(r"([^\W\d]*[ =]*)([-+−]?[0-9]+(?:[.,][0-9]+)?)(\s*[^\W\d]*)")
_BEFORE = {
    "x": ("", "t", "time", "s", "min", "h", "hour", "d", "day", "week"),
    "t": ("", "x", "pos", "position"),
}
"""The column that a wide table has → words before the numbers that name the others: with 'y1', 'y2'
these may as well be replicates."""


@final
@dataclass(frozen=True)
class Table:
    """Measurements on evenly spaced positions at a few times.

    Attributes:
        positions: x (W,), evenly spaced.
        times: t (T,), rising.
        values: y (T, W); NaN where there is no row. The first time is complete.
        sd: Standard deviations (T, W) after the floor, or of the mean of replicates, or None.
        floor: The floor, or None.
        raised: How many standard deviations the floor raised.
        names: Column names of x, t, y and sd.
        reading: How the file was read, where that had to be found out.
    """

    positions: np.ndarray
    times: np.ndarray
    values: np.ndarray
    sd: np.ndarray | None
    floor: float | None
    raised: int
    names: dict[str, str]
    reading: str = ""

    @property
    def spacing(self) -> float:
        """Distance of two positions."""
        return float(self.positions[-1] - self.positions[0]) / (len(self.positions) - 1)


def read_table(
    path: str | Path,
    *,
    x: str,
    t: str,
    y: str,
    sd: str | None = None,
    replicates: int = 1,
    average: bool | None = None,
    dialect: Dialect | None = None,
) -> Table:
    """Read a table with a header: text (its dialect is found out), Excel or Parquet.

    A long table has a row a position and time. A wide one has a column a time: it has the column
    ``x`` but neither ``t`` nor ``y``, and its other columns are named by the times ('12', '12 h',
    't=12'); a column named by something else is not read. With ``t`` alone they are positions.

    Rows of one position and time are replicates where most places have equally many: the datum is
    their mean, and its standard deviation comes from their spread, pooled over all places
    (from column ``sd``, if there is one). A blank or a word for it (NA, NaN, null) in column ``y``
    is no measurement.

    Args:
        path: The file; columns that are not named are not read.
        x: Column of the positions.
        t: Column of the times.
        y: Column of the measurements.
        sd: Column of their standard deviations, or None.
        replicates: The measurements are means of so many, with the standard deviation of one: that
            of the mean is smaller by its square root.
        average: Whether rows of one position and time are replicates; None finds out.
        dialect: How the file is written, where that is in doubt.

    Raises:
        DataError: No such file or column; a file that can be read in two ways; a blank, a word, a
            NaN or an infinity in a column that is used (but for blanks in ``y``); a negative
            standard deviation; a position twice at one time, unless these are replicates;
            positions that are not evenly spaced; a first time that is not complete; fewer than 3
            positions or 2 times; measurements that are all the same.
        ParameterError: One column is named twice.

    Examples:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "front.csv"
        >>> _ = path.write_text("x,t,u\\n0,0,1\\n1,0,0\\n2,0,0\\n0,5,1\\n1,5,1\\n2,5,0\\n")
        >>> read_table(path, x="x", t="t", y="u").values.tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
        >>> _ = path.write_text("x;0 h;5 h\\n0;1,0;1,0\\n1;0,0;1,0\\n2;0,0;0,5\\n")
        >>> read_table(path, x="x", t="t", y="u").values.tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.5]]
    """
    columns = {"x": x, "t": t, "y": y} | ({} if sd is None else {"sd": sd})
    for role, name in columns.items():
        if (other := next(r for r, n in columns.items() if n == name)) != role:
            raise ParameterError(f"column {name!r} is named for both {other} and {role}")
    sheet = read_sheet(path, dialect)
    long, said = _long(sheet, columns)
    if (negative := long.sd < 0).any():
        at = int(np.argmax(negative))
        raise DataError(f"{path}: row {long.lines[at]}, column {sd}: {long.sd[at]:g} is negative")
    positions, of_position = np.unique(long.x, return_inverse=True)
    times, of_time = np.unique(long.t, return_inverse=True)
    place = of_time * len(positions) + of_position
    shape = (len(times), len(positions))
    seen = np.bincount(place, minlength=shape[0] * shape[1])
    if seen.max() > 1 and average is None:
        average = _are_replicates(long.y, place, seen)
        if average and (labels := _labels(sheet, columns, place, int(seen.max()))):
            raise _twice(path, x, t, long, place, f" (they differ in {', '.join(labels)})")
    if seen.max() > 1 and not average:
        raise _twice(path, x, t, long, place)
    _check_axes(path, x, t, positions, times, long)
    is_there = np.isfinite(long.y)
    count = np.bincount(place[is_there], minlength=seen.size).reshape(shape)
    values = _sums(place, np.where(is_there, long.y, 0), shape) / np.where(count, count, np.nan)
    _check_start(path, x, t, positions, times, values)
    if np.nanmin(values) == np.nanmax(values):
        raise DataError(
            f"{path}: column {y}: every measurement is {np.nanmin(values):g}: nothing can be fitted"
        )
    many = f", {seen.max()} replicates a place averaged" if seen.max() > 1 else ""
    if lacking := int((~is_there).sum()):
        many += f", {lacking} without a measurement"
    made = Table(positions, times, values, None, None, 0, columns, (said + many).removeprefix(", "))
    if sd is not None:
        variances = _sums(place, np.where(is_there, long.sd, 0) ** 2, shape)
        spread = np.sqrt(variances) / np.where(count, count, np.nan) / math.sqrt(replicates)
        spread, floor, raised = _floored(f"{path}: column {sd}", spread)
        return replace(made, sd=spread, floor=floor, raised=raised)
    freedom = np.maximum(count - 1, 0).sum()
    if freedom > 0:
        off = np.where(is_there, long.y - values.ravel()[place], 0.0)
        pooled = math.sqrt(float(off @ off) / freedom)
        if pooled > 0:
            return replace(made, sd=pooled / np.sqrt(np.where(count, count, np.nan)))
    return made


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


@final
@dataclass(frozen=True)
class _Long:
    """One measurement an entry: its line, x, t, y (NaN if missing) and sd (NaN if none)."""

    lines: np.ndarray
    x: np.ndarray
    t: np.ndarray
    y: np.ndarray
    sd: np.ndarray


def _long(sheet: Sheet, columns: dict[str, str]) -> tuple[_Long, str]:
    """The measurements of a long table or a wide one, and how it was read."""
    there = [role for role in "xty" if columns[role] in sheet.names]
    if there in (["x"], ["t"]) and "sd" not in columns:
        places, ends = _named_by_numbers(sheet, there[0], columns[there[0]])
        if len(places) > 1:
            return _of_wide(sheet, columns, there[0], places, ends)
    x, t = (sheet.numbers(columns[role]) for role in "xt")
    y = sheet.numbers(columns["y"], missing=True)
    sd = np.full(len(y), np.nan)
    if "sd" in columns:
        sd = sheet.numbers(columns["sd"], missing=True)
        if (lacking := np.isnan(sd) & np.isfinite(y)).any():
            line = sheet.lines[np.argmax(lacking)]
            raise DataError(f"{sheet.path}: row {line}, column {columns['sd']}: blank")
    return _Long(sheet.lines, x, t, y, sd), sheet.reading


def _of_wide(
    sheet: Sheet, columns: dict[str, str], role: str, places: list[int], ends: list[float]
) -> tuple[_Long, str]:
    if np.any(np.diff(ends) < 0):
        names = ", ".join(sheet.names[at] for at in places[:8])
        raise DataError(
            f"{sheet.path}: row {sheet.header}: the numbers that name columns must rise: {names}"
        )
    along = sheet.numbers(columns[role])
    values = [sheet.numbers_of(sheet.columns[at], sheet.names[at], missing=True) for at in places]
    across = np.repeat(ends, len(along))
    along = np.tile(along, len(places))
    x, t = (along, across) if role == "x" else (across, along)
    lines = np.tile(sheet.lines, len(places))
    many, of = len(places), ("times" if role == "x" else "positions")
    said = f"{sheet.reading}, {many} columns of {of}"
    left = [n for at, n in enumerate(sheet.names) if at not in places and n != columns[role]]
    said += f" (not read: {', '.join(left)})" if left else ""
    return _Long(lines, x, t, np.concatenate(values), np.full(len(x), np.nan)), said


def _named_by_numbers(sheet: Sheet, role: str, key: str) -> tuple[list[int], list[float]]:
    """Places and numbers of the columns named '12', '12 h', 't=12', all alike (or just '0')."""
    found = {}
    for at, name in enumerate(sheet.names):
        match = None if name == key else _NAMED_NUMBER.fullmatch(name)
        if match and match[1].lower().strip(" =_") in _BEFORE[role]:
            found[at] = match
    texts = trimmed([match[2] for match in found.values()])
    if not are_numbers(texts, sheet.decimal).all():
        return [], []
    numbers = to_numbers(texts, sheet.decimal).tolist()
    words = {(match[1], match[3]) for match in found.values()}
    if len(words) > 1 and 0 in numbers:
        words -= {("", "")}
    if len(words) > 1:
        raise DataError(
            f"{sheet.path}: row {sheet.header}: the numbers that name the columns are written in "
            f"several ways: {', '.join(sheet.names[at] for at in found)}"
        )
    is_short = any(before.lower() in ("t", "x") for before, _ in words)
    if is_short and numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1))):
        name = sheet.names[next(iter(found))]
        raise DataError(
            f"{sheet.path}: row {sheet.header}: {name!r} … can be numbers or just a count: write "
            f"'{name[0]}={name[1:]}' … if they are what they say"
        )
    return list(found), numbers


def _are_replicates(y: np.ndarray, place: np.ndarray, seen: np.ndarray) -> bool:
    """Whether most places have equally many rows, two or more, that are not copies."""
    counts = np.bincount(seen[seen > 0])
    usual = int(np.argmax(counts))
    if usual < 2 or 2 * counts[usual] <= counts.sum():
        return False
    order = np.argsort(place, kind="stable")
    same_place = np.diff(place[order]) == 0
    return bool(np.any(np.nan_to_num(np.diff(y[order])[same_place]) != 0))


def _labels(sheet: Sheet, columns: dict[str, str], place: np.ndarray, most: int) -> list[str]:
    """Columns that are not read and tell the rows of a place apart by few words, as treatments do.

    A column 'replicate' may.
    """
    found = []
    for name, cells in zip(sheet.names, sheet.columns, strict=True):
        if name in columns.values() or name.lower().startswith(("rep", "#rep")):
            continue
        _, label = np.unique([str(cell) for cell in cells.to_pylist()], return_inverse=True)
        label = np.tile(label, len(place) // len(label))
        pairs = np.unique(np.stack([place, label]), axis=1).shape[1]
        if label.max() < 2 * most and pairs > len(np.unique(place)):
            found.append(name)
    return found


def _twice(
    path: str | Path, x: str, t: str, long: _Long, place: np.ndarray, why: str = ""
) -> DataError:
    """What to say of the first row whose place was seen before."""
    _, first, where = np.unique(place, return_index=True, return_inverse=True)
    at = int(np.argmax(first[where] != np.arange(len(place))))
    return DataError(
        f"{path}: row {long.lines[at]}: {x} = {long.x[at]:g} at {t} = {long.t[at]:g} again "
        f"(first in row {long.lines[first[where[at]]]}){why}; --average takes the mean of such rows"
    )


def _sums(place: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.bincount(place, weights, shape[0] * shape[1]).reshape(shape)


def _check_axes(
    path: str | Path,
    x: str,
    t: str,
    positions: np.ndarray,
    times: np.ndarray,
    long: _Long,
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
        line = long.lines[np.argmax(long.x == positions[at + 1])]
        raise DataError(
            f"{path}: row {line}, column {x}: positions must be evenly spaced, but "
            f"{positions[at + 1]:g} follows {positions[at]:g}, where {positions[at] + usual:g} was "
            "expected"
        )


def _check_start(
    path: str | Path,
    x: str,
    t: str,
    positions: np.ndarray,
    times: np.ndarray,
    values: np.ndarray,
) -> None:
    if (lacking := np.isnan(values[0])).any():
        raise DataError(
            f"{path}: the first time ({t} = {times[0]:g}) is the start of the run and must be "
            f"complete: it has no measurement for {x} = {positions[np.argmax(lacking)]:g}"
        )


def _floored(where: str, spread: np.ndarray) -> tuple[np.ndarray, float, int]:
    positive = spread[spread > 0]
    if not positive.size:
        raise DataError(f"{where}: every standard deviation is 0")
    floor = FLOOR * float(np.median(positive))
    raised = int(np.sum(spread < floor))
    return np.where(np.isfinite(spread), np.maximum(spread, floor), np.nan), floor, raised
