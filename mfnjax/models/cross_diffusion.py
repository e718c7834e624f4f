"""Shigesada–Kawasaki–Teramoto: competitors that get out of each other's way."""

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
class CrossDiffusionModel(Equation):
    """u_t = ∇²((d₁ + a₁₁u + a₁₂v)u) + (r₁ − b₁₁u − b₁₂v)u, and so v with 1 and 2 exchanged.

    Competitors that move away the faster the more there are of the other. Under weak competition
    (b₁₁b₂₂ > b₁₂b₂₁) they live together everywhere; diffusion alone never changes that, but
    cross-diffusion a₁₂ large enough drives them into places of their own. The rates of a₁₁ … a₂₂
    are explicit in every stepper: dt ≲ dx²/(2·axes·(d₁ + 2a₁₁u + a₁₂v)).

    Source: N. Shigesada, K. Kawasaki, E. Teramoto (1979), doi:10.1016/0022-5193(79)90258-3;
    M. Iida, M. Mimura, H. Ninomiya (2006), doi:10.1007/s00285-006-0013-2.
    """

    fields: ClassVar[tuple[str, ...]] = ("u", "v")
    main_field: ClassVar[str | None] = "u"
    needs_closed_sides: ClassVar[bool] = True

    growth_u: Any = parameter(5.0, symbol=("r_1", "r₁"), unit="1/time", text="Growth rate of u")
    growth_v: Any = parameter(2.0, symbol=("r_2", "r₂"), unit="1/time", text="Growth rate of v")
    u_by_u: Any = parameter(3.0, symbol="b_11", unit="1/(unit · time)", text="u hinders u")
    u_by_v: Any = parameter(1.0, symbol="b_12", unit="1/(unit · time)", text="v hinders u")
    v_by_u: Any = parameter(1.0, symbol="b_21", unit="1/(unit · time)", text="u hinders v")
    v_by_v: Any = parameter(3.0, symbol="b_22", unit="1/(unit · time)", text="v hinders v")
    d_u: Any = parameter(1.0, symbol="d_1", unit="length²/time", low=0.0, text="Diffusivity of u")
    d_v: Any = parameter(1.0, symbol="d_2", unit="length²/time", low=0.0, text="Diffusivity of v")
    u_from_u: Any = parameter(
        0.0, symbol="a_11", unit="length²/(unit · time)", low=0.0, text="u drives u away"
    )
    u_from_v: Any = parameter(
        150.0, symbol="a_12", unit="length²/(unit · time)", low=0.0, text="v drives u away"
    )
    v_from_u: Any = parameter(
        0.0, symbol="a_21", unit="length²/(unit · time)", low=0.0, text="u drives v away"
    )
    v_from_v: Any = parameter(
        0.0, symbol="a_22", unit="length²/(unit · time)", low=0.0, text="v drives v away"
    )

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """d₁∇²u and d₂∇²v."""
        return {"u": nabla.diffusion(self.d_u), "v": nabla.diffusion(self.d_v)}

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """∇²((a₁₁u + a₁₂v)u) + (r₁ − b₁₁u − b₁₂v)u, and so v."""
        u, v = values

        def spread(here: Any, other: Any, own: Any, cross: Any) -> Any:
            return nabla.laplacian(
                nabla.local(lambda u, v, a, b: (a * u + b * v) * u, here, other, own, cross)
            )

        return (
            spread(u, v, self.u_from_u, self.u_from_v)
            + (self.growth_u - self.u_by_u * u - self.u_by_v * v) * u,
            spread(v, u, self.v_from_v, self.v_from_u)
            + (self.growth_v - self.v_by_u * u - self.v_by_v * v) * v,
        )

    def homogeneous_state(self) -> tuple[Any, Any]:
        """Where both live together: r₁ = b₁₁u + b₁₂v, r₂ = b₂₁u + b₂₂v."""
        determinant = jnp.asarray(self.u_by_u * self.v_by_v - self.u_by_v * self.v_by_u)
        u = (self.growth_u * self.v_by_v - self.growth_v * self.u_by_v) / determinant
        v = (self.growth_v * self.u_by_u - self.growth_u * self.v_by_u) / determinant
        return u, v

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """The state of both with noise of standard deviation 0.01."""
        values = noisy_state(self.homogeneous_state(), grid, 0.01, dtype, key=key)
        return State(self.fields, values, jnp.int32(0))
