"""A fit and all that is said of it: how sure, what cannot be told, and where it is off."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from mfnjax.fitting.inference.identifiability import Identifiability, identifiability
from mfnjax.fitting.inference.misfit import Misfit, misfit
from mfnjax.fitting.inference.profiles import LowerMinimumWarning, Profile, one_sided, profile
from mfnjax.fitting.inference.start_assumptions import (
    Assumption,
    disagreements,
    start_assumptions,
)
from mfnjax.fitting.inference.uncertainty import Covariance, covariance
from mfnjax.fitting.plain_json import plain
from mfnjax.fitting.result import FitResult
from mfnjax.fitting.table import Table


@final
@dataclass(frozen=True)
class FitReport:
    """What `report_fit` gives.

    Attributes:
        result: The fit.
        covariance: How sure the parameters are; the intervals allow for a misfit, and for
            neighbouring residuals that are alike.
        identifiability: Which parameters the data can tell.
        misfit: Where and when the model is off.
        profiles: The profile of every parameter, or none.
        level: Level of the intervals.
        table: The table that the data are from, or None.
        assumptions: What is found under each assumption about a noisy start, or none.
    """

    result: FitResult
    covariance: Covariance
    identifiability: Identifiability
    misfit: Misfit
    profiles: tuple[Profile, ...]
    level: float
    table: Table | None
    assumptions: tuple[Assumption, ...] = ()

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Interval of each parameter; one-sided for one that ended where the loss is flat."""
        return _intervals(self.covariance, self.identifiability.limits, self.level)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values: None for what is not a finite number."""
        told, off, table = self.identifiability, self.misfit, self.table
        parts: dict[str, Any] = {
            "fit": self.result.to_dict(),
            "uncertainty": self.covariance.to_dict(self.level),
            "identifiability": {
                "identifiable": told.identifiable,
                "without_influence": told.without_influence,
                "confounded": told.confounded,
                "limits": {name: list(ends) for name, ends in told.limits.items()},
                "condition_number": told.condition_number,
                "poorly_determined": [direction.components for direction in told.sloppy],
            },
            "misfit": {
                "reduced_chi_square": off.reduced if off.known else None,
                "noise": None if off.known else off.noise,
                "where": off.sentences(table, most=8),
            },
        }
        for name in told.limits:
            low, high = self.intervals()[name]
            parts["uncertainty"]["parameters"][name] |= {"low": low, "high": high}
        if table is not None:
            parts["data"] = {
                "positions": len(table.positions),
                "times": table.times.tolist(),
                "measurements": int(np.isfinite(table.values).sum()),
                "sd_floor": table.floor,
                "sd_raised_to_floor": table.raised,
            }
        if self.assumptions:
            parts["start_assumptions"] = [one.to_dict() for one in self.assumptions]
            parts["start_decides"] = disagreements(self.assumptions)
        if self.profiles:
            parts["profiles"] = {found.name: found.to_dict() for found in self.profiles}
        return dict(plain(parts))

    def sentences(self) -> list[str]:
        """What a person wants to read beside the parameters and their intervals."""
        off, rho = self.misfit, self.covariance.correlation_along_x
        if off.known:
            widened = "; the intervals are widened by its root" if off.reduced > 1 else ""
            lines = [f"χ² per degree of freedom {off.reduced:.2f}{widened}."]
        else:
            lines = [f"Noise, estimated from the residuals: {off.noise:.3g}."]
        if rho:
            lines.append(
                f"Neighbouring residuals are correlated by {rho:.2f}; the intervals allow for it."
            )
        lines.append(self.identifiability.text())
        if decided := disagreements(self.assumptions):
            lines.append(
                f"What is assumed of the first profile decides about {', '.join(decided)}: by more "
                "than the intervals allow. None of them is to be trusted alone."
            )
        lines += [f"Misfit: {sentence}." for sentence in off.sentences(self.table)]
        for found in self.profiles:
            low, high = ("open" if end is None else f"{end:.6g}" for end in found.interval)
            lines.append(f"Profile of {found.name}, {100 * found.level:g} %: {low} … {high}.")
            if found.better is not None:
                at = ", ".join(f"{name} = {value:.6g}" for name, value in found.better.items())
                lines.append(
                    f"  χ² is lower by {found.fall:.3g} at {at}: the fit was not at the lowest "
                    "minimum; start another there, or from more places."
                )
        return lines


def report_fit(
    result: FitResult,
    *,
    table: Table | None = None,
    level: float = 0.9,
    profiles: bool = False,
    assumptions: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FitReport:
    """Judge a fit of one profile over time: intervals, identifiability, misfit.

    Where the model is off by more than the noise that was given, the noise alone says too little:
    the intervals are widened by the root of χ² per degree of freedom.

    Args:
        result: The fit of a `pointwise` objective of one field on a grid (1, W).
        table: The table that the data are from: places and times are then told in its words.
        level: Level of the intervals.
        profiles: Whether every parameter is profiled (which takes longer).
        assumptions: Whether to fit again under other assumptions about a noisy start.
        progress: Called with (iterations done, at most) of the profiles.

    Returns:
        The report.

    Raises:
        ParameterError: Another kind of objective, or no more measurements than parameters.
        FitError: The derivatives are not finite at the fit.
    """
    off = misfit(result)
    scale = max(off.reduced, 1.0) if off.known else None
    sure = covariance(result, scale=scale, along_x=True)
    sure.intervals(level)  # a level that is not accepted is refused before the profiles
    told = identifiability(result, scale=scale)
    told = replace(told, limits=_limits(sure, level))
    ends = _intervals(sure, told.limits, level)
    assumed = start_assumptions(sure, ends, level) if assumptions else ()
    names = sure.names if profiles else ()
    found: list[Profile] = []

    def done(iterations: int, most: int) -> None:
        if progress is not None:
            progress(len(found) * most + iterations, len(names) * most)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LowerMinimumWarning)  # the report tells it
        for name in names:
            found += [profile(result, name, level=level, scale=sure.scale, progress=done)]
    return FitReport(result, sure, told, off, tuple(found), level, table, assumed)


FLAT = 5.0
"""Standard error of a free parameter, of a logarithm say, from which on it says nothing."""


def _limits(sure: Covariance, level: float) -> dict[str, tuple[float | None, float | None]]:
    """What the data say of parameters that ended where the loss is flat, if anything."""
    errors = np.sqrt(np.diag(sure.free))
    names = [name for name, error in zip(sure.names, errors, strict=True) if not error < FLAT]
    found = {name: one_sided(sure.result, name, level=level, scale=sure.scale) for name in names}
    return {name: ends for name, ends in found.items() if ends != (None, None)}


def _intervals(
    sure: Covariance, limits: dict[str, tuple[float | None, float | None]], level: float
) -> dict[str, tuple[float, float]]:
    ends = dict(sure.intervals(level))
    for entry in sure.result.layout.entries:
        if entry.name in limits:
            low, high = limits[entry.name]
            least, most = (float(entry.transform.forward(jnp.array(y))) for y in (-1e4, 1e4))
            ends[entry.name] = (least if low is None else low, most if high is None else high)
    return ends
