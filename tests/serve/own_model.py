"""A user's own model in a file: two species that compete. One parameter has no default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from mfnjax import Grid, State, register_model, register_pytree
from mfnjax.core.rng import uniform_field
from mfnjax.models import ReactionDiffusion, parameter


@register_pytree
@dataclass(frozen=True)
class Rivals(ReactionDiffusion):
    """Two species that compete."""

    fields: ClassVar[tuple[str, ...]] = ("one", "other")
    reaction_fields: ClassVar[tuple[str, ...]] = ("one", "other")

    rivalry: Any = parameter(symbol="γ", unit="1", low=0.0, text="How one harms the other")
    spread: Any = parameter(0.1, symbol="D", unit="length²/time", low=0.0, text="Diffusivity")

    def reaction(self, values: Any) -> Any:
        """Logistic growth, less what the other takes."""
        one, other = values
        return one * (1 - one - self.rivalry * other), other * (1 - other - self.rivalry * one)

    def transport(self, values: Any, laplacian: Any) -> Any:
        """D∇² of each."""
        return tuple(self.spread * laplacian(u) for u in values)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Independent uniform fields."""
        keys = jax.random.split(key)
        fields = [uniform_field(grid.shape, dtype, key=k) for k in keys]
        return State(self.fields, tuple(fields), jnp.int32(0))


register_model("rivals", Rivals, grid_size=32, steps=40)
