"""Comparing two results: a change beyond the noise is seen, the noise itself is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bench_results import MEMORY, TIME, results, timed

from benchmarks.harness.compare import ERROR_RATE, compare
from benchmarks.harness.results import Measurement
from mfnjax.errors import DataError


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "same"), (1.3, "slower"), (0.75, "faster")])
def test_a_change_beyond_the_noise_is_told(factor: float, verdict: str) -> None:
    (change,) = compare(results(timed()), results(timed(factor, seed=1)))
    assert change.verdict == verdict
    assert change.low <= factor <= change.high
    assert change.is_worse == (verdict == "slower")


def test_unchanged_tables_stay_without_an_alarm_as_often_as_promised() -> None:
    """Twenty rows, unchanged, a hundred times: any alarm in a table at most at the error rate."""
    keys = [f"row.{k}" for k in range(20)]
    alarms = 0
    for trial in range(100):
        old = results(*(timed(seed=1000 * trial + 2 * k, key=key) for k, key in enumerate(keys)))
        new = results(
            *(timed(seed=1000 * trial + 2 * k + 1, key=key) for k, key in enumerate(keys))
        )
        alarms += any(change.verdict != "same" for change in compare(old, new))
    assert alarms <= 100 * ERROR_RATE + 5  # two standard deviations of a binomial


def test_the_interval_is_welchs() -> None:
    from scipy import stats

    old, new = timed(seed=3), timed(1.1, seed=4)
    (change,) = compare(results(old), results(new))
    expected = stats.ttest_ind(np.log(new.ratios), np.log(old.ratios), equal_var=False)
    interval = expected.confidence_interval(1 - ERROR_RATE)
    assert np.log([change.low, change.high]) == pytest.approx([interval.low, interval.high])


def test_one_process_knows_nothing_of_its_noise() -> None:
    (change,) = compare(results(timed(processes=1)), results(timed(3.0)))
    assert change.verdict == "unknown"
    assert not change.is_worse


def test_memory_is_compared_by_its_values() -> None:
    lean = Measurement(MEMORY, "memory", 0.2, "MB", (0.2, 0.2, 0.2))
    fat = dataclasses.replace(lean, value=0.4, values=(0.4, 0.4, 0.4))
    assert compare(results(lean), results(fat))[0].verdict == "fatter"
    assert compare(results(fat), results(lean))[0].verdict == "leaner"
    none = dataclasses.replace(lean, value=0.0, values=(0.0, 0.0, 0.0))
    assert compare(results(none), results(none))[0].verdict == "same"


def test_results_without_a_common_row_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="no row in common"):
        compare(results(timed()), results(timed(key="another")))


def test_rows_are_matched_by_key() -> None:
    other = timed(key="only.here")
    changes = compare(results(other, timed()), results(timed()))
    assert [change.key for change in changes] == [TIME]
