"""A Zarr store that grows while a run goes on: readable at any time, and resumed after a kill.

It has the length of the whole run from the first frames on. Frames are put in first and counted
last, in one file that is replaced whole: what is beyond the count was not finished.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final

import numpy as np

from mfnjax.errors import DataError
from mfnjax.simulation.exchange.files import check_can_write, write_run
from mfnjax.simulation.exchange.labelled import ABOUT, require

SEED = "mfnjax_seed"
"""The attribute of the seed that the run draws from, also where its start was given."""


@final
class GrowingStore:
    """The store of a run that is not finished.

    Attributes:
        path: Its folder.
        meta: All that is no array, of what is finished; None before the first frames.
        seed: What the run draws from.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = check_can_write(path)
        self.meta: dict[str, Any] | None = None
        self.seed = 0
        if self.path.exists():
            attributes = dict(self._group("r").attrs)
            if ABOUT in attributes:
                self.meta = json.loads(str(attributes[ABOUT]))
                self.seed = int(str(attributes.get(SEED, 0)))

    @property
    def frames(self) -> int:
        """Frames that are finished."""
        return int(self.meta["frames"]) if self.meta else 0

    @property
    def is_finished(self) -> bool:
        """Whether the run is whole."""
        return self.meta is not None and self.meta["step"] >= self.meta["simulation"]["steps"]

    def clear(self) -> None:
        """Let the first frames that are added take the place of what is there.

        Raises:
            DataError: That is a run that is not finished.
        """
        if self.meta is not None and not self.is_finished:
            raise DataError(
                f"{self.path}: holds a run that is not finished: go on with it (--resume), or "
                "remove it"
            )
        self.meta = None

    def add(self, dataset: Any, seed: int) -> None:
        """Put in frames, or the last state where it is no frame."""
        meta = json.loads(dataset.attrs[ABOUT])
        begin, count = self.frames, meta["frames"] or 0
        is_new = self.meta is None
        if is_new:
            write_run(dataset.assign_attrs({SEED: seed}), self.path)
        group = self._group("r+")
        if is_new or count:
            self._make_room(group, meta)
        meta["frames"] = begin + count
        if not is_new:
            for name in meta["fields"]:
                values = np.asarray(dataset[name].values)
                values = values.reshape(-1, *group[name].shape[1:])
                group[name][begin : begin + len(values)] = values
            group.attrs[ABOUT] = json.dumps(meta)
        self.meta = meta

    def last_state(self) -> tuple[np.ndarray, ...]:
        """The fields at the last finished frame."""
        group, fields = self._group("r"), (self.meta or {})["fields"]
        return tuple(np.asarray(group[name][self.frames - 1]) for name in fields)

    def _make_room(self, group: Any, meta: dict[str, Any]) -> None:
        """Arrays of the whole run's length: those who read it meanwhile find NaN at its end."""
        described = meta["simulation"]
        every, last = described["save_every"], described["steps"]
        steps = [*range(every, last + 1, every), *([last] if last % every else [])]
        if all(group[name].shape[0] == len(steps) for name in (*meta["fields"], "step", "time")):
            return
        for name in meta["fields"]:
            group[name].resize((len(steps), *group[name].shape[1:]))
        for name, values in (("step", steps), ("time", np.multiply(steps, described["dt"]))):
            group[name].resize((len(steps),))
            group[name][:] = np.asarray(values, group[name].dtype)

    def _group(self, mode: str) -> Any:
        try:
            return require("zarr").open_group(str(self.path), mode=mode)
        except Exception as error:  # a damaged store fails in many ways, all of them this one
            text = " ".join(str(error).split())
            raise DataError(f"{self.path}: cannot be read as a Zarr store ({text})") from error
