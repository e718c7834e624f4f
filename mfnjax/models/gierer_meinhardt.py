"""Gierer–Meinhardt: a short-range activator and a long-range inhibitor."""

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
class GiererMeinhardtModel(ReactionDiffusion):
    """a_t = D_a∇²a + ρa²/(h(1 + κa²)) − μ_a a + σ,  h_t = D_h∇²h + ρa² − μ_h h.

    With σ = κ = 0 the one homogeneous state is (μ_h/μ_a, ρμ_h/μ_a²), stable without diffusion for
    μ_h > μ_a. Spots form where the inhibitor spreads far enough; saturation κ makes stripes of
    them. The inhibitor must be positive (h > 0 stays so); at h = 0 the rate is infinite.

    Source: A. Gierer, H. Meinhardt (1972), doi:10.1007/BF00289234; A. J. Koch, H. Meinhardt
    (1994), doi:10.1103/RevModPhys.66.1481 (saturation).
    """

    fields: ClassVar[tuple[str, ...]] = ("activator", "inhibitor")
    needs_closed_sides: ClassVar[bool] = True

    production: Any = parameter(
        1.0, symbol=("ρ", "rho"), unit="1/time", text="Production (a, h of one unit)"
    )
    activator_decay: Any = parameter(
        1.0, symbol=("μ_a", "mu_a"), unit="1/time", text="Decay of the activator"
    )
    inhibitor_decay: Any = parameter(
        2.0, symbol=("μ_h", "mu_h"), unit="1/time", text="Decay of the inhibitor"
    )
    activator_source: Any = parameter(
        0.0, symbol=("σ", "sigma"), unit="unit of a/time", text="Source of the activator"
    )
    saturation: Any = parameter(
        0.0, symbol=("κ", "kappa"), unit="1/unit of a²", low=0.0, text="Saturation"
    )
    d_activator: Any = parameter(
        1.0, symbol="D_a", unit="length²/time", low=0.0, text="Diffusivity of the activator"
    )
    d_inhibitor: Any = parameter(
        30.0, symbol="D_h", unit="length²/time", low=0.0, text="Diffusivity of the inhibitor"
    )

    def reaction(self, values: Values) -> Values:
        """ρa²/(h(1 + κa²)) − μ_a a + σ and ρa² − μ_h h."""
        a, h = values
        square = a * a
        produced = self.production * square
        activation = produced / (h * (1 + self.saturation * square))
        return (
            activation - self.activator_decay * a + self.activator_source,
            produced - self.inhibitor_decay * h,
        )

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_a∇²a and D_h∇²h."""
        return {
            "activator": nabla.diffusion(self.d_activator),
            "inhibitor": nabla.diffusion(self.d_inhibitor),
        }

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """The homogeneous state for σ = κ = 0, the activator with noise of 1 % of it."""
        level = self.inhibitor_decay / self.activator_decay
        inhibitor = self.production * level / self.activator_decay
        (noise,) = noisy_state((1.0,), grid, 0.01, dtype, key=key)
        a = jnp.asarray(level, noise.dtype) * noise
        h = jnp.broadcast_to(jnp.asarray(inhibitor, noise.dtype), grid.shape)
        return State(self.fields, (a, h), jnp.int32(0))
