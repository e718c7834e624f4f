"""Rows → numbers: batches of one grid size, on as many threads as there are cores.

XLA lets go of Python's lock while it computes, so two threads are two cores. What a row holds does
not depend on how rows are batched: see `mfnjax.dataset.kernel`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.dataset import kernel
from mfnjax.dataset.plan import Plan
from mfnjax.dataset.sampling import Columns
from mfnjax.dataset.schema import build_table, drop_rows, generic_features, schema_of
from mfnjax.errors import MfnError
from mfnjax.features.config import FeatureConfig
from mfnjax.features.record import FEATURE_NAMES
from mfnjax.features.vector import HOST_CELLS
from mfnjax.models import MyceliumModel, build_model, get_model
from mfnjax.simulation.chunks import CHUNK_CELL_STEPS
from mfnjax.simulation.simulation import simulate
from mfnjax.v41.config import SimulationConfig

logger = logging.getLogger("mfnjax.dataset")

BATCH_SIZE = 32
"""Rows of one compiled call: enough that the call itself costs nothing, and few enough that
Ctrl-C is heeded soon."""

PADDED_ROWS = 64
"""The arguments of a call are padded to a multiple of this many rows, so that batches of up to as
many are one program. Padding costs nothing: the number of rows that are run is traced."""

_RUN_ERRORS = (MfnError, ArithmeticError, RuntimeError, MemoryError)
"""What one simulation may fail with (XLA's own errors are RuntimeErrors); the others go on."""


@final
@dataclass(frozen=True)
class Failure:
    """A simulation that failed: its row, its parameters, and why."""

    sim_id: int
    parameters: dict[str, Any]
    error: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@final
@dataclass(frozen=True)
class Part:
    """The rows of one part: a table of those that ran, the others, and the saved fields.

    ``fields`` is grid size → (sim_id (n,), fields (n, C, H, W)); empty unless they are saved.
    """

    index: int
    table: Any
    failures: tuple[Failure, ...]
    fields: dict[int, tuple[np.ndarray, np.ndarray]]


@final
@dataclass(frozen=True)
class _Batch:
    """What a batch gives: columns of its rows, fields (n, C, H, W), and row → error."""

    places: np.ndarray
    columns: Columns
    fields: np.ndarray | None
    errors: dict[int, str]


def compute_parts(
    plan: Plan,
    parts: Iterable[int],
    *,
    workers: int,
    batch_size: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Part]:
    """Compute parts, several at a time, and give them in order.

    Args:
        plan: The sweep.
        parts: Indices of the parts to make.
        workers: Threads.
        batch_size: Most rows of one compiled call; None takes `BATCH_SIZE`.
        progress: Called with a number of rows as they are done.
    """
    size = batch_size or BATCH_SIZE
    with ThreadPoolExecutor(workers, thread_name_prefix="mfnjax-dataset") as pool:
        waiting: deque[tuple[int, Columns, list[Future[_Batch]]]] = deque()
        try:
            for part in parts:
                rows = plan.sample(*plan.rows(part))
                batches = list(_batches(rows, size, workers))
                futures = [pool.submit(_run_batch, plan, rows, at) for at in batches]
                waiting.append((part, rows, futures))
                # Enough behind the first part that no thread waits while it is written.
                while sum(not f.done() for _, _, fs in waiting for f in fs) > 2 * workers:
                    yield _gather(plan, *waiting.popleft(), progress)
            while waiting:
                yield _gather(plan, *waiting.popleft(), progress)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _batches(rows: Columns, size: int, workers: int) -> Iterator[np.ndarray]:
    """Places of the rows of each batch: one grid size, at most ``size`` rows, the slow first."""
    for grid_size in sorted(set(rows["grid_size"].tolist()), reverse=True):
        places = np.flatnonzero(rows["grid_size"] == grid_size)
        step = max(1, min(size, -(-len(places) // workers)))
        for start in range(0, len(places), step):
            yield places[start : start + step]


def _gather(
    plan: Plan,
    part: int,
    rows: Columns,
    futures: list[Future[_Batch]],
    progress: Callable[[int], None] | None,
) -> Part:
    """Wait for the batches of a part and put their rows in order."""
    keep = np.ones(len(rows["sim_id"]), bool)
    columns = dict(rows)
    errors: dict[int, str] = {}
    pieces: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for future in futures:
        batch = future.result()
        errors.update(batch.errors)
        good = np.array([place not in batch.errors for place in batch.places], bool)
        for name, values in batch.columns.items():
            target = columns.setdefault(name, np.zeros(len(keep), values.dtype))
            target[batch.places[good]] = values[good]
        if batch.fields is not None:
            where = batch.places[good]
            size = int(rows["grid_size"][batch.places[0]])
            pieces.setdefault(size, []).append((rows["sim_id"][where], batch.fields[good]))
        if progress is not None:
            progress(len(batch.places))
    keep[list(errors)] = False
    failures = tuple(_failure(rows, place, errors[place]) for place in sorted(errors))
    fields = {
        size: (np.concatenate([i for i, _ in found]), np.concatenate([f for _, f in found]))
        for size, found in sorted(pieces.items())
    }
    for name in schema_of(plan).names:
        columns.setdefault(name, np.zeros(len(keep)))  # only where every row failed
    return Part(part, build_table(plan, drop_rows(columns, keep)), failures, fields)


def _failure(rows: Columns, place: int, error: str) -> Failure:
    parameters = {name: values[place].item() for name, values in rows.items() if name != "sim_id"}
    failure = Failure(int(rows["sim_id"][place]), parameters, error)
    said = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    logger.error("simulation %d failed: %s (%s)", failure.sim_id, error, said)
    return failure


def _run_batch(plan: Plan, rows: Columns, places: np.ndarray) -> _Batch:
    """Run one batch; if it fails as a whole, its rows one at a time."""
    picked = {name: values[places] for name, values in rows.items()}
    try:
        columns, fields, errors = _run_rows(plan, picked)
    except _RUN_ERRORS as error:
        if len(places) == 1:
            return _failed(plan, places, error)
        singles = [_run_batch(plan, rows, places[k : k + 1]) for k in range(len(places))]
        return _joined(places, singles)
    return _Batch(places, columns, fields, {int(places[k]): text for k, text in errors.items()})


def _failed(plan: Plan, places: np.ndarray, error: BaseException) -> _Batch:
    text = " ".join(str(error).split()) or type(error).__name__
    return _Batch(places, {}, None, {int(places[0]): text})


def _joined(places: np.ndarray, singles: list[_Batch]) -> _Batch:
    """Batches of one row as one; a row that failed holds zeros, which nobody reads."""
    ran = [single for single in singles if single.columns]
    columns = {
        name: np.array([s.columns[name][0] if s.columns else 0 for s in singles], values.dtype)
        for name, values in (ran[0].columns.items() if ran else ())
    }
    fields = None
    if ran and ran[0].fields is not None:
        empty = np.zeros_like(ran[0].fields)
        fields = np.concatenate([empty if s.fields is None else s.fields for s in singles])
    errors = {place: text for single in singles for place, text in single.errors.items()}
    return _Batch(places, columns, fields, errors)


def _run_rows(plan: Plan, rows: Columns) -> tuple[Columns, np.ndarray | None, dict[int, str]]:
    """Columns, fields and errors (place in the batch → text) of rows of one grid size."""
    if plan.model is not None:
        return _run_generic(plan, plan.model, rows)
    cells = int(rows["grid_size"][0]) ** 2
    small = cells <= HOST_CELLS and cells * _capacity(plan) <= CHUNK_CELL_STEPS
    return _run_compiled(plan, rows) if small else _run_documented(plan, rows)


def _capacity(plan: Plan) -> int:
    """Room for the longest run: a multiple of 64, so that like sweeps share a program."""
    return -(-plan.config.steps_range[1] // 64) * 64


def _run_compiled(plan: Plan, rows: Columns) -> tuple[Columns, np.ndarray | None, dict[int, str]]:
    """A batch in one compiled call."""
    count = len(rows["sim_id"])
    size = -(-count // PADDED_ROWS) * PADDED_ROWS

    def padded(name: str, dtype: Any) -> np.ndarray:
        values = np.zeros(size, dtype)
        values[:count] = rows[name]
        return values

    kinds = {"random_seed": np.uint32, "steps": np.int32, "turing_enabled": np.bool_}
    numbers = ("alpha", "spike_probability", "turing_threshold")
    arguments = {name: padded(name, dtype) for name, dtype in kinds.items()}
    arguments |= {name: padded(name, np.float32) for name in numbers}
    static = {
        "size": int(rows["grid_size"][0]),
        "capacity": _capacity(plan),
        "switches": tuple(sorted(set(plan.config.turing_values))),
    }

    def call() -> list[np.ndarray]:
        *found, fields = kernel.mycelium_rows(arguments, np.int32(count), **static)
        # The fields leave the device only if somebody wants them.
        return [np.asarray(array) for array in (*found, *([fields] * plan.save_fields))]

    features, counts, first_bad, *fields = kernel.FIRST_CALLS.call((size, *static.values()), call)
    errors = {
        int(k): str(kernel.instability(MyceliumModel, first_bad[k]))
        for k in np.flatnonzero(first_bad[:count] >= 0)
    }
    errors = {**_not_finite(features[:count], FEATURE_NAMES), **errors}
    columns = _as_columns(features[:count], FEATURE_NAMES, counts[:count], MyceliumModel.counters)
    return columns, fields[0][:count, None] if fields else None, errors


def _not_finite(features: np.ndarray, names: Iterable[str]) -> dict[int, str]:
    """Place of a row → what is wrong, for rows that hold a NaN or an infinity.

    A run may end finite and yet so large that its moments overflow.
    """
    bad = ~np.isfinite(features)
    names = tuple(names)
    return {
        int(k): f"feature {names[int(bad[k].argmax())]!r} is not finite"
        for k in np.flatnonzero(bad.any(axis=1))
    }


def _as_columns(
    features: np.ndarray, names: Iterable[str], counts: np.ndarray, counters: Iterable[str]
) -> Columns:
    measured = dict(zip(names, features.T.astype(np.float64), strict=True))
    counted = dict(zip(counters, counts.T.astype(np.int64), strict=True))
    return {**measured, **counted}


def _run_documented(plan: Plan, rows: Columns) -> tuple[Columns, np.ndarray | None, dict[int, str]]:
    """Rows whose history is too large for one call: the documented layer, which runs in chunks."""
    from mfnjax.v41.run import compute_fractal_features, run_mycelium_simulation_with_history

    def run(row: dict[str, Any]) -> tuple[np.ndarray, list[int], tuple[np.ndarray, ...]]:
        config = row_config(row)
        result = run_mycelium_simulation_with_history(config)
        counts = [getattr(result, name) for name in MyceliumModel.counters]
        vector = compute_fractal_features(result, FeatureConfig()).to_array()
        return vector, counts, (result.field,)

    return _one_by_one(plan, rows, run, FEATURE_NAMES, MyceliumModel.counters)


def row_config(row: dict[str, Any]) -> SimulationConfig:
    """The documented configuration of a row of the v4.1 table."""
    names = ("grid_size", "steps", "alpha", "spike_probability", "turing_threshold")
    return SimulationConfig(
        **{name: row[name] for name in names},
        turing_enabled=row["turing_enabled"],
        seed=row["random_seed"],
    )


def _run_generic(
    plan: Plan, name: str, rows: Columns
) -> tuple[Columns, np.ndarray | None, dict[int, str]]:
    """Rows of the model ``name``: `simulate` from its customary start, and its final fields."""
    kind = get_model(name).model

    def run(row: dict[str, Any]) -> tuple[np.ndarray, list[int], tuple[np.ndarray, ...]]:
        values, counts = run_model_row(plan, name, row)
        found = [np.asarray(part) for part in kernel.measure_fields(values)]
        arrays = tuple(np.asarray(value) for value in values)
        return np.concatenate(found), counts, arrays

    names = tuple(generic_features(kind.fields))
    return _one_by_one(plan, rows, run, names, kind.counters)


def run_model_row(plan: Plan, name: str, row: dict[str, Any]) -> tuple[tuple[Any, ...], list[int]]:
    """Final fields and counts of one row of the sweep of the model ``name``."""
    model = build_model(name, {parameter: row[parameter] for parameter, _, _ in plan.parameters})
    grid = Grid((row["grid_size"], row["grid_size"]))

    def call() -> Any:
        state, key = kernel.initial_state(model, grid, row["random_seed"])
        chance = key if model.takes_key else None
        return simulate(model, state, grid=grid, steps=row["steps"], dt=plan.dt, key=chance)

    run = kernel.FIRST_CALLS.call((type(model), grid.shape), call)
    run.status.raise_if_bad()
    return run.state.values, [run.counts[name] for name in model.counters]


def _one_by_one(
    plan: Plan,
    rows: Columns,
    run: Callable[[dict[str, Any]], tuple[np.ndarray, list[int], tuple[np.ndarray, ...]]],
    names: Iterable[str],
    counters: tuple[str, ...],
) -> tuple[Columns, np.ndarray | None, dict[int, str]]:
    """Run rows in a Python loop; the one that fails fails alone."""
    names = tuple(names)
    count, size = len(rows["sim_id"]), int(rows["grid_size"][0])
    features = np.zeros((count, len(names)))
    counts = np.zeros((count, len(counters)), np.int64)
    fields = np.zeros((count, len(plan.field_names), size, size), np.float32)
    fields = fields if plan.save_fields else None  # type: ignore[assignment]
    errors: dict[int, str] = {}
    for k in range(count):
        row = {name: values[k].item() for name, values in rows.items()}
        try:
            features[k], counts[k], final = run(row)
        except _RUN_ERRORS as error:
            errors[k] = " ".join(str(error).split()) or type(error).__name__
            continue
        if fields is not None:
            fields[k] = np.stack(final)
    errors = {**_not_finite(features, names), **errors}
    return _as_columns(features, names, counts, counters), fields, errors
