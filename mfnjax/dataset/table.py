"""What a kind of dataset holds: its columns, how a row runs, and how the run is measured."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np
import pyarrow as pa

from mfnjax._parameter import parameters_of
from mfnjax.core.grid import Grid
from mfnjax.dataset.measuring import (
    GEOMETRY,
    Measure,
    change_features,
    final_features,
    measure_model,
    measure_run,
)
from mfnjax.models import PDE, Model
from mfnjax.simulation import Simulation, Trajectory
from mfnjax.simulation.problem import check_physics
from mfnjax.steppers import choose_stepper

Columns = Mapping[str, Any]
Bounds = tuple[Any, Any]

ROUNDING = 1e-4
"""Slack, relative or in mV, of what float32 rounds."""


@final
@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type and unit."""

    name: str
    type: pa.DataType
    unit: str = ""


def has_own_domain(grid: Grid) -> bool:
    """Whether a grid is more than a square with the same spacing and sides whatever its size."""
    is_square = len(grid.shape) == 2 and grid.shape[0] == grid.shape[1]
    has_arrays = any(np.ndim(leaf) for leaf in jax.tree.leaves(grid.boundary))
    return not is_square or not grid.is_isotropic or grid.mask is not None or has_arrays


def grid_of_size(grid: Grid, size: int) -> Grid:
    """The grid of a row: a square of its size; or, where it has a domain of its own, that."""
    if has_own_domain(grid):
        return grid
    return Grid((size, size), grid.spacing, grid.boundary, origin=grid.origin)


def parameter_columns(model: Model | type[Model], names: Iterable[str]) -> tuple[Column, ...]:
    """The columns of a model's parameters, with the units that it declares."""
    declared = parameters_of(model)
    return tuple(
        Column(
            name,
            pa.bool_() if declared[name].kind is bool else pa.float64(),
            "" if declared[name].unit == "1" else declared[name].unit,
        )
        for name in names
    )


class Table(abc.ABC):
    """A kind of dataset. Its rows are runs of one `Simulation` whose parameters are columns.

    Attributes:
        model: The class of the model.
        parameters: The columns of the parameters.
        ranges: Parameter → bounds that it is drawn between, in the order of the draws.
        features: The columns of what is measured.
        over_time: The features of several frames: not known of a run that has but one.
        every: Steps between two of the frames that are measured.
        main: The field whose frames are measured.
        fields: The fields that are kept, if fields are.
        equations: What is solved, for the file.
        measure: How a run is measured, inside a compiled function.
    """

    model: type[Model]
    parameters: tuple[Column, ...]
    ranges: dict[str, tuple[float, float]]
    features: tuple[Column, ...]
    over_time: tuple[str, ...]
    every: int
    main: str
    fields: tuple[str, ...]
    equations: str
    measure: Measure

    def cells(self, size: int) -> int:
        """Cells of a grid of that size."""
        return size**2

    @abc.abstractmethod
    def simulations(self, rows: Columns, size: int) -> tuple[Simulation, ...]:
        """The simulation of a row (numbers) or of many rows (arrays) on ``size``² cells.

        There are several where a column is static, that is, shapes the program: see `choice`.
        """

    def choice(self, rows: Columns) -> Any:
        """Which of `simulations` is that of each row."""
        return np.zeros_like(rows["steps"])

    def simulation(self, row: Mapping[str, Any]) -> Simulation:
        """The simulation of one row."""
        return self.simulations(row, row["grid_size"])[int(self.choice(row))].replace(
            steps=row["steps"]
        )

    def check(self, row: Mapping[str, Any]) -> None:
        """Raise an `MfnError` if the physics of a row is not accepted."""
        run = self.simulation(row)
        check_physics(run.model, run.grid, run.dt, choose_stepper(run.model, run.stepper))

    def measured(self, row: Mapping[str, Any]) -> tuple[np.ndarray, Trajectory]:
        """Run one row by the public door; its features, and the run."""
        framed = self.simulation(row).replace(save_every=self.every, save=self.main)
        run = framed.run(seed=row["random_seed"])
        run.status.raise_if_bad()
        return self._measured(run), run

    def _measured(self, run: Trajectory) -> np.ndarray:
        return measure_run(run)

    @abc.abstractmethod
    def mask(self, fields: np.ndarray) -> np.ndarray:
        """What the box counts of a row are of, of its final `fields`, stacked."""

    @property
    def _sampled(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.parameters)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that decide a row, but for its seed."""
        return ("grid_size", "steps", *self._sampled)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The columns of the features."""
        return tuple(column.name for column in self.features)

    @property
    def swept(self) -> tuple[str, ...]:
        """The parameters that differ from row to row."""
        return tuple(name for name, (low, high) in self.ranges.items() if low != high)

    @abc.abstractmethod
    def feature_bounds(self, rows: Columns) -> dict[str, Bounds]:
        """Feature or count → the bounds outside of which a value is impossible."""

    def bounds(self, rows: Columns) -> dict[str, Bounds]:
        """As `feature_bounds`, for all columns of numbers."""
        free = dict.fromkeys(self.outputs, (-np.inf, np.inf))
        return {**self.ranges, **free, **self.feature_bounds(rows)}


