"""A problem as one vector of numbers and a few other leaves: each argument costs a call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import jax
import numpy as np


@final
@dataclass(frozen=True)
class Layout:
    """How `unpack` finds its way: a problem's structure, and which leaves are in the vector."""

    structure: Any
    plain: tuple[bool, ...]


@final
@dataclass(frozen=True)
class Packed:
    """A problem for a plain call: its plain numbers in one vector, and its other leaves."""

    numbers: Any
    others: list[Any]
    layout: Layout


def pack(problem: Any) -> Packed:
    """Pack a problem; its key is left out."""
    leaves, structure = jax.tree.flatten(replace(problem, key=None))
    plain = tuple(isinstance(leaf, np.ndarray) and leaf.ndim == 0 for leaf in leaves)
    numbers = np.array([leaf for leaf, is_plain in zip(leaves, plain, strict=True) if is_plain])
    others = [leaf for leaf, is_plain in zip(leaves, plain, strict=True) if not is_plain]
    return Packed(numbers, others, Layout(structure, plain))


def unpack(numbers: Any, others: list[Any], layout: Layout, key: Any) -> Any:
    """The problem that `pack` packed, with this key."""
    numbers, rest = iter(numbers), iter(others)
    leaves = [next(numbers if is_plain else rest) for is_plain in layout.plain]
    return replace(jax.tree.unflatten(layout.structure, leaves), key=key)
