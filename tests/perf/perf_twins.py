"""The faults that ``--twin`` injects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from mfnjax.bench.baselines import baseline


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


def leaky(run: Callable[..., Any]) -> Callable[..., Any]:
    """A run that keeps some memory for ever."""
    lost: list[bytes] = []
    size = int(1e6 * baseline("targets.stress.injected_leak").value)

    def losing(*args: Any, **options: Any) -> Any:
        lost.append(b"\x01" * size)
        return run(*args, **options)

    return losing
