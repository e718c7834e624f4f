"""The gate, its calibration, and the accounts of memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bench_results import TIME

from benchmarks.harness.cases import Case, perf_cases
from benchmarks.harness.gate import allowed_ratio, judge
from benchmarks.harness.memory import (
    compiled_accounts,
    compiled_peak,
    growth_of,
    peak_resident,
    reset_peak,
    resident,
    traced_peak,
)
from benchmarks.harness.results import Measurement
from benchmarks.harness.timing import SIZE, calibration_kernel, gauge

CASE = next(case for case in perf_cases() if case.key == TIME)


def told(*factors: float) -> tuple[Callable[[Case], Measurement], list[int]]:
    """A measurement that gives these factors of the allowed ratio, one after the other."""
    repeats: list[int] = []

    def measure(case: Case) -> Measurement:
        repeats.append(case.repeats)
        ratio = factors[len(repeats) - 1] * allowed_ratio(TIME)[1]
        return Measurement(TIME, "a run", 0.001, "s", (0.001,), (ratio,))

    return measure, repeats


def test_a_good_run_is_asked_for_once() -> None:
    measure, repeats = told(0.9)
    assert judge(CASE, measure=measure).passed
    assert len(repeats) == 1


def test_a_slow_run_is_confirmed_by_a_longer_one() -> None:
    measure, repeats = told(1.1, 0.9)
    judgement = judge(CASE, measure=measure)
    assert judgement.passed
    assert judgement.runs == 2
    assert repeats[1] > repeats[0]


def test_a_confirmed_slow_run_fails_and_says_by_how_much() -> None:
    measure, _ = told(1.3, 1.1)
    judgement = judge(CASE, measure=measure)
    assert not judgement.passed
    assert f"{judgement.allowed:.3g}" in str(judgement)
    assert judgement.measurement.ratios[0] == pytest.approx(1.1 * judgement.allowed)


def test_another_machine_is_allowed_more(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, here = allowed_ratio(TIME)
    monkeypatch.setattr("benchmarks.harness.gate.fingerprint", lambda _: "another")
    _, elsewhere = allowed_ratio(TIME)
    monkeypatch.setattr("benchmarks.harness.gate.fingerprint", lambda _: "")
    _, same = allowed_ratio(TIME)
    assert expected < same < elsewhere
    assert here in (same, elsewhere)


def test_the_calibration_kernel_is_a_diffusion() -> None:
    """Cells and edges move towards the mean of their neighbours: the field gets smoother."""
    kernel = calibration_kernel()
    padded = kernel.__closure__[0].cell_contents  # type: ignore[index, attr-defined]
    arrays = [c.cell_contents for c in kernel.__closure__]  # type: ignore[attr-defined, union-attr]
    inner = next(a for a in arrays if a.shape == (SIZE, SIZE) and a.base is not None)
    before = inner.std()
    kernel()
    assert inner.std() < before
    assert padded is not None


def test_the_ratio_is_that_of_the_fastest_runs() -> None:
    timing, ratio = gauge(lambda: time.sleep(0.002), repeats=3, burst=1)
    assert timing.min_ms >= 2.0
    assert len(timing.runs_ms) == 3
    _, other = gauge(lambda: time.sleep(0.02), repeats=3, burst=1)
    assert other > 2 * ratio


def test_tracemalloc_sees_python_and_xlas_account_sees_the_buffers() -> None:
    size = 256
    x = jnp.ones((size, size), "float32")

    @jax.jit
    def double(x: jax.Array) -> jax.Array:
        return 2 * x

    bytes_of_x = size * size * 4
    assert traced_peak(lambda: bytearray(bytes_of_x)) >= bytes_of_x
    double(x)
    assert traced_peak(lambda: double(x)) < bytes_of_x
    (account,) = compiled_accounts(lambda: double(x))
    assert (account["arguments"], account["outputs"]) == (bytes_of_x, bytes_of_x)
    assert compiled_peak(lambda: double(x)) == sum(account.values())


def test_the_resident_peak_sees_a_large_array() -> None:
    reset_peak()
    before = resident()
    size = 64 * 2**20
    large = np.ones(size, np.uint8)
    assert peak_resident() - before > 0.9 * size
    del large
    assert growth_of(lambda: np.ones(size, np.uint8)) > 0.9 * size
