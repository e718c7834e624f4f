"""Klausmeier: plants on a dry slope, in bands that climb it."""

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
class KlausmeierModel(Equation):
    """w_t = vw_x + D_w∇²w + a − w − wn²,  n_t = D_n∇²n + wn² − mn.

    Rain a becomes water w, which evaporates, is taken up by plants n, and runs down the slope,
    against x, at the speed v. Where a > 2m plants can live; on a steep slope their even cover is
    unstable, and bands across the slope form and move uphill, towards +x. The flow wants steps of
    at most dx/2v per direction of space.

    Source: C. A. Klausmeier (1999), doi:10.1126/science.284.5421.1826.
    """

    fields: ClassVar[tuple[str, ...]] = ("water", "plants")

    rain: Any = parameter(1.0, symbol="a", unit="unit of w · rate of evaporation", text="Rain")
    mortality: Any = parameter(
        0.45,
        symbol="m",
        unit="rate of evaporation",
        low=0.0,
        open_low=True,
        text="Mortality of the plants",
    )
    slope: Any = parameter(
        20.0, symbol="v", unit="length/time", text="Speed of the water down the slope"
    )
    d_water: Any = parameter(
        0.0, symbol="D_w", unit="length²/time", low=0.0, text="Diffusivity of the water"
    )
    d_plants: Any = parameter(
        1.0, symbol="D_n", unit="length²/time", low=0.0, text="Diffusivity of the plants"
    )

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_w∇²w and D_n∇²n."""
        return {
            "water": nabla.diffusion(self.d_water),
            "plants": nabla.diffusion(self.d_plants),
        }

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """vw_x + a − w − wn² and wn² − mn."""
        w, n = values
        downhill = tuple(-self.slope if axis == "x" else 0.0 for axis in nabla.axes)
        flow = nabla.divergence(nabla.advective_flux(downhill, w))
        uptake = w * n * n
        return self.rain - w - uptake - flow, uptake - self.mortality * n

    def homogeneous_state(self) -> tuple[Any, Any]:
        """(m/n, n) with n = (a + √(a² − 4m²))/2m, the even cover; the plate is bare for a < 2m."""
        square = jnp.asarray(self.rain**2 - 4 * self.mortality**2)
        root = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
        plants = (self.rain + root) / (2 * self.mortality)
        return self.mortality / plants, plants

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """The even cover with noise of standard deviation 0.01."""
        values = noisy_state(self.homogeneous_state(), grid, 0.01, dtype, key=key)
        return State(self.fields, values, jnp.int32(0))
