"""The performance tests catch what they are for: a slower step, a leak.

Each fault is injected by a flag of the tests (see ``conftest.py``) into a run of pytest of its own,
and that run must fail, in the test that is there for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from perf_twins import slow_down

from benchmarks.harness.baselines import VARIABLE, baseline, find_baselines
from benchmarks.harness.cases import inputs_of, perf_cases
from benchmarks.harness.results import Results, merged
from benchmarks.harness.run import measure_case
from benchmarks.harness.timing import interleaved
from benchmarks.harness.update import update_baselines
from mfnjax import Trajectory, make_simulation_config_default, simulate

HERE = Path(__file__).parent
LOOKS = 3
"""How often a fault is looked for: a neighbour on the machine may hide it once."""


def limits_of_now(folder: Path) -> Path:
    """The limits with a baseline of the default run that was measured here and now.

    So the test holds on any machine: the committed baseline comes from one of them.
    """
    path = folder / "baselines.toml"
    shutil.copy(find_baselines(), path)
    case = next(c for c in perf_cases() if c.key == "documented.simulation.default.time")
    measured = merged([Results((measure_case(case),)) for _ in range(3)])
    update_baselines(measured, path=path, replace=True)
    return path


def run_with(twin: str, test: str, limits: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += [f"--twin={twin}", str(HERE / test)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
        env={**os.environ, VARIABLE: str(limits)},
    )


@pytest.mark.parametrize(
    ("twin", "test", "message"),
    [
        (
            "slow",
            "test_mfn_performance.py::test_time_is_within_our_own_baseline"
            "[documented.simulation.default.time]",
            "slower than our own baseline",
        ),
        ("leak", "test_stress_scalability.py::test_repeated_runs_keep_no_memory", "MB/run"),
    ],
)
def test_an_injected_fault_is_caught(twin: str, test: str, message: str, tmp_path: Path) -> None:
    for _ in range(LOOKS):
        done = run_with(twin, test, limits_of_now(tmp_path))
        if done.returncode == pytest.ExitCode.TESTS_FAILED:
            break
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert message in done.stdout


def compiled_run() -> Callable[[], Trajectory]:
    """The default run as one compiled program, which keeps what it was traced from."""
    config = make_simulation_config_default()
    model, grid, state, key = inputs_of(config)
    jax.clear_caches()
    run = jax.jit(partial(simulate, grid=grid, steps=config.steps))
    return partial(run.lower(model, state, key=key).compile(), model, state, key=key)


def test_the_slow_twin_is_slower_by_what_it_says_and_computes_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = compiled_run()
    with monkeypatch.context() as patch:
        slow_down(patch)
        twin = compiled_run()
    jax.clear_caches()
    assert np.array_equal(plain().state["potential"], twin().state["potential"])
    factor = baseline("targets.stress.injected_slowdown")
    slack = baseline("settings.gate.other_machine").value
    # What surrounds the steps (start, dispatch) is not doubled, what ties the two together comes on
    # top: the factor of the whole run is near the one of the step.
    for _ in range(LOOKS):
        times = interleaved({"plain": plain, "twin": twin}, repeats=60)
        away = abs(np.log(times["twin"].min_ms / times["plain"].min_ms / factor.value))
        if away < np.log1p(slack):
            break
    assert away < np.log1p(slack)
