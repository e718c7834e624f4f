"""Gray–Scott: cubic autocatalysis in a fed reactor."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
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
from mfnjax.core.rng import normal_field
from mfnjax.core.state import State
from mfnjax.models._common import from_middle
from mfnjax.models.base import ReactionDiffusion, Values


@final
@register_pytree
@dataclass(frozen=True)
class GrayScottModel(ReactionDiffusion):
    """u_t = D_u∇²u − uv² + F(1 − u),  v_t = D_v∇²v + uv² − (F + k)v.

    The state (1, 0) is always stable; a non-trivial homogeneous state exists for k ≤ √F/2 − F.

    Source: P. Gray, S. K. Scott (1983), doi:10.1016/0009-2509(83)80132-8;
    J. E. Pearson (1993), doi:10.1126/science.261.5118.189.
    """

    fields: ClassVar[tuple[str, ...]] = ("u", "v")

    feed: Any = parameter(0.04, symbol="F", unit="1/time", text="Feed rate")
    kill: Any = parameter(0.062, symbol="k", unit="1/time", text="Kill rate")
    d_u: Any = parameter(0.16, symbol="D_u", unit="length²/time", low=0.0, text="Diffusivity of u")
    d_v: Any = parameter(0.08, symbol="D_v", unit="length²/time", low=0.0, text="Diffusivity of v")

    def reaction(self, values: Values) -> Values:
        """−uv² + F(1 − u) and uv² − (F + k)v."""
        u, v = values
        conversion = u * v * v
        return self.feed * (1 - u) - conversion, conversion - (self.feed + self.kill) * v

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_u∇²u and D_v∇²v."""
        return {"u": nabla.diffusion(self.d_u), "v": nabla.diffusion(self.d_v)}

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Pearson's start: (1, 0), a square of (½, ¼) in the middle, and 1 % noise.

        The square is 20 cells wide, or a quarter of the grid where that is less.
        """
        dtype = jnp.result_type(float) if dtype is None else dtype
        near = [
            np.abs(along) <= min(20, max(along.size // 4, 1)) / 2 for along in from_middle(grid)
        ]
        return self._seeded(functools.reduce(operator.and_, near), dtype, key)

    def scattered_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """As `initial_state`, with small squares in random places in the stead of one.

        There is one for each 32² cells, but at least four; each is 10 cells wide, or an eighth of
        the grid where that is less.
        """
        dtype = jnp.result_type(float) if dtype is None else dtype
        place_key, noise_key = jax.random.split(key)
        number = max(4, grid.num_cells // 32**2)
        near = []
        axis_keys = jax.random.split(place_key, len(grid.shape))
        for size, axis_key in zip(grid.shape, axis_keys, strict=True):
            width = min(10, max(size // 8, 1))
            first = jax.random.randint(axis_key, (number, 1), 0, size - width + 1, jnp.int32)
            cells = jnp.arange(size, dtype=jnp.int32)
            near.append(((cells >= first) & (cells < first + width)).astype(dtype))
        axes = "zyx"[-len(near) :]
        inside = jnp.einsum(",".join("n" + axis for axis in axes) + "->" + axes, *near) > 0
        return self._seeded(inside, dtype, noise_key)

    def _seeded(self, inside: Any, dtype: Any, key: jax.Array) -> State:
        """(½, ¼) inside, (1, 0) outside, and 1 % noise."""
        key_u, key_v = jax.random.split(key)
        u = jnp.where(inside, 0.5, 1.0).astype(dtype)
        v = jnp.where(inside, 0.25, 0.0).astype(dtype)
        u = u * (1 + 0.01 * normal_field(inside.shape, dtype, key=key_u))
        v = v * (1 + 0.01 * normal_field(inside.shape, dtype, key=key_v))
        return State(self.fields, (u, v), jnp.int32(0))

    starts: ClassVar[Mapping[str, Callable[..., State]]] = {
        "centre": initial_state,
        "scattered": scattered_state,
    }
