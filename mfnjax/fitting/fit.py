"""`fit`: the parameters of a model from data."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_bool, check_int, check_key, check_real, shown
from mfnjax._files import check_writable
from mfnjax._progress import ProgressBar
from mfnjax.errors import FitError, ParameterError
from mfnjax.fitting.checkpoint import fingerprint
from mfnjax.fitting.engines import STATUSES, Engine, FirstOrder, Lane, LevenbergMarquardt, extra
from mfnjax.fitting.lanes import Problem, Store, descend
from mfnjax.fitting.layout import Layout, Models, Objectives, finite, plan
from mfnjax.fitting.objectives.objective import CallableObjective, Objective
from mfnjax.fitting.result import FitResult, StartReport
from mfnjax.fitting.transforms import Interval
from mfnjax.models.base import Model

LEVENBERG_MARQUARDT = "levenberg-marquardt"


def fit(
    model: Model | Mapping[str, Model],
    objective: Objective | Mapping[str, Objective] | Callable[[Model], Any],
    *,
    bounds: Mapping[str, Any] | None = None,
    fixed: Collection[str] | Mapping[str, float] = (),
    free: Collection[str] | None = None,
    shared: Sequence[str | tuple[str, ...]] | None = None,
    optimizer: Any = None,
    starts: int | Sequence[Mapping[str, float]] = 1,
    spread: float = 0.5,
    max_steps: int | None = None,
    tolerance: float | None = None,
    patience: int | None = None,
    progress: bool | Callable[[int, int], None] = False,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    key: jax.Array | None = None,
) -> FitResult:
    """Find the parameters of ``model`` that make ``objective`` smallest.

    Args:
        model: The model; its own parameters are the first start. With several data sets it may be
            a model each.
        objective: What to make small: an `Objective`, a function of the model, or several data
            sets, name → objective, whose losses are added.
        bounds: Parameter → (low, high), None for an open end, or a `Transform`. Without bounds a
            parameter that starts positive stays positive, any other is free.
        fixed: Parameters that are not fitted; as a mapping also their values.
        free: The parameters that are fitted, instead of all that are not ``fixed``.
        shared: With several data sets, the parameters that have one value for all; the others have
            one each (None: all are shared). A tuple of names ties parameters of the model to one
            value.
        optimizer: An optax transformation, or ``"levenberg-marquardt"``. None: Levenberg–Marquardt
            for least squares, else L-BFGS.
        starts: Number of starts, the first at the model's own parameters, the others drawn around
            it with ``key``: uniform between two bounds, else log-normal or normal. Or the starts
            themselves, each name → value (what is left out is the model's own).
        spread: Standard deviation of the drawn starts, relative to the value.
        max_steps: Iterations at most; None: 200 of Levenberg–Marquardt, 2000 of others.
        tolerance: When to stop: for Levenberg–Marquardt the change of parameters and residuals,
            else the relative fall of the loss over ``patience`` iterations.
        patience: Iterations without progress before a start ends; None: 16 refused steps of
            Levenberg–Marquardt, 50 of others.
        progress: True shows a bar on a terminal; or a function of (iterations, at most).
        checkpoint: File that the state is kept in, so that an interrupted fit can be resumed.
        resume: Go on from the checkpoint: ends as without an interruption, in one process with
            the same bits.
        key: Key of the starts.

    Returns:
        A `FitResult` with a status for every start. A start that meets a NaN ends alone.

    Raises:
        ParameterError: Something is not accepted; or a library of the extra ``fit`` is missing.
        DataError: The checkpoint is of another fit.
        FitError: Not one start led to a finite loss.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import FisherKPPModel, Grid, fit, simulate
        >>> from mfnjax.fitting import pointwise
        >>> grid = Grid((1, 32), boundary="neumann")
        >>> start = {"u": jnp.where(jnp.arange(32) < 16, 0.8, 0.0)[None]}
        >>> truth = FisherKPPModel(diffusivity=0.8, growth_rate=0.1)
        >>> seen = simulate(truth, start, grid=grid, steps=40, dt=0.25, save_every=20)
        >>> data = pointwise(seen.history.asdict(), start=start, grid=grid, steps=[20, 40], dt=0.25)
        >>> result = fit(FisherKPPModel(0.4, 0.2), data, fixed=["capacity"])
        >>> result.status, round(result.parameters["diffusivity"], 3)
        ('converged', 0.8)
    """
    began = time.monotonic()
    models, objectives = _data_sets(model, objective)
    models, layout = plan(models, objectives, bounds=bounds, fixed=fixed, free=free, shared=shared)
    engine = _engine(objectives, optimizer, layout, tolerance, patience)
    if max_steps is None:
        max_steps = 200 if engine.squares else 2000
    check_int("max_steps", max_steps, 1, 10**9)
    check_bool("resume", resume)
    if not callable(progress):
        check_bool("progress", progress)
    first = draw_starts(layout, models, objectives, starts, spread=spread, key=key)
    problem = Problem(models, objectives)
    store = _store(checkpoint, resume, problem, first, layout, engine)
    bar: Any = ProgressBar("Fitting") if progress is True else nullcontext(progress or None)
    with bar as told:
        lanes, history = descend(
            first,
            problem,
            layout=layout,
            engine=engine,
            max_steps=max_steps,
            progress=told,
            store=store,
        )
    return _result(lanes, history, first, problem, layout, time.monotonic() - began)


def _data_sets(model: Any, objective: Any) -> tuple[Models, Objectives]:
    objectives = dict(objective) if isinstance(objective, Mapping) else {"": objective}
    if not objectives:
        raise ParameterError("fit needs at least one objective")
    for label, one in objectives.items():
        if not isinstance(one, Objective):
            if not callable(one) or isinstance(one, type):
                raise ParameterError(
                    f"an objective must be an Objective or a function, got {shown(one)}"
                )
            objectives[label] = CallableObjective(one)
    models = dict(model) if isinstance(model, Mapping) else dict.fromkeys(objectives, model)
    if set(models) != set(objectives):
        raise ParameterError(
            f"models and objectives must be of the same data sets, got {', '.join(models)} and "
            f"{', '.join(objectives)}"
        )
    kinds = {type(one) for one in models.values()}
    if len(kinds) != 1 or not issubclass(next(iter(kinds)), Model):
        named = ", ".join(kind.__name__ for kind in kinds)
        raise ParameterError(f"model must be one kind of Model, got {named}")
    return {label: models[label] for label in objectives}, objectives


def _engine(
    objectives: Objectives,
    optimizer: Any,
    layout: Layout,
    tolerance: float | None,
    patience: int | None,
) -> Engine:
    squares = all(objective.is_least_squares for objective in objectives.values())
    chosen = optimizer
    if optimizer is None:
        chosen = LEVENBERG_MARQUARDT if squares else lbfgs()
    precision = float(np.finfo(layout.dtype).eps)
    if tolerance is not None:
        check_real("tolerance", tolerance, 0.0, 1.0, open_low=True)
    if patience is not None:
        check_int("patience", patience, 1, 10**9)
    if isinstance(chosen, str):
        if chosen != LEVENBERG_MARQUARDT:
            raise ParameterError(
                f"optimizer must be an optax transformation or {LEVENBERG_MARQUARDT!r}, got "
                f"{chosen!r}"
            )
        if not squares:
            raise ParameterError(
                "Levenberg-Marquardt needs a least-squares objective; leave the optimizer out, or "
                "give an optax transformation"
            )
        extra("optimistix")
        return LevenbergMarquardt(tolerance or 32 * precision**0.75, patience or 16)
    return FirstOrder(chosen, tolerance or 32 * precision**0.75, patience or 50)


def default_engine(objectives: Objectives, layout: Layout) -> Engine:
    """How `fit` descends where it is not told: Levenberg–Marquardt, or L-BFGS."""
    return _engine(objectives, None, layout, None, None)


@lru_cache(maxsize=1)
def lbfgs() -> Any:
    """One L-BFGS for all fits, so that the second of a kind compiles nothing."""
    return extra("optax").lbfgs()


def draw_starts(
    layout: Layout,
    models: Models,
    objectives: Objectives,
    starts: int | Sequence[Mapping[str, float]],
    *,
    spread: float,
    key: jax.Array | None,
) -> np.ndarray:
    """y of every start, (starts, p).

    Raises:
        ParameterError: The starts are no number and no list of names and values; no key.
    """
    own = layout.start(models, objectives)
    if not isinstance(starts, (int, np.integer)):
        symbols = type(next(iter(models.values()))).symbols
        return _given_starts(layout, own, starts, symbols)
    check_int("starts", starts, 1, 10**6)
    check_real("spread", spread, 0.0, 100.0, open_low=True)
    if starts == 1:
        return own[None]
    if key is None:
        raise ParameterError("several starts are drawn: pass key=jax.random.key(seed)")
    key = check_key(key)
    count, width = starts - 1, layout.num_parameters
    deviates = np.asarray(jax.random.normal(key, (count, width), layout.dtype))
    uniforms = np.asarray(jax.random.logistic(jax.random.fold_in(key, 1), (count, width)))
    drawn = np.tile(own, (count, 1))
    for index, entry in enumerate(layout.entries):
        between = isinstance(entry.transform, Interval) and np.all(
            np.isfinite([entry.transform.low, entry.transform.high])
        )
        # The logistic of a logistic deviate is uniform between the bounds.
        around = own[index] + spread * deviates[:, index]
        drawn[:, index] = uniforms[:, index] if between else around
    return np.concatenate([own[None], drawn]).astype(layout.dtype)


def _given_starts(
    layout: Layout, own: np.ndarray, starts: Any, symbols: Mapping[str, str]
) -> np.ndarray:
    rows = []
    try:
        listed = [dict(start) for start in starts]
    except (TypeError, ValueError):
        listed = []
    if not listed:
        raise ParameterError(
            f"starts must be a number or a list of mappings name → value, got {shown(starts)}"
        )
    for start in listed:
        row = own.copy()
        named = [symbols.get(given, given) for given in start]
        for name, (given, value) in zip(named, start.items(), strict=True):
            finite(f"starts: {given}", value)
            if named.count(name) > 1:
                raise ParameterError(f"starts: {name} is named twice ({', '.join(start)})")
            if name not in layout.names:
                raise ParameterError(
                    f"starts: {name!r} is not fitted; fitted are {', '.join(layout.names)}"
                )
            index = layout.names.index(name)
            transform = layout.entries[index].transform
            if not transform.contains(float(value)):
                raise ParameterError(
                    f"starts: {name} = {value!r} is not inside its bounds ({transform})"
                )
            row[index] = float(transform.inverse(jnp.asarray(float(value))))
        rows.append(row)
    return np.stack(rows)


def _store(
    checkpoint: str | Path | None,
    resume: bool,
    problem: Problem,
    first: np.ndarray,
    layout: Layout,
    engine: Engine,
) -> Store | None:
    if checkpoint is None:
        if resume:
            raise ParameterError("resume=True needs checkpoint=: the file to go on from")
        return None
    if not isinstance(checkpoint, (str, Path)):
        raise ParameterError(f"checkpoint must be the path of a file, got {shown(checkpoint)}")
    path = Path(checkpoint) if resume else check_writable(checkpoint)
    kind = (type(engine).__name__, getattr(engine, "tolerance", None), engine.patience)  # type: ignore[attr-defined]
    return Store(path, fingerprint(problem, first, str(layout), str(kind)), resume)


def _result(
    lanes: Lane,
    history: np.ndarray,
    first: np.ndarray,
    problem: Problem,
    layout: Layout,
    seconds: float,
) -> FitResult:
    losses, codes = np.asarray(lanes.loss, float), np.asarray(lanes.code)
    ends, gradients = np.asarray(lanes.best), np.asarray(lanes.gradient, float)
    losses = np.where(np.isfinite(losses), losses, np.nan)
    starts = tuple(
        StartReport(
            status=STATUSES[codes[k]],
            loss=float(losses[k]),
            iterations=int(lanes.iterations[k]),
            gradient=float(gradients[k]),
            start=layout.values(first[k]),
            parameters=layout.values(ends[k]),
        )
        for k in range(len(first))
    )
    if not np.any(np.isfinite(losses)):
        told = "; ".join(f"{_listed(start.start)}: {start.status}" for start in starts[:3])
        more = f"; and {len(starts) - 3} more" if len(starts) > 3 else ""
        raise FitError(f"no start led to a finite loss ({told}{more})")
    best = int(np.nanargmin(losses))
    models, _ = layout.unpack(jnp.asarray(ends[best]), problem.models)
    models = {label: jax.tree.map(_number, one) for label, one in models.items()}
    return FitResult(
        parameters=starts[best].parameters,
        model=models[""] if set(models) == {""} else models,
        loss=float(losses[best]),
        status=starts[best].status,
        starts=starts,
        history=history[:, : int(np.max(lanes.iterations))],
        seconds=seconds,
        free=ends[best],
        layout=layout,
        models=problem.models,
        objectives=problem.objectives,
    )


def _number(leaf: Any) -> Any:
    return float(leaf) if np.ndim(leaf) == 0 else leaf


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:.4g}" for name, value in values.items()) or "the start"
