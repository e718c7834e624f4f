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

import jax
import numpy as np

from mfnjax.dataset import kernel
from mfnjax.dataset.plan import Plan
from mfnjax.dataset.sampling import Columns
from mfnjax.dataset.schema import build_table, drop_rows, schema_of
from mfnjax.errors import MfnError, NumericalInstabilityError
from mfnjax.features.measurement import DIMENSION_COLUMNS, dimension_columns, dimension_of
from mfnjax.features.vector import HOST_CELLS
from mfnjax.simulation.chunks import CHUNK_CELL_STEPS
from mfnjax.simulation.packing import cast

logger = logging.getLogger("mfnjax.dataset")

BATCH_SIZE = 32
"""Rows of one compiled call: enough that the call itself costs nothing, and few enough that
Ctrl-C is heeded soon."""

PADDED_ROWS = 64
"""The arguments of a call are padded to a multiple of this many rows, so that batches of up to as
many are one program. Padding costs nothing: the number of rows that are run is traced."""

PADDED_FRAMES = 64
"""Likewise for the frames that there is room for."""

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
class _Ran:
    """What some rows gave.

    ``places`` are those that ran, ``columns`` and ``fields`` (n, C, H, W) what they hold, and
    ``errors`` says of the others why they did not.
    """

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
        waiting: deque[tuple[int, Columns, list[Future[list[_Ran]]]]] = deque()
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
    futures: list[Future[list[_Ran]]],
    progress: Callable[[int], None] | None,
) -> Part:
    """Wait for the batches of a part and put their rows in order."""
    count = len(rows["sim_id"])
    columns = {name: np.zeros(count) for name in schema_of(plan).names} | rows
    errors: dict[int, str] = {}
    pieces: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for future in futures:
        for ran in future.result():
            errors.update(ran.errors)
            for name, values in ran.columns.items():
                columns[name][ran.places] = values
            if ran.fields is not None and len(ran.places):
                size = int(rows["grid_size"][ran.places[0]])
                pieces.setdefault(size, []).append((rows["sim_id"][ran.places], ran.fields))
            if progress is not None:
                progress(len(ran.places) + len(ran.errors))
    keep = np.ones(count, bool)
    keep[list(errors)] = False
    failures = tuple(_failure(rows, place, errors[place]) for place in sorted(errors))
    fields = {
        size: (np.concatenate([i for i, _ in found]), np.concatenate([f for _, f in found]))
        for size, found in sorted(pieces.items())
    }
    return Part(part, build_table(plan, drop_rows(columns, keep)), failures, fields)


def _failure(rows: Columns, place: int, error: str) -> Failure:
    parameters = {name: values[place].item() for name, values in rows.items() if name != "sim_id"}
    failure = Failure(int(rows["sim_id"][place]), parameters, error)
    said = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
    logger.error("simulation %d failed: %s (%s)", failure.sim_id, error, said)
    return failure


def _run_batch(plan: Plan, rows: Columns, places: np.ndarray) -> list[_Ran]:
    """Run rows of one grid size; if that fails as a whole, one at a time."""
    cells = plan.table.cells(int(rows["grid_size"][places[0]]))
    small = cells <= HOST_CELLS and cells * plan.config.steps_range[1] <= CHUNK_CELL_STEPS
    refused, good = _refused(plan, rows, places)
    run = _run_compiled if small else _run_alone
    try:
        ran = [run(plan, rows, good)] if len(good) else []
    except _RUN_ERRORS as error:
        if len(good) == 1:
            ran = [_Ran(good[:0], {}, None, {int(good[0]): _said(error)})]
        else:
            ran = [one for place in good for one in _run_batch(plan, rows, np.array([place]))]
    return [*ran, _Ran(places[:0], {}, None, refused)]


