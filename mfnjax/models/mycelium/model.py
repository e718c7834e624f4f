"""The MyceliumFractalNet v4.1 model: potential, growth events, activator and inhibitor.

With the documented default parameters the model forms no pattern: linearised about its only rest
state (0, 0), the pair is marginal at q = 0 and decays for every q > 0, so the activator never
reaches the threshold and the potential relaxes to a smoothed random field (`mfn stability
mycelium` shows it). That is what the documented model does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax._parameter import parameter
from mfnjax.core.boundary import ByField, Sides
from mfnjax.core.grid import Grid
from mfnjax.core.operators import largest_stable_step, with_difference_sum
from mfnjax.core.pytree import register_pytree
from mfnjax.core.quantity import POTENTIAL, Quantity
from mfnjax.core.rng import normal_field, uniform_field
from mfnjax.core.state import State
from mfnjax.core.threefry import fold_in, uniform
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models._common import clip
from mfnjax.models.base import (
    Advanced,
    IteratedMap,
    Laplacian,
    Values,
    all_finite,
    concrete_parameters,
)
from mfnjax.models.mycelium.parameters import MYCELIUM_PARAMETERS
from mfnjax.models.mycelium.quiet import Events, Quiet, quiet_stretch, take_in_blocks

REST_MEAN_V, REST_STD_V = -0.070, 0.005
TURING_SHIFT_V = 0.005
CLAMP_LOW_V, CLAMP_HIGH_V = -0.095, 0.040

NO_PATTERN = (
    "With the v4.1 default parameters the activator-inhibitor pair is marginal at q = 0 and decays "
    "for every q > 0: the model forms no pattern."
)


@final
@register_pytree
@dataclass(frozen=True)
class MyceliumModel(IteratedMap):
    """One step of the v4.1 map, in this order (potential V, activator a, inhibitor i):

    1. With probability p one cell, chosen uniformly, gets V += m, m ~ Normal(20 mV, 5 mV).
    2. V ← V + α∇²V.
    3. a' = a + D_a∇²a + r_a(a(1 − a) − i),  i' = i + D_i∇²i + r_i(a − i); where a' > θ,
       V += 5 mV; a' and i' are clipped to [0, 1].
    4. V += Normal(0, σ²) per cell, if the jitter is on.
    5. V is clamped to [−95 mV, +40 mV].

    With the default parameters it forms no pattern (see the module's docstring).

    The threshold, the clamp and the events have derivatives where they are smooth and none at the
    kink. There it is one-sided: at a limit of a clip or of the clamp that from inside (1), at
    a' = θ that of a cell that is not active. The event's probability has none at all; its
    magnitude has one, for a fixed key. `mfnjax.smooth_twin` has all of them.

    Source: MyceliumFractalNet v4.1 (2025).
    """

    fields: ClassVar[tuple[str, ...]] = ("potential", "activator", "inhibitor")
    reaction_fields: ClassVar[tuple[str, ...]] = ("activator", "inhibitor")
    counters: ClassVar[tuple[str, ...]] = (
        "growth_events",
        "turing_activations",
        "clamping_events",
    )

    quantities: ClassVar[dict[str, Quantity]] = {"potential": POTENTIAL}
    main_field: ClassVar[str | None] = "potential"

    alpha: Any = parameter(like=MYCELIUM_PARAMETERS["alpha"])
    d_activator: Any = parameter(like=MYCELIUM_PARAMETERS["d_activator"])
    d_inhibitor: Any = parameter(like=MYCELIUM_PARAMETERS["d_inhibitor"])
    r_activator: Any = parameter(like=MYCELIUM_PARAMETERS["r_activator"])
    r_inhibitor: Any = parameter(like=MYCELIUM_PARAMETERS["r_inhibitor"])
    turing_threshold: Any = parameter(like=MYCELIUM_PARAMETERS["turing_threshold"])
    spike_probability: Any = parameter(like=MYCELIUM_PARAMETERS["spike_probability"])
    jitter_var: Any = parameter(like=MYCELIUM_PARAMETERS["jitter_var"])
    growth_mean: Any = parameter(like=MYCELIUM_PARAMETERS["growth_mean"])
    growth_std: Any = parameter(like=MYCELIUM_PARAMETERS["growth_std"])
    turing_enabled: bool = parameter(like=MYCELIUM_PARAMETERS["turing_enabled"])
    quantum_jitter: bool = parameter(like=MYCELIUM_PARAMETERS["quantum_jitter"])

    def reaction(self, values: Values) -> Values:
        """r_a(a(1 − a) − i) and r_i(a − i)."""
        a, i = values
        return self.r_activator * (a * (1 - a) - i), self.r_inhibitor * (a - i)

    def transport(self, values: Values, laplacian: Laplacian) -> Values:
        """D_a∇²a and D_i∇²i."""
        a, i = values
        return self.d_activator * laplacian(a), self.d_inhibitor * laplacian(i)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """V ~ Normal(−70 mV, 5 mV); a, i ~ Uniform(0, 0.1); independent per cell."""
        dtype = jnp.result_type(float) if dtype is None else dtype
        key_v, key_a, key_i = jax.random.split(key, 3)
        potential = REST_MEAN_V + REST_STD_V * normal_field(grid.shape, dtype, key=key_v)
        activator = 0.1 * uniform_field(grid.shape, dtype, key=key_a)
        inhibitor = 0.1 * uniform_field(grid.shape, dtype, key=key_i)
        return State(self.fields, (potential, activator, inhibitor), jnp.int32(0))

    def is_stochastic(self) -> bool:
        """False only where p is known to be 0 and the jitter is off."""
        p = self.spike_probability
        return self.quantum_jitter or isinstance(p, jax.core.Tracer) or bool(np.any(p))

    def remark(self) -> str | None:
        """That the default pair forms no pattern."""
        default = MyceliumModel()
        names = ("d_activator", "d_inhibitor", "r_activator", "r_inhibitor", "turing_threshold")
        is_default = all(getattr(self, name) == getattr(default, name) for name in names)
        return NO_PATTERN if self.turing_enabled and is_default else None

    def check(self, grid: Grid, dt: float) -> None:
        """Every parameter in its documented range, the diffusivities stable on ``grid``."""
        if dt != 1.0:
            raise ParameterError(
                f"MyceliumModel is a map with its own step: dt must be 1, got {dt}"
            )
        _check_grid(grid)
        for name, value in vars(self).items():
            if getattr(value, "ndim", 0):
                raise ParameterError(
                    f"MyceliumModel.{name} must be a number, got a field of the shape {value.shape}"
                )
        for name, value in concrete_parameters(self).items():
            declared = MYCELIUM_PARAMETERS[name]
            if declared.static:
                continue
            largest = declared.check_elements(name, value)[-1]
            if declared.stability_bound and not isinstance(grid.spacing, jax.core.Tracer):
                _check_bound(name, largest, grid)

    def draw(self, dtype: Any, *, key: jax.Array) -> Any:
        """Five uniforms for the growth event, and the key of the jitter where there is one.

        The event reads the key at the counters 0…4, so the stream of the jitter is free. (A split
        would cost one more Threefry call for every step.)
        """
        jitter_key = fold_in(key, _JITTER_STREAM) if self.quantum_jitter else None
        return uniform(key, 5, dtype), jitter_key

    def advance(self, values: Values, grid: Grid, *, draw: Any) -> Advanced:
        """One step of the map; with ``draw=None`` steps 1 and 4 are left out."""
        return one_step(self, values, grid, draw)

    def event(self, V: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        """At most one cell gets m; the V, and whether it happened."""
        chance, cell, magnitude = growth_event(self, uniforms, V.shape)
        happens = chance < self.spike_probability
        before = lax.dynamic_slice(V, cell, (1, 1))
        after = before + jnp.where(happens, magnitude, 0)
        return lax.dynamic_update_slice(V, after, cell), happens.astype(jnp.int32)

    def shift(self, V: jax.Array, a_new: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Add 5 mV where a' > θ; the V, and the number of those cells."""
        return _shift_active(V, a_new, jnp.max(a_new), self.turing_threshold)

    def bound(self, fraction: jax.Array) -> jax.Array:
        """The clip of a' and i' to [0, 1]."""
        return clip(fraction, 0, 1)

    def clamp(self, V: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The clamp of V; the V, whether it was finite before, and how many cells changed."""
        return _clamp(V)

    def take_steps(self, run: Any, count: Any, *, grid: Grid, key: Any, step: Any) -> Any:
        """``count`` steps, faster where they are quiet, and to the same bits."""
        return take_in_blocks(self, run, count, grid=grid, key=key, step=step)

    def quiet(self, values: Values, grid: Grid, *, draws: Any, count: Any) -> Quiet | None:
        """Steps in which no threshold and no clamp can be reached (see the file `quiet.py`)."""
        events = None
        if draws is not None:
            chance, cells, magnitudes = jax.vmap(lambda u: growth_event(self, u, grid.shape))(
                draws[0]
            )
            events = Events(chance < self.spike_probability, magnitudes, cells)
        clamp = CLAMP_LOW_V, CLAMP_HIGH_V
        return quiet_stretch(self, values, grid, events=events, clamp=clamp, count=count)


def one_step(model: Any, values: Values, grid: Grid, draw: Any) -> Advanced:
    """A step of the v4.1 map, with the event, threshold, clip and clamp that ``model`` has.

    A model without ``counters`` counts nothing.
    """
    V, a, i = values
    spacing = jnp.asarray(grid.spacing, V.dtype)
    scale = 1 / (spacing * spacing)
    zero = jnp.int32(0)

    uniforms, jitter_key = (None, None) if draw is None else draw
    V, growth = (V, zero) if uniforms is None else model.event(V, uniforms)
    V, difference = with_difference_sum(V, grid)
    V = V + (model.alpha * scale) * difference

    finite_pair = (jnp.bool(True), jnp.bool(True))
    activations = zero
    if model.turing_enabled:
        a, a_difference = with_difference_sum(a, grid)
        i, i_difference = with_difference_sum(i, grid)
        a_rate, i_rate = model.reaction((a, i))
        a_new = a + (model.d_activator * scale) * a_difference + a_rate
        i_new = i + (model.d_inhibitor * scale) * i_difference + i_rate
        V, activations = model.shift(V, a_new)
        finite_pair = (all_finite(a_new), all_finite(i_new))
        a, i = model.bound(a_new), model.bound(i_new)

    if jitter_key is not None:
        V = with_jitter(V, model.jitter_var, key=jitter_key)

    V, finite, clamped = model.clamp(V)
    counts = jnp.stack([growth, activations, clamped]) if model.counters else None
    return Advanced((V, a, i), (finite, *finite_pair), counts)


def growth_event(
    model: MyceliumModel, uniforms: jax.Array, shape: tuple[int, ...]
) -> tuple[jax.Array, tuple[jax.Array, ...], jax.Array]:
    """What five uniforms say of a step's event: (chance, cell, m), m by Box–Muller.

    The event happens where chance < p.
    """
    chance, row, column, radius, angle = uniforms
    deviate = jnp.sqrt(-2 * jnp.log1p(-radius)) * jnp.cos(2 * np.pi * angle)
    magnitude = model.growth_mean + model.growth_std * deviate
    cell = tuple(
        jnp.minimum((u * size).astype(jnp.int32), size - 1)
        for u, size in zip((row, column), shape, strict=True)
    )
    return chance, cell, magnitude


def with_jitter(V: jax.Array, variance: Any, *, key: jax.Array) -> jax.Array:
    """V + Normal(0, σ²) in every cell."""
    return V + _safe_sqrt(variance) * normal_field(V.shape, V.dtype, key=key)


_JITTER_STREAM = 2**31


def _check_grid(grid: Grid) -> None:
    """The documented map is one of square cells in the plane, all sides alike."""
    wrong = [
        words
        for is_wrong, words in (
            (len(grid.shape) != 2, f"a grid of shape (H, W), not {grid.shape}"),
            (not grid.is_isotropic, "one spacing"),
            (grid.mask is not None, "no mask"),
            (isinstance(grid.boundary, (Sides, ByField)), "the same sides everywhere"),
            (not grid.boundary.is_plain, "sides without a value of their own"),
        )
        if is_wrong
    ]
    if wrong:
        raise ParameterError(
            f"MyceliumModel is a map on square cells in the plane: it needs {wrong[0]} (its "
            "equations on any domain can be written as a PDE)"
        )


def _check_bound(name: str, value: float, grid: Grid) -> None:
    bound = min(largest_stable_step(1.0, grid), 0.25 * float(grid.spacing) ** 2)
    if value > bound * (1 + 1e-12):
        raise StabilityError(
            f"{name} = {value!r} is over the stability bound {bound:g} on a grid of spacing "
            f"{float(grid.spacing):g} (dt·D·4/dx² ≤ 1)"
        )


def _safe_sqrt(variance: Any) -> jax.Array:
    """√x with the derivative 0 at x = 0, where √ has none: no noise, no sensitivity to it."""
    is_zero = variance == 0
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, variance)))


def _shift_active(
    V: jax.Array, a_new: jax.Array, highest: jax.Array, threshold: Any
) -> tuple[jax.Array, jax.Array]:
    """Add 5 mV where a' > θ, and count. The count costs a pass, so only if any cell crossed."""

    def shift(V: jax.Array, a_new: jax.Array) -> tuple[jax.Array, jax.Array]:
        active = a_new > threshold
        shifted = V + TURING_SHIFT_V * active.astype(V.dtype)
        return shifted, jnp.sum(active, dtype=jnp.int32)

    def keep(V: jax.Array, a_new: jax.Array) -> tuple[jax.Array, jax.Array]:
        return V, jnp.int32(0)

    return lax.cond(highest > threshold, shift, keep, V, a_new)


def _clamp(V: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Clamp V; return it with whether it was finite before and how many cells changed."""
    high, low = jnp.max(V), jnp.min(V)

    def clamp(V: jax.Array) -> tuple[jax.Array, jax.Array]:
        clamped = clip(V, CLAMP_LOW_V, CLAMP_HIGH_V)
        return clamped, jnp.sum(clamped != V, dtype=jnp.int32)

    outside = (high > CLAMP_HIGH_V) | (low < CLAMP_LOW_V)
    clamped, count = lax.cond(outside, clamp, lambda V: (V, jnp.int32(0)), V)
    return clamped, jnp.isfinite(high) & jnp.isfinite(low), count
