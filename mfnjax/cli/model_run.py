"""A run of any registered model as plain values, and its file.

The v4.1 model has its documented layer (`mfnjax.SimulationConfig`); this is the same for the
others: a configuration that goes to and comes from files, and a result that is saved whole.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mfnjax._checks import check_choice, check_int, check_real
from mfnjax._files import replacing
from mfnjax._plain_config import PlainConfig
from mfnjax.config import BOUNDARIES, DTYPES, SEED_MAX
from mfnjax.errors import DataError, ParameterError

if TYPE_CHECKING:
    from mfnjax.simulation.rollout import Progress

FORMAT = "mfnjax-model-run-1"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelRun(PlainConfig):
    """One run of a registered model.

    Attributes:
        model: Name in the registry.
        preset: Name of a parameter set of that model, or None.
        parameters: Parameters by name or paper symbol; they win over the preset.
        grid_size: Cells per side of the square grid, 4…4096.
        spacing: Side of a cell dx, in the length unit of the diffusivities.
        boundary: ``periodic``, ``neumann`` (no flux) or ``dirichlet`` (zero outside).
        steps: Steps; None takes the preset's, else 1000.
        dt: Time step; None takes the preset's, else 1.
        stepper: Name of the stepper; None is the model's own.
        seed: 0…2³² − 1, or None: a fresh seed is drawn and reported.
        dtype: ``float32`` or ``float64``.

    Raises:
        ParameterError: A value is outside its range.
    """

    model: str
    preset: str | None = None
    parameters: dict[str, float] = dataclasses.field(default_factory=dict)
    grid_size: int = 128
    spacing: float = 1.0
    boundary: str = "periodic"
    steps: int | None = None
    dt: float | None = None
    stepper: str | None = None
    seed: int | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("model", "preset", "stepper"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name == "model"):
                raise ParameterError(f"{name} must be a name, got {value!r}")
        if not isinstance(self.parameters, dict):
            raise ParameterError(
                f"parameters must be a table of names and values, got {self.parameters!r}"
            )
        for name, value in self.parameters.items():
            check_real(name, value, -1e12, 1e12)
        check_int("grid_size", self.grid_size, 4, 4096)
        check_real("spacing", self.spacing, 0.0, 1e12, open_low=True)
        check_choice("boundary", self.boundary, BOUNDARIES)
        check_choice("dtype", self.dtype, DTYPES)
        if self.steps is not None:
            check_int("steps", self.steps, 1, 10**8)
        if self.dt is not None:
            check_real("dt", self.dt, 0.0, 1e12, open_low=True)
        if self.seed is not None:
            check_int("seed", self.seed, 0, SEED_MAX)

    def resolved(self) -> ModelRun:
        """The same run with steps, dt, stepper and seed filled in, and its model checked."""
        from mfnjax.models import build_model, get_model

        model = build_model(self.model, self.parameters, preset=self.preset)
        preset = get_model(self.model).presets.get(self.preset or "")
        steps, dt = (preset.steps, preset.dt) if preset else (1000, 1.0)
        return dataclasses.replace(
            self,
            steps=steps if self.steps is None else self.steps,
            dt=dt if self.dt is None else self.dt,
            stepper=model.steppers[0] if self.stepper is None else self.stepper,
            seed=secrets.randbelow(SEED_MAX + 1) if self.seed is None else self.seed,
        )


@final
@dataclasses.dataclass(frozen=True)
class ModelResult:
    """What a `ModelRun` gives.

    Attributes:
        run: The run, resolved: its seed, steps and dt are the ones that were used.
        fields: Field name → (H, W) after the last step.
        histories: Field name → (n, H, W) for the fields whose frames were saved.
        history_steps: The steps (n,) that the frames stand at.
        counts: Counter name → events over the run.
    """

    run: ModelRun
    fields: dict[str, np.ndarray]
    histories: dict[str, np.ndarray]
    history_steps: np.ndarray
    counts: dict[str, int]

    def save(self, path: str | Path) -> Path:
        """Write an ``.npz``: one array a field, ``NAME_history``, ``history_steps``, ``meta``.

        ``meta`` is JSON: the format's name, the run, and the counts.
        """
        path = Path(path)
        meta = {"format": FORMAT, "run": self.run.to_dict(), "counts": self.counts}
        arrays: dict[str, Any] = {
            **self.fields,
            **{f"{k}_history": v for k, v in self.histories.items()},
        }
        if self.histories:
            arrays["history_steps"] = self.history_steps
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez_compressed(file, meta=np.array(json.dumps(meta)), **arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> ModelResult:
        """Read what `save` wrote, without loss.

        Raises:
            DataError: Not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                arrays = {name: file[name] for name in file.files if name != "meta"}
            if meta["format"] != FORMAT:
                raise DataError(f"its format is {meta['format']!r}")
            run, counts = ModelRun.from_dict(meta["run"]), dict(meta["counts"])
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except Exception as error:  # a damaged zip fails in many ways, all of them this one
            raise DataError(f"{path}: not a model run saved by mfnjax ({error})") from error
        steps = arrays.pop("history_steps", np.zeros(0, np.int32))
        ending = "_history"
        histories = {
            name.removesuffix(ending): array
            for name, array in arrays.items()
            if name.endswith(ending)
        }
        fields = {name: array for name, array in arrays.items() if not name.endswith(ending)}
        return cls(run, fields, histories, steps, counts)


