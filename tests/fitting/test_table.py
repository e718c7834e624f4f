"""Tables: what is read, and errors that name the row and the column."""

from __future__ import annotations

import numpy as np
import pytest

from mfnjax import FisherKPPModel, GrayScottModel, fit
from mfnjax.errors import DataError, ParameterError
from mfnjax.fitting.inference.misfit import misfit
from mfnjax.fitting.objectives.table_objective import scaled_start, table_objective
from mfnjax.fitting.table import Table, common_step, read_table
from mfnjax.tables import Dialect

GOOD = [
    "Position,Time,Density,SD,Note",
    "25,0,1.0,0.1,",
    "75,0,0.5,0.0,",
    "125,0,0.1,0.3,x",
    "25,12,1.1,0.2,",
    "75,12,0.8,0.2,",
    "125,12,0.3,0.2,",
]
NAMES = {"x": "Position", "t": "Time", "y": "Density", "sd": "SD"}


def written(tmp_path, lines, *, start: bytes = b"", text: str = "\n"):
    path = tmp_path / "data.csv"
    path.write_bytes(start + text.join([*lines, ""]).encode())
    return path


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_table_is_read(tmp_path, start: bytes, ending: str) -> None:
    table = read_table(written(tmp_path, GOOD, start=start, text=ending), **NAMES)
    assert table.positions.tolist() == [25, 75, 125]
    assert table.times.tolist() == [0, 12]
    assert table.values.tolist() == [[1.0, 0.5, 0.1], [1.1, 0.8, 0.3]]
    assert table.spacing == 50
    # The positive ones are 0.1, 0.3 and three 0.2: the floor is half of 0.2.
    assert table.floor == pytest.approx(0.1)
    assert table.sd.tolist() == [[0.1, 0.1, 0.3], [0.2, 0.2, 0.2]]
    assert table.raised == 1
    of_four = read_table(written(tmp_path, GOOD), **NAMES, replicates=4)
    assert of_four.sd[0, 2] == pytest.approx(0.15)


def test_other_delimiters_empty_rows_and_missing_rows(tmp_path) -> None:
    lines = [line.replace(",", ";") for line in GOOD[:-1]] + [";;;;", ""]
    table = read_table(written(tmp_path, lines), x="Position", t="Time", y="Density")
    assert np.isnan(table.values[1, 2])
    assert table.sd is None
    assert table.reading == "cells separated by ';'"


def changed(row: int, text: str) -> list[str]:
    return [text if k == row else line for k, line in enumerate(GOOD)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (changed(0, "Position,Zeit,Density,SD,Note"), "row 1: no column 'Time'; columns: Position"),
        (changed(0, "Position,Time,Density,SD,SD"), "row 1: more than one column 'SD'"),
        (changed(2, "75,0,,0.0,"), "it has no measurement for Position = 75"),
        (changed(2, "75,0"), "row 3: 2 cells, but row 1 names 5 columns, and what 'Density' holds"),
        (changed(5, "75,,0.8,0.2,"), "row 6, column Time: blank"),
        (changed(5, "75,12,0.8,NA,"), "row 6, column SD: blank"),
        (changed(5, "75,12,inf,0.2,"), "row 6, column Density: inf is not finite"),
        (changed(5, "75,12,0.8,inf,"), "row 6, column SD: inf is not finite"),
        (changed(5, "75,12,0.8,-1,"), "row 6, column SD: -1 is negative"),
        (changed(5, "75,12,n.d.,0.2,"), "row 6, column Density: 'n.d.' is no number"),
        (
            changed(5, "25,12,0.8,0.2,"),
            r"row 6: Position = 25 at Time = 12 again \(first in row 5\)",
        ),
        (changed(3, "130,0,0.1,0.3,"), "row 4, column Position: .* but 130 follows 125, where 175"),
        (
            [*GOOD[:3], *GOOD[4:]],
            r"first time \(Time = 0\) .* complete: it has no measurement for Position = 125",
        ),
        (changed(5, '75,12,"0,8",0.2,'), "in two ways: '0,8' in row 6, '1.0' in row 2"),
        (
            [GOOD[0], *(f"{x},{t},0.5,0.1," for t in (0, 12) for x in (25, 75, 125))],
            "column Density: every measurement is 0.5",
        ),
        (GOOD[:4], "3 positions .* at 2 times"),
        (GOOD[:1], "no rows below the header"),
        ([""], "row 1: no column 'Position'"),
    ],
)
def test_an_error_names_row_and_column(tmp_path, lines, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, lines), **NAMES)


