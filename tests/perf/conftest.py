"""What the performance tests share: the injected faults, and the table of what was measured.

``--twin slow`` doubles the work of a step, ``--twin leak`` loses a documented amount of memory in
each run. They are faults of the tests' own: with either, tests here must fail, and
`test_injected_faults.py` checks that they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from perf_twins import leaky, slow_down

from mfnjax.v41 import run as pipeline

REPORT = pytest.StashKey[list[tuple[str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--twin", choices=("slow", "leak"), help="inject a fault: tests must fail")


@pytest.fixture(scope="session", autouse=True)
def twin(request: pytest.FixtureRequest) -> Iterator[None]:
    """Inject the fault that was asked for, before anything is compiled."""
    kind = request.config.getoption("--twin", default=None)
    with pytest.MonkeyPatch.context() as patch:
        if kind == "slow":
            slow_down(patch)
        elif kind == "leak":
            patch.setattr(pipeline, "_run", leaky(pipeline._run))
        yield


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Note a figure for the table at the end of the run."""
    notes = request.config.stash.setdefault(REPORT, [])

    def note(what: str, figure: str) -> None:
        notes.append((what, figure))

    return note


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    notes = config.stash.get(REPORT, [])
    if notes:
        terminalreporter.section("measured")
        width = max(len(what) for what, _ in notes)
        for what, figure in notes:
            terminalreporter.write_line(f"{what:{width}}  {figure}")
