"""Kuramoto–Sivashinsky: a flame front, the simplest chaos in space and time."""

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
from mfnjax.models.base import Equation, Values


@final
@register_pytree
@dataclass(frozen=True)
class KuramotoSivashinskyModel(Equation):
    """u_t = −ν∇²u − κ∇⁴u − ½|∇u|².

    Long waves grow at νq² − κq⁴, fastest that of the length 2π√(2κ/ν); the nonlinearity passes on
    what they gain to short ones. On a domain of more than a few wavelengths it is chaos, of
    bounded slopes, whose mean falls for ever. The fourth derivative makes explicit steps tiny, so
    the model's own stepper is ETDRK4; the slopes want dt ≲ ¼ for ν = κ = dx = 1.

    Source: Y. Kuramoto, T. Tsuzuki (1976), doi:10.1143/PTP.55.356; G. I. Sivashinsky (1977),
    doi:10.1016/0094-5765(77)90096-0.
    """

    fields: ClassVar[tuple[str, ...]] = ("u",)
    stepper: ClassVar[str | None] = "etdrk4"
    needs_closed_sides: ClassVar[bool] = True

    instability: Any = parameter(
        1.0, symbol=("ν", "nu"), unit="length²/time", text="How strongly long waves grow"
    )
    damping: Any = parameter(
        1.0, symbol=("κ", "kappa"), unit="length⁴/time", low=0.0, text="Damping of short waves"
    )

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """−ν∇²u − κ∇⁴u."""
        inner = self.instability + self.damping * nabla.laplacian
        return {"u": -(nabla.laplacian @ inner)}

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """−½|∇u|²."""
        (u,) = values
        return (-0.5 * sum((slope * slope for slope in nabla.gradient(u)), 0 * u),)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Noise of standard deviation 0.1 about 0."""
        return State(self.fields, noisy_state((0.0,), grid, 0.1, dtype, key=key), jnp.int32(0))
