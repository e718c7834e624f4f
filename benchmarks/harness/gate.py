"""The gate: is a case slower than our own baseline?

It looks at the calibrated ratio, allows for the documented 20 % and the noise of the baseline, and
asks once more before it says so. On a machine other than the one that the baseline comes from, a
ratio of two programs means less: there it allows more (``settings.gate.other_machine``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.harness.baselines import baseline
from benchmarks.harness.cases import Case
from benchmarks.harness.machine import fingerprint, machine
from benchmarks.harness.results import Measurement
from benchmarks.harness.run import measure_case
from benchmarks.harness.update import measured_key

CONFIRM = 10
"""How many times longer the confirming run looks: a second or two, in which a busy neighbour
leaves the machine alone at least once."""


class Judgement(NamedTuple):
    """The better of the runs made, the ratio that it may have, our baseline, and how many runs."""

    measurement: Measurement
    allowed: float
    expected: float
    runs: int

    @property
    def passed(self) -> bool:
        """Whether the ratio is allowed."""
        return self.measurement.ratios[0] <= self.allowed

    def __str__(self) -> str:
        ratio = self.measurement.ratios[0]
        return (
            f"{self.measurement.label}: {ratio:.3g} × calibration, our baseline "
            f"{self.expected:.3g}, allowed {self.allowed:.3g} ({self.runs} run(s))"
        )


def allowed_ratio(key: str) -> tuple[float, float]:
    """Our baseline for a row, and the ratio that a run may have here."""
    row = baseline(measured_key(key) + ".ratio")
    is_same = row.source.startswith(fingerprint(machine()))
    slack = baseline(f"settings.gate.{'same' if is_same else 'other'}_machine").value
    return row.value, row.limit * (1 + slack)


def judge(case: Case, *, measure: Callable[[Case], Measurement] = measure_case) -> Judgement:
    """Measure a case, and once more, longer, if the first run is over the allowed ratio."""
    expected, allowed = allowed_ratio(case.key)
    first = measure(case)
    if first.ratios[0] <= allowed:
        return Judgement(first, allowed, expected, 1)
    second = measure(dataclasses.replace(case, repeats=CONFIRM * case.repeats))
    better = min(first, second, key=lambda one: one.ratios[0])
    return Judgement(better, allowed, expected, 2)