def geometry_bounds(cells: Any, clusters: tuple[str, ...], axes: int = 2) -> dict[str, Bounds]:
    """Bounds of what is measured of a mask of so many cells and axes of space."""
    return {
        # Not [0, axes]: box sizes that do not divide the grid cut its edge off, either way.
        "D_box": (-0.5, axes + 0.5),
        "D_r2": (0.0, 1.0),
        "f_active": (0.0, 1.0),
        **dict.fromkeys(clusters, (0, cells)),
        "max_cluster_size": (0, cells),
        "cluster_size_std": (0.0, cells),
    }


@final
class ModelTable(Table):
    """A sweep of a `Simulation` of any model: its final fields, and its main field over time.

    Args:
        simulation: The simulation; its parameters, its grid's size and its steps are the row's.
        ranges: Parameter → bounds, for every parameter of the model, in its order.
        over_time: False for files of the first version, which do not measure changes.
    """

    measure = staticmethod(measure_model)

    def __init__(
        self, simulation: Simulation, ranges: dict[str, tuple[float, float]], *, over_time: bool
    ) -> None:
        self.model = model = type(simulation.model)
        self._simulation, self._over_time = simulation, over_time
        self.ranges, self.fields = ranges, simulation.model.fields
        self.every, self.main = int(simulation.save_every or 1), str(simulation.save)
        self.parameters = parameter_columns(simulation.model, ranges)
        changes = change_features(self.main) if over_time else {}
        self.over_time = tuple(changes)
        units = final_features(self.fields) | changes
        whole = ("N_clusters", "max_cluster_size", "T_stable")
        self.features = tuple(
            Column(name, pa.int64() if name in whole else pa.float64(), unit)
            for name, unit in units.items()
        )
        self.equations = (
            simulation.model.equation
            if isinstance(simulation.model, PDE)
            else (model.__doc__ or "").strip().splitlines()[0]
        )

    def cells(self, size: int) -> int:
        """Cells of a grid of that size."""
        return grid_of_size(self._simulation.grid, size).num_cells

    def simulations(self, rows: Columns, size: int) -> tuple[Simulation, ...]:
        """One: no column is static."""
        base = self._simulation
        model: Any = base.model
        model = dataclasses.replace(model, **{name: rows[name] for name in self.ranges})
        grid = grid_of_size(base.grid, size)
        return (base.replace(model=model, grid=grid, save_every=None, save=None),)

    def mask(self, fields: np.ndarray) -> np.ndarray:
        """The cells of the last field above the middle of its range."""
        last, domain = fields[-1], self._simulation.grid.mask
        inside = np.ones(last.shape, bool) if domain is None else np.asarray(domain) > 0
        middle = (last[inside].min() + last[inside].max()) / 2
        return inside & (last > middle)

    def feature_bounds(self, rows: Columns) -> dict[str, Bounds]:
        """Statistics in their order, and what a mask can be."""
        bounds: dict[str, Bounds] = {}
        for name in self.fields:
            middle = rows[f"{name}_mean"]
            slack = ROUNDING * np.maximum(np.abs(middle), 1e-3)
            bounds[f"{name}_min"] = (-np.inf, middle + slack)
            bounds[f"{name}_max"] = (middle - slack, np.inf)
            bounds[f"{name}_std"] = (0.0, np.inf)
        if self._over_time:
            most = rows[f"{self.main}_change_max"]
            bounds[f"{self.main}_change_max"] = (0.0, np.inf)
            bounds[f"{self.main}_change_mean"] = (0.0, most * (1 + ROUNDING))
            bounds["T_stable"] = (0, rows["steps"])
        grid = self._simulation.grid
        cells = grid.num_cells if has_own_domain(grid) else rows["grid_size"] ** 2
        return {**bounds, **geometry_bounds(cells, (GEOMETRY[3],), len(grid.axes))}
