"""The scaling curves: exponents, files, going on after Ctrl-C, the document."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from benchmarks.scaling import __main__ as command, curves as measuring
from benchmarks.scaling.curves import FULL, QUICK, Curves, Point, Task, memory_of, task_of, tasks_of
from benchmarks.scaling.power_law import fit_power_law, local_exponents
from benchmarks.scaling.report import all_tables, curve_table, draw, exponent_table, measured_part
from mfnjax.errors import DataError

DOCS = Path(__file__).parents[2] / "docs"


def point(task: Task, ms: float = 1.0) -> Point:
    """What was measured of a task."""
    return task._asdict() | {"median_ms": ms, "min_ms": ms, "spread": 0.125}


def synthetic(exponents: dict[str, float] | None = None, cores: tuple[int, ...] = (1, 2)) -> Curves:
    """Curves that are power laws of known exponents."""
    exponents = {"forward": 1.0, "gradient": 1.25, "features": 0.75} | (exponents or {})
    points = []
    for task in tasks_of(FULL, cores):
        memory = {"arguments": 8.0, "outputs": 0.0, "temporaries": 24.0 * task.x - 8}
        ms = 1e-3 * task.x ** exponents[task.quantity] / task.cores
        points.append(point(task, ms) | memory)
    return Curves(tuple(points), complete=True, seconds=12.0)


@given(st.floats(-2, 3), st.floats(1e-6, 1e6))
def test_a_power_law_without_noise_is_recovered(exponent: float, factor: float) -> None:
    x = np.array([1.0, 4.0, 16.0, 100.0, 1000.0])
    fit = fit_power_law(x, factor * x**exponent)
    assert fit is not None
    assert fit.exponent == pytest.approx(exponent, abs=1e-9)
    assert fit.factor == pytest.approx(factor, rel=1e-9)
    assert fit.high - fit.low == pytest.approx(0, abs=1e-6)


def test_the_interval_is_that_of_linear_regression() -> None:
    x = np.geomspace(1, 1e4, 9)
    y = 3 * x**1.3 * np.exp(0.2 * np.random.default_rng(0).standard_normal(9))
    oracle = stats.linregress(np.log(x), np.log(y))
    reach = stats.t.ppf(0.975, 7) * oracle.stderr
    fit = fit_power_law(x, y)
    assert fit is not None
    assert (fit.exponent, fit.low, fit.high) == pytest.approx(
        (oracle.slope, oracle.slope - reach, oracle.slope + reach)
    )
    assert fit.low < 1.3 < fit.high


def test_a_fit_keeps_to_its_range_and_needs_three_points() -> None:
    x, y = [1, 2, 4, 8, 16], [100.0, 100.0, 16.0, 64.0, 256.0]
    fit = fit_power_law(x, y, start=4)
    assert fit is not None
    assert (fit.exponent, fit.start, fit.stop) == (pytest.approx(2), 4, 16)
    assert fit_power_law(x, y, start=8) is None
    assert local_exponents(x, y)[0] is None
    assert local_exponents(x, y)[2:] == pytest.approx([np.log2(0.16), 2, 2])


def test_exponents_of_curves_reach_the_table() -> None:
    rows = {
        (row["time and memory grow as x^p"], row["cores"]): row
        for row in exponent_table(synthetic()).rows
    }
    assert len(rows) == 3 * 3 * 2
    row = rows["gradient, cells", 1]
    assert (row["fitted over"], row["p of time"]) == ("128² … 2048²", "1.25 (1.25 … 1.25)")
    assert rows["features, members", 2]["p of time"] == "0.75 (0.75 … 0.75)"


def test_results_survive_their_file(tmp_path: Path) -> None:
    curves = synthetic()
    left_out = Task("gradient", "cells", 4096**2, 1)._asdict() | {"left_out": "needs 4.0 GiB"}
    curves = dataclasses.replace(curves, points=(*curves.points, left_out))
    assert Curves.load(curves.save(tmp_path / "new" / "scaling.json")) == curves
    assert left_out not in curves.curve("gradient", "cells", 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no JSON"),
        ("[]", "no scaling curves"),
        ('{"format": "mfnjax-scaling-1"}', "damaged"),
        ('{"format": "mfnjax-scaling-1", "points": [{"x": 1}]}', "damaged"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told):
        Curves.load(path)


def test_every_point_stands_in_a_table() -> None:
    curves = synthetic()
    for axis, count in (("cells", 3 * 7), ("steps", 7 + 5 + 6), ("members", 3 * 5)):
        table = curve_table(curves, axis)
        assert len(table.rows) == count
        assert len(table.markdown().splitlines()) == count + 2
    assert {row["gain"] for row in curve_table(curves, "cells").rows} == {"2.00 ×"}


def test_one_core_alone_has_tables_and_a_picture() -> None:
    curves = synthetic(cores=(1,))
    assert {row["gain"] for row in curve_table(curves, "cells").rows} == {None}
    assert len(draw(curves).axes) == 6


def test_the_picture_shows_the_points() -> None:
    curves = synthetic()
    cells, *_ = draw(curves).axes
    solid = next(line for line in cells.lines if line.get_label().startswith("gradient"))
    assert solid.get_label() == "gradient,  p = 1.25"
    points = curves.curve("gradient", "cells", 2)
    assert solid.get_xdata().tolist() == [p["x"] for p in points]
    assert solid.get_ydata().tolist() == [p["median_ms"] for p in points]


def test_ctrl_c_leaves_what_is_measured_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but three points of a quick run are there; Ctrl-C comes after the first of them."""
    monkeypatch.setattr(command, "counts_of_cores", lambda: (1,))
    tasks = tasks_of(QUICK, (1,))
    missing = [task for task in tasks if (task.quantity, task.axis) == ("features", "cells")]
    there = [point(task) for task in tasks if task not in missing]
    path = tmp_path / "scaling.json"
    Curves(tuple(there), quick=True).save(path)

    save, saves = Curves.save, itertools.count()

    def interrupted(curves: Curves, where: Path) -> Path:
        written = save(curves, where)
        if next(saves) == 0:
            raise KeyboardInterrupt
        return written

    monkeypatch.setattr(measuring.Curves, "save", interrupted)
    with pytest.raises(SystemExit) as end:
        command.main(["--quick", "-o", str(tmp_path)])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert "interrupted" in said
    assert "Traceback" not in said
    left = Curves.load(path)
    assert (len(left.points), left.complete) == (len(there) + 1, False)

    assert command.main(["--quick", "-o", str(tmp_path)]) == 0
    done = Curves.load(path)
    assert done.complete
    assert [task_of(p) for p in done.points] == tasks
    assert all(one in done.points for one in left.points)
    assert all(p["median_ms"] > 0 and memory_of(p) for p in done.points if task_of(p) in missing)
    assert (tmp_path / "scaling.png").stat().st_size > 0


