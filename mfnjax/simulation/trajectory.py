"""What a run gives back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.pytree import register_pytree
from mfnjax.core.quantity import Quantity
from mfnjax.core.state import State
from mfnjax.errors import NumericalInstabilityError, ParameterError
from mfnjax.models.base import main_field
from mfnjax.simulation.inaccuracy import sufficient_step
from mfnjax.simulation.loop import Run
from mfnjax.simulation.problem import Inputs
from mfnjax.simulation.record import format_of, read_record, write_record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "mfnjax-run-2"
OLD_FORMAT = "mfnjax-model-run-1"
_RESERVED = ("meta", "file")
"""Names that an array of a file cannot have: that of its description, and one of NumPy's own."""


class Cause(enum.IntEnum):
    """Why a run is not ok."""

    NONE = 0
    STEP_VANISHED = 1
    STEPS_RAN_OUT = 2


_WORDS: dict[int, str] = {
    Cause.NONE: "holds a NaN or an infinity",
    Cause.STEP_VANISHED: "is the largest where no step is small enough for the tolerances (does "
    "the solution blow up?),",
    Cause.STEPS_RAN_OUT: "is the largest where the run has taken all its max_steps, before its "
    "end,",
}


@final
@register_pytree
@dataclass(frozen=True, repr=False)
class Status:
    """Whether a run went well: every field stayed finite; and where it first did not.

    Attributes:
        names: Field names (static).
        first_bad_step: The step (1-based) after which a NaN or an infinity was first seen; 0 is
            the initial state, −1 a run that stayed finite.
        bad_field: Index of that field, −1 for none.
        cause: Of a run that chose its steps, a `Cause` why it did not reach its end: the step is
            the last one then, and the field that with the largest value. Else None.
        ended: The simulation and the state that it ended in, of a plain run.
    """

    names: tuple[str, ...] = field(metadata={"static": True})
    first_bad_step: Any
    bad_field: Any
    cause: Any = None
    ended: Any = field(default=None, repr=False, compare=False, metadata={"origin": True})

    @property
    def inaccurate(self) -> bool:
        """Whether dt was too long for the rates of a plain run of fixed steps, as far as its end
        shows (see `mfnjax.simulation.inaccuracy`); found out when it is asked for."""
        return self.sufficient_dt is not None

    @property
    def sufficient_dt(self) -> float | None:
        """The dt that would have done for a run that is inaccurate; else None."""
        return None if self.ended is None or not self.ok else sufficient_step(*self.ended)

    @property
    def ok(self) -> Any:
        """Whether the run stayed finite, and reached its end (an array for an ensemble)."""
        return self.first_bad_step < 0

    @property
    def field_name(self) -> str | None:
        """Name of the first bad field of a single run; None if it stayed finite."""
        index = int(self.bad_field)
        return None if index < 0 else self.names[index]

    def __repr__(self) -> str:
        return f"Status({self})"

    def __str__(self) -> str:
        """In a sentence."""
        known = (int, np.generic, np.ndarray, jax.Array)
        if isinstance(self.first_bad_step, jax.core.Tracer) or not isinstance(
            self.first_bad_step, known
        ):
            return f"of {', '.join(self.names)}, inside a transformation"
        steps = np.atleast_1d(np.asarray(self.first_bad_step))
        lost = np.flatnonzero(steps >= 0)
        if not lost.size:
            return "all fields stayed finite"
        which = self.names[int(np.atleast_1d(np.asarray(self.bad_field))[lost[0]])]
        step = int(steps[lost[0]])
        said = f"{which} is not finite " + (f"after step {step}" if step else "at the start")
        if np.ndim(self.first_bad_step) == 0:
            return said
        return f"{lost.size} of {len(steps)} members are not finite: of member {lost[0]}, {said}"

    def raise_if_bad(self) -> None:
        """Raise NumericalInstabilityError with field and step, for a single concrete run."""
        if not bool(np.all(self.ok)):
            bad = np.atleast_1d(self.first_bad_step)
            worst = int(np.flatnonzero(bad >= 0)[0])
            index = int(np.atleast_1d(self.bad_field)[worst])
            cause = 0 if self.cause is None else np.atleast_1d(self.cause)[worst]
            raise NumericalInstabilityError(self.names[index], int(bad[worst]), _WORDS[int(cause)])


