"""The stretch of time of a run that chooses its steps, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import shown
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.simulation.checks import is_traced
from mfnjax.steppers import Adaptive, AtRest


@final
@dataclass(frozen=True)
class Span:
    """From when to when, and what happens in between; numbers of the fields' dtype.

    Attributes:
        start: Where the start stands.
        until: Where the run ends.
        save_at: Times (n,) to save at, or None.
        rest: The rate of change that ends the run, or None.
        pace: The first step to try; 0: one is chosen.
    """

    start: Any
    until: Any
    save_at: Any
    rest: Any
    pace: Any

    @classmethod
    def of(cls, simulation: Any, state: State, stepper: Adaptive) -> Span | None:
        """That of a run from a state; None for one by number of steps.

        Raises:
            ParameterError: The times are not in order, or the state comes from the other kind.
        """
        if simulation.until is None:
            if state.time is not None:
                raise ParameterError(
                    f"the state stands at the time {state.time} of a run that chose its steps: go "
                    "on with until=, or start anew from its fields"
                )
            return None
        if state.time is None and not is_traced(state.step) and int(state.step) != 0:
            raise ParameterError(
                f"the state stands at step {state.step} of fixed steps, and no time is known: "
                "start from its fields, at the time 0"
            )
        dtype = state.values[0].dtype
        least = 4 * float(jnp.finfo(dtype).eps)
        if stepper.rtol < least:
            raise ParameterError(
                f"rtol = {stepper.rtol:g} is beyond {dtype}, which allows {least:.1g}"
                + ("" if dtype == jnp.float64 else ": take fields of float64")
            )
        start = 0.0 if state.time is None else state.time
        times = [start, *(simulation.save_at or ()), simulation.until]
        if not is_traced(times):
            _check_order([float(time) for time in times])

        def cast(value: Any) -> Any:
            return jnp.asarray(value, dtype)

        return cls(
            start=cast(start),
            until=cast(simulation.until),
            save_at=None if simulation.save_at is None else _stacked(simulation.save_at, dtype),
            rest=None if simulation.stop is None else cast(simulation.stop.rate),
            pace=cast(0.0 if state.pace is None else state.pace),
        )


def _stacked(times: tuple[Any, ...], dtype: Any) -> jax.Array:
    return jnp.stack([jnp.asarray(time, dtype) for time in times])


def _check_order(times: list[float]) -> None:
    if not np.all(np.isfinite(times)) or times[-1] <= times[0]:
        raise ParameterError(f"until must be a time after {times[0]:g}, got {times[-1]:g}")
    steps = np.diff(times)
    if not (np.all(steps[:-1] > 0) and steps[-1] >= 0):
        raise ParameterError(
            f"save_at must hold times in order, after {times[0]:g} and up to {times[-1]:g}"
        )


def check_span(simulation: Any) -> None:
    """Raise ParameterError where a `Simulation` mixes the two ways to say how long it runs."""
    stepper, until = simulation.stepper, simulation.until
    if until is None:
        if simulation.steps is None:
            raise ParameterError("a run needs steps=, or until= and steps that choose themselves")
        if isinstance(stepper, Adaptive):
            raise ParameterError("an Adaptive stepper chooses its steps: give until=, not steps=")
        for name in ("save_at", "stop"):
            if getattr(simulation, name) is not None:
                raise ParameterError(f"{name} needs until= and steps that choose themselves")
        return
    if simulation.steps is not None:
        raise ParameterError("a run ends after steps= or at until=: give one of them")
    if stepper is not None and not isinstance(stepper, Adaptive):
        raise ParameterError(
            f"until needs steps that choose themselves, stepper=Adaptive(…), not {shown(stepper)}; "
            "a stepper of fixed steps takes steps= and dt="
        )
    if simulation.save_every is not None:
        raise ParameterError("save_every counts fixed steps: with until= give the times, save_at=")
    if not is_traced(simulation.dt) and np.any(np.asarray(simulation.dt) != 1.0):
        raise ParameterError("dt is a fixed step: with until= the steps choose themselves")
    if simulation.stop is not None and not isinstance(simulation.stop, AtRest):
        raise ParameterError(f"stop must be AtRest(rate), got {shown(simulation.stop)}")


def as_times(save_at: Any) -> tuple[Any, ...] | None:
    """Times to save at, as a tuple of numbers.

    Raises:
        ParameterError: No sequence of numbers.
    """
    if save_at is None:
        return None
    if isinstance(save_at, jax.Array) and save_at.ndim == 1:
        return tuple(save_at)
    try:
        times = tuple(save_at)
        known = [time for time in times if not is_traced(time)]
        if not times or np.asarray(known, np.float64).ndim != 1:
            raise ValueError
    except (TypeError, ValueError):
        raise ParameterError(f"save_at must be a list of times, got {shown(save_at)}") from None
    return tuple(time if is_traced(time) else float(time) for time in times)
