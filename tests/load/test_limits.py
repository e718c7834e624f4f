"""The limits of the load tests: what counts as missed, and where the numbers come from."""

from __future__ import annotations

import argparse
import math

import pytest

from benchmarks.harness.baselines import baseline
from benchmarks.harness.tables import put
from load_tests import limits
from load_tests.limits import Row
from load_tests.probe import Latencies
from load_tests.report import DOCUMENT, TABLES
from load_tests.scenarios import Outcome, seconds_of, table_of
from mfnjax.errors import DataError

ROOMY = {50: 1.0, 95: 2.0, 99: 3.0}


def row(name: str = "/health", **changes) -> Row:
    values = {"requests": 1000, "failures": 0, "percentiles_ms": ROOMY, "rate": 100.0, **changes}
    return Row(name=name, **values)


# §§ 5.4 and 9.4 of the document, copied by hand: users, seconds, requests/s, largest error rate
DOCUMENTED = {
    "smoke": (1, 30, None, 0.0),
    "steady": (10, 300, 50, 0.01),
    "spike": (50, 60, 100, 0.05),
    "stress": (20, 120, None, 0.05),
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_scenarios_are_those_of_the_document(name: str) -> None:
    users, seconds, rate, errors = DOCUMENTED[name]
    scenario = limits.scenario(name)
    assert (scenario.users, scenario.duration_s) == (users, seconds)
    assert (scenario.rate and scenario.rate.value) == rate
    assert scenario.error_rate.value == errors
    short = scenario.lasting(5)
    assert (short.users, short.duration_s) == (users, 5)
    assert users / short.spawn_rate <= 0.5


@pytest.mark.parametrize(
    ("users", "name"), [(1, "smoke"), (9, "smoke"), (10, "steady"), (20, "steady"), (50, "spike")]
)
def test_a_run_is_held_to_the_scenario_of_its_size(users: int, name: str) -> None:
    assert limits.scenario_like(users).name == name


@pytest.mark.parametrize("percent", limits.PERCENTILES)
@pytest.mark.parametrize("name", limits.ENDPOINTS)
def test_every_documented_percentile_can_be_missed(name: str, percent: int) -> None:
    bound = baseline(f"documented.api.{limits.ENDPOINTS[name]}.p{percent}").value
    kept = row(name, percentiles_ms={**ROOMY, percent: bound})
    missed = row(name, percentiles_ms={**ROOMY, percent: 1.01 * bound})
    assert limits.missed_percentiles([kept]) == []
    (told,) = limits.missed_percentiles([missed])
    assert name in told
    assert f"p{percent}" in told


@pytest.mark.parametrize(("failures", "missed"), [(0, False), (10, False), (11, True)])
def test_error_rate(failures: int, missed: bool) -> None:
    one_percent = baseline("documented.load.steady.error_rate")
    rows = [row(failures=failures), row("/nernst", requests=0)]
    assert bool(limits.missed_totals(rows, one_percent, None)) is missed


def test_a_single_failure_misses_the_smoke_test() -> None:
    smoke = limits.scenario("smoke")
    (told,) = limits.missed_totals([row(failures=1)], smoke.error_rate, None)
    assert "1 of 1000 requests failed" in told


def test_rate_is_the_sum_over_endpoints() -> None:
    steady = limits.scenario("steady")
    both = [row(rate=30.0), row("/nernst", rate=20.0)]
    assert limits.missed_totals(both, steady.error_rate, steady.rate) == []
    (told,) = limits.missed_totals(both[:1], steady.error_rate, steady.rate)
    assert "30.0 requests/s were made" in told


def test_no_request_is_a_miss() -> None:
    smoke = limits.scenario("smoke")
    assert limits.missed_totals([], smoke.error_rate, None)


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0)]
)
def test_percentiles_of_one_to_a_hundred(percent: int, expected: float) -> None:
    seen = Latencies([float(101 - k) for k in range(1, 101)])
    assert seen.percentile(percent) == expected


def test_percentile_of_nothing_is_nan_and_keeps_no_limit() -> None:
    nothing = Latencies().percentile(99)
    assert math.isnan(nothing)
    assert limits.missed_percentiles([row(percentiles_ms=dict.fromkeys((50, 95, 99), nothing))])


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30s", 30), ("5m", 300), ("1h2m3s", 3723)]
)
def test_times_as_locust_writes_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5 minutes", "-3s", "1.5"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        seconds_of(text)


def test_the_report_says_what_was_missed() -> None:
    scenario = limits.scenario("steady")
    bad = row(failures=100, percentiles_ms={50: 11.0, 95: 2.0, 99: 3.0})
    misses = limits.missed_totals([bad], scenario.error_rate, scenario.rate)
    text = table_of(Outcome(scenario, [bad], [bad], (100.0, 101.0), misses)).markdown()
    assert "**Limits missed.**" in text
    assert "10.00%" in text
    assert "| /health | 1000 | 100 | 11.0 | 2.0 | 3.0 | 10 / 50 / 100 |" in text
    assert "100 MB before, 101 MB after" in text


def test_tables_replace_those_of_the_document_and_nothing_else() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    for name in TABLES:
        changed = put(document, name, f"| a table of {name} \\1 |\n")
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        assert f"{begin}\n| a table of {name} \\1 |\n{end}" in changed
        assert changed.split(begin)[0] == document.split(begin)[0]
        assert changed.split(end)[1] == document.split(end)[1]
    with pytest.raises(DataError, match="no markers of 'other'"):
        put(document, "other", "")