WIDE = {
    "x;0;5 h;12,5 h": [0, 5, 12.5],
    "x;t=0;t=5;t=12,5": [0, 5, 12.5],
    "x;Day 0;Day 5;Day 12;mean": [0, 5, 12],
}


@pytest.mark.parametrize(("names", "times"), WIDE.items())
def test_a_wide_table_is_the_long_one(tmp_path, names: str, times) -> None:
    more = ";9,5" * ("mean" in names)
    rows = [f"{x};{x / 8};{x / 4};{x / 2}".replace(".", ",") + more for x in (10, 20, 30)]
    wide = read_table(written(tmp_path, [names, *rows]), x="x", t="t", y="y")
    assert wide.times.tolist() == times
    assert wide.values.tolist() == [[x / part for x in (10, 20, 30)] for part in (8, 4, 2)]
    assert "3 columns of times" in wide.reading
    assert ("not read: mean" in wide.reading) == ("mean" in names)


def test_a_column_a_position(tmp_path) -> None:
    lines = ["time,0,50,100", "0,1.5,1,0", "6,2,1,NA"]
    table = read_table(written(tmp_path, lines), x="x", t="time", y="y")
    assert table.positions.tolist() == [0, 50, 100]
    np.testing.assert_array_equal(table.values, [[1.5, 1, 0], [2, 1, np.nan]])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x,0,5,1,0", *("1,2,3,4,5.5",) * 3], "must rise: 0, 5, 1, 0"),
        (["x,0 h,30 min,2 h", *("1,2,3,4.5",) * 3], "several ways: 0 h, 30 min, 2 h"),
        (["x,t1,t2,t3", *("1,2,3,4.5",) * 3], "'t1' … can be numbers or just a count"),
        (["x,y1,y2,y3", *("1,2,3,4.5",) * 3], "no column 't'; columns: x, y1"),
    ],
)
def test_a_wide_table_in_doubt_is_refused(tmp_path, lines, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, lines), x="x", t="t", y="y")


def repeated(rng, copies: int = 3) -> tuple[list[str], np.ndarray]:
    y = np.round(rng.normal(1.0, 0.1, (2, 3, copies)), 6)
    rows = [
        f"{x},{t},{y[k, j, c]}"
        for k, t in enumerate((0, 12))
        for j, x in enumerate((25, 75, 125))
        for c in range(copies)
    ]
    return ["x,t,y", *rows], y


def test_rows_of_one_place_are_averaged(tmp_path) -> None:
    lines, y = repeated(np.random.default_rng(3))
    table = read_table(written(tmp_path, lines), x="x", t="t", y="y")
    np.testing.assert_allclose(table.values, y.mean(axis=2), rtol=1e-14)
    pooled = np.sqrt(np.mean(y.var(axis=2, ddof=1)))
    np.testing.assert_allclose(table.sd, np.full((2, 3), pooled / np.sqrt(3)), rtol=1e-12)
    assert "3 replicates a place averaged" in table.reading
    lines[5] = lines[5].rpartition(",")[0] + ",NA"  # a replicate that failed
    table = read_table(written(tmp_path, lines), x="x", t="t", y="y")
    left = np.delete(y[0, 1], 1)
    assert table.values[0, 1] == pytest.approx(left.mean())
    assert table.sd[0, 1] == pytest.approx(table.sd[0, 0] * np.sqrt(3 / 2))
    with pytest.raises(DataError, match=r"row 3: x = 25 at t = 0 again \(first in row 2\)"):
        read_table(written(tmp_path, lines), x="x", t="t", y="y", average=False)


