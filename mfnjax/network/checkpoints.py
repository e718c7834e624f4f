"""Checkpoints of a training run, with orbax: whole or not at all, and checked when read."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from mfnjax.errors import DataError

PyTree = Any

KEEP = 2
"""Checkpoints kept: the last, and the one before it."""


def _named(tree: PyTree) -> dict[str, Any]:
    """Leaves by their dotted path: a flat dict survives any change of container types."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


class Checkpoints:
    """The checkpoints in one folder; use as a context manager.

    Args:
        folder: Made if it is not there.

    Raises:
        DataError: The folder cannot be made or used.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        # orbax logs at length through absl; a training run's own report is enough.
        logging.getLogger("absl").setLevel(logging.ERROR)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(
                self.folder,
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=KEEP, enable_async_checkpointing=False
                ),
            )
        except OSError as error:
            raise DataError(
                f"{folder}: no folder for checkpoints ({error.strerror or error})"
            ) from error

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    def latest(self) -> int | None:
        """Number of the last complete checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, number: int, state: PyTree, about: dict[str, Any]) -> None:
        """Write a pytree of arrays and a JSON table; complete when this returns."""
        arrays = {name: np.asarray(leaf) for name, leaf in _named(state).items()}
        self._manager.save(
            number,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(arrays), about=ocp.args.JsonSave(about)
            ),
        )

    def read_about(self, number: int) -> dict[str, Any]:
        """The JSON table of a checkpoint."""
        return self._restore(number, about=ocp.args.JsonRestore())["about"]

    def read_state(self, number: int, like: PyTree) -> PyTree:
        """The pytree of a checkpoint, bit for bit.

        Raises:
            DataError: It cannot be read, or its arrays are not those of ``like``.
        """
        saved = self._restore(number, state=ocp.args.StandardRestore())["state"]
        wanted = _named(like)
        check_same_shapes(self.folder / str(number), saved, wanted)
        arrays = [jax.numpy.asarray(saved[name]) for name in wanted]
        return jax.tree.unflatten(jax.tree.structure(like), arrays)

    def _restore(self, number: int, **items: Any) -> Any:
        try:
            return self._manager.restore(number, args=ocp.args.Composite(**items))
        except Exception as error:  # orbax raises many kinds for a damaged folder
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"{self.folder / str(number)}: not a checkpoint that can be read ({first})"
            ) from error


def check_same_shapes(where: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise DataError naming the first array that differs in presence, shape or dtype."""
    for name in sorted(set(saved) | set(wanted)):
        have = _describe(saved.get(name))
        want = _describe(wanted.get(name))
        if have != want:
            raise DataError(
                f"{where}: this checkpoint is of another network: {name} is {have} there, "
                f"{want} was expected"
            )


def _describe(leaf: Any) -> str:
    return "absent" if leaf is None else f"{tuple(leaf.shape)} {np.dtype(leaf.dtype)}"
