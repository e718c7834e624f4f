"""A fit as a job: the request as plain values in, the result as plain values out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mfnjax.errors import MfnError, ParameterError

if TYPE_CHECKING:
    from mfnjax.fitting.result import FitResult


def prepare_fit(request: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Return the model, the objective and the options of `mfnjax.fit`.

    Raises:
        ParameterError: A name, a shape or a value is not accepted.
    """
    from mfnjax import Grid
    from mfnjax.fitting import pointwise
    from mfnjax.fitting.layout import plan
    from mfnjax.simulation.plain_sides import read_sides
    from mfnjax.simulation.problem import check_physics
    from mfnjax.simulation.spec import read_model
    from mfnjax.steppers import choose_stepper

    lengths = {len(row) for row in (*request["values"], *request["start"].values())}
    if len(lengths) != 1:
        raise ParameterError(
            f"values and start must be profiles of one length, got lengths {sorted(lengths)}"
        )
    named = ("model", "equation", "preset", "parameters")
    model = read_model({name: request[name] for name in named if request.get(name) is not None})
    measured = np.array(
        [[np.nan if v is None else v for v in row] for row in request["values"]], np.float32
    )
    start = {
        name: np.asarray(values, np.float32)[None] for name, values in request["start"].items()
    }
    shape = (1, measured.shape[1])
    boundary = read_sides(request["boundary"], shape, model.fields)
    grid = Grid(shape, spacing=request["spacing"], boundary=boundary)
    check_physics(model, grid, request["dt"], choose_stepper(model, request["stepper"]))
    objective = pointwise(
        {request["field"]: measured},
        start=start,
        grid=grid,
        steps=request["steps"],
        dt=request["dt"],
        sigma=request["sigma"],
        stepper=request["stepper"],
    )
    options = {
        "bounds": {name: tuple(pair) for name, pair in request["bounds"].items()},
        "fixed": request["fixed"],
        "starts": request["starts"],
        "max_steps": request["max_steps"],
    }
    # The names are looked at now: a mistake is an answer, not a job that fails later.
    names = {name: options[name] for name in ("bounds", "fixed")}
    plan({"": model}, {"": objective}, **names, free=None, shared=None)
    return model, objective, options


def run_fit(
    request: dict[str, Any], *, checkpoint: Path, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Fit, from the checkpoint where there is one, and judge the fit."""
    import jax

    from mfnjax import fit
    from mfnjax.fitting.plain_json import plain

    model, objective, options = prepare_fit(request)
    result = fit(
        model,
        objective,
        **options,
        key=jax.random.key(np.uint32(request["seed"])),
        checkpoint=checkpoint,
        resume=checkpoint.is_file(),
        progress=progress,
    )
    values: dict[str, Any] = plain({**result.to_dict(), **_judged(result, request)})
    return values


def _judged(result: FitResult, request: dict[str, Any]) -> dict[str, Any]:
    """Intervals, identifiability and misfit, as ``mfn fit`` tells them; or why there are none."""
    from mfnjax.fitting.report import report_fit

    try:
        report = report_fit(result, level=request["level"], profiles=request["profiles"])
    except MfnError as error:  # no more measurements than parameters, say: the fit itself stands
        return {"uncertainty": None, "remark": str(error)}
    parts = report.to_dict()
    del parts["fit"]
    return {**parts, "sentences": report.sentences()}
