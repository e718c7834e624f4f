"""A sweep as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

from mfnjax._checks import check_bool, check_int, check_real
from mfnjax._plain_config import SEED_MAX, PlainConfig, _set
from mfnjax.errors import ParameterError
from mfnjax.models.mycelium.ranges import DIFFUSIVITY_MAX


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetConfig(PlainConfig):
    """A sweep: how many simulations, and where their parameters are drawn from.

    Attributes:
        num_samples: Rows, 1…100 000.
        grid_sizes: Grid sizes drawn from, each 4…1024.
        steps_range: Fewest and most steps, both drawn.
        alpha_range: Bounds of α, inside (0, 0.25).
        turing_values: Values of ``turing_enabled`` drawn from.
        spike_prob_range: Bounds of p, inside [0, 1].
        turing_threshold_range: Bounds of θ, inside [0, 1].
        base_seed: Row k runs with the seed ``base_seed + k``, at most 2³² − 1.
        output_path: Parquet file, or None: the table stays in memory.

    Raises:
        ParameterError: A value is outside its range.
    """

    num_samples: int = 200
    grid_sizes: tuple[int, ...] = (32, 64)
    steps_range: tuple[int, int] = (50, 200)
    alpha_range: tuple[float, float] = (0.10, 0.20)
    turing_values: tuple[bool, ...] = (True, False)
    spike_prob_range: tuple[float, float] = (0.15, 0.35)
    turing_threshold_range: tuple[float, float] = (0.65, 0.85)
    base_seed: int = 42
    output_path: str | None = "data/mfn_dataset.parquet"

    def __post_init__(self) -> None:
        _set(self, "num_samples", check_int("num_samples", self.num_samples, 1, 100_000))
        sizes = _sequence("grid_sizes", self.grid_sizes)
        _set(self, "grid_sizes", tuple(check_int("grid_sizes", n, 4, 1024) for n in sizes))
        _set(self, "steps_range", _pair("steps_range", self.steps_range, check_int, 1, 10_000))
        alpha = _pair("alpha_range", self.alpha_range, check_real, 0.0, DIFFUSIVITY_MAX)
        if alpha[0] <= 0.0 or alpha[1] >= DIFFUSIVITY_MAX:
            raise ParameterError(f"alpha_range must lie inside (0, 0.25), got {self.alpha_range!r}")
        _set(self, "alpha_range", alpha)
        for name in ("spike_prob_range", "turing_threshold_range"):
            _set(self, name, _pair(name, getattr(self, name), check_real, 0.0, 1.0))
        values = _sequence("turing_values", self.turing_values)
        _set(self, "turing_values", tuple(check_bool("turing_values", v) for v in values))
        last = SEED_MAX - (self.num_samples - 1)
        _set(self, "base_seed", check_int("base_seed", self.base_seed, 0, last))
        if self.output_path is not None:
            _set(self, "output_path", str(self.output_path))


def _sequence(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise ParameterError(f"{name} must be a list with at least one value, got {value!r}")
    return tuple(value)


def _pair(name: str, value: Any, check: Any, low: float, high: float) -> tuple[Any, Any]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ParameterError(f"{name} must be a pair (low, high), got {value!r}")
    first, second = (check(name, item, low, high) for item in value)
    if first > second:
        raise ParameterError(f"{name} must be a pair with low ≤ high, got {value!r}")
    return first, second


def make_dataset_config_demo() -> DatasetConfig:
    """The documented demo sweep: five runs on 32²."""
    return DatasetConfig(
        num_samples=5,
        grid_sizes=(32,),
        steps_range=(30, 50),
        alpha_range=(0.15, 0.18),
        spike_prob_range=(0.20, 0.30),
        turing_threshold_range=(0.70, 0.80),
        base_seed=42,
    )


def make_dataset_config_default() -> DatasetConfig:
    """The documented default sweep: 200 runs on 32² and 64²."""
    return DatasetConfig()
