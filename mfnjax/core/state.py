"""The state of a run: named fields of one shape, and the number of steps behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from mfnjax.core.pytree import register_pytree


@final
@register_pytree
@dataclass(frozen=True)
class State:
    """Fields by name, and the integer step that they stand at.

    The step is part of the state because randomness is ``fold_in(key, step)``: a run of a + b
    steps and a run of a followed by one of b are the same run. A history is a `State` too, with a
    leading axis of frames on every leaf.

    Attributes:
        names: Field names, in the model's order (static).
        values: One array (H, W) for each name.
        step: Steps taken, int32. (A history of a run until a time counts its frames.)
        time: The time that the fields stand at, of a run that chose its steps; else None.
        pace: The step that such a run would try next.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import State
        >>> state = State.of(u=jnp.ones((2, 3)), v=jnp.zeros((2, 3)))
        >>> state["u"].shape, state.names, int(state.step)
        ((2, 3), ('u', 'v'), 0)
    """

    names: tuple[str, ...] = field(metadata={"static": True})
    values: tuple[Any, ...]
    step: Any = 0
    time: Any = None
    pace: Any = None

    @classmethod
    def of(cls, step: Any = 0, /, **fields: Any) -> State:
        """Build a state from fields given by name."""
        return cls(tuple(fields), tuple(fields.values()), step)

    def __getitem__(self, name: str) -> Any:
        try:
            return self.values[self.names.index(name)]
        except ValueError:
            raise KeyError(f"no field {name!r}; the fields are {', '.join(self.names)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def asdict(self) -> dict[str, Any]:
        """Return the fields as a dict by name, without the step."""
        return dict(zip(self.names, self.values, strict=True))

    def replace(self, **fields: Any) -> State:
        """Return a copy with some fields replaced."""
        values = {**self.asdict(), **fields}
        if set(values) != set(self.names):
            raise KeyError(f"the fields are {', '.join(self.names)}; got {', '.join(fields)}")
        return dataclasses.replace(self, values=tuple(values[name] for name in self.names))


StateLike = State | Mapping[str, Any] | tuple[Any, ...] | list[Any]
"""What `simulate` takes as a state: a `State`, fields by name, or fields in order."""
