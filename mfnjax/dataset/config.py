"""A sweep as plain values."""

from __future__ import annotations

import dataclasses

from mfnjax._checks import check_int
from mfnjax._parameter import parameter
from mfnjax._plain_config import SEED, SEED_MAX, PlainConfig, _set
from mfnjax.errors import ParameterError
from mfnjax.models.mycelium.parameters import GRID_SIZE, MYCELIUM_PARAMETERS, STEPS

SWEPT = {
    "alpha": "alpha_range",
    "spike_probability": "spike_prob_range",
    "turing_threshold": "turing_threshold_range",
}
"""Parameter of the v4.1 model → the field of `DatasetConfig` that holds its bounds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetConfig(PlainConfig):
    """A sweep: how many simulations, and where their parameters are drawn from.

    Row k runs with the seed ``base_seed + k``. ``output_path`` None keeps the table in memory.

    Raises:
        ParameterError: A value is outside its range.
    """

    num_samples: int = parameter(200, low=1, high=100_000, text="Rows")
    grid_sizes: tuple[int, ...] = parameter(
        (32, 64), like=GRID_SIZE, text="Grid sizes drawn from, each"
    )
    steps_range: tuple[int, int] = parameter(
        (50, 200), like=STEPS, text="Fewest and most steps, both drawn"
    )
    alpha_range: tuple[float, float] = parameter(
        (0.10, 0.20),
        like=MYCELIUM_PARAMETERS["alpha"],
        text="Bounds of the potential's diffusion",
        open_high=True,
        stability_bound=False,
    )
    turing_values: tuple[bool, ...] = parameter(
        (True, False), text="Values of turing_enabled drawn from"
    )
    spike_prob_range: tuple[float, float] = parameter(
        (0.15, 0.35), like=MYCELIUM_PARAMETERS["spike_probability"], text="Bounds of the chance"
    )
    turing_threshold_range: tuple[float, float] = parameter(
        (0.65, 0.85), like=MYCELIUM_PARAMETERS["turing_threshold"], text="Bounds of the threshold"
    )
    base_seed: int = parameter(42, like=SEED, text="Seed of the first row")
    output_path: str | None = parameter("data/mfn_dataset.parquet", text="Parquet file")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps_range", *SWEPT.values()):
            pair = getattr(self, name)
            if len(pair) != 2:
                raise ParameterError(f"{name} must be a pair (low, high), got {pair!r}")
            if pair[0] > pair[1]:
                raise ParameterError(f"{name} must be a pair with low ≤ high, got {pair!r}")
        check_int("base_seed", self.base_seed, 0, SEED_MAX - (self.num_samples - 1))
        if self.output_path is not None:
            _set(self, "output_path", str(self.output_path))


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
