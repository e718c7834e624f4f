"""`generate_dataset`: a sweep in, one Parquet file and a summary out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import pyarrow as pa

from mfnjax._checks import check_bool, check_int, check_kind
from mfnjax._cpu import cores
from mfnjax.dataset.config import DatasetConfig
from mfnjax.dataset.engine import BATCH_SIZE, Failure, Part, compute_parts
from mfnjax.dataset.fields import require_zarr
from mfnjax.dataset.plan import Plan, make_plan
from mfnjax.dataset.schema import METADATA_KEY, ContentHash, file_metadata, read_metadata
from mfnjax.dataset.store import Store, write_dataset
from mfnjax.errors import DataError, ParameterError
from mfnjax.simulation import Simulation

logger = logging.getLogger("mfnjax.dataset")

Progress = Callable[[int, int], None]


@final
@dataclass(frozen=True)
class DatasetSummary:
    """What came of a run.

    Attributes:
        requested: Rows asked for.
        written: Rows in the dataset.
        failed: Simulations that failed; they are not in the dataset.
        seconds: How long it took.
        path: The file, or None: the table is in memory.
        resumed: Rows that were there already.
        failures: What failed, and why.
        table: The table, where there is no file.
    """

    requested: int
    written: int
    failed: int
    seconds: float
    path: str | None
    resumed: int = 0
    failures: tuple[Failure, ...] = field(default=(), repr=False)
    table: pa.Table | None = field(default=None, repr=False)

    @property
    def rows_per_second(self) -> float:
        """Rows that this run made, a second."""
        return (self.requested - self.resumed) / max(self.seconds, 1e-9)


def generate_dataset(
    config: DatasetConfig | None = None,
    *,
    workers: int | None = None,
    batch_size: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    client: Any = None,
    save_fields: bool = False,
    dimension: bool = False,
    model: str | None = None,
    ranges: Mapping[str, Any] | None = None,
    simulation: Simulation | None = None,
    **settings: Any,
) -> DatasetSummary:
    """Run a sweep and write one row a simulation.

    Row k depends on (base_seed, k) and the ranges alone: not on the workers, the batches, the
    order in which rows are made, or how often the run was killed. A simulation that fails is
    logged with its ``sim_id`` and parameters, counted and skipped.

    Args:
        config: The sweep; None is the documented default.
        workers: Threads; None takes one a core.
        batch_size: Most rows of one compiled call; None takes 32.
        resume: Make only what is missing of an unfinished run of the same sweep.
        overwrite: Replace what is there.
        progress: Called with (rows done, rows in all).
        client: A ``dask.distributed`` client: its workers make the rows. They must see the
            folder of the output.
        save_fields: Write the final fields too, as Zarr beside the table.
        dimension: Measure `mfnjax.fractal.fractal_dimension` of the final mask too: columns
            ``D_fit``, ``D_low`` and ``D_high`` after the features, NaN where nothing scales.
        model: Sweep this registered model in place of the documented v4.1 table; grids, steps,
            seed and output are those of ``config``.
        ranges: For ``model``: parameter (name or symbol) → number or (low, high); a parameter
            that is not named keeps its value.
        simulation: Sweep this in place of ``model`` and ``settings``; grids and steps are those of
            ``config``, and its own where that is None.
        **settings: For ``model``, as `mfnjax.Simulation.from_dict` takes them: ``preset``,
            ``parameters``, ``dt``, ``stepper``, ``boundary``, ``spacing``, ``start``, and for the
            features over time ``save_every`` and ``save`` (128 frames of the main field).

    Returns:
        The summary. It holds the table itself only where ``output_path`` is None.

    Raises:
        ParameterError: A value is not accepted.
        DataError: The output exists, belongs to another sweep, or cannot be written. What has
            been made stays beside the output, for ``resume``.

    Examples:
        >>> import dataclasses
        >>> from mfnjax import make_dataset_config_demo
        >>> from mfnjax.dataset import generate_dataset
        >>> config = dataclasses.replace(make_dataset_config_demo(), output_path=None)
        >>> summary = generate_dataset(config)
        >>> summary.written, summary.failed, summary.table.column_names[:3]
        (5, 0, ['sim_id', 'random_seed', 'grid_size'])
    """
    started = time.perf_counter()
    config = _usual_config(simulation) if config is None else config
    plan = make_plan(
        config,
        model=model,
        ranges=ranges,
        simulation=simulation,
        save_fields=save_fields,
        dimension=dimension,
        **settings,
    )
    if plan.save_fields:
        require_zarr()
    workers = cores() if workers is None else check_int("workers", workers, 1, 1024)
    batch_size = BATCH_SIZE if batch_size is None else check_int("batch_size", batch_size, 1, 4096)
    if check_bool("resume", resume) and check_bool("overwrite", overwrite):
        raise ParameterError("resume and overwrite exclude each other, got both")
    if config.output_path is None and (resume or client is not None):
        raise ParameterError("resume and client need an output_path, got None")
    run = _Run(plan, workers, batch_size, _Counter(config.num_samples, progress))
    if config.output_path is None:
        rows, failures, table = run.in_memory()
        resumed = 0
    else:
        table = None
        store = Store(config.output_path, plan)
        rows, failures, resumed = run.to_file(store, resume, overwrite, client)
    return DatasetSummary(
        requested=config.num_samples,
        written=rows,
        failed=len(failures),
        seconds=time.perf_counter() - started,
        path=config.output_path,
        resumed=resumed,
        failures=tuple(failures),
        table=table,
    )


def _usual_config(simulation: Simulation | None) -> DatasetConfig:
    """The documented default, on the grid and over the steps of a simulation that is given."""
    if simulation is None:
        return DatasetConfig()
    check_kind("simulation", simulation, Simulation)
    if simulation.until is not None:
        raise ParameterError("a dataset sweeps runs of steps=, not of until=")
    return DatasetConfig(grid_sizes=simulation.grid.shape[-1:], steps_range=(simulation.steps,) * 2)


class _Counter:
    """Adds up rows and tells the caller."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.done, self._progress = total, 0, progress

    def __call__(self, rows: int) -> None:
        self.done += rows
        if self._progress is not None:
            self._progress(self.done, self.total)


