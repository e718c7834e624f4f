"""Configurations: frozen, validated at construction, to and from plain files.

A configuration describes a run of the documented v4.1 system in plain Python values. The
mathematics never sees one: it becomes a `mfnjax.Simulation`.

Ranges and defaults follow MyceliumFractalNet v4.1.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mfnjax._parameter import parameter
from mfnjax._plain_config import BOUNDARY, DTYPE, SEED, SEED_MAX, PlainConfig
from mfnjax.errors import DataError
from mfnjax.models.mycelium.parameters import GRID_SIZE, MYCELIUM_PARAMETERS, STEPS

if TYPE_CHECKING:
    from mfnjax.simulation import Simulation


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulationConfig(PlainConfig):
    """One run of the v4.1 model.

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

    grid_size: int = parameter(like=GRID_SIZE)
    steps: int = parameter(like=STEPS)
    alpha: float = parameter(like=MYCELIUM_PARAMETERS["alpha"])
    d_activator: float = parameter(like=MYCELIUM_PARAMETERS["d_activator"])
    d_inhibitor: float = parameter(like=MYCELIUM_PARAMETERS["d_inhibitor"])
    r_activator: float = parameter(like=MYCELIUM_PARAMETERS["r_activator"])
    r_inhibitor: float = parameter(like=MYCELIUM_PARAMETERS["r_inhibitor"])
    turing_enabled: bool = parameter(like=MYCELIUM_PARAMETERS["turing_enabled"])
    turing_threshold: float = parameter(like=MYCELIUM_PARAMETERS["turing_threshold"])
    spike_probability: float = parameter(like=MYCELIUM_PARAMETERS["spike_probability"])
    quantum_jitter: bool = parameter(like=MYCELIUM_PARAMETERS["quantum_jitter"])
    jitter_var: float = parameter(like=MYCELIUM_PARAMETERS["jitter_var"])
    boundary: str = parameter(like=BOUNDARY)
    seed: int | None = parameter(like=SEED)
    dtype: str = parameter(like=DTYPE)

    def simulation(self, *, with_history: bool = False) -> Simulation:
        """The `mfnjax.Simulation` that this describes; seed and dtype are given to its `run`."""
        from mfnjax.core.grid import Grid
        from mfnjax.models.mycelium.model import MyceliumModel
        from mfnjax.simulation import Simulation

        own = {name: getattr(self, name) for name in MYCELIUM_PARAMETERS if hasattr(self, name)}
        return Simulation(
            MyceliumModel(**own),
            Grid((self.grid_size, self.grid_size), boundary=self.boundary),
            self.steps,
            save_every=1 if with_history else None,
            save="potential" if with_history else None,
        )

    @classmethod
    def of(cls, simulation: Simulation, seed: int, dtype: str) -> SimulationConfig:
        """The configuration of a simulation of the v4.1 model on a square grid.

        Raises:
            DataError: No configuration describes it: one has no ``spacing``, say.
        """
        values = simulation.to_dict()
        names = {field.name for field in dataclasses.fields(cls)}
        parameters = {k: v for k, v in values["parameters"].items() if k in names}
        config = cls(
            grid_size=values["shape"][0],
            steps=values["steps"],
            boundary=values["boundary"],
            seed=seed,
            dtype=dtype,
            **parameters,
        )
        described = config.simulation().to_dict()
        asked, made = ({**each, **each["parameters"]} for each in (values, described))
        for name in ("shape", "spacing", "dt", *values["parameters"]):
            if asked[name] != made[name]:
                raise DataError(f"a SimulationConfig cannot say {name} = {asked[name]} of this run")
        return config


VALIDATION_RUNS = 16
"""Simulations of one validation cycle."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationConfig(PlainConfig):
    """One validation cycle; the fields of ``POST /validate``.

    Run k has the seed ``seed + k``. The ranges of grid and steps are those of the server.

    Raises:
        ParameterError: A value is outside its range.
    """

    seed: int = parameter(
        42,
        like=SEED,
        high=SEED_MAX - (VALIDATION_RUNS - 1),
        text="Seed of the first run; run k has seed + k",
    )
    epochs: int = parameter(1, low=1, high=100, text="Epochs of training")
    batch_size: int = parameter(4, low=1, high=64, text="Samples per training step")
    grid_size: int = parameter(like=GRID_SIZE, low=8, high=256)
    steps: int = parameter(like=STEPS, high=1000, text="Steps of each run")
    turing_enabled: bool = parameter(like=MYCELIUM_PARAMETERS["turing_enabled"])
    quantum_jitter: bool = parameter(like=MYCELIUM_PARAMETERS["quantum_jitter"])


def make_simulation_config_demo() -> SimulationConfig:
    """The documented demo run: 32², 32 steps, seed 42."""
    return SimulationConfig(grid_size=32, steps=32, seed=42)


def make_simulation_config_default() -> SimulationConfig:
    """The documented default run: 64², 100 steps, seed 42."""
    return SimulationConfig(grid_size=64, steps=100, seed=42)
