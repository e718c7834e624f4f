"""What a fit gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import jax.numpy as jnp
import numpy as np

from mfnjax.fitting.layout import Layout, Models, Objectives
from mfnjax.fitting.plain_json import json_text, plain
from mfnjax.plotting.style import also_saved, in_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True)
class StartReport:
    """How one start ended.

    Attributes:
        status: ``converged``, ``stalled`` (out of iterations, or no lower point found),
            ``value NaN`` or ``gradient NaN``.
        loss: Its lowest loss; NaN if there was none.
        iterations: Iterations it took.
        gradient: The largest |∂loss/∂y| at its end.
        start: Parameters it started from.
        parameters: Parameters it ended at.
    """

    status: str
    loss: float
    iterations: int
    gradient: float
    start: dict[str, float]
    parameters: dict[str, float]


@final
@dataclass(frozen=True, repr=False)
class FitResult:
    """The result of `mfnjax.fit`.

    Attributes:
        parameters: The fitted parameters of the best start, by name.
        model: The model with them; by data set where there are several.
        loss: Its loss; ½χ² for a least-squares objective.
        status: How the best start ended.
        starts: How every start ended.
        history: The lowest loss of every start after each iteration (starts, iterations); NaN
            after a start's end.
        seconds: Wall-clock time, compilation included.
        free: The best free vector y: parameters, then unknowns of the objectives.
        layout: The meaning of y.
        models: Data set → the model as it was given ("" is the only one).
        objectives: Data set → objective.
    """

    parameters: dict[str, float]
    model: Any
    loss: float
    status: str
    starts: tuple[StartReport, ...]
    history: np.ndarray
    seconds: float
    free: np.ndarray
    layout: Layout
    models: Models
    objectives: Objectives

    @property
    def converged(self) -> bool:
        """Whether the best start converged."""
        return self.status == "converged"

    @property
    def is_least_squares(self) -> bool:
        """Whether every objective is a least-squares one."""
        return all(o.is_least_squares for o in self.objectives.values())

    @property
    def unknowns(self) -> dict[str, dict[str, Any]]:
        """Data set → the estimated unknowns of its objective."""
        return self.layout.unpack(jnp.asarray(self.free), self.models)[1]

    @property
    def fitted_models(self) -> Models:
        """Data set → the fitted model."""
        return self.model if isinstance(self.model, dict) else {"": self.model}

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "parameters": self.parameters,
            "bounds": {e.name: str(e.transform) for e in self.layout.entries},
            "loss": self.loss,
            "status": self.status,
            "seconds": self.seconds,
            "starts": [plain(vars(start)) for start in self.starts],
            "history": plain(self.history.tolist()),
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON; also written to ``path`` where one is given."""
        return json_text(self.to_dict(), path)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the descent of every start; also written to ``path`` where one is given."""
        return also_saved(plot_history(self), path)

    def __repr__(self) -> str:
        width = max((len(name) for name in self.parameters), default=0)
        ended = [start.status for start in self.starts]
        counts = ", ".join(f"{ended.count(kind)} {kind}" for kind in dict.fromkeys(ended))
        iterations = max(start.iterations for start in self.starts)
        lines = [
            f"FitResult: {self.status}, loss {self.loss:.6g}",
            f"  starts: {counts}; {iterations} iterations, {self.seconds:.1f} s",
        ]
        lines += [
            f"  {entry.name:<{width}} = {self.parameters[entry.name]:<12.6g} ({entry.transform})"
            for entry in self.layout.entries
        ]
        if self.layout.num_unknowns:
            lines.append(f"  and {self.layout.num_unknowns} unknowns of the objective")
        return "\n".join(lines)


COLOURS = {
    "converged": "#2f6f9f",
    "stalled": "#c98a1b",
    "value NaN": "#b23b3b",
    "gradient NaN": "#7a3fa0",
}
"""Status of a start → its colour."""


@in_style
def plot_history(result: FitResult) -> Figure:
    """The lowest loss of every start over its iterations, coloured by how it ended."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.2), layout="constrained")
    axes = figure.add_subplot()
    shown: set[str] = set()
    for start, losses in zip(result.starts, result.history, strict=True):
        losses = losses[: start.iterations]
        label = None if start.status in shown else start.status
        shown.add(start.status)
        axes.plot(
            np.arange(1, len(losses) + 1),
            np.where(losses > 0, losses, np.nan),
            color=COLOURS[start.status],
            alpha=0.9 if len(result.starts) < 10 else 0.5,
            marker="." if len(losses) < 2 else None,
            label=label,
        )
    finite = result.history[np.isfinite(result.history)]
    if finite.size and finite.min() > 0:
        axes.set_yscale("log")
    axes.set(xlabel="iteration", ylabel="loss", title="Descent of every start")
    axes.legend()
    return figure
