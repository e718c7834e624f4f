"""`Simulation`: everything of a run but its start and its key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_kind, check_one_key
from mfnjax._plain_config import read_table, write_table
from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State, StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model
from mfnjax.models.registry import name_of
from mfnjax.simulation.checks import check_steps, is_traced, saved_fields
from mfnjax.simulation.chunks import Progress
from mfnjax.simulation.ensemble import run_members
from mfnjax.simulation.members import Members
from mfnjax.simulation.plain_grid import listed, read_mask
from mfnjax.simulation.plain_sides import sides_words
from mfnjax.simulation.problem import prepare_inputs
from mfnjax.simulation.record import Arrays, Meta, register_format
from mfnjax.simulation.rollout import run_inputs
from mfnjax.simulation.span import as_times, check_span
from mfnjax.simulation.spec import plain_values, simulation_parts
from mfnjax.simulation.start import (
    as_start,
    check_precision,
    check_seed,
    has_text,
    start_key,
    start_of,
    text_start,
)
from mfnjax.simulation.trajectory import FORMAT, OLD_FORMAT, Status, Trajectory
from mfnjax.steppers import AtRest, Stepper, choose_stepper


@final
@register_pytree
@dataclass(frozen=True)
class Simulation:
    """A model, a grid, and how time is stepped: everything of a run but its start and its key.

    It is a pytree: the model's parameters, the spacing and dt are traced, the rest is static.

    Attributes:
        model: The model; its parameters are traced (changing one compiles nothing).
        grid: The grid.
        steps: Number of steps T ≥ 0. A new number compiles nothing, unless ``adjoint`` is given.
        dt: Time step, in the model's unit of time (1 for a map).
        stepper: Name or object; None takes the model's own, or ``Adaptive()`` with ``until``.
        save_every: Save a frame after every so many steps; None saves none.
        save: Save this field alone (an array (n, H, W)); None saves whole states.
        adjoint: Memory policy of reverse mode: ``"direct"``, ``"per_step"``, ``"nested"`` or a
            number of MiB (see `mfnjax.simulation.adjoint`). None: forward mode only.
        start: Which of the model's starts a seed draws: a name; a text or a number for each field,
            such as ``{"u": "1 - 0.5*(abs(x - 64) < 10)", "v": "0.01*uniform()"}``, which may hold
            the parameters; None is the customary one.
        until: In the place of ``steps`` and ``dt``: the time to end at, with steps that choose
            themselves (`mfnjax.Adaptive`).
        save_at: Times to save at, with ``until``; steps end there.
        stop: What ends such a run earlier: `mfnjax.AtRest`. Frames of later times are not there
            then; inside a transformation they are NaN.

    Raises:
        ParameterError: A value is not accepted.

    Examples:
        >>> from mfnjax import GrayScottModel, Grid, Simulation
        >>> simulation = Simulation(GrayScottModel(), Grid((32, 32)), steps=100, save_every=10)
        >>> run = simulation.run(seed=0)
        >>> run.history["v"].shape, int(run.state.step), bool(run.status.ok)
        ((10, 32, 32), 100, True)
        >>> Simulation.from_dict(simulation.to_dict()) == simulation
        True
    """

    model: Model
    grid: Grid
    steps: Any = field(default=None, metadata={"static": True})
    dt: Any = 1.0
    stepper: str | Stepper | None = field(default=None, metadata={"static": True})
    save_every: int | None = field(default=None, metadata={"static": True})
    save: str | None = field(default=None, metadata={"static": True})
    adjoint: str | float | None = field(default=None, metadata={"static": True})
    start: Any = field(default=None, metadata={"static": True})
    until: Any = None
    save_at: Any = None
    stop: AtRest | None = None

    def __post_init__(self) -> None:
        check_kind("model", self.model, Model)
        check_kind("grid", self.grid, Grid)
        check_span(self)
        if self.until is None:
            fixed = self.adjoint is not None or self.save_every is not None
            object.__setattr__(self, "steps", check_steps(self.steps, static=fixed))
        object.__setattr__(self, "save_at", as_times(self.save_at))
        saved_fields(self.model, self.frames_every, self.save)
        object.__setattr__(self, "start", as_start(self.model, self.start))

    def run(
        self,
        start: StateLike | str | None = None,
        *,
        key: jax.Array | None = None,
        seed: int | None = None,
        dtype: str | None = None,
        progress: Progress | None = None,
    ) -> Trajectory:
        """Run from a start with a key, or from one of the model's own starts with a seed.

        A run of a + b steps equals a run of a followed by one of b, bit for bit: the state carries
        its step, and step s draws from ``fold_in(key, s)``.

        Args:
            start: A `State`, fields by name, or fields in order; arrays (H, W) of one floating
                dtype, which the run keeps. Fields by name may be text, too (see ``start`` above). A
                name, or None (as ``self.start`` says): that of the model's own, drawn from
                ``seed``.
            key: Typed key of the run's randomness; None for a model that draws none. A start by
                text draws from it, too, and independently of the steps.
            seed: 0 … 2³² − 1, in the place of start and key, or of the key alone where fields are
                given by name; None draws one where no start is given, and ``trajectory.seed`` says
                which.
            dtype: Of a start that is drawn, ``"float32"`` or ``"float64"``; None is float32 of a
                seed, JAX's default of a key, and that of arrays that are given.
            progress: Called with (steps done, steps in all) between chunks of a plain call.

        Returns:
            A `Trajectory`. A NaN or an infinity does not raise: ``trajectory.status`` says in which
            field and after which step it was first seen, before any clamp. Counts are plain ints
            from a plain call; inside a transformation they are arrays of JAX's default integer.

        Raises:
            ParameterError: A value is not accepted; or reverse mode without ``adjoint``.
            StabilityError: dt or a diffusivity is over a known stability bound.
        """
        if isinstance(start, str) or (has_text(start) and _is_plain(start)):
            again = self.replace(start=start)
            return again.run(key=key, seed=seed, dtype=dtype, progress=progress)
        given: Any = start
        is_own = start is None
        if is_own or has_text(start) or (isinstance(start, Mapping) and seed is not None):
            given, key, seed = self._drawn(start, key, seed, dtype)
        elif seed is not None or dtype is not None:
            raise ParameterError("seed and dtype belong to a start that is drawn: arrays are given")
        elif key is not None:
            key = check_one_key(key)
        inputs = prepare_inputs(self, given, key)
        trajectory = run_inputs(inputs, self.adjoint, progress)
        if inputs.is_traced or is_traced(trajectory.state.values):
            return trajectory
        status = dataclasses.replace(trajectory.status, ended=(self, trajectory.state))
        seed = seed if is_own else None
        return dataclasses.replace(trajectory, simulation=self, seed=seed, status=status)

    def run_to(
        self,
        path: str | Path,
        start: StateLike | None = None,
        *,
        seed: int | None = None,
        dtype: str | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> Trajectory:
        """Run, and write the frames of all fields to a Zarr store as they come.

        The store can be read while it grows, and 64 MiB of frames are in memory. A run that was
        killed goes on from its last finished frames, and ends with the same bytes.

        Args:
            path: A name that ends in ``.zarr``.
            start: As for `run`; of a resumed run the same again.
            seed: As for `run`; of a resumed run it is the store's.
            dtype: As for `run`.
            resume: Go on with the run in ``path``.
            progress: Called with (steps done, steps in all).

        Returns:
            The `Trajectory` without its frames; `Trajectory.load` of the store has them.

        Raises:
            ParameterError: No frames are to be saved, or those of one field alone.
            DataError: There is no such run to resume, or an unfinished one that is not resumed.
            NumericalInstabilityError: A field is not finite; the frames before are kept.
        """
        from mfnjax.simulation.exchange import GrowingStore
        from mfnjax.simulation.streaming import check_same, run_growing

        every, has_frames = self.save_every, self.save is None and Path(path).suffix == ".zarr"
        if self.steps is None or every is None or every > self.steps or not has_frames:
            raise ParameterError(
                "a run that is written as it goes needs steps= and save_every=, the frames of all "
                "fields, and a path that ends in .zarr"
            )
        store = GrowingStore(path)
        if resume:
            seed = check_same(self, store, seed)
        else:
            store.clear()
            seed = check_seed(seed)
        given, key, _ = self._drawn(start, None, seed, dtype)
        shown = seed if start is None else None
        return run_growing(self, store, given, key, seed=seed, shown_seed=shown, progress=progress)

    def _drawn(self, start: Any, key: Any, seed: int | None, dtype: str | None) -> tuple[Any, ...]:
        """A start that is not all arrays; the key of the run, if it draws; the seed of both."""
        is_text = start is not None or isinstance(self.start, tuple)
        if dtype is None:
            arrays = [one for one in (start or {}).values() if hasattr(one, "dtype")]
            kinds = arrays or ([float] if key is not None else [jnp.float32])
            dtype = str(jnp.result_type(*kinds))
        dtype = check_precision(dtype)
        if key is None and start is None:
            seed = check_seed(seed)
            start, key = start_of(self.model, self.grid, dtype, np.uint32(seed), self.start)
        elif seed is not None and key is not None:
            raise ParameterError("a seed stands for start and key: give one of seed and key")
        elif not is_text:
            raise ParameterError("a key needs a start beside it; a seed stands for both")
        else:
            if key is None:
                seed = check_seed(seed)
                first, key = jax.random.split(jax.random.key(np.uint32(seed)))
            else:
                first = start_key(check_one_key(key))
            texts = dict(self.start) if start is None else start
            start = text_start(self.model, self.grid, dtype, texts, key=first)
        draws = self.model.takes_key or self.model.is_stochastic()
        return start, key if draws else None, seed

    def ensemble(
        self,
        start: StateLike,
        *,
        key: jax.Array | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Trajectory:
        """Run many members at once; each equals `run` alone, bit for bit.

        A member is what differs: parameters of shape (n,), fields of shape (n, H, W), or keys (n,).
        What has no leading axis is shared. A parameter that is a field is so, too: (H, W) is one
        field for all, (n, H, W) is each member's own.

        Args:
            start: As for `run`; any field may be (n, H, W).
            key: A key, shared by all members, or keys (n,).
            threads: Blocks of runs at a time; None takes one for each core. Memory grows with it.
                On a CPU they run at the same time only if JAX has a device for each:
                `mfnjax.configure_cpu`.
            progress: Called with (members done, members in all) after each block.

        Returns:
            A `Trajectory` with a leading axis of n members on every leaf; counts are int64 arrays.

        Raises:
            ParameterError: Nothing has a leading axis, or two disagree; or as for `run`, with the
                number of the member where it is not the first.
        """
        members = Members.of(self.model, self.grid, start, key)
        return dataclasses.replace(run_members(self, members, threads, progress), simulation=self)

    def replace(self, **changes: Any) -> Self:
        """A copy with some attributes changed."""
        return dataclasses.replace(self, **changes)

    @property
    def frames_every(self) -> int | None:
        """Frames are saved after every so many steps, or times of ``save_at``; None: none are."""
        return self.save_every if self.save_at is None else 1

    @property
    def model_name(self) -> str:
        """The model's name in the registry, or that of its class."""
        return name_of(type(self.model))

    def summary(self) -> list[tuple[str, str]]:
        """The facts, as (name, text), for people."""
        grid = self.grid
        stepper = choose_stepper(self.model, self.stepper, chooses=self.until is not None)
        spacings = set(grid.spacings)
        numbers = " × ".join(f"{h:g}" for h in (spacings if len(spacings) == 1 else grid.spacings))
        spacing = "" if spacings == {1} else f", dx = {numbers}"
        masked = "" if grid.mask is None else ", masked"
        shape = " × ".join(map(str, grid.shape))
        is_map = hasattr(self.model, "advance")
        rows = [
            ("model", self.model_name),
            ("grid", f"{shape}{spacing}, {sides_words(grid.boundary)}{masked}"),
        ]
        if self.until is not None:
            how = f"{stepper.solver}, rtol = {stepper.rtol:g}, atol = {stepper.atol:g}"  # type: ignore[attr-defined]
            return [*rows, ("time", f"until {float(self.until):g} ({how})")]
        step = f"{self.steps}" if is_map else f"{self.steps} of dt = {self.dt:g}"
        return [*rows, ("steps", f"{step} ({stepper.name})")]

    def to_dict(self) -> dict[str, Any]:
        """As plain values; parameters that are arrays stay NumPy arrays.

        Raises:
            ParameterError: The model, the stepper or the boundary is one that no name stands for.
        """
        return plain_values(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a simulation from plain values, as configuration files and HTTP have them.

        ``model`` and ``preset``, or ``equation`` (a text, or a list of lines); ``parameters`` (a
        table; or each under its own name or symbol); ``grid_size`` or ``shape``, ``spacing``,
        ``origin``, ``boundary`` (see `mfnjax.simulation.plain_sides.read_sides`), ``mask`` (an
        array; without a shape it says the shape, too); ``steps``, ``dt``, ``stepper``,
        ``save_every``, ``save``, ``adjoint``, ``start`` (a name, or a table of texts). What is
        missing is the preset's, else the model's. In the place of ``steps``, ``dt`` and
        ``stepper``: ``until``, ``save_at``, ``at_rest`` (a rate), ``solver``, ``rtol``, ``atol``.

        Raises:
            ParameterError: A name is unknown or a value is not accepted.
        """
        return cls(**simulation_parts(values))

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """`from_dict` of a ``.toml`` or ``.json`` file, where ``mask`` may name a file, too.

        Raises:
            DataError: The file cannot be read.
            ParameterError: A name or a value in it is not accepted.
        """
        values = read_table(path)
        if isinstance(values.get("mask"), str):
            values["mask"] = read_mask(values["mask"])
        return cls.from_dict(values)

    def to_file(self, path: str | Path) -> None:
        """Write `to_dict` to a ``.toml`` or ``.json`` file.

        Arrays are written as lists of lists.

        Raises:
            DataError: Another ending, or the file cannot be written.
        """
        write_table(path, listed(self.to_dict()))


def simulate(
    model: Model,
    state: StateLike,
    *,
    grid: Grid,
    steps: Any = None,
    dt: Any = 1.0,
    stepper: str | Stepper | None = None,
    save_every: int | None = None,
    save: str | None = None,
    adjoint: str | float | None = None,
    until: Any = None,
    save_at: Any = None,
    stop: AtRest | None = None,
    progress: Progress | None = None,
    key: jax.Array | None = None,
) -> Trajectory:
    """Run a model from a state: `Simulation` and its `Simulation.run` in one call.

    Args:
        model: As for `Simulation`, and so on to ``stop``; ``steps`` may be traced here.
        state: Where to start, as for `Simulation.run`, and so on to ``key``.

    Returns:
        The `Trajectory`.

    Raises:
        ParameterError: A value is not accepted; or reverse mode without ``adjoint``.
        StabilityError: dt or a diffusivity is over a known stability bound.

    Examples:
        >>> import jax
        >>> from mfnjax import GrayScottModel, Grid, simulate
        >>> grid, model = Grid((32, 32)), GrayScottModel()
        >>> start = model.initial_state(grid, key=jax.random.key(0))
        >>> run = simulate(model, start, grid=grid, steps=100, save_every=10, save="v")
        >>> run.history.shape, int(run.state.step), bool(run.status.ok)
        ((10, 32, 32), 100, True)
    """
    times = {"until": until, "save_at": save_at, "stop": stop}
    simulation = Simulation(model, grid, steps, dt, stepper, save_every, save, adjoint, **times)
    return simulation.run(_given(state), key=key, progress=progress)


def simulate_ensemble(
    model: Model,
    state: StateLike,
    *,
    grid: Grid,
    steps: int | None = None,
    dt: Any = 1.0,
    stepper: str | Stepper | None = None,
    save_every: int | None = None,
    save: str | None = None,
    until: Any = None,
    save_at: Any = None,
    stop: AtRest | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    key: jax.Array | None = None,
) -> Trajectory:
    """Run many members of an ensemble: `Simulation` and its `Simulation.ensemble` in one call.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax import GrayScottModel, Grid, simulate_ensemble
        >>> grid = Grid((16, 16))
        >>> start = GrayScottModel().initial_state(grid, key=jax.random.key(0))
        >>> models = GrayScottModel(feed=jnp.linspace(0.03, 0.06, 5))
        >>> simulate_ensemble(models, start, grid=grid, steps=10).state["v"].shape
        (5, 16, 16)
    """
    times = {"until": until, "save_at": save_at, "stop": stop}
    simulation = Simulation(model, grid, steps, dt, stepper, save_every, save, **times)
    return simulation.ensemble(_given(state), key=key, threads=threads, progress=progress)


def _is_plain(start: Any) -> bool:
    """Whether a start by text holds no array."""
    return all(isinstance(value, (str, int, float)) for value in start.values())


def _given(state: Any) -> Any:
    if state is None:
        raise ParameterError("state must hold the fields of the model, got None")
    return state


def _from_record(meta: Meta, arrays: Arrays) -> Trajectory:
    """A trajectory of a file's contents."""
    described = meta["simulation"]
    for name in [name for name in arrays if name.startswith("parameter_")]:
        described["parameters"][name.removeprefix("parameter_")] = arrays.pop(name)
    if "grid_mask" in arrays:
        described["mask"] = arrays.pop("grid_mask")
    simulation = Simulation.from_dict(described)
    names = tuple(meta["fields"])
    history: Any = None
    if simulation.frames_every is not None:
        frames = {n: arrays[f"{n}_history"] for n in names if f"{n}_history" in arrays}
        if simulation.save is None:
            at, times = arrays["history_steps"], arrays.get("history_times")
            history = State(tuple(frames), tuple(frames.values()), at, times)
        else:
            history = frames[simulation.save]
    return Trajectory(
        state=State(
            names,
            tuple(arrays[name] for name in names),
            np.int32(meta["step"]),
            *(_numbers(meta.get(name)) for name in ("time", "pace")),
        ),
        history=history,
        counts={name: _integers(count) for name, count in meta["counts"].items()},
        status=Status(
            names,
            *(_integers(meta.get(key)) for key in ("first_bad_step", "bad_field", "cause")),
        ),
        simulation=simulation,
        seed=meta["seed"],
        steps_taken=_integers(meta.get("steps_taken")),
        steps_refused=_integers(meta.get("steps_refused")),
        stopped_at=meta.get("stopped_at"),
    )


def _integers(value: Any) -> Any:
    """A number of a run, or the numbers of an ensemble's members, as they were before the file."""
    return np.asarray(value, np.int64) if isinstance(value, list) else value


def _numbers(value: Any) -> Any:
    return None if value is None else np.asarray(value, np.float64)


def _from_old_record(meta: Meta, arrays: Arrays) -> Trajectory:
    """A trajectory of a file that the first version wrote for models other than v4.1."""
    run, steps = meta["run"], arrays.get("history_steps")
    saved = [name.removesuffix("_history") for name in arrays if name.endswith("_history")]
    values = {k: v for k, v in run.items() if k not in ("seed", "dtype") and v is not None}
    if steps is not None and len(steps):
        values["save_every"] = int(steps[0])
        values["save"] = saved[0] if len(saved) == 1 else None
    described = plain_values(Simulation.from_dict(values))
    fields = [n for n in arrays if n != "history_steps" and not n.endswith("_history")]
    new = {"simulation": described, "seed": run["seed"], "fields": fields, "step": run["steps"]}
    new |= {"counts": meta["counts"], "first_bad_step": -1, "bad_field": -1}
    return _from_record(new, arrays)


register_format(FORMAT, _from_record)
register_format(OLD_FORMAT, _from_old_record)
