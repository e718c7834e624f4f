"""Schnakenberg: the simplest trimolecular reaction with Turing patterns."""

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
class SchnakenbergModel(ReactionDiffusion):
    """u_t = D_u∇²u + a − u + u²v,  v_t = D_v∇²v + b − u²v.

    The one homogeneous state is (a + b, b/(a + b)²). It is stable without diffusion where
    b − a < (a + b)³, and patterns form beyond a critical ratio D_v/D_u (8.5676 for a = 0.1,
    b = 0.9), with a wavelength of about 12.5 √D_u there.

    Source: J. Schnakenberg (1979), doi:10.1016/0022-5193(79)90042-0.
    """

    fields: ClassVar[tuple[str, ...]] = ("u", "v")

    source_u: Any = parameter(0.1, symbol="a", unit="unit of u/time", text="Source of u")
    source_v: Any = parameter(0.9, symbol="b", unit="unit of v/time", text="Source of v")
    d_u: Any = parameter(1.0, symbol="D_u", unit="length²/time", low=0.0, text="Diffusivity of u")
    d_v: Any = parameter(17.0, symbol="D_v", unit="length²/time", low=0.0, text="Diffusivity of v")

    def reaction(self, values: Values) -> Values:
        """a − u + u²v and b − u²v."""
        u, v = values
        conversion = u * u * v
        return self.source_u - u + conversion, self.source_v - conversion

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_u∇²u and D_v∇²v."""
        return {"u": nabla.diffusion(self.d_u), "v": nabla.diffusion(self.d_v)}

    def homogeneous_state(self) -> tuple[Any, Any]:
        """(a + b, b/(a + b)²), the one state without gradients."""
        total = self.source_u + self.source_v
        return total, self.source_v / (total * total)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """The homogeneous state with noise of standard deviation 0.01."""
        values = noisy_state(self.homogeneous_state(), grid, 0.01, dtype, key=key)
        return State(self.fields, values, jnp.int32(0))