def test_rows_with_standard_deviations_are_averaged(tmp_path) -> None:
    rows = [
        f"{x},{t},{1 + x / 100 + s},{s}" for t in (0, 12) for x in (1, 2, 3) for s in (0.3, 0.4)
    ]
    table = read_table(written(tmp_path, ["x,t,y,s", *rows]), x="x", t="t", y="y", sd="s")
    np.testing.assert_allclose(table.sd, np.full((2, 3), 0.25))
    np.testing.assert_allclose(table.values[0], [1.36, 1.37, 1.38])


def test_treatments_are_no_replicates(tmp_path) -> None:
    """Rows of two seedings at one place were never to be averaged."""
    lines, y = repeated(np.random.default_rng(3), 2)
    for name, is_read in (("seeding", False), ("replicate", True)):
        rows = [f"{lines[0]},{name}", *(f"{row},{'AB'[k % 2]}" for k, row in enumerate(lines[1:]))]
        path, names = written(tmp_path, rows), {"x": "x", "t": "t", "y": "y"}
        if is_read:
            np.testing.assert_allclose(read_table(path, **names).values, y.mean(axis=2))
            continue
        with pytest.raises(DataError, match=r"again .* \(they differ in seeding\); --average"):
            read_table(path, **names)


def test_copies_and_a_row_that_stands_twice_are_no_replicates(tmp_path) -> None:
    lines, _ = repeated(np.random.default_rng(3), 1)
    names = {"x": "x", "t": "t", "y": "y"}
    for twice in ([*lines, *lines[1:]], [*lines, "25,12,7.5"]):
        with pytest.raises(DataError, match=r"again .* --average"):
            read_table(written(tmp_path, twice), **names)
    table = read_table(written(tmp_path, twice), **names, average=True)
    assert table.values[1, 0] == pytest.approx((float(lines[4].split(",")[2]) + 7.5) / 2)


@pytest.mark.parametrize("mark", [",", ";"])
def test_decimal_commas_are_read_or_refused(tmp_path, mark: str) -> None:
    """Half a number between commas was once taken for a number."""
    rows = [f"{x}{mark}{t}{mark}2,{x + t:03d}" for t in (0, 12) for x in (25, 75, 125)]
    path = written(tmp_path, [mark.join("xty"), *rows])
    names = {"x": "x", "t": "t", "y": "y"}
    if mark == ",":
        with pytest.raises(DataError, match="row 2: 4 cells, but row 1 names 3 columns"):
            read_table(path, **names)
        return
    with pytest.raises(DataError, match="--decimal"):
        read_table(path, **names)
    table = read_table(path, **names, dialect=Dialect(decimal="comma"))
    assert table.values.tolist() == [[2.025, 2.075, 2.125], [2.037, 2.087, 2.137]]


def test_a_column_named_twice_and_a_start_of_too_many_unknowns_are_refused(tmp_path) -> None:
    with pytest.raises(ParameterError, match="'Time' is named for both x and t"):
        read_table(written(tmp_path, GOOD), x="Time", t="Time", y="Density")
    width = 6000
    table = Table(
        positions=np.arange(float(width)),
        times=np.arange(4.0),
        values=np.outer(np.arange(1.0, 5.0), np.ones(width)),
        sd=None,
        floor=None,
        raised=0,
        names={"x": "x", "t": "t", "y": "y"},
    )
    with pytest.raises(ParameterError, match=r"6000 positions .*--no-start-noise"):
        table_objective(table, FisherKPPModel())
    exact = table_objective(table, FisherKPPModel(), noisy_start=False)
    assert exact.num_residuals == 3 * width


