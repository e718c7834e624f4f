"""The scaling curves: exponents, roofline, files, going on after Ctrl-C, the document."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from benchmarks.scaling import __main__ as command, measuring
from benchmarks.scaling.document import BEGIN, END, measured_part, with_measured_part
from benchmarks.scaling.measuring import Curves, merged
from benchmarks.scaling.picture import draw
from benchmarks.scaling.points import FULL, QUICK, STEPS, Point, Task, tasks_of
from benchmarks.scaling.power_law import fit_power_law, local_exponents
from benchmarks.scaling.roofline import COMPULSORY, Bound, bandwidth_at, bounds, level_of
from benchmarks.scaling.tables import all_tables, curve_table, exponent_table, roofline_table
from mfnjax.errors import DataError

DOCS = Path(__file__).parents[2] / "docs"
BANDWIDTH, RATE = 8e9, 2e9
STEP_MS, CALL_MS = 0.001, 0.032
MOVED, DONE = 48, 12


def synthetic(exponents: dict[str, float] | None = None, cores: tuple[int, ...] = (1, 2)) -> Curves:
    """Curves of a machine that is known: constant bandwidth and rate, power laws for times."""
    exponents = {"forward": 1.0, "gradient": 1.25, "features": 0.75} | (exponents or {})
    points = []
    for task in tasks_of(FULL, cores):
        cells = task.x if task.axis == "cells" else 1
        more = {
            "bandwidth": {"bytes_a_second": task.cores * BANDWIDTH},
            "arithmetic": {"instructions_a_second": task.cores * RATE},
            "start-up": {"step_ms": STEP_MS, "call_ms": CALL_MS},
            "account": {
                "bytes_a_step": float(MOVED * cells),
                "instructions_a_step": float(DONE * cells),
                "kernels_a_step": 3.0,
            },
        }.get(task.quantity, {"arguments": 8.0, "outputs": 0.0, "temporaries": 24.0 * task.x - 8})
        ms = 1e-3 * task.x ** exponents.get(task.quantity, 0.0) / task.cores
        points.append(Point(task, ms, ms, 0.125, dict(more)))
    caches = {"L1": 2**15, "L2": 2**20, "L3": 2**25}
    return Curves(tuple(points), complete=True, caches=caches, seconds=12.0)


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
    rows = {(row[0], row[1]): row for row in exponent_table(synthetic()).rows}
    assert len(rows) == 3 * 3 * 2
    assert rows["gradient, cells", "1"][2:4] == ("128² … 2048²", "1.25 (1.25 … 1.25)")
    assert rows["features, members", "2"][3] == "0.75 (0.75 … 0.75)"


def test_the_roofline_is_that_of_a_known_machine() -> None:
    for cores, found in ((n, bounds(synthetic(), n)) for n in (1, 2)):
        assert [b.cells for b in found] == [side**2 for side in FULL.sides]
        for b in found:
            start = 1e3 * (STEP_MS + CALL_MS / STEPS)
            assert b.bandwidth == pytest.approx(cores * BANDWIDTH)
            assert b.moved == MOVED
            assert b.start == pytest.approx(start)
            assert b.least == pytest.approx(1e6 * COMPULSORY * b.cells / (cores * BANDWIDTH))
            assert b.traffic == pytest.approx(1e6 * MOVED * b.cells / (cores * BANDWIDTH))
            assert b.instructions == pytest.approx(1e6 * DONE * b.cells / (cores * RATE))
            assert b.estimate == pytest.approx(start + max(b.traffic, b.instructions))
            assert b.achieved == pytest.approx(b.cells / cores / STEPS)
    levels = ["L1", "L2", "L2", "L3", "L3", "L3", "memory"]
    assert [b.level for b in bounds(synthetic(), 1)] == levels


@pytest.mark.parametrize(
    ("start", "traffic", "arithmetic", "said"),
    [
        (6.0, 2.0, 1.0, "starting kernels, 60%"),
        (1.0, 7.0, 2.0, "moving bytes (L2), 70%"),
        (1.0, 2.0, 8.0, "instructions, 80%"),
        (1.0, 2.0, 1.0, "none of the three, 70%"),
        (1.0, 40.0, 1.0, "moving bytes (L2), 100%"),
    ],
)
def test_the_largest_share_is_named(
    start: float, traffic: float, arithmetic: float, said: str
) -> None:
    bound = Bound(4096, 1, 1e5, "L2", 1e9, 48.0, 10.0, start, 1.0, traffic, arithmetic)
    assert bound.verdict == said
    assert sum(bound.shares.values()) >= 1 - 1e-12


def test_bandwidth_between_and_beyond_the_measured_sizes() -> None:
    assert bandwidth_at(1, [16, 64], [9e9, 1e9]) == pytest.approx(9e9)
    assert bandwidth_at(1e6, [16, 64], [9e9, 1e9]) == pytest.approx(1e9)
    assert bandwidth_at(32, [16, 64], [9e9, 1e9]) == pytest.approx(3e9)
    assert level_of(1, {}) == "unknown"


def test_rates_of_copies_add_up() -> None:
    one, two = Task("bandwidth", "bytes", 512, 1), Task("bandwidth", "bytes", 1024, 2)
    copies = [Point(one, 2.0, ms, 0.1, {"bytes_a_second": 1e9 / ms}) for ms in (1.0, 2.0)]
    assert merged(two, copies) == Point(two, 2.0, 2.0, 0.1, {"bytes_a_second": 1.5e9})
    assert merged(one, copies[:1]) == copies[0]


class Answering:
    """A process that keeps to the rule: a task, then "go"; it works at 1 GB/s and a step a ms."""

    def __init__(self, cores: int, seconds: float, *, first: int = 0) -> None:
        self.cores, self.first, self.task, self.ready = cores, first, None, False

    def send(self, line: object) -> None:
        assert (line == "go") is (self.task is not None), "a task came before the last was done"
        if line != "go":
            self.task, self.ready = Task(*line), True
            assert self.task.cores == self.cores

    def receive(self) -> object:
        if self.ready:
            self.ready = False
            return "ready"
        task, self.task = self.task, None
        return Point(task, 1.0, 1.0, 0.0, {"bytes_a_second": 1e9}).to_dict()

    def close(self) -> None:
        self.cores = 0


def test_cores_are_measured_in_turn_and_the_machine_by_copies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Answering] = []
    monkeypatch.setattr(
        measuring, "Worker", lambda *a, **k: started.append(Answering(*a, **k)) or started[-1]
    )
    machine = measuring.Machine(0.1)
    for quantity, rates in (("bandwidth", [1e9, 2e9, 4e9]), ("forward", [1e9, 1e9, 1e9])):
        tasks = [Task(quantity, "bytes", 4096, cores) for cores in (1, 2, 4)]
        points = machine.measure(tasks)
        assert [point.task for point in points] == tasks
        assert [point.more["bytes_a_second"] for point in points] == rates
    assert sorted((w.cores, w.first) for w in started) == [
        *[(1, 0), (1, 1), (1, 2), (1, 3)],
        *[(2, 0), (4, 0)],
    ]
    machine.close()
    assert {worker.cores for worker in started} == {0}


def test_results_survive_their_file(tmp_path: Path) -> None:
    curves = synthetic()
    left_out = Point(Task("gradient", "cells", 4096**2, 1), left_out="needs 4.0 GiB")
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
        assert {len(row) for row in table.rows} == {len(table.head)}
        assert len(table.markdown().splitlines()) == count + 2
    assert len(roofline_table(curves).rows) == 2 * 7
    gains = {row[4] for row in curve_table(curves, "cells").rows}
    assert gains == {"2.00 ×"}


def test_one_core_alone_has_tables_and_a_picture() -> None:
    curves = synthetic(cores=(1,))
    table = curve_table(curves, "cells")
    assert {row[table.head.index("gain")] for row in table.rows} == {"–"}
    assert len(draw(curves).axes) == 6


def test_the_picture_shows_the_points() -> None:
    curves = synthetic()
    cells, *_, roofline = draw(curves).axes
    solid = next(line for line in cells.lines if line.get_label().startswith("gradient"))
    assert solid.get_label() == "gradient,  p = 1.25"
    points = curves.curve("gradient", "cells", 2)
    assert solid.get_xdata().tolist() == [p.task.x for p in points]
    assert solid.get_ydata().tolist() == [p.median_ms for p in points]
    achieved = next(line for line in roofline.lines if line.get_label() == "achieved")
    assert achieved.get_ydata() == pytest.approx(np.full(7, 1e3 / STEPS))


def test_ctrl_c_leaves_what_is_measured_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the bandwidths of a quick run are there; Ctrl-C comes after the first of them."""
    monkeypatch.setattr(command, "counts_of_cores", lambda: (1,))
    tasks = tasks_of(QUICK, (1,))
    missing = [task for task in tasks if task.quantity == "bandwidth"]
    known = {point.task.quantity: point for point in synthetic(cores=(1,)).points}
    there = [
        dataclasses.replace(known[task.quantity], task=task)
        for task in tasks
        if task not in missing
    ]
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
    assert [p.task for p in done.points] == tasks
    assert all(point in done.points for point in left.points)
    assert all(p.more["bytes_a_second"] > 0 for p in done.points if p.task in missing)
    assert (tmp_path / "scaling.png").stat().st_size > 0


