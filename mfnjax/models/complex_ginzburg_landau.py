"""Complex Ginzburg–Landau: the amplitude of waves, whose phase makes spirals and chaos."""

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
class ComplexGinzburgLandauModel(Equation):
    """A_t = μA + D(1 + iα)∇²A − (1 + iβ)|A|²A, A = real + i·imaginary.

    The amplitude of oscillations near their onset. Plane waves A = √(μ − Dk²)·e^(i(kx − ωt)) have
    ω = αDk² + β(μ − Dk²). The even oscillation is unstable where 1 + αβ < 0 (Benjamin–Feir):
    turbulence of phase, then of defects; where it is stable, defects are the cores of spirals.

    Source: I. S. Aranson, L. Kramer (2002), doi:10.1103/RevModPhys.74.99.
    """

    fields: ClassVar[tuple[str, ...]] = ("real", "imaginary")
    main_field: ClassVar[str | None] = "real"

    growth: Any = parameter(1.0, symbol=("μ", "mu"), unit="1/time", text="Distance from the onset")
    diffusivity: Any = parameter(1.0, symbol="D", unit="length²/time", low=0.0, text="Diffusivity")
    dispersion: Any = parameter(0.0, symbol=("α", "alpha"), unit="1", text="Linear dispersion")
    twist: Any = parameter(1.5, symbol=("β", "beta"), unit="1", text="Nonlinear frequency")

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """μA + D∇²A."""
        operator = self.growth + nabla.diffusion(self.diffusivity)
        return {"real": operator, "imaginary": operator}

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """iαD∇²A − (1 + iβ)|A|²A."""
        u, v = values
        square, turn = u * u + v * v, self.dispersion * self.diffusivity
        return (
            -turn * nabla.laplacian(v) - square * (u - self.twist * v),
            turn * nabla.laplacian(u) - square * (v + self.twist * u),
        )

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Noise of standard deviation 0.1 about 0, which is unstable."""
        values = noisy_state((0.0, 0.0), grid, 0.1, dtype, key=key)
        return State(self.fields, values, jnp.int32(0))
