"""The documented layer: a configuration in, a result out, features of it.

These names are a contract with the users of MyceliumFractalNet v4.1. Nothing is computed here:
a configuration becomes a model, a grid and a key for `mfnjax.simulate`.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from pathlib import Path
from typing import Any, final

import jax
import numpy as np

from mfnjax._files import replacing
from mfnjax.config import (
    MYCELIUM_PARAMETERS,
    SEED_MAX,
    FeatureConfig,
    SimulationConfig,
)
from mfnjax.core.grid import Grid
from mfnjax.core.state import State
from mfnjax.errors import DataError, ParameterError
from mfnjax.features import FeatureVector, compute_features
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.simulation.rollout import Progress, simulate


@final
@dataclasses.dataclass(frozen=True)
class SimulationResult:
    """What a documented run gives.

    Attributes:
        field: Potential after the last step, (H, W), volts.
        history: Potential after each step, (T, H, W), volts; None if not asked for.
        growth_events: Growth events over the run.
        turing_activations: Cells over the threshold, summed over the steps.
        clamping_events: Cells that the clamp changed, summed over the steps.
        seed: The seed used (drawn afresh where the configuration has None).
        config: The configuration.
    """

    field: np.ndarray
    history: np.ndarray | None
    growth_events: int
    turing_activations: int
    clamping_events: int
    seed: int
    config: SimulationConfig

    def save(self, path: str | Path) -> Path:
        """Write everything to ``path`` (``.npz``), whole or not at all; returns the path.

        Raises:
            DataError: The name does not end in .npz, or the file cannot be written.
        """
        path = _npz_path(path)
        arrays: dict[str, Any] = {"field": self.field}
        if self.history is not None:
            arrays["history"] = self.history
        meta = {
            "format": _FORMAT,
            "config": self.config.to_dict(),
            "seed": self.seed,
            **{name: getattr(self, name) for name in MyceliumModel.counters},
        }
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez_compressed(file, meta=np.array(json.dumps(meta)), **arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> SimulationResult:
        """Read what `save` wrote, without loss.

        Raises:
            DataError: Not such a file.
        """
        path = _npz_path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                field = file["field"]
                history = file.get("history")
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except Exception as error:  # a damaged zip fails in many ways, all of them this one
            raise DataError(f"{path}: not a result saved by mfnjax ({error})") from error
        if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
            raise DataError(f"{path}: not a result saved by mfnjax (no {_FORMAT} header)")
        counts = {name: meta[name] for name in MyceliumModel.counters}
        config = SimulationConfig.from_dict(meta["config"])
        return cls(field=field, history=history, seed=meta["seed"], config=config, **counts)

    def _repr_html_(self) -> str:
        from mfnjax.plotting import result_html

        return result_html(self)

    def __repr__(self) -> str:
        frames = "no history" if self.history is None else f"{len(self.history)} frames"
        low, high = 1e3 * float(self.field.min()), 1e3 * float(self.field.max())
        return (
            f"SimulationResult({self.field.shape[0]}×{self.field.shape[1]}, "
            f"{self.config.steps} steps, seed {self.seed}, {low:.1f}…{high:.1f} mV, "
            f"{self.growth_events} growth events, {frames})"
        )


_FORMAT = "mfnjax-simulation-result-1"


def _npz_path(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".npz":
        raise DataError(f"{path}: a result file ends in .npz")
    return path


def run_mycelium_simulation(
    config: SimulationConfig, *, progress: Progress | None = None
) -> SimulationResult:
    """Run the v4.1 model as ``config`` says; without the history.

    The same seed and configuration give the same bits, in a fresh process too.

    Args:
        config: The run.
        progress: Called with (steps done, steps in all) now and then.

    Returns:
        The result; its ``history`` is None.

    Raises:
        NumericalInstabilityError: A field held a NaN or an infinity; it names field and step.

    Examples:
        >>> from mfnjax import make_simulation_config_demo, run_mycelium_simulation
        >>> result = run_mycelium_simulation(make_simulation_config_demo())
        >>> result.field.shape, result.growth_events
        ((32, 32), 7)
    """
    return _run(config, with_history=False, progress=progress)


def run_mycelium_simulation_with_history(
    config: SimulationConfig, *, progress: Progress | None = None
) -> SimulationResult:
    """Run the v4.1 model as ``config`` says, and keep the potential after each step.

    As `run_mycelium_simulation`, with ``history`` of shape (T, H, W) in volts.
    """
    return _run(config, with_history=True, progress=progress)


def mycelium_inputs(
    config: SimulationConfig, seed: int
) -> tuple[MyceliumModel, Grid, State, jax.Array]:
    """Return the model, the grid, the initial state and the key of a documented run."""
    model = MyceliumModel(
        **{name: getattr(config, name) for name in MYCELIUM_PARAMETERS},
        turing_enabled=config.turing_enabled,
        quantum_jitter=config.quantum_jitter,
    )
    grid = Grid((config.grid_size, config.grid_size), boundary=config.boundary)
    start_key, run_key = _keys(np.uint32(seed))
    return model, grid, _start(grid.shape, config.dtype, start_key), run_key


@jax.jit
def _keys(seed: Any) -> tuple[jax.Array, jax.Array]:
    start_key, run_key = jax.random.split(jax.random.key(seed))
    return start_key, run_key


def _start_state(shape: tuple[int, int], dtype: str, key: jax.Array) -> State:
    return MyceliumModel().initial_state(Grid(shape), dtype=dtype, key=key)


_start = jax.jit(_start_state, static_argnums=(0, 1))


def _run(
    config: SimulationConfig, *, with_history: bool, progress: Progress | None
) -> SimulationResult:
    if not isinstance(config, SimulationConfig):
        raise ParameterError(f"config must be a SimulationConfig, got {type(config).__name__}")
    check_precision(config.dtype)
    seed = secrets.randbelow(SEED_MAX + 1) if config.seed is None else config.seed
    model, grid, state, key = mycelium_inputs(config, seed)
    trajectory = simulate(
        model,
        state,
        grid=grid,
        steps=config.steps,
        save_every=1 if with_history else None,
        save="potential" if with_history else None,
        progress=progress,
        key=key,
    )
    trajectory.status.raise_if_bad()
    return SimulationResult(
        field=np.asarray(trajectory.state["potential"]),
        history=np.asarray(trajectory.history) if with_history else None,
        seed=seed,
        config=config,
        **trajectory.counts,
    )


def check_precision(dtype: str) -> None:
    """Raise ParameterError if float64 is asked for and JAX has it switched off."""
    if dtype == "float64" and not jax.config.read("jax_enable_x64"):
        raise ParameterError(
            "dtype float64 needs 64-bit JAX: jax.config.update('jax_enable_x64', True), "
            "or --x64 on the command line"
        )


def compute_fractal_features(
    source: SimulationResult | Any, config: FeatureConfig | None = None
) -> FeatureVector:
    """Measure the 18 features of a result, a field, a history or a mask.

    Args:
        source: A `SimulationResult` (its history if it has one, else its field), or an array: a
            field (H, W) or a history (T, H, W) in volts, or a boolean mask (H, W).
        config: How to measure; None is the default configuration.

    Returns:
        The features, in their documented order and units.

    Raises:
        ParameterError: The array has the wrong shape or kind.
        DataError: A cell is not finite.

    Examples:
        >>> from mfnjax import compute_fractal_features, run_mycelium_simulation
        >>> from mfnjax import make_simulation_config_demo
        >>> result = run_mycelium_simulation(make_simulation_config_demo())
        >>> features = compute_fractal_features(result)
        >>> -75 < features["V_mean"] < -65
        True
    """
    if isinstance(source, SimulationResult):
        source = source.field if source.history is None else source.history
    return compute_features(source, FeatureConfig() if config is None else config)