@final
@register_pytree
@dataclass(frozen=True, repr=False)
class Trajectory:
    """What a run of any model gives.

    Two parts say where it comes from, for files and for people; they stay behind when a trajectory
    is transformed or mapped, and are None for a run inside a transformation.

    Attributes:
        state: The state after the last step.
        history: Saved frames: a `State` of (n, H, W) arrays with the steps (n,) they stand at, or
            one (n, H, W) array where one field was asked for; None if nothing was saved. The
            initial state is not part of it.
        counts: Counter name → number of events over the run.
        status: Whether the run stayed finite, and where it first did not.
        simulation: The `mfnjax.Simulation` that ran.
        seed: The seed of its start and its chance; None where these were given as arrays and key.
        steps_taken: Of a run that chose its steps; else None.
        steps_refused: Steps that it tried and took back.
        stopped_at: The time at which ``stop`` ended it; None if nothing did (NaN inside a
            transformation).

    Examples:
        >>> from mfnjax import GrayScottModel, Grid, Simulation
        >>> run = Simulation(GrayScottModel(), Grid((32, 32)), steps=100).run(seed=1)
        >>> run
        Trajectory(gray-scott, 32×32, 100 steps, seed 1, u 0.2929…1, v 7.552e-10…0.3739)
    """

    state: State
    history: Any
    counts: dict[str, Any]
    status: Status
    simulation: Any = field(default=None, metadata={"origin": True})
    seed: int | None = field(default=None, metadata={"origin": True})
    steps_taken: Any = None
    steps_refused: Any = None
    stopped_at: Any = None

    @property
    def histories(self) -> dict[str, np.ndarray]:
        """Field name → frames (n, H, W) on the host, for the fields whose frames were saved."""
        if self.history is None:
            return {}
        if isinstance(self.history, State):
            saved = self.history.asdict()
        else:
            saved = {self._simulation().save: self.history}
        return {name: np.asarray(frames) for name, frames in saved.items()}

    @property
    def history_steps(self) -> np.ndarray:
        """The steps (n,) that the saved frames stand at; (members, n) of an ensemble."""
        if self.history is None:
            return np.zeros(0, np.int32)
        if isinstance(self.history, State):
            return np.asarray(self.history.step)
        simulation = self._simulation()
        if simulation.until is not None:
            return np.arange(1, self._num_frames + 1, dtype=np.int32)
        every = simulation.save_every
        start = np.asarray(self.state.step)[..., None] - simulation.steps
        return (start + every * np.arange(1, self._num_frames + 1)).astype(np.int32)

    def save(self, path: str | Path) -> Path:
        """Write everything to ``path``, whole or not at all; returns the path.

        The name's ending says how. ``.nc`` (NetCDF), ``.h5`` (HDF5) and ``.zarr`` are `to_xarray`;
        ``.vti`` is VTK image data for ParaView; ``.tif`` an ImageJ hyperstack (float32). ``.npz``
        has one array a field, ``NAME_history`` and ``history_steps`` for saved frames,
        ``parameter_NAME`` for parameters that are arrays, ``grid_mask``, and all else as JSON in
        ``meta``.

        Raises:
            DataError: Another ending, or the file cannot be written.
            ParameterError: The run was made inside a transformation; its model or stepper is one
                that a file cannot name; or such a file cannot hold it.
        """
        if Path(path).suffix == ".npz":
            return write_record(path, *self._record())
        from mfnjax.simulation.exchange import check_can_write, write_run

        check_can_write(path)
        return write_run(self.to_xarray(), path)

    def to_xarray(self) -> Any:
        """The run as an `xarray.Dataset` (``pip install 'mfnjax[files]'``).

        A variable a field, (time, y, x) where its frames were saved and else (y, x) of the last
        state, which stands behind the frames if it is none of them. Coordinates are ``time``,
        ``step``, the cells' centres and, of an ensemble, ``member``. The whole simulation is in the
        attributes: what is written by xarray is read by `load`.

        Raises:
            ParameterError: As for `save`.

        Examples:
            >>> from mfnjax import GrayScottModel, Grid, Simulation
            >>> run = Simulation(GrayScottModel(), Grid((8, 9), 2.0), 7, save_every=3).run(seed=0)
            >>> data = run.to_xarray()
            >>> dict(data.v.sizes), data.step.values.tolist(), float(data.x[0])
            ({'time': 3, 'y': 8, 'x': 9}, [3, 6, 7], 1.0)
        """
        from mfnjax.simulation.exchange import Layout, labelled

        simulation = self._simulation()
        grid = simulation.grid
        origins = np.broadcast_to(np.asarray(grid.origin, np.float64), len(grid.shape))
        layout = Layout(
            spacings=tuple(float(spacing) for spacing in grid.spacings),
            origins=tuple(origins.tolist()),
            dt=float(simulation.dt),
            quantities={name: self.quantity(name) for name in self.state.names},
            title=self._title,
        )
        return labelled(*self._record(), layout)

    def to_dataframe(self) -> Any:
        """The run as a `pandas.DataFrame`: a row a cell and frame, a column a coordinate and field.

        Fields without frames are left out where another has some.

        Raises:
            ParameterError: As for `save`.
        """
        data = self.to_xarray()
        names = list(self.histories) or list(self.state.names)
        return data[names].to_dataframe().reset_index()

    def _record(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a file of the run holds: all that is no array, and the arrays."""
        parts: list[tuple[str, Any]] = list(self.state.asdict().items())
        parts += [(f"{name}_history", frames) for name, frames in self.histories.items()]
        if self.history is not None:
            parts.append(("history_steps", self.history_steps))
        if isinstance(self.history, State) and self.history.time is not None:
            parts.append(("history_times", np.asarray(self.history.time)))
        described = self._simulation().to_dict()
        maps = {
            f"parameter_{name}": described["parameters"].pop(name)
            for name, value in list(described["parameters"].items())
            if isinstance(value, np.ndarray)
        }
        if "mask" in described:
            maps["grid_mask"] = described.pop("mask")
        parts += maps.items()
        names = [*_RESERVED, *(name for name, _ in parts)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ParameterError(f"two arrays of the file would be named {twice!r}: rename a field")
        meta = {
            "format": FORMAT,
            "simulation": described,
            "seed": self.seed,
            "fields": list(self.state.names),
            "step": np.asarray(self.state.step).tolist(),
            "counts": {name: np.asarray(count).tolist() for name, count in self.counts.items()},
            "first_bad_step": np.asarray(self.status.first_bad_step).tolist(),
            "bad_field": np.asarray(self.status.bad_field).tolist(),
        }
        if self.state.time is not None:
            meta["cause"] = np.asarray(self.status.cause).tolist()
            meta["time"] = np.asarray(self.state.time, np.float64).tolist()
            meta["pace"] = np.asarray(self.state.pace, np.float64).tolist()
            for name in ("steps_taken", "steps_refused", "stopped_at"):
                value = getattr(self, name)
                meta[name] = None if value is None else np.asarray(value).tolist()
        return meta, {name: np.asarray(part) for name, part in parts}

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Read what `save` wrote, without loss; files of the first version, too.

        Raises:
            DataError: Not such a file.
        """
        trajectory: Trajectory = read_record(path, (FORMAT, OLD_FORMAT))
        return trajectory

    def quantity(self, name: str) -> Quantity:
        """What a field holds and how it is shown, as its model says."""
        known = {} if self.simulation is None else self.simulation.model.quantities
        return known.get(name, Quantity(name))

    def plot(self, field: str | None = None) -> Figure:
        """Draw the last state of a field, beside its evolution where its frames were saved.

        Along a line these are the profiles of all fields and a kymograph, in space slices.

        Args:
            field: Name; None takes the one that alone was saved, else the model's main field.

        Raises:
            ParameterError: No such field, or this is an ensemble.
        """
        from mfnjax.plotting import plot_run

        name = self._shown_field(field)
        is_known = self.simulation is not None or isinstance(self.history, State)
        frames = self.histories.get(name) if is_known else None
        steps = None if frames is None else self.history_steps.tolist()
        others = [other for other in self.state.names if other != name]
        return plot_run(
            np.asarray(self.state[name]),
            self.quantity(name),
            frames=frames,
            steps=steps,
            title=self._title,
            mask=self._mask,
            extent=self._extent,
            others=[(np.asarray(self.state[other]), self.quantity(other)) for other in others],
        )

    def movie(self, path: str | Path, field: str | None = None, *, frames: int = 300) -> Path:
        """Film the saved frames of a field: an image, a moving profile or moving slices.

        Args:
            path: ``.gif`` or ``.mp4``.
            field: Name; None takes the one that alone was saved, else the model's main field.
            frames: Frames of the film, at most; the last one is the last that was saved.

        Raises:
            ParameterError: No such field, its frames were not saved, or this is an ensemble.
            DataError: Another suffix, no encoder, or the file cannot be written.
        """
        from mfnjax.plotting import write_movie

        name = self._shown_field(field)
        if name not in self.histories:
            raise ParameterError(f"a movie needs saved frames of {name}: give save_every=")
        history, steps = self.histories[name], self.history_steps
        every = -(-len(history) // frames)
        return write_movie(
            path,
            history[every - 1 :: every],
            steps=steps[every - 1 :: every].tolist(),
            quantity=self.quantity(name),
            mask=self._mask,
            extent=self._extent,
        )

    def summary(self) -> list[tuple[str, str]]:
        """The facts of the run, as (name, text), for people."""
        rows = [] if self.simulation is None else self.simulation.summary()
        rows.append(("precision", str(self.state.values[0].dtype)))
        if self.seed is not None:
            rows.append(("seed", str(self.seed)))
        for name in self.state.names:
            found, unit = self.statistics(name), f" {self.quantity(name).unit}".rstrip()
            span = f"{found['min']:.4g} … {found['max']:.4g}{unit}"
            rows.append((name, span.replace("-", "−")))
            centre = f"{found['mean']:.4g} ± {found['std']:.4g}{unit}"
            rows.append((f"{name}, mean ± std", centre.replace("-", "−")))
        for name, count in self.counts.items():
            rows.append((name.replace("_", " "), str(np.asarray(count).sum())))
        if self.steps_taken is not None:
            taken, refused = (np.asarray(n).sum() for n in (self.steps_taken, self.steps_refused))
            rows.append(("steps taken", f"{taken}, and {refused} refused"))
        if self.stopped_at is not None:
            rows.append(("at rest", f"from t = {np.asarray(self.stopped_at)} on"))
        frames = "not kept" if self.history is None else f"{self._num_frames} frames"
        rows.append(("history", frames))
        if not np.all(self.status.ok):
            rows.append(("status", "a field is not finite, or the end was not reached"))
        elif (dt := self.status.sufficient_dt) is not None:
            rows.append(("status", f"inaccurate: dt is too long, {dt:.2g} would do"))
        return rows

    def statistics(self, name: str) -> dict[str, float]:
        """Least, mean, largest value and spread of a field at the end, in the unit it is shown in.

        Of the cells that take part; mean and spread are weighed by their fractions.
        """
        return statistics_of(self.quantity(name).shown(self.state[name]), self._mask)

    def __repr__(self) -> str:
        if any(isinstance(value, jax.core.Tracer) for value in self.state.values):
            return f"Trajectory({', '.join(self.state.names)}: inside a transformation)"
        if not all(isinstance(value, (jax.Array, np.ndarray)) for value in self.state.values):
            return f"Trajectory({', '.join(self.state.names)}: mapped, no fields)"
        parts = [self._title]
        for name, value in self.state.asdict().items():
            quantity = self.quantity(name)
            shown = self._inside(quantity.shown(value))
            text = f"{name} {shown.min():.4g}…{shown.max():.4g} {quantity.unit}"
            parts.append(text.rstrip())
        if self.history is not None:
            parts.append(f"{self._num_frames} frames")
        return f"Trajectory({', '.join(parts)})"

    def _repr_html_(self) -> str:
        from mfnjax.plotting import picture_and_table

        figure = None if self._is_ensemble else self.plot()
        return picture_and_table(figure, self.summary())

    @property
    def _is_ensemble(self) -> bool:
        return np.ndim(self.state.step) > 0

    @property
    def _mask(self) -> Any:
        """The fraction of each cell that takes part, or None."""
        mask = None if self.simulation is None else getattr(self.simulation.grid, "mask", None)
        return None if mask is None else np.asarray(mask, np.float64)

    @property
    def _extent(self) -> list[tuple[float, float]] | None:
        """Where the grid's outer edges lie, an axis; None where cells are counted."""
        if self.simulation is None:
            return None
        grid = self.simulation.grid
        origin = getattr(grid, "origin", 0.0)
        if not np.any(np.not_equal(grid.spacing, 1)) and not np.any(origin):
            return None
        sizes = np.asarray(grid.shape)
        low = np.broadcast_to(np.asarray(origin, np.float64), sizes.shape)
        high = low + sizes * np.asarray(grid.spacing, np.float64)
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def _inside(self, shown: np.ndarray) -> np.ndarray:
        """The values of the cells that take part."""
        mask = self._mask
        return shown if mask is None else shown[..., mask > 0]

    @property
    def _num_frames(self) -> int:
        """Frames of a run that saved some (of each, in an ensemble)."""
        frames = self.history.values[0] if isinstance(self.history, State) else self.history
        return int(frames.shape[np.ndim(self.state.step)])

    @property
    def _title(self) -> str:
        shape = "×".join(str(size) for size in self.state.values[0].shape)
        if self.simulation is None:
            return shape
        until, steps = self.simulation.until, self.simulation.steps
        length = f"{steps} steps" if until is None else f"until {float(until):g}"
        text = f"{self.simulation.model_name}, {shape}, {length}"
        return text if self.seed is None else f"{text}, seed {self.seed}"

    def _shown_field(self, name: str | None) -> str:
        usual = self.state.names[-1]
        if self.simulation is not None:
            usual = self.simulation.save or main_field(self.simulation.model)
        chosen = name or usual
        if chosen not in self.state.names:
            raise ParameterError(
                f"field must be one of {', '.join(self.state.names)}; got {chosen!r}"
            )
        if self._is_ensemble:
            raise ParameterError("an ensemble has many fields: take one member to draw it")
        return chosen

    def _simulation(self) -> Any:
        if self.simulation is None:
            raise ParameterError(
                "this run was made inside a transformation, which leaves its simulation behind: "
                "run it by a plain call"
            )
        return self.simulation


def statistics_of(values: Any, mask: Any = None) -> dict[str, float]:
    """Least, mean, largest value and spread of the cells that take part, weighed by ``mask``."""
    inside = np.asarray(values)
    if mask is None:
        mean, std = float(inside.mean()), float(inside.std())
    else:
        weights = np.asarray(mask, np.float64)
        inside = inside[..., weights > 0]
        weights = np.broadcast_to(weights[weights > 0], inside.shape)
        mean = float(np.average(inside, weights=weights))
        std = float(np.sqrt(np.average((inside - mean) ** 2, weights=weights)))
    return {"min": float(inside.min()), "mean": mean, "max": float(inside.max()), "std": std}


def is_run(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the arrays of an ``.npz`` are a saved trajectory."""
    return format_of(arrays) in (FORMAT, OLD_FORMAT)


def make_trajectory(inputs: Inputs, run: Run, frames: tuple[Any, ...]) -> Trajectory:
    """What the loop left, its frames (an array a saved field), as a trajectory."""
    names = inputs.problem.model.fields
    history: Any = None
    if inputs.save_every is not None:
        every, count = inputs.save_every, inputs.steps // inputs.save_every
        arrays = tuple(jnp.asarray(f) for f in frames)
        if inputs.save is None:
            at = inputs.step + every * np.arange(1, count + 1, dtype=np.int32)
            history = State(names, arrays, at)
        else:
            (history,) = arrays
    return Trajectory(
        state=State(names, run.values, run.step),
        history=history,
        counts=dict(zip(inputs.problem.model.counters, run.counts, strict=True)),
        status=_status(names, run.first_bad),
    )


def _status(names: tuple[str, ...], first_bad: Any) -> Status:
    if isinstance(first_bad, jax.core.Tracer):
        step, field = first_bad // len(names), first_bad % len(names)
        is_bad = first_bad >= 0
        return Status(names, *(jnp.where(is_bad, x, -1) for x in (step, field)))
    code = int(first_bad)
    return Status(names, *(divmod(code, len(names)) if code >= 0 else (-1, -1)))
