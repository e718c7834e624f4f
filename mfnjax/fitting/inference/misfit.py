"""Where and when a fit is off: the longest runs of residuals of one sign."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from mfnjax.errors import ParameterError
from mfnjax.fitting.objectives.pointwise import Pointwise
from mfnjax.fitting.result import FitResult
from mfnjax.fitting.table import Table


@final
@dataclass(frozen=True)
class Misfit:
    """Where and when a fit is off.

    Attributes:
        residuals: (model − data)/σ, (T, W), NaN where nothing was measured; the first row is that
            of the estimated start, NaN where the start was taken as exact.
        known: Whether σ was given; else it is estimated from the residuals.
        noise: Mean σ, in the unit of the data.
        chi_square: Σ of their squares, noise of the start included.
        degrees_of_freedom: Measurements less parameters (a start's unknowns cancel its data).
        places: (time index, first column, last column, mean residual) of the worst runs of one
            sign, the worst first.
    """

    residuals: np.ndarray
    positions: np.ndarray
    times: np.ndarray
    known: bool
    noise: float
    chi_square: float
    degrees_of_freedom: int
    places: tuple[tuple[int, int, int, float], ...]

    @property
    def reduced(self) -> float:
        """χ² by its degrees of freedom."""
        return self.chi_square / self.degrees_of_freedom

    def sentences(self, table: Table | None = None, *, most: int = 4) -> list[str]:
        """The worst places in words; in those of the table, where the data are from one."""
        at, names = (self, {"t": "t", "x": "x"}) if table is None else (table, table.names)
        return [
            f"at {names['t']} = {at.times[time]:g} the model is too "
            f"{'high' if mean > 0 else 'low'} for {names['x']} = {at.positions[first]:g} … "
            f"{at.positions[last]:g} (by {abs(mean):.1f} σ on average)"
            for time, first, last, mean in self.places[:most]
        ]


def misfit(result: FitResult, label: str = "") -> Misfit:
    """The residuals of one data set of a fit, and the longest runs of one sign among them.

    Raises:
        ParameterError: The data are not one field of one row of cells; or there are no more
            measurements than parameters.
    """
    objective = result.objectives[label]
    if not isinstance(objective, Pointwise) or len(objective.data) != 1:
        raise ParameterError("where a fit is off is told of pointwise data of one field")
    model, unknowns = result.fitted_models[label], result.unknowns[label]
    (name,) = objective.data
    residuals = np.asarray(objective.residual_fields(model, unknowns)[name], float)[:, 0]
    residuals = np.where(np.asarray(objective.mask[name])[:, 0], residuals, np.nan)
    start = np.full((1, residuals.shape[1]), np.nan)
    for z in unknowns.values():
        start = np.asarray(z, float)
    residuals = np.concatenate([start, residuals])
    own = objective.num_residuals - len(result.layout.entries) - result.layout.num_unknowns
    if own < 1:
        raise ParameterError(
            f"no more measurements ({objective.num_residuals - result.layout.num_unknowns}) than "
            f"parameters ({len(result.layout.entries)}): how well the model fits cannot be told"
        )
    known = objective.noise_is_known
    factor = 1.0 if known else float(np.sqrt(max(2 * result.loss / own, np.finfo(float).tiny)))
    residuals = residuals / factor
    noise = factor * float(np.mean(np.asarray(objective.sigma[name])))
    runs = []
    for time, row in enumerate(residuals):
        for first, last in _runs(np.sign(np.nan_to_num(row))):
            part = row[first : last + 1]
            # A run of n residuals of unit noise has the sum √n: this is its strength.
            runs.append((abs(part.sum()) / np.sqrt(len(part)), (time, first, last, part.mean())))
    runs.sort(key=lambda run: -run[0])
    places = tuple(place for strength, place in runs if strength > 2.5)
    columns = objective.columns
    width = objective.settings.grid.spacings[-1] * objective.coarsen[-1]
    cells = np.arange(residuals.shape[1]) if columns is None else np.asarray(columns)
    times = float(objective.settings.dt) * np.asarray([0, *objective.steps])
    return Misfit(
        residuals,
        (cells + 0.5) * width,
        times,
        known,
        noise,
        2 * result.loss / factor**2,
        own,
        places,
    )


def _runs(signs: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of every run of one sign, ± alike, zeros left out."""
    edges = np.flatnonzero(np.diff(signs)) + 1
    bounds = np.concatenate([[0], edges, [len(signs)]])
    return [(int(a), int(b) - 1) for a, b in pairwise(bounds) if signs[a] != 0]
