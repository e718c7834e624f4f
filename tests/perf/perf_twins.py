"""The faults that ``--twin`` injects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest

from benchmarks.harness.baselines import baseline
from mfnjax.models.mycelium import quiet as mycelium_quiet
from mfnjax.steppers.explicit import Map


def slow_down(patch: pytest.MonkeyPatch) -> None:
    """Double the work of every step of a map, and of those that run without looking."""
    patch.setattr(Map, "step", doubled(Map.step))
    patch.setattr(mycelium_quiet, "_run", doubled_stretch(mycelium_quiet._run))


def doubled(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step of twice the work and the same result.

    The second computation starts from the same fields, but by a choice that depends on the result
    of the first, so that the compiler can neither drop one nor merge the two.
    """

    def twice(self: Any, model: Any, grid: Any, dt: Any, prepared: Any, values: Any, **rest: Any):
        first = step(self, model, grid, dt, prepared, values, **rest)
        is_finite = jnp.all(jnp.stack(first.finite))
        again = tuple(
            jnp.where(is_finite, old, new) for old, new in zip(values, first.values, strict=True)
        )
        return step(self, model, grid, dt, prepared, again, **rest)

    return twice


def doubled_stretch(run: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a stretch of steps that are run without looking."""

    def twice(model: Any, values: Any, *rest: Any) -> Any:
        first = run(model, values, *rest)
        is_finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(field)) for field in first]))
        again = tuple(
            jnp.where(is_finite, old, new) for old, new in zip(values, first, strict=True)
        )
        return run(model, again, *rest)

    return twice


def leaky(run: Callable[..., Any]) -> Callable[..., Any]:
    """A run that keeps some memory for ever."""
    lost: list[bytes] = []
    size = int(1e6 * baseline("targets.stress.injected_leak").value)

    def losing(*args: Any, **options: Any) -> Any:
        lost.append(b"\x01" * size)
        return run(*args, **options)

    return losing
