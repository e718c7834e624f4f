"""Fisher–KPP: logistic growth that spreads by diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp

from mfnjax._parameter import parameter
from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.operator import Operator
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.models._common import colony
from mfnjax.models.base import ReactionDiffusion, Values


@final
@register_pytree
@dataclass(frozen=True)
class FisherKPPModel(ReactionDiffusion):
    """u_t = D∇²u + λu(1 − u/K): a front invades at the speed 2√(Dλ).

    Source: R. A. Fisher (1937), doi:10.1111/j.1469-1809.1937.tb02153.x; A. Kolmogorov,
    I. Petrovsky, N. Piskunov (1937).
    """

    fields: ClassVar[tuple[str, ...]] = ("u",)

    diffusivity: Any = parameter(0.1, symbol="D", unit="length²/time", low=0.0, text="Diffusivity")
    growth_rate: Any = parameter(0.05, symbol=("lambda", "λ"), unit="1/time", text="Growth rate")
    capacity: Any = parameter(
        1.0, symbol="K", unit="unit of u", low=0.0, open_low=True, text="Carrying capacity"
    )

    def reaction(self, values: Values) -> Values:
        """λu(1 − u/K)."""
        (u,) = values
        return (self.growth_rate * u * (1 - u / self.capacity),)

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D∇²u."""
        return {"u": nabla.diffusion(self.diffusivity)}

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """A colony: a disc of K in the middle, rough at its rim, on an empty plate."""
        return State(self.fields, (colony(self.capacity, grid, dtype, key=key),), jnp.int32(0))
