"""Brusselator: a chemical oscillator that forms patterns too."""

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
from mfnjax.models._common import noisy_state
from mfnjax.models.base import ReactionDiffusion, Values


@final
@register_pytree
@dataclass(frozen=True)
class BrusselatorModel(ReactionDiffusion):
    """u_t = D_u∇²u + A − (B + 1)u + u²v,  v_t = D_v∇²v + Bu − u²v.

    The one homogeneous state is (A, B/A). It oscillates for B > 1 + A² (Hopf) and forms patterns
    for B > (1 + A√(D_u/D_v))² (Turing).

    Source: I. Prigogine, R. Lefever (1968), doi:10.1063/1.1668896.
    """

    fields: ClassVar[tuple[str, ...]] = ("u", "v")

    supply: Any = parameter(3.0, symbol="A", unit="unit of u/time", text="Supply of u")
    drive: Any = parameter(5.0, symbol="B", unit="1/time", text="Drive: rate at which u becomes v")
    d_u: Any = parameter(1.0, symbol="D_u", unit="length²/time", low=0.0, text="Diffusivity of u")
    d_v: Any = parameter(10.0, symbol="D_v", unit="length²/time", low=0.0, text="Diffusivity of v")

    def reaction(self, values: Values) -> Values:
        """A − (B + 1)u + u²v and Bu − u²v."""
        u, v = values
        conversion = u * u * v
        consumed = self.drive * u
        return self.supply - consumed - u + conversion, consumed - conversion

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_u∇²u and D_v∇²v."""
        return {"u": nabla.diffusion(self.d_u), "v": nabla.diffusion(self.d_v)}

    def homogeneous_state(self) -> tuple[Any, Any]:
        """(A, B/A), the one state without gradients."""
        return self.supply, self.drive / self.supply

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """The homogeneous state with noise of standard deviation 0.01."""
        values = noisy_state(self.homogeneous_state(), grid, 0.01, dtype, key=key)
        return State(self.fields, values, jnp.int32(0))
