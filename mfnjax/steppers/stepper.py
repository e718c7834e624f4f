"""What a stepper is, and what all of them share."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.core.operators import laplacian, with_difference_sum
from mfnjax.models.base import Advanced, Model, ReactionDiffusion, Values, all_finite
from mfnjax.models.transport import transport_obstacle


class Stepper(abc.ABC):
    """How the fields at t become those at t + dt.

    A stepper is a frozen dataclass without traced fields; it owns no parameter of the problem.

    A user's own is passed to a run as an object.

    Class attributes:
        name: The name it is called by.
        order: Order of accuracy in dt; None for a map, or where nobody says.
    """

    name: ClassVar[str] = "own"
    order: ClassVar[int | None] = None

    def obstacle(self, model: Model, grid: Grid) -> str | None:
        """Why it cannot serve a model on a grid, in words; None where it can."""
        if model.needs_closed_sides and not grid.boundary.closed:
            return f"{type(model).__name__} needs sides that nothing passes, not {grid.boundary!r}"
        return self.obstacle_of_model(model)

    def obstacle_of_model(self, model: Model) -> str | None:
        """The same on any grid. By default: it steps equations, and a map has a step of its own."""
        return "it is a map with a step of its own" if hasattr(model, "advance") else None

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> Any:
        """Return what does not change from step to step (a pytree), computed once a run."""
        return ()

    @abc.abstractmethod
    def step(
        self,
        model: Any,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        draw: Any,
    ) -> Advanced:
        """Return the fields one step later; ``draw`` is what `draw` gave for this step."""

    def draw(self, model: Any, dtype: Any, *, key: jax.Array) -> Any:
        """Return the random numbers of one step (none, but for a map)."""
        return None

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        """The largest stable dt where one is known (concrete parameters), else None."""
        return None


def right_hand_side(model: ReactionDiffusion, grid: Grid, values: Values) -> Values:
    """L u + f(u)."""
    return centres_and_rates(model, grid, values)[1]


def centres_and_rates(
    model: ReactionDiffusion, grid: Grid, values: Values
) -> tuple[Values, Values]:
    """Return (u, L u + f(u)), the u read from the padded buffers of the stencil.

    A step that goes on with this u spares the loop around it a copy of every field (see
    `mfnjax.core.operators.with_difference_sum`): measured, half the time of a Gray–Scott step.
    """
    centres, laplacian_of = _shared_laplacian(values, grid)
    transported = model.transport(centres, laplacian_of)
    reacted = model.reaction(centres)
    return centres, tuple(t + r for t, r in zip(transported, reacted, strict=True))


def _shared_laplacian(
    values: Values, grid: Grid
) -> tuple[Values, Callable[[jax.Array], jax.Array]]:
    """The fields, and a Laplacian that has those of the fields themselves at hand."""
    pairs = [with_difference_sum(u, grid.boundary) for u in values]
    spacing = jnp.asarray(grid.spacing, values[0].dtype)
    scale = 1 / (spacing * spacing)

    def laplacian_of(field: jax.Array) -> jax.Array:
        for centre, difference in pairs:
            if field is centre:
                return scale * difference
        return laplacian(field, grid)  # of something else: ∇²u of a polynomial in ∇², say

    return tuple(centre for centre, _ in pairs), laplacian_of


def advanced(values: Values) -> Advanced:
    """Wrap the fields after a step, with whether each is finite.

    A sum is the cheapest reduction that a NaN or an infinity cannot pass unnoticed (a maximum is
    not vectorised). It may overflow where every cell is finite, so what it finds is looked at
    again.
    """
    total = sum(jnp.sum(u) for u in values)

    def look(values: Values) -> tuple[jax.Array, ...]:
        return tuple(all_finite(u) for u in values)

    def trust(values: Values) -> tuple[jax.Array, ...]:
        return tuple(jnp.bool(True) for _ in values)

    return Advanced(values, lax.cond(jnp.isfinite(total), trust, look, values))


def obstacle_of_modes(model: Model, grid: Grid) -> str | None:
    """Why a stepper that multiplies modes by a symbol cannot serve; None where it can."""
    if grid.boundary.transform is None:
        return f"there is no fast transform for the boundary {grid.boundary!r}"
    found = transport_obstacle(model)
    return None if found is None else f"its transport {found.words}"


def transport_symbol(model: Model, eigenvalue: Any, dtype: Any = np.float64) -> tuple[Any, ...]:
    """The eigenvalues of L, one a field, where ∇² has ``eigenvalue`` (a number or an array)."""
    ones: Any = tuple(np.ones((), dtype) for _ in model.reaction_fields)
    symbols = model.transport(ones, lambda u: eigenvalue * u)
    # A field that is not transported may come back as the number 0.
    return tuple(s + 0.0 * eigenvalue for s in symbols)


def explicit_stable_step(model: Model, grid: Grid, *, extent: float) -> float | None:
    """dt = extent / |L|, with |L| the largest decay rate of the transport on ``grid``.

    ``extent`` is the length of the scheme's stability region along the negative real axis.
    The reaction is not looked at: this is an upper bound of what is stable. None is known for a
    transport without a symbol (one that is not linear, say) or sides with which the stencil's
    eigenvalues are not known.
    """
    if not grid.boundary.self_adjoint or any(
        isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((model, grid))
    ):
        return None
    if transport_obstacle(model) is not None:
        return None
    model = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model)
    # A polynomial in ∇² need not be extreme at the end of the spectrum.
    lowest = -4.0 * grid.num_axes / float(grid.spacing) ** 2
    symbols = transport_symbol(model, np.linspace(lowest, 0.0, 257))
    fastest = max((-float(np.min(s)) for s in symbols), default=0.0)
    return extent / fastest if fastest > 0 else None
