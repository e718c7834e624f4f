"""A plan: everything that decides the rows of a dataset, in plain picklable values."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any, final

import numpy as np

from mfnjax._checks import check_bool, check_kind, check_real
from mfnjax._parameter import parameters_of
from mfnjax._version import __version__
from mfnjax.dataset.config import DatasetConfig
from mfnjax.dataset.documented import DocumentedTable
from mfnjax.dataset.measuring import FRAMES
from mfnjax.dataset.sampling import Columns, config_without_path, sample_rows
from mfnjax.dataset.table import ModelTable, Table, grid_of_size, has_own_domain
from mfnjax.errors import MfnError, ParameterError
from mfnjax.models import PDE, build_model, get_model, parameter_names
from mfnjax.models.base import Model, main_field
from mfnjax.simulation import Simulation
from mfnjax.simulation.plain_grid import listed
from mfnjax.simulation.problem import check_physics
from mfnjax.steppers import check_serves, choose_stepper

DOCUMENTED_SCHEMA, MODEL_SCHEMA = 1, 2
"""Versions of the columns of the v4.1 table and of those of any model: raised whenever a column is
added, removed, or changes its meaning. Version 1 of the second did not measure changes."""

PART_ROWS = 256
"""Rows of one part: what is written, resumed and sent to a cluster as one piece."""

PART_FIELD_BYTES = 64 * 2**20
"""With saved fields a part has fewer rows, so that its fields fit in this many bytes."""


@final
@dataclass(frozen=True)
class Plan:
    """A sweep that has been checked.

    Attributes:
        config: Rows, grids, steps, seed (and the v4.1 ranges).
        simulation: What is swept, or None: the documented v4.1 table. Grid size, steps and the
            parameters are the row's.
        parameters: Of its model: (name, low, high) for every parameter, in its order.
        save_fields: Keep the final fields too.
        schema: Version of the columns.
        dimension: Measure D_fit and its interval too.
    """

    config: DatasetConfig
    simulation: Simulation | None = None
    parameters: tuple[tuple[str, float, float], ...] = ()
    save_fields: bool = False
    schema: int = DOCUMENTED_SCHEMA
    dimension: bool = False

    @functools.cached_property
    def table(self) -> Table:
        """The kind of table: its columns, and how its rows are run and measured."""
        if self.simulation is None:
            return DocumentedTable(self.config)
        ranges = {name: (low, high) for name, low, high in self.parameters}
        return ModelTable(self.simulation, ranges, over_time=self.schema >= MODEL_SCHEMA)

    @property
    def keeps_fields(self) -> bool:
        """Whether the final fields are needed after a run."""
        return self.save_fields or self.dimension

    @property
    def may_lack(self) -> tuple[str, ...]:
        """The columns that are empty in some rows: those over time, of a run of one frame."""
        return self.table.over_time if self.config.steps_range[0] <= self.table.every else ()

    @property
    def part_rows(self) -> int:
        """Rows of a full part."""
        if not self.save_fields:
            return PART_ROWS
        cells = self.table.cells(max(self.config.grid_sizes))
        return max(1, min(PART_ROWS, PART_FIELD_BYTES // (4 * cells * len(self.table.fields))))

    @property
    def num_parts(self) -> int:
        """Parts in all."""
        return -(-self.config.num_samples // self.part_rows)

    def rows(self, part: int) -> tuple[int, int]:
        """First row of a part, and one past its last."""
        first = part * self.part_rows
        return first, min(first + self.part_rows, self.config.num_samples)

    def sample(self, first: int, stop: int) -> Columns:
        """Parameters of rows first … stop − 1."""
        ranges = None if self.simulation is None else self.table.ranges
        return sample_rows(self.config, first, stop, ranges)

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """All that decides the bytes of the rows, as plain JSON values."""
        import jax

        values = {
            **config_without_path(self.config),
            "model": None,
            "ranges": {name: [low, high] for name, low, high in self.parameters},
            "dt": 1.0,
            "save_fields": self.save_fields,
            "mfn_version": __version__,
            "jax_version": jax.__version__,
            "feature_schema_version": self.schema,
        }
        if self.dimension:
            values["dimension"] = True
        if self.simulation is not None:
            swept = listed(self.simulation.to_dict())
            values |= {"model": swept.get("model", "equation"), "dt": swept["dt"]}
            of_row = ("steps",) if has_own_domain(self.simulation.grid) else ("steps", "shape")
            values["simulation"] = {k: v for k, v in swept.items() if k not in of_row}
        return values

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of `identity`."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


def make_plan(
    config: DatasetConfig,
    *,
    model: str | None = None,
    ranges: Mapping[str, Any] | None = None,
    simulation: Simulation | None = None,
    save_fields: bool = False,
    dimension: bool = False,
    **settings: Any,
) -> Plan:
    """Check a sweep and return its plan; the arguments are those of `generate_dataset`.

    Raises:
        ParameterError: Something is not accepted; the message says what.
    """
    check_kind("config", config, DatasetConfig)
    save_fields = check_bool("save_fields", save_fields)
    dimension = check_bool("dimension", dimension)
    if save_fields and config.output_path is None:
        raise ParameterError(
            "save_fields writes fields beside the table: it needs output_path, got None"
        )
    settings = {name: value for name, value in settings.items() if value is not None}
    if simulation is not None:
        check_kind("simulation", simulation, Simulation)
        if simulation.until is not None:
            raise ParameterError("a dataset sweeps runs of steps=, not of until=")
        if model is not None or settings:
            given = ", ".join([*(["model"] if model is not None else []), *settings])
            raise ParameterError(f"simulation= says all of the run: {given} must not be given too")
    elif model is None and "equation" not in settings:
        _check_documented(ranges, settings)
        return Plan(config, save_fields=save_fields, dimension=dimension)
    else:
        named = {} if model is None else {"model": model}
        simulation = _simulation(config, {**named, **settings}, ranges or {})
    simulation = _fitted(config, simulation)
    parameters = _parameters(simulation, ranges or {}, settings)
    return Plan(config, simulation, parameters, save_fields, MODEL_SCHEMA, dimension)


def _check_documented(ranges: Mapping[str, Any] | None, settings: dict[str, Any]) -> None:
    if ranges:
        raise ParameterError(
            f"ranges ({', '.join(ranges)}) need model=; the v4.1 table has its own ranges in "
            "DatasetConfig (alpha_range, spike_prob_range, turing_threshold_range)"
        )
    if settings.pop("dt", 1.0) != 1.0:
        raise ParameterError("dt must be 1 for the v4.1 map; another needs model=")
    if settings:
        raise ParameterError(f"{', '.join(settings)}: the v4.1 table has none; it needs model=")


def _simulation(
    config: DatasetConfig, values: dict[str, Any], ranges: Mapping[str, Any]
) -> Simulation:
    for name, of_config in (("grid_size", "grid_sizes"), ("steps", "steps_range")):
        if name in values:
            raise ParameterError(f"{name} of a row is drawn: see {of_config} of DatasetConfig")
    swept = {name: _pair(name, value)[0] for name, value in ranges.items()}
    given = values.get("parameters", {})
    needed = swept if "equation" in values else _needed(get_model(values["model"]).model, swept)
    parameters = {**{name: value for name, value in needed.items() if name not in values}, **given}
    size = {} if {"shape", "mask"} & values.keys() else {"grid_size": config.grid_sizes[0]}
    return Simulation.from_dict({**values, **size, "steps": 0, "parameters": parameters})


def _needed(kind: type[Model], values: Mapping[str, float]) -> dict[str, float]:
    """Those of some values, by name or symbol, whose parameter has no default."""
    declared, symbols = parameters_of(kind), kind.symbols
    known = {key: declared.get(symbols.get(key, key)) for key in values}
    return {key: values[key] for key, p in known.items() if p and p.default is MISSING}


def _fitted(config: DatasetConfig, simulation: Simulation) -> Simulation:
    """The simulation without what is the row's, and with frames of its main field."""
    longest = config.steps_range[1]
    model, grid = simulation.model, simulation.grid
    check_serves(choose_stepper(model, simulation.stepper), model, grid)
    if any(map(np.ndim, (*grid.spacings, simulation.dt))):
        raise ParameterError("spacing and dt of a dataset are the same numbers for all rows")
    if has_own_domain(grid) and config.grid_sizes != grid.shape[-1:]:
        raise ParameterError(
            f"the grid {grid.shape} is that of all rows: grid_sizes must be ({grid.shape[-1]},), "
            f"got {config.grid_sizes}"
        )
    return simulation.replace(
        grid=grid_of_size(grid, config.grid_sizes[0]),
        steps=0,
        adjoint=None,
        save_every=simulation.save_every or -(-longest // FRAMES),
        save=simulation.save or main_field(model),
    )


def _parameters(
    simulation: Simulation, ranges: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[tuple[str, float, float], ...]:
    """Bounds of every parameter of a model: those given, and the value of the others."""
    base: Any = simulation.model
    pairs = {name: _pair(name, value) for name, value in ranges.items()}
    symbols = type(base).symbols
    swept = {symbols.get(key, key) for key in pairs}
    lowest, highest = (
        _with(simulation, {name: pair[end] for name, pair in pairs.items()}) for end in (0, 1)
    )
    for key in {**settings, **settings.get("parameters", {})}:
        if symbols.get(key, key) in swept:
            raise ParameterError(f"parameter {key!r} has a range: it must not be set too")
    declared, found = parameters_of(base), []
    for parameter in parameter_names(base):
        low, high = (
            getattr(model if parameter in swept else base, parameter) for model in (lowest, highest)
        )
        if np.ndim(low) and isinstance(base, PDE):
            continue  # a field that all rows share
        if np.ndim(low):
            raise ParameterError(f"{parameter} must be a number or a range in a dataset, got a map")
        for end in (low, high):
            declared[parameter].check_real(f"range of {parameter}", float(end))
        found.append((parameter, float(low), float(high)))
    _check_one_runs(simulation, (lowest, highest))
    return tuple(found)


def _with(simulation: Simulation, values: dict[str, float]) -> Model:
    """The model with other parameters, by name or symbol."""
    model: Any = simulation.model
    if isinstance(simulation.model, PDE):
        for name in values:
            if name not in parameter_names(model):
                known = ", ".join(parameter_names(model)) or "none"
                raise ParameterError(f"no parameter {name!r} can be swept; parameters: {known}")
        return dataclasses.replace(model, **values)
    swept = {model.symbols.get(name, name) for name in values}
    own = {n: getattr(model, n) for n in parameters_of(model) if n not in swept}
    return build_model(simulation.model_name, {**own, **values})


def _check_one_runs(simulation: Simulation, ends: tuple[Model, Model]) -> None:
    """Refuse a sweep that cannot run at either end of its ranges: an unstable dt, say."""
    stepper = choose_stepper(simulation.model, simulation.stepper)
    errors = []
    for model in ends:
        try:
            check_physics(model, simulation.grid, simulation.dt, stepper)
        except MfnError as error:
            errors.append(error)
    if len(errors) == len(ends):
        raise errors[0]


def _pair(name: str, value: Any) -> tuple[float, float]:
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    if len(pair) != 2:
        raise ParameterError(f"range of {name} must be a number or (low, high), got {value!r}")
    low, high = (check_real(f"range of {name}", item, -1e300, 1e300) for item in pair)
    if low > high:
        raise ParameterError(f"range of {name} must have low ≤ high, got {low:g}:{high:g}")
    return low, high


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In words, where two identities differ."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} was {old.get(name)!r} and is {new.get(name)!r}" for name in names)


def plan_from_identity(identity: Mapping[str, Any]) -> Plan:
    """The plan that a file's metadata describes."""
    known = {field.name for field in dataclasses.fields(DatasetConfig)}
    config = DatasetConfig.from_dict(
        {**{k: v for k, v in identity.items() if k in known}, "output_path": None}
    )
    save_fields, schema = bool(identity["save_fields"]), identity["feature_schema_version"]
    dimension = bool(identity.get("dimension", False))
    if identity["model"] is None:
        return Plan(config, save_fields=save_fields, schema=schema, dimension=dimension)
    # A file of the first version says no more than these two.
    described = identity.get("simulation", {"model": identity["model"], "dt": identity["dt"]})
    parameters = tuple((name, low, high) for name, (low, high) in identity["ranges"].items())
    simulation = _fitted(config, _simulation(config, described, identity["ranges"]))
    return Plan(config, simulation, parameters, save_fields, schema, dimension)
