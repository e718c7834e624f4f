"""Swift–Hohenberg: the normal form of a pattern of one wavelength."""

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
class SwiftHohenbergModel(ReactionDiffusion):
    """u_t = ru − (q₀² + ∇²)²u + gu² − u³.

    The state 0 loses stability at r = 0 to stripes of the wavelength 2π/q₀; with g large enough
    hexagons win. The fourth derivative makes explicit steps tiny (dt ≤ 0.04 for q₀ = dx = 1), so
    the model's own stepper is ETDRK2.

    Source: J. Swift, P. C. Hohenberg (1977), doi:10.1103/PhysRevA.15.319; M. C. Cross,
    P. C. Hohenberg (1993), doi:10.1103/RevModPhys.65.851.
    """

    fields: ClassVar[tuple[str, ...]] = ("u",)
    stepper: ClassVar[str | None] = "etdrk2"
    needs_closed_sides: ClassVar[bool] = True

    control: Any = parameter(0.2, symbol="r", unit="1/time", text="Distance from the onset")
    wavenumber: Any = parameter(
        1.0, symbol=("q_0", "q₀"), unit="1/length", text="Wavenumber (the operator is in 1/time)"
    )
    quadratic: Any = parameter(
        0.0, symbol="g", unit="1/(unit of u · time)", text="Quadratic coefficient"
    )

    def reaction(self, values: Values) -> Values:
        """ru + gu² − u³."""
        (u,) = values
        return (u * (self.control + u * (self.quadratic - u)),)

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """−(q₀² + ∇²)²u."""
        square = self.wavenumber * self.wavenumber
        once = square + nabla.laplacian
        return {"u": -(square * once + nabla.laplacian @ once)}

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Noise of standard deviation 0.01 about 0."""
        return State(self.fields, noisy_state((0.0,), grid, 0.01, dtype, key=key), jnp.int32(0))
