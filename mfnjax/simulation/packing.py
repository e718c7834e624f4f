"""A pytree as one vector of numbers and a few other leaves: each argument costs a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from mfnjax.core.sides import Ghost, Neumann, Periodic


@final
@dataclass(frozen=True)
class Layout:
    """How `unpack` finds its way: a tree's structure, and which leaves are in the vector."""

    structure: Any
    plain: tuple[bool, ...]


@final
@dataclass(frozen=True)
class Packed:
    """A tree for a plain call: its plain numbers in one vector, and its other leaves."""

    numbers: Any
    others: list[Any]
    layout: Layout


@final
@dataclass(frozen=True, eq=False)
class Same:
    """An object that equals itself alone (a model need not be hashable, nor 1 be 1.0)."""

    value: Any

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value


def has_fixed_numbers(model: Any, grid: Any, dt: Any = 1.0) -> bool:
    """Whether the numbers of a run are plain and stay as they are: so they may be remembered.

    A user's own class need not be frozen: its parameters could be other ones at the next run.
    """
    if not model.__dataclass_params__.frozen or type(dt) not in (int, float):
        return False
    parts = (*vars(model).values(), grid.spacing, grid.origin)
    is_usual = grid.mask is None and type(grid.boundary) in _SIDES and grid.boundary.is_plain
    if is_usual and all(type(part) in _PLAIN for part in parts):  # at every run
        return True
    if any(part is None for part in parts):
        return False  # no number, and no leaf either
    return all(type(leaf) in (int, float) for leaf in jax.tree.leaves((model, grid)))


_PLAIN = (int, float, bool)
_SIDES = (Periodic, Neumann, Ghost)


def pack(tree: Any, dtype: Any) -> Packed:
    """Pack a tree, its numbers cast to ``dtype``."""
    leaves, structure = jax.tree.flatten(cast(tree, dtype))
    plain = tuple(isinstance(leaf, np.ndarray) and leaf.ndim == 0 for leaf in leaves)
    numbers = np.array(
        [leaf for leaf, is_plain in zip(leaves, plain, strict=True) if is_plain], dtype
    )
    others = [leaf for leaf, is_plain in zip(leaves, plain, strict=True) if not is_plain]
    return Packed(numbers, others, Layout(structure, plain))


def unpack(numbers: Any, others: list[Any], layout: Layout) -> Any:
    """The tree that `pack` packed."""
    numbers, rest = iter(numbers), iter(others)
    leaves = [next(numbers if is_plain else rest) for is_plain in layout.plain]
    return jax.tree.unflatten(layout.structure, leaves)


def cast(tree: Any, dtype: Any) -> Any:
    """Cast the numbers of ``tree`` to ``dtype``, on the host where they are plain."""

    def one(leaf: Any) -> Any:
        return leaf.astype(dtype) if isinstance(leaf, jax.Array) else np.asarray(leaf, dtype)

    return jax.tree.map(one, tree)
