"""Porous Fisher: growth that spreads the faster the denser it is, with a sharp front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp

from mfnjax._parameter import parameter
from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.models._common import colony
from mfnjax.models.base import Equation, Values


@final
@register_pytree
@dataclass(frozen=True)
class PorousFisherModel(Equation):
    """u_t = ∇·(D(u/K)∇u) + ru(1 − u/K): motility that grows with density.

    Where there is nothing, nothing moves: a colony keeps an edge, which advances at the speed
    √(Dr/2), with u = K(1 − e^(ξ√(r/2D))) behind it. Explicit steps are stable up to about
    dt = 1/(2·axes·D/dx²), and keep u ≥ 0 there.

    Source: W. S. C. Gurney, R. M. Nisbet (1975), doi:10.1016/0022-5193(75)90011-9; W. I. Newman
    (1980), doi:10.1016/0022-5193(80)90024-7 (the front).
    """

    fields: ClassVar[tuple[str, ...]] = ("u",)

    diffusivity: Any = parameter(
        1.0, symbol="D", unit="length²/time", low=0.0, text="Diffusivity at the density K"
    )
    growth_rate: Any = parameter(1.0, symbol="r", unit="1/time", text="Growth rate")
    capacity: Any = parameter(
        1.0, symbol="K", unit="unit of u", low=0.0, open_low=True, text="Carrying capacity"
    )

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """∇·(D(u/K)∇u) + ru(1 − u/K)."""
        (u,) = values
        part = u / self.capacity
        spread = nabla.divergence(nabla.flux(self.diffusivity * part, u))
        return (spread + self.growth_rate * u * (1 - part),)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """A colony: a disc of K in the middle, rough at its rim, on an empty plate."""
        return State(self.fields, (colony(self.capacity, grid, dtype, key=key),), jnp.int32(0))
