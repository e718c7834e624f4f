"""A table of profiles as an objective: the first time is the start, measured like the others."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np

from mfnjax._checks import check_real
from mfnjax.core.grid import Grid
from mfnjax.errors import ParameterError
from mfnjax.fitting.objectives.pointwise import Pointwise, pointwise
from mfnjax.fitting.table import Table, common_step
from mfnjax.models.base import Model
from mfnjax.steppers import choose_stepper, steppers_of

TIME_STEPS = 100
"""Steps over the whole span of time, at least."""

LARGEST_JACOBIAN = 2**27
"""Residuals × unknowns that a fit with an unknown start may have: 1 GiB."""


def table_objective(
    table: Table,
    model: Model,
    *,
    refine: int = 2,
    boundary: Any = "neumann",
    stepper: str | None = None,
    dt: float | None = None,
    noisy_start: bool = True,
) -> Pointwise:
    """The pointwise objective of a table, for a model of one field.

    The measurements are taken as means over intervals as wide as their spacing (as counts are),
    each of ``refine`` cells of the run. The unit of length and of time is the table's.

    Args:
        table: The measurements.
        model: The model; its one field is what was measured.
        refine: Cells of the run in one interval.
        boundary: Boundary of the run.
        stepper: Name; None takes ``etdrk4`` where boundary and transport allow, which has no bound
            of dt from the diffusion, else the model's own.
        dt: Largest time step; None: a hundredth of the span.
        noisy_start: Whether the first profile has an error of its own, which is estimated along:
            the table's standard deviations, or without them that of all other measurements.

    Raises:
        ParameterError: The model has several fields, or cannot be stepped with a dt of choice; a
            noisy start of too many positions.
        DataError: The times have no common step.
    """
    if len(model.fields) != 1:
        raise ParameterError(
            f"{type(model).__name__} has the fields {', '.join(model.fields)}; a table of one "
            "measured quantity fits models of one field"
        )
    if stepper is None:
        exact = "etdrk4" in steppers_of(model, Grid((1, 4), boundary=boundary))
        stepper = "etdrk4" if exact else choose_stepper(model, None).name
    if dt is not None:
        check_real("dt", dt, 0.0, np.inf, open_low=True)
    unknowns = len(table.positions) + len(dataclasses.fields(model))  # type: ignore[arg-type]
    if noisy_start and table.values.size * unknowns > LARGEST_JACOBIAN:
        raise ParameterError(
            f"{len(table.positions)} positions at {len(table.times)} times, with a start that is "
            "estimated along, are too many unknowns: take the start as exact (--no-start-noise), "
            "or average neighbouring positions"
        )
    span = float(table.times[-1] - table.times[0])
    step, counts = common_step(table.times, span / TIME_STEPS if dt is None else dt)
    (field,) = model.fields
    # Without standard deviations any number does: how large the noise is, the residuals tell.
    some = np.full_like(table.values, 0.05 * float(np.nanmax(np.abs(table.values))) or 1.0)
    sd = some if table.sd is None else np.nan_to_num(table.sd, nan=1.0)
    objective = pointwise(
        {field: table.values[1:]},
        start={field: table.values[0]},
        grid=Grid((1, len(table.positions) * refine), table.spacing / refine, boundary),
        steps=counts,
        dt=step,
        sigma={field: sd[1:]},
        start_sigma={field: sd[0]} if noisy_start else None,
        coarsen=refine,
        stepper=stepper,
    )
    return objective if table.sd is not None else replace(objective, has_sigma=False)


def scaled_start(table: Table, model: Model) -> dict[str, float]:
    """Start values at the scale of the table for a model of growth and spread, else none.

    D moves by a tenth of the width over the span of time, λ grows e-fold in a third of it, and K
    lies a little over all that was measured.
    """
    span = float(table.times[-1] - table.times[0])
    width = float(table.positions[-1] - table.positions[0])
    guesses = {
        "diffusivity": (width / 10) ** 2 / (2 * span),
        "growth_rate": 3 / span,
        "capacity": 1.2 * float(np.nanmax(table.values)),
    }
    is_growth = all(hasattr(model, name) for name in guesses)
    return guesses if is_growth else {}
