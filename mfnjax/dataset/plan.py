"""A plan: everything that decides the rows of a dataset, in plain picklable values."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from mfnjax._checks import check_bool, check_real
from mfnjax._parameter import parameters_of
from mfnjax._version import __version__
from mfnjax.dataset.config import DatasetConfig
from mfnjax.dataset.sampling import Columns, config_without_path, sample_rows
from mfnjax.errors import ParameterError

FEATURE_SCHEMA_VERSION = 1
"""Raised whenever a column is added, removed, or changes its meaning."""

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
        model: Name of another model, or None: the documented v4.1 table.
        parameters: Of that model: (name, low, high) for every parameter, in its order.
        dt: Time step of that model.
        save_fields: Keep the final fields too.
    """

    config: DatasetConfig
    model: str | None = None
    parameters: tuple[tuple[str, float, float], ...] = ()
    dt: float = 1.0
    save_fields: bool = False

    @property
    def part_rows(self) -> int:
        """Rows of a full part."""
        if not self.save_fields:
            return PART_ROWS
        cells = max(self.config.grid_sizes) ** 2
        return max(1, min(PART_ROWS, PART_FIELD_BYTES // (4 * cells * len(self.field_names))))

    @property
    def num_parts(self) -> int:
        """Parts in all."""
        return -(-self.config.num_samples // self.part_rows)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Fields that are saved with ``save_fields``."""
        if self.model is None:
            return ("potential",)
        from mfnjax.models import get_model

        return get_model(self.model).model.fields

    def rows(self, part: int) -> tuple[int, int]:
        """First row of a part, and one past its last."""
        first = part * self.part_rows
        return first, min(first + self.part_rows, self.config.num_samples)

    def sample(self, first: int, stop: int) -> Columns:
        """Parameters of rows first … stop − 1."""
        ranges = None if self.model is None else {n: (a, b) for n, a, b in self.parameters}
        return sample_rows(self.config, first, stop, ranges)

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """All that decides the bytes of the rows, as plain JSON values."""
        import jax

        return {
            **config_without_path(self.config),
            "model": self.model,
            "ranges": {name: [low, high] for name, low, high in self.parameters},
            "dt": self.dt,
            "save_fields": self.save_fields,
            "mfn_version": __version__,
            "jax_version": jax.__version__,
            "feature_schema_version": FEATURE_SCHEMA_VERSION,
        }

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of `identity`."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


def make_plan(
    config: DatasetConfig,
    *,
    model: str | None = None,
    ranges: Mapping[str, Any] | None = None,
    dt: float = 1.0,
    save_fields: bool = False,
) -> Plan:
    """Check a sweep and return its plan.

    Raises:
        ParameterError: Something is not accepted; the message says what.
    """
    if not isinstance(config, DatasetConfig):
        raise ParameterError(f"config must be a DatasetConfig, got {type(config).__name__}")
    save_fields = check_bool("save_fields", save_fields)
    if save_fields and config.output_path is None:
        raise ParameterError(
            "save_fields writes fields beside the table: it needs output_path, got None"
        )
    if model is None:
        if ranges:
            raise ParameterError(
                f"ranges ({', '.join(ranges)}) need model=; the v4.1 table has its own ranges in "
                "DatasetConfig (alpha_range, spike_prob_range, turing_threshold_range)"
            )
        if dt != 1.0:
            raise ParameterError(f"dt must be 1 for the v4.1 map, got {dt!r}")
        return Plan(config, save_fields=save_fields)
    dt = check_real("dt", dt, 0.0, 1e6, open_low=True)
    return Plan(config, model, _parameters(model, ranges or {}), dt, save_fields)


def _parameters(model: str, ranges: Mapping[str, Any]) -> tuple[tuple[str, float, float], ...]:
    """Bounds of every parameter of a model: those given, and the default of the others."""
    from mfnjax.models import build_model, parameter_names

    pairs = {name: _pair(name, value) for name, value in ranges.items()}
    lowest = build_model(model, {name: low for name, (low, _) in pairs.items()})
    highest = build_model(model, {name: high for name, (_, high) in pairs.items()})
    bounds = []
    for name in parameter_names(type(lowest)):
        ends = float(getattr(lowest, name)), float(getattr(highest, name))
        for end in ends:
            parameters_of(lowest)[name].check_real(f"range of {name}", end)
        bounds.append((name, *ends))
    return tuple(bounds)


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
    parameters = tuple((name, low, high) for name, (low, high) in identity["ranges"].items())
    return Plan(
        config, identity["model"], parameters, identity["dt"], bool(identity["save_fields"])
    )
