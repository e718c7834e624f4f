"""Allen–Cahn: two phases, and walls that move by their curvature."""

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
class AllenCahnModel(ReactionDiffusion):
    """u_t = D∇²u + λ(u − u³).

    The gradient flow of ∫ D|∇u|²/2 + λ(1 − u²)²/4. Noise separates into domains of −1 and +1,
    whose walls (tanh(x√(λ/2D)) across) move by curvature: a disc of radius R shrinks by
    d(R²)/dt = −2D. No wavelength is selected; the domains coarsen.

    Source: S. M. Allen, J. W. Cahn (1979), doi:10.1016/0001-6160(79)90196-2.
    """

    fields: ClassVar[tuple[str, ...]] = ("u",)

    diffusivity: Any = parameter(1.0, symbol="D", unit="length²/time", low=0.0, text="Diffusivity")
    rate: Any = parameter(1.0, symbol=("lambda", "λ"), unit="1/time", text="Rate of the reaction")

    def reaction(self, values: Values) -> Values:
        """λ(u − u³)."""
        (u,) = values
        return (self.rate * u * (1 - u * u),)

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D∇²u."""
        return {"u": nabla.diffusion(self.diffusivity)}

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Noise of standard deviation 0.05 about 0."""
        return State(self.fields, noisy_state((0.0,), grid, 0.05, dtype, key=key), jnp.int32(0))
