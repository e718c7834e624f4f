"""Steppers of equations with noise, white in space and time (Itô)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.rng import normal_field
from mfnjax.models.base import Advanced, Equation, Model, Values
from mfnjax.steppers.explicit import EULER_EXTENT
from mfnjax.steppers.stepper import (
    Stepper,
    advanced,
    centres_and_rates,
    explicit_stable_step,
)

Amplitudes = tuple[tuple[Any, ...], ...]


@final
@dataclass(frozen=True)
class EulerMaruyama(Stepper):
    """u ← u + dt·(L u + f(u)) + s·√(dt/cell volume)·N(0, 1), cell by cell.

    Strong order ½ (1 where s does not depend on u), weak order 1. A cell of which the part φ takes
    part has the volume φ·(cell volume).

    Source: G. Maruyama (1955), doi:10.1007/BF02846028.
    """

    name = "euler-maruyama"
    order = 1

    def obstacle_of_model(self, model: Model) -> str | None:
        """It is for equations; one without noise it steps as Euler does."""
        return "it is a map with a step of its own" if hasattr(model, "advance") else None

    def step(
        self,
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        values, rates = centres_and_rates(model, grid, values, time)
        after = [u + dt * r for u, r in zip(values, rates, strict=True)]
        if draw is not None and model.is_stochastic():
            scale = _scale(grid, dt, values[0].dtype)
            for field, number, s in _noises(model, grid, values, time):
                after[field] = after[field] + s * scale * _normal(values[field], number, key=draw)
        return advanced(tuple(after))

    def draw(self, model: Any, dtype: Any, *, key: jax.Array) -> Any:
        return key

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        return explicit_stable_step(model, grid, extent=EULER_EXTENT)


@final
@dataclass(frozen=True)
class Milstein(Stepper):
    """Euler–Maruyama and ½ s ∂s/∂u·(N² − 1)·dt/(cell volume): strong order 1.

    For noise that is diagonal: one for each field at most, whose amplitude in a cell depends on
    that field in that cell alone.

    Source: G. N. Milstein (1974), doi:10.1137/1119062.
    """

    name = "milstein"
    order = 1

    def obstacle_of_model(self, model: Model) -> str | None:
        """It needs noise that is diagonal."""
        if hasattr(model, "advance"):
            return "it is a map with a step of its own"
        if not model.is_stochastic():
            return "there is no noise"
        return None

    def obstacle(self, model: Model, grid: Grid) -> str | None:
        return super().obstacle(model, grid) or _diagonal_obstacle(model, grid)  # type: ignore[arg-type]

    def step(
        self,
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        values, rates = centres_and_rates(model, grid, values, time)
        after = [u + dt * r for u, r in zip(values, rates, strict=True)]
        if draw is not None:
            scale = _scale(grid, dt, values[0].dtype)
            for field, number, _ in _noises(model, grid, values, time):

                def amplitude(u: jax.Array, at: int = field) -> jax.Array:
                    fields = (*values[:at], u, *values[at + 1 :])
                    found = {f: s for f, _, s in _noises(model, grid, fields, time)}[at]
                    return jnp.broadcast_to(jnp.asarray(found, u.dtype), u.shape)

                u = values[field]
                s, slope = jax.jvp(amplitude, (u,), (jnp.ones_like(u),))
                step = scale * _normal(u, number, key=draw)
                after[field] = after[field] + s * step + 0.5 * s * slope * (step**2 - scale**2)
        return advanced(tuple(after))

    def draw(self, model: Any, dtype: Any, *, key: jax.Array) -> Any:
        return key

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        return explicit_stable_step(model, grid, extent=EULER_EXTENT)


def _scale(grid: Grid, dt: Any, dtype: Any) -> jax.Array:
    """√(dt/(φ·cell volume)), a number or an array; 0 in cells that take no part."""
    volume = jnp.asarray(grid.cell_volume, dtype)
    if grid.mask is None:
        return jnp.sqrt(dt / volume)
    mask = jnp.asarray(grid.mask, dtype)
    part = jnp.where(mask > 0, mask, 1)
    return jnp.where(mask > 0, jnp.sqrt(dt / (part * volume)), 0)


def _noises(
    model: Equation, grid: Grid, values: Values, time: Any
) -> list[tuple[int, int, jax.Array]]:
    """(field, number of the noise, amplitude) for every noise of a model."""
    nabla = Nabla(grid, model.fields, values, time, lazy=True)
    found: list[tuple[int, int, Any]] = []
    for field, given in enumerate(model.noise(nabla.fields, nabla) or ()):
        for s in given if isinstance(given, (tuple, list)) else (given,):
            if s is not None:
                found.append((field, len(found), s))
    return found


def _normal(like: jax.Array, number: int, *, key: jax.Array) -> jax.Array:
    own = jax.random.fold_in(key, number)
    return normal_field(like.shape, like.dtype, key=own)


def _some_number(leaf: Any) -> Any:
    """A number, or one in the place of a traced one: whether noise is diagonal is in its form."""
    if not isinstance(leaf, jax.core.Tracer):
        return leaf
    return np.linspace(0.5, 0.75, leaf.size).reshape(leaf.shape).astype(leaf.dtype)


def _diagonal_obstacle(model: Equation, grid: Grid) -> str | None:
    """Why the noise is not diagonal, tried out on generic fields; None where it is."""
    shape, count = grid.shape, len(model.fields)
    model, grid = jax.tree.map(_some_number, (model, grid))

    def amplitudes(values: Values) -> list[jax.Array]:
        found = _noises(model, grid, values, 0.0)
        return [jnp.broadcast_to(jnp.asarray(s, float), shape) for _, _, s in found]

    rng = np.random.default_rng(0)
    fields = []
    try:
        with jax.ensure_compile_time_eval():
            values = tuple(jnp.asarray(rng.uniform(0.5, 1.5, shape), float) for _ in range(count))
            fields = [field for field, _, _ in _noises(model, grid, values, 0.0)]
            for changed in range(count):
                # A change of one cell in a few: what spreads is seen beside it.
                bump = np.zeros(shape)
                bump.flat[:: max(bump.size // 3, 1)] = 1.0
                tangent = tuple(
                    jnp.asarray(bump if k == changed else np.zeros(shape), float)
                    for k in range(count)
                )
                _, moved = jax.jvp(amplitudes, (values,), (tangent,))
                for field, change in zip(fields, moved, strict=True):
                    wrong = change if field != changed else jnp.where(bump == 0, change, 0)
                    if bool(jnp.any(wrong != 0)):
                        return "an amplitude of its noise depends on other fields or cells"
    except (TypeError, ValueError, jax.errors.JAXTypeError):
        return "its noise cannot be tried out"
    if len(set(fields)) < len(fields):
        return "its noise is not diagonal: a field has more than one"
    return None
