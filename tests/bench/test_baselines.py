"""The loader of the limits: every row is whole, every mistake one clear line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.baselines import (
    VARIABLE,
    Baseline,
    baseline,
    baselines_under,
    find_baselines,
    load_baselines,
)
from mfnjax.errors import DataError, ParameterError


def test_a_bound_is_kept_on_its_own_side() -> None:
    time = Baseline("time", 0.040, "s", tolerance=0.20)
    rate = Baseline("rate", 50, "requests/s", tolerance=0.10, bound="min")
    assert (time.limit, rate.limit) == (0.048, 45.0)
    assert time.meets(0.048)
    assert not time.meets(0.0481)
    assert rate.meets(45.0)
    assert not rate.meets(44.9)
    assert not time.meets(float("nan"))
    assert not rate.meets(float("nan"))
    assert time.margin(0.024) == pytest.approx(2.0)
    assert rate.margin(90.0) == pytest.approx(2.0)
    assert time.margin(0.0) == float("inf")
    assert (time.margin_text(0.0), time.margin_text(0.024)) == ("", "2×")
    assert str(time) == "≤ 0.048 s"


def test_a_set_up_is_no_limit() -> None:
    with pytest.raises(ParameterError, match=r"documented\.load\.spike\.users.*'exact'"):
        baseline("documented.load.spike.users").meets(3)


def test_the_documented_thresholds_are_those_of_the_document() -> None:
    thresholds = {
        "simulation.demo.time": 0.048,
        "simulation.demo.memory": 1200,
        "simulation.default.time": 0.144,
        "simulation.default.memory": 600,
        "features.demo.time": 0.012,
        "features.demo.memory": 2400,
        "dataset.demo.time": 0.360,
        "dataset.demo.time_per_sample": 0.072,
        "dataset.demo.memory": 1800,
        "pipeline.demo.total": 0.060,
        "core.field_simulation": 100,
        "memory.small": 100,
    }
    for name, limit in thresholds.items():
        assert baseline(f"documented.{name}").limit == limit


def test_every_row_has_a_source() -> None:
    rows = load_baselines()
    assert [key for key, row in rows.items() if not row.source] == []
    assert {key.split(".")[0] for key in rows} >= {"documented", "targets", "settings"}


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(ParameterError, match=r"'documented\.simulation\.dmo\.time'.*demo\.time"):
        baseline("documented.simulation.dmo.time")
    with pytest.raises(ParameterError, match=r"documented\.api\.health\.p50"):
        baseline("documented.api.health")
    with pytest.raises(ParameterError, match="nothing_like_it"):
        baselines_under("nothing_like_it")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\nb = 3\n", "a.b = 3"),
        ("[a]\nb = { value = 1 }\n", "'unit' must be a text"),
        ("[a]\nb = { unit = 's' }\n", "'value' must be a number"),
        ("[a]\nb = { value = true, unit = '' }\n", "'value' must be a number, got True"),
        ("[a]\nb = { value = 1, unit = 's', bound = 'up' }\n", "bound = 'up'"),
        ("[a]\nb = { value = 1, unit = 's', limit = 2 }\n", "unknown field 'limit'"),
        ("[a\n", "is no TOML file"),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "baselines.toml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        load_baselines(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_file_is_that_of_the_checkout_or_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_baselines() == Path(__file__).parents[2] / "benchmarks" / "baselines.toml"
    monkeypatch.setenv(VARIABLE, "none.toml")
    assert find_baselines() == Path("none.toml")
    with pytest.raises(DataError, match="cannot be read"):
        load_baselines()


def test_it_loads_without_jax() -> None:
    code = (
        "import sys; from benchmarks.harness.baselines import baseline; "
        "baseline('documented.api.health.p50'); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