def test_a_run_goes_on_only_from_its_like(tmp_path: Path) -> None:
    path, fresh = tmp_path / "scaling.json", Curves(quick=True)
    assert fresh.continued(path) is fresh
    old = Curves((point(Task("forward", "cells", 1024, 1)),), quick=True)
    for other, goes_on in (
        (old, True),
        (dataclasses.replace(old, complete=True), False),
        (dataclasses.replace(old, quick=False), False),
        (dataclasses.replace(old, version="0.0.1"), False),
        (dataclasses.replace(old, machine=old.machine | {"cores": "999"}), False),
    ):
        other.save(path)
        assert (fresh.continued(path) == other) is goes_on


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "missing.json"], "missing.json: cannot be read"),
        (["--from", "x.json", "--quick"], "--from measures nothing"),
        (["--quick", "--output", "file/inside"], "cannot be written"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_wrong_options_give_one_clear_line(
    refusal: Callable[..., str], arguments: list[str], told: str
) -> None:
    last = refusal(command.main, arguments)
    assert told in last
    assert last.startswith("python -m benchmarks.scaling: ")


def test_the_document_shows_the_numbers_beside_it() -> None:
    curves = Curves.load(DOCS / "scaling.json")
    assert curves.complete
    assert not curves.quick
    part = measured_part(curves)
    assert part in (DOCS / "scaling.md").read_text(encoding="utf-8"), (
        "run: python -m benchmarks.scaling --docs docs"
    )
    assert all(f"### {table.title}" in part for table in all_tables(curves))
