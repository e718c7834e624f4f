"""A field as a table of numbers: every way to write it gives the field, or is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mfnjax.errors import DataError
from mfnjax.tables import Dialect, read_matrix

FIELD = np.array([[0.5, -1.25, 3.0, 10.5], [0.25, 2.0, -0.75, 1.5], [1.125, 4.0, 0.0, 2.5]])


@pytest.mark.parametrize(
    ("delimiter", "decimal", "head"),
    list(itertools.product(",;\t |", ".,", ("", "# a field\n", "sep=D\n"))),
)
def test_a_field_is_read_right_or_refused(tmp_path, delimiter, decimal, head) -> None:
    rows = [delimiter.join(f"{value:g}".replace(".", decimal) for value in row) for row in FIELD]
    path = tmp_path / "field.csv"
    path.write_text(head.replace("D", delimiter) + "\n".join(rows) + "\n", encoding="utf-16")
    if delimiter == decimal:
        with pytest.raises(DataError, match=r"row [234]: "):
            read_matrix(path)
        return
    found, said = read_matrix(path)
    np.testing.assert_array_equal(found, FIELD)
    assert ("decimal comma" in said) == (decimal == ",")


def test_whole_numbers_are_an_image(tmp_path) -> None:
    path = tmp_path / "mask.txt"
    path.write_text("0,1,1,0\n1,1,0,0\n")
    found, _ = read_matrix(path)
    assert found.tolist() == [[0, 1, 1, 0], [1, 1, 0, 0]]
    assert found.dtype == np.uint8
    path.write_text("0 1000 3\n2 4 7\n")
    assert read_matrix(path)[0].dtype == np.uint16
    path.write_text("0,5,1,5\n2,5,3,5\n")
    with pytest.raises(DataError, match="decimal commas, too"):
        read_matrix(path)
    assert read_matrix(path, Dialect(decimal="point"))[0].shape == (2, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2.5\n", "row 1, cell 1: 'x' is no number"),
        ("1,2.5\n1,NA\n", "row 2, cell 2: 'NA' is no number"),
        ("1,2.5\n1\n", "row 2: 1 cells, but row 1 has 2"),
        ("1;2.500\n1;1.250\n", "can have decimals or thousands"),
        ("", "holds no numbers"),
    ],
)
def test_what_is_no_field(tmp_path, text: str, message: str) -> None:
    (tmp_path / "field.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_matrix(tmp_path / "field.csv")
