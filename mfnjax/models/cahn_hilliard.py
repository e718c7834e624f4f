"""Cahn–Hilliard: a mixture that separates, and keeps what there is of each."""

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
class CahnHilliardModel(Equation):
    """u_t = M∇²(u³ − u − κ∇²u).

    The gradient flow that keeps Σu of E = ∫ (1 − u²)²/4 + κ|∇u|²/2. A mixture of mean m is
    unstable for m² < ⅓; about m = 0 the wavelength 2π√(2κ) grows fastest, at M/4κ. The phases ±1
    then coarsen, their size as the cube root of time, with walls tanh(x/√(2κ)) across.

    The linear part is M(2∇² − κ∇⁴), the rest M∇²(u³ − 3u): the energy falls at any explicit step
    within the bound of the stepper while |u| ≤ 1. That is tiny (dt ≤ 0.02 for M = κ = dx = 1 in
    two dimensions), so the model's own stepper is ETDRK2.

    Source: J. W. Cahn, J. E. Hilliard (1958), doi:10.1063/1.1744102.
    """

    fields: ClassVar[tuple[str, ...]] = ("u",)
    stepper: ClassVar[str | None] = "etdrk2"
    needs_closed_sides: ClassVar[bool] = True

    mobility: Any = parameter(1.0, symbol="M", unit="length²/time", low=0.0, text="Mobility")
    interface: Any = parameter(
        1.0, symbol=("κ", "kappa"), unit="length²", low=0.0, text="Square of the width of a wall"
    )

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """M(2∇²u − κ∇⁴u)."""
        inner = 2.0 - self.interface * nabla.laplacian
        return {"u": self.mobility * (nabla.laplacian @ inner)}

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """M∇²(u³ − 3u)."""
        (u,) = values
        return (self.mobility * nabla.laplacian(nabla.local(lambda u: u * (u * u - 3), u)),)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Noise of standard deviation 0.05 about 0."""
        return State(self.fields, noisy_state((0.0,), grid, 0.05, dtype, key=key), jnp.int32(0))