def run_model(
    run: ModelRun,
    *,
    save_every: int | None = None,
    save: str | None = None,
    progress: Progress | None = None,
) -> ModelResult:
    """Run a registered model.

    Args:
        run: The run.
        save_every: Save a frame after every so many steps; None saves none.
        save: Save this field alone; None saves all.
        progress: Called with (steps done, steps in all) now and then.

    Returns:
        The result.

    Raises:
        ParameterError: Unknown model, preset, parameter, field or stepper.
        StabilityError: dt is over the stepper's stability bound.
        NumericalInstabilityError: A field held a NaN or an infinity; it names field and step.
    """
    from mfnjax.core.grid import Grid
    from mfnjax.models import build_model
    from mfnjax.pipeline import check_precision
    from mfnjax.simulation.rollout import simulate

    check_precision(run.dtype)
    run = run.resolved()
    model = build_model(run.model, run.parameters, preset=run.preset)
    grid = Grid((run.grid_size, run.grid_size), spacing=run.spacing, boundary=run.boundary)
    state, key = _compiled_start(run.dtype)(model, grid, np.uint32(run.seed or 0))
    trajectory = simulate(
        model,
        state,
        grid=grid,
        steps=run.steps,
        dt=run.dt,
        stepper=run.stepper,
        save_every=save_every,
        save=save if save_every else None,
        progress=progress,
        key=key if model.takes_key else None,
    )
    trajectory.status.raise_if_bad()
    histories, steps = _frames(trajectory.history, save, run.steps or 0, save_every)
    return ModelResult(
        run=run,
        fields={name: np.asarray(u) for name, u in trajectory.state.asdict().items()},
        histories=histories,
        history_steps=steps,
        counts=dict(trajectory.counts),
    )


def _compiled_start(dtype: str) -> Any:
    """The initial state and the key of the run, compiled as one program."""
    import jax

    def start(model: Any, grid: Any, seed: Any) -> Any:
        start_key, run_key = jax.random.split(jax.random.key(seed))
        return model.initial_state(grid, dtype=dtype, key=start_key), run_key

    return jax.jit(start)


def _frames(
    history: Any, save: str | None, steps: int, every: int | None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    if every is None:
        return {}, np.zeros(0, np.int32)
    at = np.arange(every, steps + 1, every, dtype=np.int32)
    if save is not None:
        return {save: np.asarray(history)}, at
    return {name: np.asarray(u) for name, u in history.asdict().items()}, at
