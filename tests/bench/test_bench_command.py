"""``mfn bench`` and the scripts, as a user calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from bench_results import TIME, results, timed
from click.testing import CliRunner, Result

from benchmarks.harness import cases, command, run
from benchmarks.harness.baselines import baseline, find_baselines
from benchmarks.harness.cases import Case
from benchmarks.harness.results import Results, merged
from mfnjax.cli import bench as door, main
from mfnjax.errors import DataError, MfnError, ParameterError


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of one case that takes no time, in this process."""
    case = Case(TIME, "nothing", lambda: lambda: None, repeats=3)
    memory = Case("documented.core.peak_memory", "bytes", lambda: lambda: 2_000_000, "memory")
    rate = Case("documented.core.throughput", "a rate", lambda: lambda: None, "rate", 10, 3, 1)
    suites = {name: lambda: [case, memory, rate] for name in cases.SUITES}
    monkeypatch.setattr(run, "SUITES", suites)
    here = lambda child, function, names: function(names)  # noqa: E731
    monkeypatch.setattr(run.Child, "call", here)


def script(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        command.script("core", [*map(str, arguments)])
    return int(stopped.value.code or 0)


def test_a_script_prints_writes_and_passes(
    quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "core.json"
    assert script("-o", path) == 0
    said = capsys.readouterr().out
    assert "3/3 passed" in said
    assert str(baseline(TIME)) in said
    time, memory, rate = Results.load(path).rows
    assert (memory.value, memory.unit, memory.ratios) == (2.0, "MB", ())
    assert rate.value > 0
    assert len(time.ratios) == 1


def test_a_missed_target_is_an_exit_status(
    quick: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fat = Case("documented.core.peak_memory", "too much", lambda: lambda: 10**12, "memory")
    monkeypatch.setattr(run, "SUITES", {"core": lambda: [fat]})
    assert script("-o", tmp_path / "core.json") == 1
    assert "MISS" in capsys.readouterr().out


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert script("--processes", "0") == 2
    assert "--processes" in capsys.readouterr().err
    with pytest.raises(ParameterError, match="no suite is called 'none'"):
        run.measure_suites(["none"])


def test_several_processes_are_one_result_with_all_ratios() -> None:
    parts = [results(timed(factor, seed=k, processes=1)) for k, factor in enumerate((1, 2, 3))]
    (row,) = merged(parts).rows
    assert row.value == pytest.approx(0.002)
    assert row.values == (0.001, 0.002, 0.003)
    assert row.ratios == tuple(part.rows[0].ratios[0] for part in parts)


def test_a_child_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFN_BASELINES", "/nowhere/baselines.toml")
    with pytest.raises(MfnError, match=r"measuring process failed.*cannot be read"):
        run.measure_in_processes(["core"], 1)
    with pytest.raises(ParameterError, match="no suite"):
        run.measure_in_processes(["none"], 1)


def test_run_measures_prints_and_writes(quick: None, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    done = call("run", "--suite", "core", "--processes", 2, "-o", path)
    assert done.exit_code == 0, done.output
    assert "3/3 passed" in done.output
    assert len(Results.load(path).rows[0].ratios) == 2


def test_compare_tells_what_changed_and_fails_for_worse(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    results(timed()).save(old)
    results(timed(2.0, seed=1), date="2026-01-02", processor="another").save(new)
    worse, better = call("compare", old, new), call("compare", new, old)
    assert worse.exit_code == 1
    assert "slower" in worse.output
    assert "The machines differ" in worse.output
    assert better.exit_code == 0
    assert "faster" in better.output
    results(timed(processes=1)).save(new)
    assert "says nothing of its noise" in call("compare", old, new).output


def test_update_writes_and_refuses(tmp_path: Path) -> None:
    limits, new = tmp_path / "baselines.toml", tmp_path / "new.json"
    shutil.copy(find_baselines(), limits)
    results(timed()).save(new)
    done = call("update", new, "--baselines", limits, "--replace")
    assert done.exit_code == 0, done.output
    assert TIME in done.output
    results(timed(2.0, seed=1)).save(new)
    refused = call("update", new, "--baselines", limits)
    assert refused.exit_code == 1
    assert "worse than our baseline" in refused.output


@pytest.mark.parametrize(
    "arguments", [["run", "--suite", "core"], ["compare", "a"], ["--help"], []]
)
def test_elsewhere_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    done = call(*arguments)
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert "needs a checkout of the repository" in done.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON file"),
        ("[]", "holds no results"),
        (json.dumps({"format": "mfnjax-bench-1"}), "damaged results"),
        (json.dumps({"format": "mfnjax-bench-1", "rows": [{"x": 1}]}), "damaged results"),
    ],
)
def test_a_file_that_holds_no_results_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        Results.load(path)
    done = call("compare", path, path)
    assert done.exit_code == 2
    assert message in done.output
    assert call("compare", tmp_path / "none.json", path).exit_code == 2
