"""What a documented run gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mfnjax.core.quantity import POTENTIAL
from mfnjax.errors import DataError, ParameterError
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.simulation import trajectory
from mfnjax.simulation.record import Arrays, Meta, read_record, register_format, write_record
from mfnjax.simulation.trajectory import Trajectory
from mfnjax.v41.config import SimulationConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        arrays = {"field": self.field}
        if self.history is not None:
            arrays["history"] = self.history
        counts = {name: getattr(self, name) for name in MyceliumModel.counters}
        meta = {"format": FORMAT, "config": self.config.to_dict(), "seed": self.seed, **counts}
        return write_record(path, meta, arrays)

    @classmethod
    def load(cls, path: str | Path) -> SimulationResult:
        """Read what `save` wrote, without loss, or what ``mfn simulate`` wrote of a v4.1 run.

        Raises:
            DataError: Not such a file.
        """
        found = read_record(path, (FORMAT, trajectory.FORMAT))
        return found if isinstance(found, cls) else cls.of(found)

    @classmethod
    def of(cls, run: Trajectory) -> SimulationResult:
        """The documented view of a run of the v4.1 model from a seed."""
        simulation = run.simulation
        if run.seed is None or not isinstance(simulation.model, MyceliumModel):
            raise DataError("not a run of the v4.1 model from a seed")
        every = simulation.save_every
        if every not in (None, 1):
            raise DataError(f"its frames are {every} steps apart, and a history has every step")
        field = np.asarray(run.state["potential"])
        frames = run.histories.get("potential")
        return cls(
            field=field,
            history=None if frames is None else np.asarray(frames),
            seed=run.seed,
            config=SimulationConfig.of(simulation, run.seed, str(field.dtype)),
            **run.counts,
        )

    def plot(self) -> Figure:
        """Draw the final field, beside its evolution where the history was kept."""
        from mfnjax.plotting import plot_run

        size = f"{self.field.shape[0]} × {self.field.shape[1]}"
        title = f"v4.1, {size}, after {self.config.steps} steps, seed {self.seed}"
        steps = None if self.history is None else range(1, len(self.history) + 1)
        return plot_run(self.field, POTENTIAL, frames=self.history, steps=steps, title=title)

    def summary(self) -> list[tuple[str, str]]:
        """The facts of the run, as (name, text), for people."""
        config, field = self.config, POTENTIAL.shown(self.field)
        frames = "not kept" if self.history is None else f"{len(self.history)} frames"
        rows = [
            ("grid", f"{field.shape[0]} × {field.shape[1]}, {config.boundary}"),
            ("steps", str(config.steps)),
            ("seed", str(self.seed)),
            ("precision", config.dtype),
            ("potential", f"{field.min():.2f} … {field.max():.2f} mV"),
            ("mean ± std", f"{np.mean(field):.2f} ± {np.std(field):.2f} mV"),
            ("growth events", str(self.growth_events)),
            ("Turing activations", str(self.turing_activations)),
            ("clamped cells", str(self.clamping_events)),
            ("history", frames),
        ]
        return [(name, text.replace("-", "−")) for name, text in rows]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SimulationResult):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        )

    __hash__ = None  # type: ignore[assignment]

    def _repr_html_(self) -> str:
        from mfnjax.plotting import picture_and_table

        return picture_and_table(self.plot(), self.summary())

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


FORMAT = "mfnjax-simulation-result-1"


def _from_record(meta: Meta, arrays: Arrays) -> SimulationResult:
    return SimulationResult(
        field=arrays["field"],
        history=arrays.get("history"),
        seed=meta["seed"],
        config=SimulationConfig.from_dict(meta["config"]),
        **{name: meta[name] for name in MyceliumModel.counters},
    )


register_format(FORMAT, _from_record)