def test_a_run_goes_on_only_from_its_like(tmp_path: Path) -> None:
    path, fresh = tmp_path / "scaling.json", Curves(quick=True)
    assert command.left_over(path, fresh) is fresh
    point = Point(Task("forward", "cells", 1024, 1), 1.0, 1.0, 0.0)
    old = Curves((point,), quick=True)
    for other, goes_on in (
        (old, True),
        (dataclasses.replace(old, complete=True), False),
        (dataclasses.replace(old, quick=False), False),
        (dataclasses.replace(old, version="0.0.1"), False),
        (dataclasses.replace(old, machine=old.machine | {"cores": "999"}), False),
    ):
        other.save(path)
        assert (command.left_over(path, fresh) == other) is goes_on


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


def test_the_document_is_written_between_its_marks() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = with_measured_part(text, "new")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert with_measured_part(once, "new") == once
    with pytest.raises(DataError, match="no place"):
        with_measured_part("before, after", "new")


def test_the_document_shows_the_numbers_beside_it() -> None:
    curves = Curves.load(DOCS / "scaling.json")
    assert curves.complete
    assert not curves.quick
    part = measured_part(curves)
    assert part in (DOCS / "scaling.md").read_text(encoding="utf-8"), (
        "run: python -m benchmarks.scaling --docs docs"
    )
    assert all(f"### {table.title}" in part for table in all_tables(curves))
