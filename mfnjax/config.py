"""Configurations: frozen, validated at construction, to and from plain files.

A configuration describes a run of the documented v4.1 system in plain Python values. The
mathematics never sees one: `mfnjax.pipeline` turns it into a model, a grid and a key.

Ranges and defaults follow MyceliumFractalNet v4.1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mfnjax._checks import check_bool, check_choice, check_int, check_real, shown
from mfnjax._plain_config import PlainConfig
from mfnjax.errors import ParameterError, StabilityError

SEED_MAX = 2**32 - 1
"""Largest seed: without 64-bit JAX a larger one would silently wrap around."""

DIFFUSIVITY_MAX = 0.25
"""Explicit-Euler bound dt·D·4/dx² ≤ 1 at dt = dx = 1, for the 5-point Laplacian."""

BOUNDARIES = ("periodic", "neumann", "dirichlet")
DTYPES = ("float32", "float64")


def _diffusivity(
    name: str, value: Any, low: float, *, open_low: bool = False, open_high: bool = False
) -> float:
    """A diffusivity in range; over the explicit-Euler bound it is a StabilityError."""
    kinds = (int, float, np.integer, np.floating)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    over = is_number and (value > DIFFUSIVITY_MAX or (open_high and value == DIFFUSIVITY_MAX))
    if over and value != float("inf"):
        relation = "not below" if open_high and value == DIFFUSIVITY_MAX else "over"
        raise StabilityError(
            f"{name} = {shown(value)} is {relation} the stability bound {DIFFUSIVITY_MAX} "
            "(dt·D·4/dx² ≤ 1)"
        )
    return check_real(name, value, low, DIFFUSIVITY_MAX, open_low=open_low, open_high=open_high)


MYCELIUM_PARAMETERS: dict[str, Callable[[str, Any], float]] = {
    "alpha": partial(_diffusivity, low=0.0, open_low=True),
    "d_activator": partial(_diffusivity, low=0.01, open_high=True),
    "d_inhibitor": partial(_diffusivity, low=0.01, open_high=True),
    "r_activator": partial(check_real, low=0.001, high=0.1),
    "r_inhibitor": partial(check_real, low=0.001, high=0.1),
    "turing_threshold": partial(check_real, low=0.0, high=1.0),
    "spike_probability": partial(check_real, low=0.0, high=1.0),
    "jitter_var": partial(check_real, low=0.0, high=0.01),
}
"""The accepted range of every number of the v4.1 model: name → check(name, value)."""


def _set(config: Any, name: str, value: Any) -> None:
    object.__setattr__(config, name, value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulationConfig(PlainConfig):
    """One run of the v4.1 model.

    Attributes:
        grid_size: Cells per side of the square grid, 4…1024.
        steps: Steps, 1…10 000.
        alpha: Diffusion of the potential α, cell²/step, (0, 0.25].
        d_activator: Diffusion of the activator D_a, cell²/step, [0.01, 0.25).
        d_inhibitor: Diffusion of the inhibitor D_i, cell²/step, [0.01, 0.25).
        r_activator: Reaction rate of the activator r_a, 1/step, [0.001, 0.1].
        r_inhibitor: Reaction rate of the inhibitor r_i, 1/step, [0.001, 0.1].
        turing_enabled: Couple the activator–inhibitor pair to the potential.
        turing_threshold: Activation threshold θ, [0, 1].
        spike_probability: Chance p of one growth event per step, [0, 1].
        quantum_jitter: Add plain Gaussian noise to the potential each step.
        jitter_var: Variance of that noise, V², [0, 0.01].
        boundary: ``periodic``, ``neumann`` (no flux) or ``dirichlet`` (zero outside).
        seed: 0…2³² − 1, or None: a fresh seed is drawn and reported in the result.
        dtype: ``float32`` or ``float64`` (needs ``jax_enable_x64``).

    Raises:
        StabilityError: α, D_a or D_i is over the explicit-Euler bound.
        ParameterError: Any other value is outside its range.

    Examples:
        >>> from mfnjax import SimulationConfig
        >>> SimulationConfig(grid_size=32, alpha=0.15).steps
        64
        >>> SimulationConfig(alpha=0.3)
        Traceback (most recent call last):
        ...
        mfnjax.errors.StabilityError: alpha = 0.3 is over the stability bound 0.25 (dt·D·4/dx² ≤ 1)
    """

    grid_size: int = 64
    steps: int = 64
    alpha: float = 0.18
    d_activator: float = 0.1
    d_inhibitor: float = 0.05
    r_activator: float = 0.01
    r_inhibitor: float = 0.02
    turing_enabled: bool = True
    turing_threshold: float = 0.75
    spike_probability: float = 0.25
    quantum_jitter: bool = False
    jitter_var: float = 0.0005
    boundary: str = "periodic"
    seed: int | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _set(self, "grid_size", check_int("grid_size", self.grid_size, 4, 1024))
        _set(self, "steps", check_int("steps", self.steps, 1, 10_000))
        for name, check in MYCELIUM_PARAMETERS.items():
            _set(self, name, check(name, getattr(self, name)))
        for name in ("turing_enabled", "quantum_jitter"):
            _set(self, name, check_bool(name, getattr(self, name)))
        check_choice("boundary", self.boundary, BOUNDARIES)
        check_choice("dtype", self.dtype, DTYPES)
        if self.seed is not None:
            _set(self, "seed", check_int("seed", self.seed, 0, SEED_MAX))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureConfig(PlainConfig):
    """How the 18 features are measured.

    Attributes:
        min_box_size: Smallest box of the box count, in cells, ≥ 1.
        max_box_size: Largest box; None lets the field's size decide.
        num_scales: Number of box sizes, 2…20.
        threshold_low_mv: Threshold of the active mask and of the first cluster count.
        threshold_med_mv: Threshold of the second cluster count.
        threshold_high_mv: Threshold of the third; strictly rising, each in [−100, 50] mV.
        stability_threshold_mv: A step is calm below this spatial std of |ΔV|, in mV.
        stability_window: Calm steps in a row that make a field stable, ≥ 1.
        connectivity: 4 or 8 neighbours join a cluster.
        periodic: Clusters wrap around the edges.

    Raises:
        ParameterError: A value is outside its range.
    """

    min_box_size: int = 2
    max_box_size: int | None = None
    num_scales: int = 5
    threshold_low_mv: float = -60.0
    threshold_med_mv: float = -50.0
    threshold_high_mv: float = -40.0
    stability_threshold_mv: float = 0.001
    stability_window: int = 10
    connectivity: int = 4
    periodic: bool = False

    def __post_init__(self) -> None:
        _set(self, "min_box_size", check_int("min_box_size", self.min_box_size, 1, 2**20))
        if self.max_box_size is not None:
            _set(
                self,
                "max_box_size",
                check_int("max_box_size", self.max_box_size, self.min_box_size, 2**20),
            )
        _set(self, "num_scales", check_int("num_scales", self.num_scales, 2, 20))
        names = ("threshold_low_mv", "threshold_med_mv", "threshold_high_mv")
        for name in names:
            _set(self, name, check_real(name, getattr(self, name), -100.0, 50.0))
        low, med, high = (getattr(self, name) for name in names)
        if not low < med < high:
            raise ParameterError(
                "thresholds must rise strictly: threshold_low_mv < threshold_med_mv < "
                f"threshold_high_mv, got {low:g}, {med:g}, {high:g}"
            )
        _set(
            self,
            "stability_threshold_mv",
            check_real("stability_threshold_mv", self.stability_threshold_mv, 0.0, 1e6),
        )
        _set(
            self, "stability_window", check_int("stability_window", self.stability_window, 1, 2**20)
        )
        _set(self, "connectivity", check_choice("connectivity", self.connectivity, (4, 8)))
        _set(self, "periodic", check_bool("periodic", self.periodic))


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


VALIDATION_RUNS = 16
"""Simulations of one validation cycle."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationConfig(PlainConfig):
    """One validation cycle; the fields of ``POST /validate``.

    Attributes:
        seed: Of the first run and of the network; run k has seed + k, so at most 2³² − 16.
        epochs: Epochs of training, 1…100.
        batch_size: Samples per step, 1…64.
        grid_size: Cells per side, 8…256.
        steps: Steps of each run, 1…1000.
        turing_enabled: Run the activator-inhibitor pair.
        quantum_jitter: Add plain Gaussian noise to the potential each step.

    Raises:
        ParameterError: A value is outside its range.
    """

    seed: int = 42
    epochs: int = 1
    batch_size: int = 4
    grid_size: int = 64
    steps: int = 64
    turing_enabled: bool = True
    quantum_jitter: bool = False

    def __post_init__(self) -> None:
        last = SEED_MAX - (VALIDATION_RUNS - 1)
        ranges = {
            "seed": (0, last),
            "epochs": (1, 100),
            "batch_size": (1, 64),
            "grid_size": (8, 256),
            "steps": (1, 1000),
        }
        for name, (low, high) in ranges.items():
            _set(self, name, check_int(name, getattr(self, name), low, high))
        for name in ("turing_enabled", "quantum_jitter"):
            _set(self, name, check_bool(name, getattr(self, name)))


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


def make_simulation_config_demo() -> SimulationConfig:
    """The documented demo run: 32², 32 steps, seed 42."""
    return SimulationConfig(grid_size=32, steps=32, seed=42)


def make_simulation_config_default() -> SimulationConfig:
    """The documented default run: 64², 100 steps, seed 42."""
    return SimulationConfig(grid_size=64, steps=100, seed=42)


def make_feature_config_demo() -> FeatureConfig:
    """The documented demo measurement: three box sizes."""
    return FeatureConfig(num_scales=3)


def make_feature_config_default() -> FeatureConfig:
    """The documented default measurement: five box sizes."""
    return FeatureConfig()


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
