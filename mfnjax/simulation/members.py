"""The members of an ensemble: what they share, and what is each one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_key, check_kind, shown
from mfnjax.core.grid import Grid
from mfnjax.core.state import State, StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model


@final
@dataclass(frozen=True)
class Keys:
    """Keys as numbers on the host: to take one from a typed array is a program of JAX.

    Attributes:
        given: The key, or the keys (n,).
        data: Its words, or theirs.
        impl: The name of its kind.
    """

    given: jax.Array
    data: np.ndarray
    impl: str

    @classmethod
    def of(cls, key: Any) -> Keys | None:
        """The key or keys of a call, checked."""
        if key is None:
            return None
        key = check_key(key)
        if key.ndim > 1:
            raise ParameterError(f"key must be a key or keys (n,), got keys of shape {key.shape}")
        return cls(key, np.asarray(jax.random.key_data(key)), str(jax.random.key_impl(key)))


@final
@dataclass(frozen=True)
class Members:
    """An ensemble's model, state and keys; a leaf that is a member's own has a leading axis.

    Attributes:
        size: How many there are.
        model: The model; the parameters that are the members' own are arrays (n,) on the host.
        state: The start likewise.
        keys: The keys; None for a model that draws none.
        axes: For each leaf of (model, state, key) whether it is a member's own; the model's in
            a list: a user's class might not take flags for parameters.
    """

    size: int
    model: Model
    state: State
    keys: Keys | None
    axes: tuple[list[bool], State, bool]

    @classmethod
    def of(cls, model: Model, grid: Grid, start: StateLike, key: Any) -> Members:
        """The members of a call.

        Raises:
            ParameterError: Nothing has a leading axis, or two disagree; a parameter may be the
                members' or a field; or what is given is no model, state or key at all.
        """
        check_kind("model", model, Model)
        state, keys = _named(model, start), Keys.of(key)
        if state.time is not None:
            raise ParameterError("an ensemble until a time starts at 0: give the fields alone")
        axes = (
            [_is_own(leaf, grid) for leaf in jax.tree.leaves(model)],
            State(
                state.names,
                tuple(np.ndim(value) > len(grid.shape) for value in state.values),
                np.ndim(state.step) > 0,
            ),
            np.ndim(key) > 0,
        )
        flags = jax.tree.leaves(axes)
        leaves = [*jax.tree.leaves((model, state)), key]
        sizes = {np.shape(leaf)[0] for leaf, own in zip(leaves, flags, strict=True) if own}
        if len(sizes) != 1 or sizes == {0}:
            raise ParameterError(
                "an ensemble needs a leading axis of members on a parameter, a field or the key, "
                f"and one size for all; got {sorted(sizes) or 'none'}"
            )
        model, state = _where(model, axes[0], np.asarray), _where(state, axes[1], np.asarray)
        return cls(sizes.pop(), model, state, keys, axes)

    def one(self, index: int) -> tuple[Model, State, jax.Array | None]:
        """Model, state and key of a member."""
        key = self.keys and self.keys.given
        if self.keys is not None and self.axes[2]:
            data = jnp.asarray(self.keys.data[index])
            key = jax.random.wrap_key_data(data, impl=self.keys.impl)
        return *self.model_and_state(index), key

    def model_and_state(self, index: int) -> tuple[Model, State]:
        """Model and state of a member; what all share is handed on as it is."""
        return rows(self.model, self.axes[0], index), rows(self.state, self.axes[1], index)


def _is_own(leaf: Any, grid: Grid) -> bool:
    """Whether a parameter is each member's own: numbers (n,), or a field with a leading axis."""
    axes = np.ndim(leaf)
    if axes == 1 and len(grid.shape) == 1 and np.shape(leaf) == grid.shape:
        raise ParameterError(
            f"a parameter of the shape {grid.shape} could be one number a member or a field for "
            "all: give a field to each member, with a leading axis, or the grid as (1, W)"
        )
    return axes in (1, len(grid.shape) + 1)


def _where(part: Any, own: Any, change: Callable[[Any], Any]) -> Any:
    """A part of an ensemble, its members' own leaves changed; ``own`` has a flag for each leaf."""
    flags = jax.tree.leaves(own)
    if not any(flags):
        return part
    leaves, structure = jax.tree.flatten(part)
    pairs = zip(leaves, flags, strict=True)
    return jax.tree.unflatten(structure, [change(leaf) if mine else leaf for leaf, mine in pairs])


def rows(part: Any, own: Any, at: int | slice) -> Any:
    """A part of an ensemble with the rows ``at`` of its members' own leaves.

    On the host: a row taken on the device would compile a program a shape.
    """
    return _where(part, own, lambda leaf: leaf[at])


def _named(model: Model, state: Any) -> State:
    if isinstance(state, State):
        return state
    if isinstance(state, Mapping):
        return State(tuple(state), tuple(state.values()))
    if isinstance(state, (tuple, list)) and len(state) == len(model.fields):
        return State(model.fields, tuple(state))
    raise ParameterError(
        f"state must hold the fields {', '.join(model.fields)} of {type(model).__name__}; "
        f"got {shown(state)}"
    )
