"""Every way to write a table times every way to spoil it: read right, or refused.

The truth is known, as the files are made from it. What is in doubt may be refused; nothing may be
read as something else; and what is clear must be read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from mfnjax.errors import DataError
from mfnjax.tables import Dialect, Sheet, read_sheet

NAMES = ["x", "t", "y", "note"]
PLACES = [("25", "0"), ("75", "0"), ("25", "12"), ("75", "12")]
CLEAR, SHORT = ("0.5", "1.25", "10.4", "-0.125"), ("1.050", "2.501", "1.320", "3.999")
VALUES = {"clear": CLEAR, "like thousands": SHORT, "whole": ("1", "20", "300", "4")}
DELIMITERS, ENCODINGS = (",", ";", "\t", "|", " "), ("utf-8", "utf-8-sig", "utf-16", "latin-1")

Rows = list[list[str]]


def plain(rows: Rows) -> Rows:
    return rows


def changed(row: int, column: int, cell: str) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        rows[row][column] = cell
        return rows

    return change


def longer(cell: str, *rows: int) -> Callable[[Rows], Rows]:
    def change(old: Rows) -> Rows:
        return [row + [cell] * (at in rows) for at, row in enumerate(old)]

    return change


def cut(rows: Rows) -> Rows:
    return [*rows[:3], rows[3][:2]]


# name: what is done to the rows below the names; whether it must be refused; cells that are NaN.
DEFECTS: dict[str, tuple[Callable[[Rows], Rows], bool, tuple[int, ...]]] = {
    "none": (plain, False, ()),
    "surplus number": (longer("7", 2), True, ()),
    "surplus word": (longer("why", 0), True, ()),
    "surplus blank": (longer("", 1, 3), False, ()),
    "surplus blank in all": (longer("", 0, 1, 2, 3), False, ()),
    "blank": (changed(1, 2, ""), False, (1,)),
    "NA": (changed(2, 2, "NA"), False, (2,)),
    "word": (changed(1, 2, "n.d."), True, ()),
    "dash": (changed(1, 2, "-"), True, ()),
    "cut short": (cut, True, ()),
    "thousands": (changed(3, 2, "1 050"), True, ()),
    "two marks": (changed(3, 2, "1,234.5"), True, ()),
    "percent": (changed(3, 2, "5%"), True, ()),
    "below": (changed(3, 2, "<0"), True, ()),
}
HEADS = ("plain", "comments", "sep", "commented names", "units", "comma in names", "row numbers")


def written(delimiter, decimal, quoted, head, values, defect) -> str | None:
    """The text of a table; None where the delimiter cannot say it."""
    rows = [[x, t, y, "a"] for (x, t), y in zip(PLACES, VALUES[values], strict=True)]
    rows = DEFECTS[defect][0](rows)
    rows = [[c.replace(".", decimal) if c in VALUES[values] else c for c in row] for row in rows]
    names = [*NAMES[:3], "note, if any" if head == "comma in names" else "note"]
    if head == "row numbers":
        names, rows = ["", *names], [[str(at), *row] for at, row in enumerate(rows)]
    if head == "units":
        rows = [["µm", "h", "1/µm²", ""], *rows]
    needs = delimiter == " " and any(" " in c or not c for row in [names, *rows] for c in row)
    if needs and not quoted:
        return None
    quote = '"{}"' if quoted else "{}"
    if not quoted and delimiter == "," and head == "comma in names":
        names[-1] = f'"{names[-1]}"'
    lines = [delimiter.join(quote.format(cell) for cell in row) for row in [names, *rows]]
    if head == "commented names":
        lines[0] = f"# {lines[0]}"
    above = {"comments": ["# run 7, µ", "# a;b;c", ""], "sep": [f"sep={delimiter}"]}.get(head, [])
    return "\n".join([*above, *lines, ""])


def must_read(delimiter, decimal, quoted, head, values, defect) -> bool:
    """What leaves no doubt."""
    if DEFECTS[defect][1] or (delimiter == "," == decimal and values != "whole"):
        return False
    if values == "like thousands":  # a point between commas is a decimal point
        return delimiter == "," and decimal == "."
    return not (values == "whole" and delimiter == "," and "surplus" in defect)


def read(path, text: str, encoding: str, dialect: Dialect | None = None) -> Sheet:
    path.write_bytes(text.encode(encoding, "replace"))
    return read_sheet(path, dialect)


CASES = list(itertools.product((False, True), VALUES, DEFECTS, HEADS))
"""588 a delimiter and decimal mark, of which every eighth is taken: 700 in all."""


@pytest.mark.parametrize("decimal", ".,")
@pytest.mark.parametrize("delimiter", DELIMITERS, ids=("comma", "semicolon", "tab", "bar", "space"))
def test_a_table_is_read_right_or_refused(tmp_path, delimiter: str, decimal: str) -> None:
    path, reads, refusals = tmp_path / "table.csv", 0, 0
    start = DELIMITERS.index(delimiter) + ".,".index(decimal)
    for number, (quoted, values, defect, head) in enumerate(CASES[start % 8 :: 8]):
        case = (delimiter, decimal, quoted, head, values, defect)
        text = written(*case)
        if text is None:
            continue
        try:
            sheet = read(path, text, ENCODINGS[number % 4])
            got = [sheet.numbers(name, missing=name == "y") for name in "xty"]
        except DataError as error:
            if must_read(*case) or not str(error).startswith(f"{path}: ") or "\n" in str(error):
                raise AssertionError(f"{case}: {error}\n{text}") from error
            refusals += 1
            continue
        assert not DEFECTS[defect][1], f"{case}: {got}\n{text}"
        wanted = np.array(VALUES[values], float)
        wanted[list(DEFECTS[defect][2])] = np.nan
        np.testing.assert_array_equal(got[0], [25, 75, 25, 75], err_msg=str(case))
        np.testing.assert_array_equal(got[1], [0, 0, 12, 12], err_msg=str(case))
        np.testing.assert_array_equal(got[2], wanted, err_msg=f"{case}\n{text}")
        reads += 1
    assert reads > 5
    assert reads + refusals > 30


DOUBTS = {
    "x;t;y\n25;0;1,050\n": ("'1,050' can have decimals or thousands", "decimal", ",", 1.05),
    "x;t;y\n25;0;1.050\n": ("'1.050' can have decimals or thousands", "decimal", ".", 1.05),
    'x,t,y\n25,0,"1,050"\n': ("'1,050' can have", "decimal", ",", 1.05),
    "x,t,y\n25,0,1,\n": ("empty cells beyond the header", "decimal", ".", 1),
    "x,t,y\n25,0,07\n": ("'07' in row 2, and no point", "decimal", "point", 7),
    "a;b,y\nu;v,w\n": ("separated by ',' or ';': say --delimiter", "delimiter", ",", None),
    "Plate 7\nx,t,y\n1,2,3\n": ("row 2: 3 cells, but row 1 names 1 column", "skip", 1, 3),
    "25,0,1.5\n75,0,2.5\n": ("these are numbers: 25, 0, 1.5", None, None, None),
    "x,t,y\n1,2,0.5\n#3,4,5\nA,2,3\n": ("row 3 begins with '#'", None, None, None),
    "x,,y\n1,2,0.5\n": ("'2' stands in column 2, which has no name", None, None, None),
    'x,t,y\n1,2,"0.5\n2,3,1.5\n3,4,2"\n': ("row 2: a quote opens", None, None, None),
    'x,t,y\n1,2,"0.5\n': ("row 2: quotes do not match", None, None, None),
    "x t y\n1 2 0.5\n1   0.7\n": ("row 3: 2 cells between spaces", None, None, None),
    "x,t,y,sd\n1,2,0.5,0.1\n1,0.5,0.1\n": ("row 3: 3 cells, but row 1 names 4", None, None, None),
    "x,t,y\n1,0.5\n2,0.7\n": ("row 2: 2 cells, but row 1 names 3", None, None, None),
    "x;t;y\n1;2;0.5\n1;3;0,5\n": ("two ways: '0,5' in row 3, '0.5' in row 2", None, None, None),
}


@pytest.mark.parametrize("text", DOUBTS)
def test_a_doubt_is_told_and_an_option_settles_it(tmp_path, text: str) -> None:
    message, option, value, y = DOUBTS[text]
    with pytest.raises(DataError, match=r"^\S+: ") as caught:
        read(tmp_path / "t.csv", text, "utf-8")
    assert message in str(caught.value)
    if option is None:
        return
    assert f"--{option}" in str(caught.value)
    if y is not None:
        sheet = read(tmp_path / "t.csv", text, "utf-8", Dialect(**{option: value}))
        assert sheet.numbers("y")[-1] == y


def test_what_was_found_is_said(tmp_path) -> None:
    path = tmp_path / "t.csv"
    assert read(path, "x,y\n1,2.5\n", "utf-8").reading == ""
    text = "# made by hand\nsep=;\nx;y\n[µm];[mV]\n1;−2,5\n"
    sheet = read(path, text, "utf-16")
    assert sheet.reading == (
        "UTF-16, cells separated by ';' (its first line says so), names in row 3, decimal comma, "
        "units in row 4"
    )
    assert sheet.numbers("y").tolist() == [-2.5]
    assert sheet.lines.tolist() == [5]
    assert "Latin-1" in read(path, "µ;y\n1;2,5\n", "latin-1").reading
    assert read(path, "µ;y\n1;2,5\n", "latin-1").names == ("µ", "y")


def test_numbers_are_no_units_and_text_may_end_early(tmp_path) -> None:
    assert read(tmp_path / "t.csv", "x,y\n1,1\n2,3.5\n", "utf-8").numbers("x").tolist() == [1, 2]
    sheet = read(tmp_path / "t.csv", "x,y,note\n1,1.5\n2,3.5,late\n", "utf-8")
    assert sheet.numbers("y").tolist() == [1.5, 3.5]


def test_a_file_of_another_kind_is_named(tmp_path) -> None:
    for start, kind in ((b"PK\x03\x04", "zip"), (b"PAR1", "Parquet"), (b"\x00\x01", "control")):
        (tmp_path / "t.csv").write_bytes(start + b"x,y\n1,2\n")
        with pytest.raises(DataError, match=kind):
            read_sheet(tmp_path / "t.csv")
