"""How long the next step is: diffrax's controller, which a run in pieces can carry on."""

from __future__ import annotations

from typing import Any, final

import diffrax
import jax
import jax.numpy as jnp


def largest(values: Any) -> jax.Array:
    """The largest absolute value: each cell is held to the tolerances by itself."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(one)) for one in jax.tree.leaves(values)]))


@final
class Pace(diffrax.AbstractAdaptiveStepSizeController):
    """`diffrax.PIDController`, its proposal kept where a step is cut short by a time to stop at.

    Its state is (the controller's own, the step it would take next). A step that cannot be told
    from none at the time it starts at ends the solve.

    Attributes:
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        norm: `largest`.
        end: The end of the run.
    """

    rtol: Any
    atol: Any
    end: Any
    norm: Any = largest

    @property
    def _inner(self) -> Any:
        return diffrax.PIDController(rtol=self.rtol, atol=self.atol, norm=self.norm)

    def wrap(self, direction: Any) -> Pace:
        return self

    def init(
        self,
        terms: Any,
        t0: Any,
        t1: Any,
        y0: Any,
        dt0: Any,
        args: Any,
        func: Any,
        error_order: Any,
    ) -> tuple[Any, Any]:
        """``dt0`` ≤ 0: it is chosen as Hairer, Nørsett and Wanner do (1993, II.4)."""
        chosen = jax.lax.stop_gradient(self._first(terms, t0, t1, y0, args, func, error_order))
        pace = jnp.where(dt0 > 0, dt0, chosen)
        _, inner = self._inner.init(terms, t0, t1, y0, pace, args, func, error_order)
        return t0 + pace, (inner, pace)

    def _first(
        self, terms: Any, t0: Any, t1: Any, y0: Any, args: Any, func: Any, error_order: Any
    ) -> Any:
        def size(values: Any) -> jax.Array:
            pairs = zip(values, y0, strict=True)
            return largest([v / (self.atol + self.rtol * jnp.abs(u)) for v, u in pairs])

        span, before = t1 - t0, func(terms, t0, y0, args)
        speed = size(before)
        is_slow = speed * span < 1e-5 * size(y0)
        step = jnp.where(is_slow, 1e-3 * span, 0.01 * size(y0) / jnp.where(is_slow, 1, speed))
        moved = tuple(u + step * rate for u, rate in zip(y0, before, strict=True))
        after = func(terms, t0 + step, moved, args)
        turn = size([a - b for a, b in zip(after, before, strict=True)]) / step
        most = jnp.maximum(speed, turn)
        better = (0.01 / jnp.where(most > 0, most, 1)) ** (1 / error_order)
        better = jnp.where(most > 0, better, span)
        return jnp.minimum(jnp.minimum(100 * step, better), span).astype(span.dtype)

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Any,
        y1_candidate: Any,
        args: Any,
        y_error: Any,
        error_order: Any,
        controller_state: Any,
    ) -> tuple[Any, ...]:
        inner, pace = controller_state
        kept, start, end, jumped, inner, result = self._inner.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, inner
        )
        was_cut = kept & (t1 - t0 < 0.999 * pace)
        pace = jnp.where(was_cut, jnp.maximum(end - start, pace), end - start)
        eps = float(jnp.finfo(jnp.result_type(pace)).eps)
        least = eps * jnp.maximum(4 * jnp.abs(start), 1e-3 * jnp.abs(self.end))
        result = diffrax.RESULTS.where(
            ~kept & (pace < least), diffrax.RESULTS.dt_min_reached, result
        )
        return kept, start, start + pace, jumped, (inner, pace), result
