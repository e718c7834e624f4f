"""FitzHugh–Nagumo: the nerve impulse reduced to two variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

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
class FitzHughNagumoModel(ReactionDiffusion):
    """v_t = D_v∇²v + v − v³/3 − w + I,  w_t = D_w∇²w + ε(v + β − γw).

    With the defaults the rest state is excitable: a strong push makes one pulse that travels.
    A current I of about 0.34 to 1.41 makes the cell fire for ever (Hopf); a fast inhibitor with
    D_w well over D_v makes a standing pattern (Turing).

    Source: R. FitzHugh (1961), doi:10.1016/S0006-3495(61)86902-6; J. Nagumo, S. Arimoto,
    S. Yoshizawa (1962), doi:10.1109/JRPROC.1962.288235.
    """

    fields: ClassVar[tuple[str, ...]] = ("v", "w")

    stimulus: Any = parameter(0.0, symbol="I", unit="unit of v/time", text="Current from outside")
    recovery_rate: Any = parameter(
        0.08, symbol=("ε", "epsilon"), unit="1/time", text="Recovery rate (FitzHugh's φ)"
    )
    recovery_offset: Any = parameter(
        0.7, symbol=("β", "beta"), unit="unit of v", text="Recovery offset (his a)"
    )
    recovery_decay: Any = parameter(
        0.8, symbol=("γ", "gamma"), unit="unit of v/unit of w", text="Recovery decay (his b)"
    )
    d_v: Any = parameter(1.0, symbol="D_v", unit="length²/time", low=0.0, text="Diffusivity of v")
    d_w: Any = parameter(0.0, symbol="D_w", unit="length²/time", low=0.0, text="Diffusivity of w")

    def reaction(self, values: Values) -> Values:
        """v − v³/3 − w + I and ε(v + β − γw)."""
        v, w = values
        recovery = v + self.recovery_offset - self.recovery_decay * w
        return v - v * v * v / 3 - w + self.stimulus, self.recovery_rate * recovery

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_v∇²v and D_w∇²w."""
        return {"v": nabla.diffusion(self.d_v), "w": nabla.diffusion(self.d_w)}

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Noise about (−1.2, −0.6), and a broken wave in it that can curl into a spiral.

        The left half of a strip across the middle is excited (v = 1.5), and the lower side of the
        strip is refractory (w = 0.8), so that the wave can only run upwards and has a free end.
        """
        v, w = noisy_state((-1.2, -0.6), grid, 0.01, dtype, key=key)
        height, width = (1, *grid.shape)[-2:]
        row, column = (np.zeros(1), *np.indices(grid.shape, sparse=True))[-2:]
        # In one dimension an eighth of the line, at its end, is excited.
        strip = np.abs(row - height / 2) <= max(height / 16, 1.0)
        below = (row > height / 2) & (row <= height / 2 + max(height / 5, 2.0))
        left = column < (width / 2 if height > 1 else max(width / 8, 1.0))
        v = jnp.where(strip & left, jnp.asarray(1.5, v.dtype), v)
        w = jnp.where(below & left, jnp.asarray(0.8, w.dtype), w)
        return State(self.fields, (v, w), jnp.int32(0))