def _said(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _refused(plan: Plan, rows: Columns, places: np.ndarray) -> tuple[dict[int, str], np.ndarray]:
    """What is wrong with the physics of some rows, and the places of the others."""
    errors: dict[int, str] = {}
    for place in places.tolist():
        try:
            plan.table.check({name: values[place].item() for name, values in rows.items()})
        except MfnError as error:
            errors[place] = _said(error)
    return errors, np.array([place for place in places if place not in errors], int)


def _run_compiled(plan: Plan, rows: Columns, places: np.ndarray) -> _Ran:
    """Rows in one compiled call."""
    table, count = plan.table, len(places)
    size = -(-count // PADDED_ROWS) * PADDED_ROWS
    padded = {
        # Padding repeats a row: it is not run, but must not divide by zero on the host.
        name: rows[name][np.resize(places, size)]
        for name in ("random_seed", *table.inputs)
    }
    grid_size = int(padded["grid_size"][0])
    simulations = cast(table.simulations(padded, grid_size), kernel.DTYPE)
    one = table.simulations({name: v[0].item() for name, v in padded.items()}, grid_size)
    arguments = {
        "random_seed": padded["random_seed"].astype(np.uint32),
        "steps": padded["steps"].astype(np.int32),
        "choice": np.asarray(table.choice(padded), np.int32),
    }
    frames = -(-plan.config.steps_range[1] // table.every)
    static = {
        "main": table.main,
        "kept": table.fields if plan.keeps_fields else (),
        "capacity": -(-frames // PADDED_FRAMES) * PADDED_FRAMES,
        "measure": table.measure,
        "shared": tuple(np.ndim(leaf) > 0 for leaf in jax.tree.leaves(one)),
        "kinds": tuple((type(s.model), type(s.grid.boundary)) for s in simulations),
    }

    def call() -> Any:
        numbers = np.int32(count), np.int32(table.every)
        found = kernel.run_rows(simulations, arguments, *numbers, **static)
        return [np.asarray(array)[:count] for array in found[:3]] + [
            np.stack([np.asarray(field)[:count] for field in found[3]], axis=1)
            if found[3]
            else None
        ]

    # What else decides the program, the equations among it, is in the structure.
    shapes = (jax.tree.structure(simulations), simulations[0].grid.shape, size)
    features, counts, first_bad, fields = kernel.FIRST_CALLS.call((shapes, *static.values()), call)
    errors = {
        k: str(NumericalInstabilityError(*kernel.instability(simulations[0].model, first_bad[k])))
        for k in np.flatnonzero(first_bad >= 0).tolist()
    }
    return _collected(plan, places, features, counts, fields, errors)


def _run_alone(plan: Plan, rows: Columns, places: np.ndarray) -> _Ran:
    """Rows too large for one call: runs by the public door, which works in chunks."""
    table = plan.table
    runs: list[tuple[np.ndarray, list[int], np.ndarray | None]] = []
    ran: list[int] = []
    errors: dict[int, str] = {}
    for place in places.tolist():
        row = {name: values[place].item() for name, values in rows.items()}
        try:
            key = (type(table), jax.tree.structure(table.simulation(row)), row["grid_size"])
            features, run = kernel.FIRST_CALLS.call(key, lambda row=row: table.measured(row))
        except _RUN_ERRORS as error:
            errors[place] = _said(error)
            continue
        kept = np.stack([run.state[name] for name in table.fields]) if plan.keeps_fields else None
        runs.append((features, list(run.counts.values()), kept))
        ran.append(place)
    if not runs:
        return _Ran(places[:0], {}, None, errors)
    features, counts = (np.array([one[k] for one in runs]) for k in (0, 1))
    fields = np.stack([one[2] for one in runs if one[2] is not None]) if plan.keeps_fields else None
    found = _collected(plan, np.array(ran), features, counts, fields, {})
    return _Ran(found.places, found.columns, found.fields, {**found.errors, **errors})


def _collected(
    plan: Plan,
    places: np.ndarray,
    features: np.ndarray,
    counts: np.ndarray,
    fields: np.ndarray | None,
    errors: dict[int, str],
) -> _Ran:
    """Arrays as columns of the rows that are good; ``errors`` is by row of the arrays."""
    names = plan.table.outputs
    # A run may end finite and yet so large that its moments overflow.
    bad = ~np.isfinite(features)
    gaps = np.array([name in plan.may_lack for name in names])
    # Of a run of one frame all features over time are unknown together.
    bad[np.ix_(np.isnan(features[:, gaps]).all(1), gaps)] = False
    for k in np.flatnonzero(bad.any(axis=1)).tolist():
        errors.setdefault(k, f"feature {names[int(bad[k].argmax())]!r} is not finite")
    good = np.array([k not in errors for k in range(len(places))], bool)
    measured = dict(zip(names, features[good].T.astype(np.float64), strict=True))
    if plan.dimension and fields is not None:
        measured |= _dimensions(plan, fields[good])
    counters = plan.table.model.counters
    counted = dict(zip(counters, counts[good].T.astype(np.int64), strict=True))
    return _Ran(
        places[good],
        {**measured, **counted},
        fields[good] if plan.save_fields and fields is not None else None,
        {int(places[k]): text for k, text in errors.items()},
    )


def _dimensions(plan: Plan, fields: np.ndarray) -> dict[str, np.ndarray]:
    """The dimension columns of final fields (n, C, H, W); NaN where there is none."""
    rows = [dimension_columns(dimension_of(plan.table.mask(one))) for one in fields]
    return {name: np.array([row[name] for row in rows], float) for name in DIMENSION_COLUMNS}