@final
@dataclass(frozen=True)
class _Run:
    """How a plan is carried out."""

    plan: Plan
    workers: int
    batch_size: int
    counter: _Counter

    def parts(self, indices: list[int]) -> Iterator[Part]:
        """Make some parts here, in order."""
        return compute_parts(
            self.plan,
            indices,
            workers=self.workers,
            batch_size=self.batch_size,
            progress=self.counter,
        )

    def in_memory(self) -> tuple[int, list[Failure], pa.Table]:
        """All rows as a table, with the metadata that a file would have."""
        parts = list(self.parts(list(range(self.plan.num_parts))))
        failures = [failure for part in parts for failure in part.failures]
        table = pa.concat_tables([part.table for part in parts]).combine_chunks()
        content = ContentHash(table.schema)
        content.update(table)
        said = file_metadata(self.plan, failures, content.hexdigest(), table.num_rows)
        return table.num_rows, failures, table.replace_schema_metadata({METADATA_KEY: said})

    def to_file(
        self, store: Store, resume: bool, overwrite: bool, client: Any
    ) -> tuple[int, list[Failure], int]:
        """All rows as a file; return its rows, the failures, and what was there already."""
        if store.prepare(resume=resume, overwrite=overwrite):
            return self._complete(store)
        small = self.plan.num_parts == 1 and not self.plan.save_fields and client is None
        if small and not store.folder.exists():
            # One part: nothing could be resumed, so there is no need for the folder.
            (part,) = self.parts([0])
            failures = list(part.failures)
            return (
                write_dataset(store.path, self.plan, lambda: iter([part.table]), failures),
                failures,
                0,
            )
        with store.opened(fresh=not resume):
            missing = store.missing()
            sizes = {part: stop - first for part in missing for first, stop in [self._rows(part)]}
            resumed = self.plan.config.num_samples - sum(sizes.values())
            if resumed:
                self.counter(resumed)
            try:
                self._make(store, missing, client)
                rows, failures = store.assemble()
            except DataError as error:
                raise DataError(
                    f"{error}; the rows made so far are kept in {store.folder}: "
                    "run again with resume (--resume)"
                ) from error
        return rows, failures, resumed

    def _rows(self, part: int) -> tuple[int, int]:
        return self.plan.rows(part)

    def _make(self, store: Store, missing: list[int], client: Any) -> None:
        if client is not None:
            from mfnjax.dataset.cluster import compute_on_cluster

            compute_on_cluster(client, store, missing, self.batch_size, self.counter)
            return
        for part in self.parts(missing):
            store.write_part(part)

    def _complete(self, store: Store) -> tuple[int, list[Failure], int]:
        """A resumed run that had nothing left to do."""
        said = read_metadata(store.path)
        logger.info("%s is complete already", store.path)
        self.counter(self.plan.config.num_samples)
        failures = [Failure(**values) for values in said["failures"]]
        return said["rows"], failures, self.plan.config.num_samples
