"""The rows of a text: what separates the cells, which line holds the names, what is no row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from mfnjax.errors import DataError
from mfnjax.tables.cells import are_missing, are_numbers, trimmed
from mfnjax.tables.decoding import decoded

Cells = Sequence[str | float | None]
Line = tuple[int, Cells]
SEPARATORS = ",;\t| "
_WORDS = {"\t": "tabs", " ": "spaces"}
_SEP_LINE = re.compile(r'"?sep=(\\t|.)"?[,;\s]*', re.IGNORECASE)


@final
@dataclass(frozen=True)
class Rows:
    """Names and rows, all no longer than the names.

    Attributes:
        names: The cells of the header.
        cells: The cells of each row; a row can end early.
        lines: The line of each row.
        header: The line of the names.
        delimiter: What separates the cells; None in a workbook.
        has_more: A row has empty cells beyond the names.
        reading: What was found out, in words.
    """

    names: Cells
    cells: list[Cells]
    lines: list[int]
    header: int
    delimiter: str | None
    has_more: bool
    reading: str


def rows_of_text(path: Path, delimiter: str | None, skip: int) -> Rows:
    """The rows of a text file.

    Raises:
        DataError: No text; quotes that do not match; more cells than names; a separator, a header
            or a commented row in doubt.
    """
    parsed, comments, delimiter, said = lines_of_text(path, delimiter, skip)
    return checked_rows(path, parsed, delimiter=delimiter, comments=comments, said=said)


def lines_of_text(
    path: Path, delimiter: str | None, skip: int
) -> tuple[list[Line], list[Line], str, list[str]]:
    """The lines of a text file and its comments in cells, the separator, and what was found out."""
    text, encoding = decoded(path)
    said = [] if encoding.startswith("UTF-8") else [encoding]
    lines = list(io.StringIO(text.rstrip("\x1a"), newline=""))
    for at in range(min(skip, len(lines))):
        lines[at] = "\n"
    comments: list[tuple[int, str]] = []
    for at, line in enumerate(lines):
        if line.lstrip().startswith("#"):
            comments.append((at + 1, line.strip().lstrip("#").strip()))
            lines[at] = "\n"
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return [], [], ",", []
    how = ""
    if mark := _SEP_LINE.fullmatch(lines[first].rstrip("\r\n")):
        told = "\t" if mark[1] == "\\t" else mark[1]
        lines[first] = "\n"
        if delimiter is None:
            delimiter, how = told, " (its first line says so)"
    delimiter = delimiter or _find_delimiter(path, lines)
    if delimiter != ",":
        said.append(f"cells separated by {_WORDS.get(delimiter, repr(delimiter))}{how}")
    split: list[Line] = [(at, _split(path, comment, delimiter)) for at, comment in comments]
    return _parsed(path, lines, delimiter), split, delimiter, said


def checked_rows(
    path: Path,
    parsed: list[Line],
    *,
    delimiter: str | None,
    comments: Sequence[Line] = (),
    said: Sequence[str] = (),
) -> Rows:
    """Header and rows; what is in doubt is refused."""
    parsed = [(line, cells) for line, cells in parsed if not _fits(cells, 0)]
    if not parsed:
        return Rows([], [], [], 1, delimiter, False, "")
    said = list(said)
    header, names = parsed[0]
    above = [comment for comment in comments if comment[0] < header]
    if any(_is_number(cell) for cell in names):
        if above and _fits(names, len(above[-1][1])) and not any(map(_is_number, above[-1][1])):
            (header, names), parsed = above[-1], [above[-1], *parsed]
        elif all(_is_number(cell) or _is_blank(cell) for cell in names):
            raise DataError(
                f"{path}: row {header}: names of the columns were expected, and these are numbers: "
                f"{', '.join(str(cell).strip() for cell in names[:6])}"
            )
    if above or header > 1:
        said.append(f"names in row {header}")
    _check_comments(path, [c for c in comments if c[0] > header], parsed[1:], len(names))
    names = list(names)
    while len(names) > 1 and all(
        len(cells) < len(names) or _is_blank(cells[len(names) - 1]) for _, cells in parsed
    ):
        names.pop()
    rows: list[Cells] = []
    has_more = False
    for line, cells in parsed[1:]:
        if len(cells) > len(names):
            if not _fits(cells, len(names)):
                hint = (
                    " (a decimal comma? then separate the cells with semicolons)"
                    if delimiter == "," and len(names) > 1
                    else f" (are the names in row {header}? --skip N leaves out N lines above them)"
                )
                raise DataError(
                    f"{path}: row {line}: {len(cells)} cells, but row {header} names "
                    f"{len(names)} column{'s' if len(names) > 1 else ''}{hint}"
                )
            has_more = True
            cells = cells[: len(names)]
        if delimiter == " " and len(cells) < len(names):
            raise DataError(
                f"{path}: row {line}: {len(cells)} cells between spaces, but row {header} names "
                f"{len(names)} columns: which is missing?"
            )
        rows.append(cells)
    return Rows(
        names, rows, [line for line, _ in parsed[1:]], header, delimiter, has_more, ", ".join(said)
    )


def _check_comments(path: Path, comments: Sequence[Line], rows: Sequence[Line], width: int) -> None:
    """A comment between the rows that looks like one must be one that was taken out."""
    for line, cells in comments:
        like = len(cells) == width > 1 and any(map(_is_number, cells))
        if like and not (_is_number(cells[0]) and all(_is_number(row[0]) for _, row in rows)):
            raise DataError(
                f"{path}: row {line} begins with '#' and looks like a row: is it a comment? Remove "
                "the row, or the mark"
            )


def _find_delimiter(path: Path, lines: list[str]) -> str:
    """The separator that the names and the rows agree about."""
    head = next(line for line in lines if line.strip())
    found = [mark for mark in SEPARATORS if len(_split(path, head, mark)) > 1]
    if "\t" in found:
        found.remove(" ")  # tabs are spaces, too
    if found in ([], [" "]):  # names of one column can have spaces
        return " " if found and min(_agreement(path, lines, " ")) >= 0.5 else ","
    if len(found) == 1:
        return found[0]
    scores = sorted(((_agreement(path, lines, mark), mark) for mark in found), reverse=True)
    if scores[0][0] == scores[1][0] or scores[0][0][0] == 0:
        marks = " or ".join(_WORDS.get(mark, repr(mark)) for mark in found)
        raise DataError(f"{path}: its cells can be separated by {marks}: say --delimiter")
    return scores[0][1]


def _agreement(path: Path, lines: list[str], mark: str) -> tuple[float, float]:
    """The part of the rows with as many cells as names, and the part of numbers in their cells."""
    try:
        rows = [cells for _, cells in _parsed(path, lines, mark)]
    except DataError:
        return 0.0, 0.0
    rows = [row for row in rows if not _fits(row, 0)]
    whole = [row[: len(rows[0])] for row in rows[1:] if _fits(row, len(rows[0]))]
    cells = [cell for row in whole for cell in row]
    if not cells:
        return 0.0, 0.0
    texts = trimmed(cells)  # type: ignore[arg-type]
    numbers = are_numbers(texts, ".") | are_numbers(texts, ",") | are_missing(texts)
    return len(whole) / len(rows[1:]), float(numbers.mean())


def _parsed(path: Path, lines: list[str], delimiter: str) -> list[Line]:
    """Lines split into cells, each with the line that it begins in."""
    if delimiter == " ":
        lines = [re.sub(r"\s+", " ", line).strip() + "\n" for line in lines]
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    rows: list[Line] = []
    begin = 1
    try:
        for cells in reader:
            is_long = reader.line_num > begin
            if is_long and any(
                "\n" in cell and _swallows(cell, delimiter, len(cells)) for cell in cells
            ):
                raise DataError(
                    f"{path}: row {begin}: a quote opens, and rows follow before it ends"
                )
            rows.append((begin, cells))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: row {begin}: quotes do not match ({error})") from error
    return rows


def _swallows(cell: str, delimiter: str, width: int) -> bool:
    return width > 1 and any(line.count(delimiter) >= width - 1 for line in cell.splitlines())


def _split(path: Path, line: str, delimiter: str) -> list[str]:
    """One line split into cells; one with odd quotes is one cell."""
    try:
        rows = _parsed(path, [line.strip(" \r\n") + "\n"], delimiter)
    except DataError:
        return [line]
    return list(rows[0][1]) if rows else []  # type: ignore[arg-type]


def _fits(cells: Cells, width: int) -> bool:
    """Whether a row has so many cells, and beyond them nothing."""
    return len(cells) >= width and all(_is_blank(cell) for cell in cells[width:])


def _is_blank(cell: str | float | None) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _is_number(cell: str | float | None) -> bool:
    if isinstance(cell, float):
        return True
    texts = trimmed([cell or ""])
    return bool(are_numbers(texts, ".")[0] or are_numbers(texts, ",")[0])
