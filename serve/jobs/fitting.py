"""A fit as a job: the request as plain values in, the result as plain values out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mfnjax.errors import ParameterError


def prepare_fit(request: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Return the model, the objective and the options of `mfnjax.fit`.

    Raises:
        ParameterError: A name, a shape or a value is not accepted.
    """
    from mfnjax import Grid, build_model
    from mfnjax.fitting import pointwise
    from mfnjax.fitting.layout import plan

    lengths = {len(row) for row in (*request["values"], *request["start"].values())}
    if len(lengths) != 1:
        raise ParameterError(
            f"values and start must be profiles of one length, got lengths {sorted(lengths)}"
        )
    model = build_model(request["model"], request["parameters"], preset=request["preset"])
    measured = np.array(
        [[np.nan if v is None else v for v in row] for row in request["values"]], np.float32
    )
    start = {
        name: np.asarray(values, np.float32)[None] for name, values in request["start"].items()
    }
    grid = Grid((1, measured.shape[1]), spacing=request["spacing"], boundary=request["boundary"])
    objective = pointwise(
        {request["field"]: measured},
        start=start,
        grid=grid,
        steps=request["steps"],
        dt=request["dt"],
        sigma=request["sigma"],
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
    """Fit, from the checkpoint where there is one."""
    import jax

    from mfnjax import fit

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
    plain: dict[str, Any] = _finite(result.to_dict())
    return plain


def _finite(value: Any) -> Any:
    """Plain values without NaN: what is not finite (after a start's end) is None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
