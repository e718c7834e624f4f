"""Keller–Segel: cells that climb the gradient of what they release, and aggregate."""

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
class KellerSegelModel(Equation):
    """u_t = ∇·(D_u∇u − χu(1 − u/K)∇c),  c_t = D_c∇²c + αu − βc.

    Cells u move up the gradient of an attractant c that they release. There is room for K of them
    in a cell of the grid (volume filling), so that aggregates are plateaus, not points: with
    0 ≤ u ≤ K at first it stays so, and Σu is kept. The uniform state is unstable where
    αχu(1 − u/K) > βD_u, with the growth rates of a 2 × 2 matrix; aggregates then merge slowly.

    Source: E. F. Keller, L. A. Segel (1970), doi:10.1016/0022-5193(70)90092-5; T. Hillen,
    K. J. Painter (2001), doi:10.1006/aama.2001.0721 (volume filling).
    """

    fields: ClassVar[tuple[str, ...]] = ("cells", "attractant")
    main_field: ClassVar[str | None] = "cells"
    needs_closed_sides: ClassVar[bool] = True

    chemotaxis: Any = parameter(
        12.0, symbol=("χ", "chi"), unit="length²/(unit of c · time)", text="Chemotactic sensitivity"
    )
    capacity: Any = parameter(
        1.0, symbol="K", unit="unit of u", low=0.0, open_low=True, text="Density without room"
    )
    production: Any = parameter(
        1.0, symbol=("α", "alpha"), unit="unit of c/(unit of u · time)", text="Release by cells"
    )
    decay: Any = parameter(
        1.0,
        symbol=("β", "beta"),
        unit="1/time",
        low=0.0,
        open_low=True,
        text="Decay of the attractant",
    )
    d_cells: Any = parameter(
        1.0, symbol="D_u", unit="length²/time", low=0.0, text="Diffusivity of the cells"
    )
    d_attractant: Any = parameter(
        1.0, symbol="D_c", unit="length²/time", low=0.0, text="Diffusivity of the attractant"
    )

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_u∇²u and D_c∇²c − βc."""
        decay = self.decay * nabla.identity
        return {
            "cells": nabla.diffusion(self.d_cells),
            "attractant": nabla.diffusion(self.d_attractant) - decay,
        }

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """−∇·(χu(1 − u/K)∇c) and αu."""
        u, c = values
        mobility = self.chemotaxis * u * (1 - u / self.capacity)
        return -nabla.divergence(nabla.flux(mobility, c)), self.production * u

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """A quarter of K everywhere with noise of 1 % of it, and its attractant in balance."""
        (noise,) = noisy_state((1.0,), grid, 0.01, dtype, key=key)
        level = jnp.asarray(self.capacity, noise.dtype) / 4
        c = level * jnp.asarray(self.production / self.decay, noise.dtype)
        return State(self.fields, (level * noise, jnp.broadcast_to(c, grid.shape)), jnp.int32(0))
