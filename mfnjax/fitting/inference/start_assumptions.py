"""What a fit finds under each assumption about a start that was measured with noise.

Where data are few, what is assumed of the start decides: estimated along, it may absorb what
diffusion does; taken as measured, its noise is taken for structure. So they are told side by side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, final

from mfnjax.errors import FitError
from mfnjax.fitting.fit import fit
from mfnjax.fitting.inference.integrated import integrate_start
from mfnjax.fitting.inference.misfit import misfit
from mfnjax.fitting.inference.uncertainty import Covariance, covariance
from mfnjax.fitting.objectives.pointwise import Pointwise
from mfnjax.fitting.plain_json import plain
from mfnjax.fitting.result import FitResult

Interval = tuple[float | None, float | None]


@final
@dataclass(frozen=True)
class Assumption:
    """What one assumption about the start leads to.

    Attributes:
        start: ``estimated along``, ``integrated out`` or ``as measured``.
        values: The parameters.
        intervals: Their intervals; an end is None where the data set no limit.
    """

    start: str
    values: dict[str, float]
    intervals: dict[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dict(plain(dataclasses.asdict(self)))


def start_assumptions(
    sure: Covariance, ends: Mapping[str, Interval], level: float = 0.9
) -> tuple[Assumption, ...]:
    """Fit again with the start integrated out, and as measured.

    Args:
        sure: The covariance of a fit of one `Pointwise` objective with a noisy start.
        ends: The intervals of that fit.
        level: Level of the intervals.

    Returns:
        Three `Assumption`, the fit's own first; none where the start was taken as exact, or where
        another assumption leads to a run that is not finite.
    """
    result = sure.result
    if list(result.objectives) != [""] or not result.layout.num_unknowns:
        return ()
    objective = result.objectives[""]
    if not isinstance(objective, Pointwise):
        return ()
    own = Assumption("estimated along", sure.values, dict(ends))
    try:
        integrated = integrate_start(result, level=level, scale=sure.scale)
        exact = _as_measured(result, objective)
        off = misfit(exact)
        scale = max(off.reduced, 1.0) if off.known else None
        measured = covariance(exact, scale=scale, along_x=True).intervals(level)
    except FitError:  # the run is not finite there: the fit itself stands
        return ()
    return (
        own,
        Assumption("integrated out", integrated.values, integrated.intervals),
        Assumption("as measured", exact.parameters, dict(measured)),
    )


def disagreements(assumptions: tuple[Assumption, ...]) -> tuple[str, ...]:
    """The parameters whose value under one assumption is outside the interval of another."""
    names = assumptions[0].values if assumptions else {}
    return tuple(
        name
        for name in names
        if any(
            not _inside(one.values[name], other.intervals[name])
            for one, other in permutations(assumptions, 2)
        )
    )


def _inside(value: float, interval: Interval) -> bool:
    low, high = interval
    return (low is None or value >= low) and (high is None or value <= high)


def _as_measured(result: FitResult, objective: Pointwise) -> FitResult:
    model = result.models[""]
    return fit(
        model,
        dataclasses.replace(objective, start_sigma={}),
        free=list(result.layout.names),
        bounds={entry.name: entry.transform for entry in result.layout.entries},
    )
