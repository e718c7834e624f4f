"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.errors import NumericalInstabilityError
from mfnjax.simulation.loop import Run
from mfnjax.simulation.problem import Inputs


@final
@register_pytree
@dataclass(frozen=True)
class Status:
    """Whether every field stayed finite, and where it first did not.

    Attributes:
        names: Field names (static).
        first_bad_step: The step (1-based) after which a NaN or an infinity was first seen; 0 is
            the initial state, −1 a run that stayed finite.
        bad_field: Index of that field, −1 for none.
    """

    names: tuple[str, ...] = field(metadata={"static": True})
    first_bad_step: Any
    bad_field: Any

    @property
    def ok(self) -> Any:
        """Whether the run stayed finite (an array for an ensemble)."""
        return self.first_bad_step < 0

    @property
    def field_name(self) -> str | None:
        """Name of the first bad field of a single run; None if it stayed finite."""
        index = int(self.bad_field)
        return None if index < 0 else self.names[index]

    def raise_if_bad(self) -> None:
        """Raise NumericalInstabilityError with field and step, for a single concrete run."""
        if not bool(np.all(self.ok)):
            bad = np.atleast_1d(self.first_bad_step)
            worst = int(np.flatnonzero(bad >= 0)[0])
            index = int(np.atleast_1d(self.bad_field)[worst])
            raise NumericalInstabilityError(self.names[index], int(bad[worst]))


@final
@register_pytree
@dataclass(frozen=True)
class Trajectory:
    """The result of `simulate`.

    Attributes:
        state: The state after the last step.
        history: Saved frames: a `State` of (n, H, W) arrays with the steps (n,) they stand at, or
            one (n, H, W) array where one field was asked for; None if nothing was saved. The
            initial state is not part of it.
        counts: Counter name → number of events over the run.
        status: Whether the run stayed finite, and where it first did not.
    """

    state: State
    history: Any
    counts: dict[str, Any]
    status: Status


def make_trajectory(inputs: Inputs, run: Run, frames: tuple[Any, ...]) -> Trajectory:
    names = inputs.problem.model.fields
    history: Any = None
    if inputs.save_every is not None:
        every, count = inputs.save_every, inputs.steps // inputs.save_every
        arrays = tuple(jnp.asarray(f) for f in frames)
        if inputs.save is None:
            at = inputs.step + every * np.arange(1, count + 1, dtype=np.int32)
            history = State(names, arrays, at)
        else:
            (history,) = arrays
    return Trajectory(
        state=State(names, run.values, run.step),
        history=history,
        counts=dict(zip(inputs.problem.model.counters, run.counts, strict=True)),
        status=_status(names, run.first_bad),
    )


def _status(names: tuple[str, ...], first_bad: Any) -> Status:
    if isinstance(first_bad, jax.core.Tracer):
        step, field = first_bad // len(names), first_bad % len(names)
        is_bad = first_bad >= 0
        return Status(names, *(jnp.where(is_bad, x, -1) for x in (step, field)))
    code = int(first_bad)
    return Status(names, *(divmod(code, len(names)) if code >= 0 else (-1, -1)))
