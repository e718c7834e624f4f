"""Configurations: frozen, validated at construction, to and from plain files.

A configuration describes a run of the documented v4.1 system in plain Python values. The
mathematics never sees one: it becomes a `mfnjax.Simulation`.

Ranges and defaults follow MyceliumFractalNet v4.1.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mfnjax._checks import check_bool, check_choice, check_int
from mfnjax._plain_config import BOUNDARIES, DTYPES, SEED_MAX, PlainConfig, _set
from mfnjax.models.mycelium.ranges import MYCELIUM_PARAMETERS

if TYPE_CHECKING:
    from mfnjax.simulation import Simulation


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

    def simulation(self, *, with_history: bool = False) -> Simulation:
        """The `mfnjax.Simulation` that this describes; seed and dtype are given to its `run`."""
        from mfnjax.core.grid import Grid
        from mfnjax.models.mycelium.model import MyceliumModel
        from mfnjax.simulation import Simulation

        switches = ("turing_enabled", "quantum_jitter")
        names = (*MYCELIUM_PARAMETERS, *switches)
        return Simulation(
            MyceliumModel(**{name: getattr(self, name) for name in names}),
            Grid((self.grid_size, self.grid_size), boundary=self.boundary),
            self.steps,
            save_every=1 if with_history else None,
            save="potential" if with_history else None,
        )

    @classmethod
    def of(cls, simulation: Simulation, seed: int, dtype: str) -> SimulationConfig:
        """The configuration of a simulation of the v4.1 model on a square grid."""
        values = simulation.to_dict()
        names = {field.name for field in dataclasses.fields(cls)}
        parameters = {k: v for k, v in values["parameters"].items() if k in names}
        return cls(
            grid_size=values["shape"][0],
            steps=values["steps"],
            boundary=values["boundary"],
            seed=seed,
            dtype=dtype,
            **parameters,
        )


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


def make_simulation_config_demo() -> SimulationConfig:
    """The documented demo run: 32², 32 steps, seed 42."""
    return SimulationConfig(grid_size=32, steps=32, seed=42)


def make_simulation_config_default() -> SimulationConfig:
    """The documented default run: 64², 100 steps, seed 42."""
    return SimulationConfig(grid_size=64, steps=100, seed=42)
