"""Excel and Parquet: the same table as from text."""

from __future__ import annotations

import datetime
import sys

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mfnjax.errors import DataError, ParameterError
from mfnjax.tables import Dialect, read_sheet


def book(path, *sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets):
        page = made.create_sheet(f"Plate {number + 1}")
        for row in rows:
            page.append(row)
    made.save(path)
    return path


def test_a_workbook_is_read(tmp_path) -> None:
    rows = [
        ["Run of March", None, None, None],
        [],
        ["x", "t", "y", "day"],
        ["µm", "h", None, None],
        [25, 0, 0.5, datetime.date(2020, 3, 1)],
        [75, 0, None, None],
    ]
    with pytest.raises(DataError, match=r"row 3: 't' stands in column 2.*no name in row 1.*--skip"):
        read_sheet(book(tmp_path / "a.xlsx", rows))
    sheet = read_sheet(tmp_path / "a.xlsx", Dialect(skip=1))
    assert sheet.numbers("y", missing=True)[0] == 0.5
    assert sheet.lines.tolist() == [5, 6]
    assert sheet.texts("day")[0].startswith("2020-03-01")
    assert sheet.reading == "names in row 3, units in row 4"
    with pytest.raises(DataError, match="row 6, column y: blank"):
        sheet.numbers("y")


def test_numbers_as_text_beside_numbers(tmp_path) -> None:
    sheet = read_sheet(book(tmp_path / "a.xlsx", [["x", "y"], [1.5, "0,25"], [2.5, 3.75]]))
    assert sheet.numbers("x").tolist() == [1.5, 2.5]
    assert sheet.numbers("y").tolist() == [0.25, 3.75]
    with pytest.raises(DataError, match="'1,050' can have decimals or thousands"):
        read_sheet(book(tmp_path / "a.xlsx", [["x", "y"], [1.5, "1,050"]]))


def test_what_a_workbook_leaves_open_is_refused(tmp_path) -> None:
    rows = [["x", "y"], [1, 2]]
    path = book(tmp_path / "a.xlsx", rows, [["x", "y"], [3, 4]])
    with pytest.raises(DataError, match="sheets Plate 1, Plate 2: say --sheet"):
        read_sheet(path)
    assert read_sheet(path, Dialect(sheet="Plate 2")).numbers("x").tolist() == [3]
    with pytest.raises(DataError, match="no sheet 'Plate 3'"):
        read_sheet(path, Dialect(sheet="Plate 3"))
    with pytest.raises(ParameterError, match="delimiter has no meaning"):
        read_sheet(path, Dialect(delimiter=";"))
    with pytest.raises(DataError, match="formula in B2"):
        read_sheet(book(tmp_path / "b.xlsx", [["x", "y"], [1, "=A2*2"]]))
    with pytest.raises(DataError, match="row 2, column y: '#DIV/0!' is no number"):
        read_sheet(book(tmp_path / "b.xlsx", [["x", "y"], [1, "#DIV/0!"]])).numbers("y")
    (tmp_path / "c.xlsx").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="cannot be read as an Excel workbook"):
        read_sheet(tmp_path / "c.xlsx")


def test_a_workbook_without_openpyxl(tmp_path, monkeypatch) -> None:
    path = book(tmp_path / "a.xlsx", [["x"], [1]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ParameterError, match=r"pip install 'mfnjax\[excel\]'"):
        read_sheet(path)


def test_parquet_is_read(tmp_path) -> None:
    columns = {"x": [1, 2], "y": [0.5, None], "ok": [True, False], "name": ["1", "b"]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    sheet = read_sheet(tmp_path / "a.parquet")
    assert sheet.numbers("x").tolist() == [1, 2]
    assert sheet.numbers("ok").tolist() == [1, 0]
    with pytest.raises(DataError, match="row 2, column y: blank"):
        sheet.numbers("y")
    with pytest.raises(DataError, match="row 2, column name: 'b' is no number"):
        sheet.numbers("name")
    with pytest.raises(ParameterError, match="decimal has no meaning"):
        read_sheet(tmp_path / "a.parquet", Dialect(decimal=","))


@pytest.mark.parametrize("bad", [{"delimiter": "ab"}, {"decimal": ";"}, {"skip": -1}])
def test_a_dialect_that_is_none(bad) -> None:
    with pytest.raises(ParameterError, match=next(iter(bad))):
        Dialect(**bad)
