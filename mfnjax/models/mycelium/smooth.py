"""The v4.1 map with a smooth twin in the place of every hard part."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import Any, ClassVar, final

import jax
import numpy as np
from jax import lax

from mfnjax._parameter import Parameter, parameter, parameters_of
from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.core.quantity import Quantity
from mfnjax.core.smooth import relaxed_bernoulli, soft_clip, soft_step
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.models.base import (
    Advanced,
    Equation,
    IteratedMap,
    Laplacian,
    Model,
    Values,
    all_finite,
    concrete_parameters,
)
from mfnjax.models.mycelium.model import (
    CLAMP_HIGH_V,
    CLAMP_LOW_V,
    TURING_SHIFT_V,
    MyceliumModel,
    growth_event,
    one_step,
)
from mfnjax.models.mycelium.parameters import MYCELIUM_PARAMETERS

_WIDTH = Parameter(0.0, unit="1", low=0.0, open_low=True)


@final
@register_pytree
@dataclass(frozen=True)
class SmoothMyceliumModel(IteratedMap):
    """The v4.1 map with a smooth twin in the place of every hard part (see `MyceliumModel`).

    1. One cell gets V += b·m, with b = σ((logit p − logit u)/w_e) for the u that the hard model
       compares with p: with one key both draw the same cell and the same m.
    2. V ← V + α∇²V.
    3. V += 5 mV · σ((a' − θ)/w_t); a' and i' go through the smooth clip to [0, 1], width w_c.
    4. The jitter, which is smooth as it is.
    5. V goes through the smooth clamp to [−95 mV, +40 mV], width w_V.

    Every parameter has a derivative, p among them, and all of them are exact derivatives of this
    map. It is a model of its own, not the hard one with another gradient: as the widths go to 0 its
    trajectory tends to the hard one (and at a kink no derivative does). A clip adds w_c·e^(−x/w_c)
    to a cell at a distance x from the limit, at every step, so w_c has to be small against the
    values of a and i: the default is 1/25 of the usual start.

    It counts no events: counts are integers.
    """

    fields: ClassVar[tuple[str, ...]] = MyceliumModel.fields
    reaction_fields: ClassVar[tuple[str, ...]] = MyceliumModel.reaction_fields
    quantities: ClassVar[dict[str, Quantity]] = MyceliumModel.quantities
    main_field: ClassVar[str | None] = MyceliumModel.main_field

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
    threshold_width: Any = parameter(0.02, like=_WIDTH, symbol="w_t", text="Width of the threshold")
    clip_width: Any = parameter(0.002, like=_WIDTH, symbol="w_c", text="Width of the clip")
    clamp_width: Any = parameter(
        0.001, like=_WIDTH, symbol="w_V", unit="V", text="Width of the clamp of the potential"
    )
    event_width: Any = parameter(
        0.1, like=_WIDTH, symbol="w_e", high=1.0, open_high=True, text="Width of an event's chance"
    )
    turing_enabled: bool = parameter(like=MYCELIUM_PARAMETERS["turing_enabled"])
    quantum_jitter: bool = parameter(like=MYCELIUM_PARAMETERS["quantum_jitter"])

    @property
    def hard(self) -> MyceliumModel:
        """The model that this one tends to."""
        return MyceliumModel(**{f.name: getattr(self, f.name) for f in fields(MyceliumModel)})

    def reaction(self, values: Values) -> Values:
        """r_a(a(1 − a) − i) and r_i(a − i), as in the hard model."""
        return self.hard.reaction(values)

    def transport(self, values: Values, laplacian: Laplacian) -> Values:
        """D_a∇²a and D_i∇²i, as in the hard model."""
        return self.hard.transport(values, laplacian)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """The hard model's start."""
        return self.hard.initial_state(grid, dtype=dtype, key=key)

    def is_stochastic(self) -> bool:
        """As the hard model: False only where p is known to be 0 and the jitter is off."""
        return self.hard.is_stochastic()

    def draw(self, dtype: Any, *, key: jax.Array) -> Any:
        """The hard model's draw."""
        return self.hard.draw(dtype, key=key)

    def check(self, grid: Grid, dt: float) -> None:
        """The hard model's ranges; widths positive, that of the event below 1."""
        self.hard.check(grid, dt)
        for name, value in concrete_parameters(self).items():
            if name.endswith("_width"):
                low, high = parameters_of(self)[name].bounds
                if not np.all((np.asarray(value) > low) & (np.asarray(value) < high)):
                    raise ParameterError(
                        f"{name} must lie in ({low:g}, {high:g}), got {value!r}; "
                        "the limit of width 0 is the hard model"
                    )

    def advance(self, values: Values, grid: Grid, *, draw: Any) -> Advanced:
        """One step of the map; with ``draw=None`` steps 1 and 4 are left out."""
        return one_step(self, values, grid, draw)

    def event(self, V: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, None]:
        """One cell gets b·m."""
        chance, cell, magnitude = growth_event(self.hard, uniforms, V.shape)
        happens = relaxed_bernoulli(self.spike_probability, chance, self.event_width)
        after = lax.dynamic_slice(V, cell, (1, 1)) + happens * magnitude
        return lax.dynamic_update_slice(V, after, cell), None

    def shift(self, V: jax.Array, a_new: jax.Array) -> tuple[jax.Array, None]:
        """Add 5 mV · σ((a' − θ)/w_t)."""
        active = soft_step(a_new - self.turing_threshold, self.threshold_width)
        return V + TURING_SHIFT_V * active, None

    def bound(self, fraction: jax.Array) -> jax.Array:
        """The smooth clip of a' and i' to [0, 1]."""
        return soft_clip(fraction, 0.0, 1.0, self.clip_width)

    def clamp(self, V: jax.Array) -> tuple[jax.Array, jax.Array, None]:
        """The smooth clamp of V, and whether it was finite before."""
        return soft_clip(V, CLAMP_LOW_V, CLAMP_HIGH_V, self.clamp_width), all_finite(V), None


def smooth_twin(model: Model, width: Any = 1.0) -> Model:
    """Return the model with smooth twins for its hard parts, ready for `simulate`.

    An equation has no parts that wait for a twin: it is its own and comes back as it is.

    Args:
        model: `MyceliumModel`, its twin (whose widths are set anew), or any `Equation`.
        width: Multiple of the default widths of `SmoothMyceliumModel` (traced); towards 0 the twin
            becomes the hard model. `annealed_width` gives a schedule.

    Returns:
        A model with the same parameters.

    Raises:
        ParameterError: The width is not positive, or the model is a map without a twin.

    Examples:
        >>> import jax
        >>> from mfnjax import Grid, MyceliumModel, simulate, smooth_twin
        >>> grid, key = Grid((8, 8)), jax.random.key(0)
        >>> start = MyceliumModel().initial_state(grid, key=key)
        >>> def mean_potential(p):
        ...     model = smooth_twin(MyceliumModel(spike_probability=p), width=2.0)
        ...     run = simulate(model, start, grid=grid, steps=20, adjoint="per_step", key=key)
        ...     return run.state["potential"].mean()
        >>> bool(jax.grad(mean_potential)(0.25) > 0)  # more events, a higher potential
        True
    """
    if isinstance(model, Equation):
        return model
    if isinstance(model, SmoothMyceliumModel):
        model = model.hard
    if not isinstance(model, MyceliumModel):
        raise ParameterError(f"{type(model).__name__} has hard parts and no smooth twin")
    if not isinstance(width, jax.core.Tracer) and not np.all(np.asarray(width) > 0):
        raise ParameterError(f"width must be positive, got {width!r}")
    parameters = {f.name: getattr(model, f.name) for f in fields(MyceliumModel)}
    twin = SmoothMyceliumModel(**parameters)
    widths = {f.name: getattr(twin, f.name) for f in fields(twin) if f.name.endswith("_width")}
    return dataclasses.replace(twin, **{name: width * value for name, value in widths.items()})
