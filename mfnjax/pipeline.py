"""The documented layer: a configuration in, a result out, features of it.

These names are a contract with the users of MyceliumFractalNet v4.1. Nothing is computed here:
a configuration becomes a model, a grid and a key for `mfnjax.simulate`.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import zipfile
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

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
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.simulation.rollout import Progress, simulate

if TYPE_CHECKING:
    from mfnjax.features import FeatureVector


@final
@dataclasses.dataclass(frozen=True, eq=False)
class SimulationResult:
    """What a documented run gives.

    Two results are equal if everything in them is, bit for bit.

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

    @property
    def frames(self) -> np.ndarray:
        """The history, of a run that must have one.

        Raises:
            ParameterError: The run kept none.
        """
        if self.history is None:
            raise ParameterError(
                "the result has no history; run_mycelium_simulation_with_history keeps it"
            )
        return self.history

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
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path}: not a result saved by mfnjax (not an .npz file)")
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
                    raise DataError(f"no {_FORMAT} header")
                return cls(
                    field=file["field"],
                    history=file.get("history"),
                    seed=meta["seed"],
                    config=SimulationConfig.from_dict(meta["config"]),
                    **{name: meta[name] for name in MyceliumModel.counters},
                )
        except Exception as error:  # a damaged file fails in many ways, all of them this one
            raise DataError(f"{path}: not a result saved by mfnjax ({error})") from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SimulationResult):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        )

    __hash__ = None  # type: ignore[assignment]

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


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    return bool(np.all(left == right)) and type(left) is type(right)


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
    model, grid = _model_and_grid(config)
    state, key = _chance(grid.shape, config.dtype, np.uint32(seed))
    return model, grid, state, key


@lru_cache(maxsize=32)
def _model_and_grid(config: SimulationConfig) -> tuple[MyceliumModel, Grid]:
    model = MyceliumModel(
        **{name: getattr(config, name) for name in MYCELIUM_PARAMETERS},
        turing_enabled=config.turing_enabled,
        quantum_jitter=config.quantum_jitter,
    )
    return model, Grid((config.grid_size, config.grid_size), boundary=config.boundary)


@partial(jax.jit, static_argnums=(0, 1))
def _chance(shape: tuple[int, int], dtype: str, seed: Any) -> tuple[State, jax.Array]:
    """The initial state of a seed, and the key of its run: one compiled call."""
    start_key, run_key = jax.random.split(jax.random.key(seed))
    state = MyceliumModel().initial_state(Grid(shape), dtype=dtype, key=start_key)
    return state, run_key


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
    from mfnjax.features import compute_features  # a run alone starts faster without

    if config is not None and not isinstance(config, FeatureConfig):
        raise ParameterError(f"config must be a FeatureConfig, got {type(config).__name__}")
    if isinstance(source, SimulationResult):
        source = source.field if source.history is None else source.history
    return compute_features(source, FeatureConfig() if config is None else config)
