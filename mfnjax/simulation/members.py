"""The members of an ensemble: what they share, and what is each one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_key
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
        check_key(key)
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
        axes: For each leaf of (model, state, key) whether it is a member's own.
    """

    size: int
    model: Model
    state: State
    keys: Keys | None
    axes: tuple[Any, State, bool]

    @classmethod
    def of(cls, model: Model, start: StateLike, key: Any) -> Members:
        """The members of a call.

        Raises:
            ParameterError: Nothing has a leading axis, or two disagree.
        """
        state = _named(model, start)
        axes = (
            jax.tree.map(lambda leaf: np.ndim(leaf) > 0, model),
            State(
                state.names,
                tuple(np.ndim(value) > 2 for value in state.values),
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
        model, state = _on_host(model, axes[0]), _on_host(state, axes[1])
        return cls(sizes.pop(), model, state, Keys.of(key), axes)

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


def rows(part: Any, own: Any, at: int | slice) -> Any:
    """A part of an ensemble with the rows ``at`` of its members' own leaves.

    On the host: a row taken on the device would compile a program a shape.
    """
    if not any(jax.tree.leaves(own)):
        return part
    return jax.tree.map(lambda leaf, mine: leaf[at] if mine else leaf, part, own)


def _on_host(part: Any, own: Any) -> Any:
    if not any(jax.tree.leaves(own)):
        return part
    return jax.tree.map(lambda leaf, mine: np.asarray(leaf) if mine else leaf, part, own)


def _named(model: Model, state: Any) -> State:
    if isinstance(state, State):
        return state
    if isinstance(state, dict):
        return State(tuple(state), tuple(state.values()))
    return State(model.fields, tuple(state))
