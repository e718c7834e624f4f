"""The state of a fit on disk: whole or not at all, and refused for another problem."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._files import replacing
from mfnjax.errors import DataError

FORMAT = "mfnjax-fit-1"


def fingerprint(*parts: Any) -> str:
    """A digest of pytrees: structure, shapes, dtypes and every bit of their leaves."""
    digest = hashlib.sha256()
    for part in parts:
        leaves, structure = jax.tree.flatten(part)
        # Addresses of functions change from process to process.
        digest.update(re.sub(r"0x[0-9a-f]+", "", str(structure)).encode())
        for leaf in leaves:
            if isinstance(leaf, str):
                digest.update(leaf.encode())
                continue
            array = as_array(leaf)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def as_array(leaf: Any) -> np.ndarray:
    """A leaf as a plain array, random keys as their bits."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def save_state(path: Path, problem: str, lanes: Any, losses: np.ndarray) -> None:
    """Write the lanes and the history of losses (starts, iterations)."""
    leaves: dict[str, Any] = {
        f"leaf_{k:03d}": as_array(leaf) for k, leaf in enumerate(jax.tree.leaves(lanes))
    }
    meta = json.dumps({"format": FORMAT, "problem": problem})
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, meta=np.array(meta), losses=losses, **leaves)


def load_state(path: Path, problem: str, like: Any) -> tuple[Any, np.ndarray]:
    """Read what `save_state` wrote, bit for bit.

    Raises:
        DataError: There is none, it cannot be read, or it is of another problem.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        if meta["format"] != FORMAT:
            raise ValueError(f"its format is {meta['format']!r}")
        losses = arrays.pop("losses")
    except FileNotFoundError:
        raise DataError(f"{path}: no checkpoint to resume from") from None
    except Exception as error:  # a damaged zip fails in many ways, all of them this one
        raise DataError(f"{path}: not a checkpoint of a fit ({error})") from error
    wanted, structure = jax.tree.flatten(like)
    kinds = [(leaf.shape, str(leaf.dtype)) for leaf in wanted]
    found = [(leaf.shape, str(leaf.dtype)) for leaf in arrays.values()]
    if meta["problem"] != problem or kinds != found:
        raise DataError(
            f"{path}: this checkpoint is of another fit (other data, model, start, bounds or "
            "optimiser); fit without resuming, or give another checkpoint"
        )
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in arrays.values()]), losses
