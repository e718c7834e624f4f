"""What a documented run gives."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mfnjax._files import replacing
from mfnjax.errors import DataError, ParameterError
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.v41.config import SimulationConfig

if TYPE_CHECKING:
    pass


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
