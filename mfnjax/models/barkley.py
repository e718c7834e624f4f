"""Barkley: an excitable medium, reduced to what a spiral needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._parameter import parameter
from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.operator import Operator
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.models.base import Equation, Values


@final
@register_pytree
@dataclass(frozen=True)
class BarkleyModel(Equation):
    """u_t = D∇²u + u(1 − u)(u − (v + b)/a)/ε,  v_t = D_v∇²v + u − v.

    Rest is (0, 0); b/a is the threshold of excitation, a sets how long it lasts. A broken wave
    curls into a spiral about a tip, the crossing of u = ½ and v = a/2 − b, which turns in place or
    meanders. The kinetics are stiff: dt ≲ ε/2 with explicit steps.

    Source: D. Barkley (1991), doi:10.1016/0167-2789(91)90194-E.
    """

    fields: ClassVar[tuple[str, ...]] = ("u", "v")
    main_field: ClassVar[str | None] = "u"

    duration: Any = parameter(
        0.75, symbol="a", unit="1", low=0.0, open_low=True, text="Duration of the excitation"
    )
    threshold: Any = parameter(0.06, symbol="b", unit="1", text="Threshold of the excitation, by a")
    separation: Any = parameter(
        0.02, symbol=("ε", "epsilon"), unit="time", low=0.0, open_low=True, text="Time of a rise"
    )
    d_u: Any = parameter(4.0, symbol="D", unit="length²/time", low=0.0, text="Diffusivity of u")
    d_v: Any = parameter(0.0, symbol="D_v", unit="length²/time", low=0.0, text="Diffusivity of v")

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D∇²u and D_v∇²v."""
        return {"u": nabla.diffusion(self.d_u), "v": nabla.diffusion(self.d_v)}

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """u(1 − u)(u − (v + b)/a)/ε and u − v."""
        u, v = values
        level = (v + self.threshold) / self.duration
        return u * (1 - u) * (u - level) / self.separation, u - v

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Crossed half planes, which make a spiral where they meet: nothing is drawn.

        The left half is excited (u = 1), the upper half refractory (v = a/2). On a line the left
        quarter is refractory (v = a) and the next excited, so that one wave runs to the right.
        """
        dtype = jnp.result_type(float) if dtype is None else dtype
        height, width = (1, *grid.shape)[-2:]
        row, column = (np.zeros(1), *np.indices(grid.shape, sparse=True))[-2:]
        excited, refractory = column < width / 2, 0.5 * (row < height / 2)
        if height == 1:
            excited, refractory = excited & (column >= width / 4), 1.0 * (column < width / 4)
        levels = excited, jnp.asarray(refractory, dtype) * jnp.asarray(self.duration, dtype)
        values = [jnp.broadcast_to(jnp.asarray(level, dtype), grid.shape) for level in levels]
        return State(self.fields, tuple(values), jnp.int32(0))