def test_files_that_cannot_be_read(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "none.csv", **NAMES)
    path = tmp_path / "photo.csv"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(DataError, match="not a text file"):
        read_table(path, **NAMES)
    zero = [line.replace(",0.1,", ",0,").replace(",0.2,", ",0,") for line in GOOD]
    zero[3] = "125,0,0.1,0,"
    with pytest.raises(DataError, match="column SD: every standard deviation is 0"):
        read_table(written(tmp_path, zero), **NAMES)


def test_a_step_that_meets_every_time() -> None:
    assert common_step([0, 12, 24, 36, 48], 0.5) == (0.5, [24, 48, 72, 96])
    assert common_step([1.5, 1.75, 3.0], 10.0) == (0.25, [1, 6])
    dt, counts = common_step([0.0, 0.1, 0.3], 0.04)
    assert counts == [3, 9]
    assert dt == pytest.approx(0.1 / 3)
    with pytest.raises(DataError, match="would take"):
        common_step([0.0, 0.123456789, 1.0], 0.1)


@pytest.fixture(scope="module")
def sharp() -> Table:
    """Profiles of a known front, with noise that is the same everywhere."""
    positions, times = np.arange(5.0, 300.0, 10.0), np.array([0.0, 10.0, 20.0, 40.0])
    values = np.zeros((4, 30))
    values[0] = 0.8 / (1 + np.exp((positions - 100) / 15))
    model = FisherKPPModel(40.0, 0.06, 1.0)
    clean = Table(positions, times, values, None, None, 0, {"x": "x", "t": "t", "y": "u"})
    objective = table_objective(clean, model, noisy_start=False)
    values[1:] = np.asarray(objective.predict(model, {})["u"])[:, 0]
    values += 0.02 * np.random.default_rng(5).normal(size=values.shape)
    return Table(positions, times, values, None, None, 0, clean.names)


@pytest.mark.compile_bound
@pytest.mark.thorough
def test_without_standard_deviations_the_noise_is_estimated(sharp) -> None:
    start = FisherKPPModel(**{**scaled_start(sharp, FisherKPPModel()), "capacity": 1.0})
    objective = table_objective(sharp, start)
    assert not objective.noise_is_known
    result = fit(start, objective, fixed=["K"])
    off = misfit(result)
    assert off.noise == pytest.approx(0.02, rel=0.2)  # from 88 degrees of freedom
    assert off.degrees_of_freedom == 120 - 2 - 30
    assert off.reduced == pytest.approx(1.0)
    assert result.parameters["diffusivity"] == pytest.approx(40.0, rel=0.15)
    assert result.parameters["growth_rate"] == pytest.approx(0.06, rel=0.1)


@pytest.mark.compile_bound
@pytest.mark.thorough
def test_the_misfit_is_said_in_words(sharp) -> None:
    values = sharp.values.copy()
    values[3, 5:12] += 0.2
    table = Table(
        sharp.positions, sharp.times, values, np.full((4, 30), 0.02), 0.02, 0, sharp.names
    )
    start = FisherKPPModel(40.0, 0.06, 1.0)
    result = fit(start, table_objective(table, start, noisy_start=False), fixed=["K"], max_steps=9)
    off = misfit(result)
    assert off.known
    assert np.all(np.isnan(off.residuals[0]))
    assert off.reduced > 2
    told = off.sentences(table)[0]
    assert told.startswith("at t = 40 the model is too low for x = 55 … ")


def test_a_table_is_of_one_field() -> None:
    table = Table(
        np.arange(3.0), np.arange(2.0), np.ones((2, 3)), None, None, 0, {"x": "", "t": "", "y": ""}
    )
    with pytest.raises(ParameterError, match="fits models of one field"):
        table_objective(table, GrayScottModel())
    assert scaled_start(table, GrayScottModel()) == {}
