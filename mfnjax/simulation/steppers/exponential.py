"""Exponential time differencing: the transport exactly, the reaction by a polynomial in time.

In the eigenvectors of the 5-point Laplacian the transport is a number z/dt for each mode, and the
variation-of-constants formula needs the functions φ_k of z alone. They are computed once a run, in
the dtype of the fields, and stay differentiable in every parameter, in dt and in the spacing.

There is no bound of dt from the transport. The reaction still has one, which depends on the
solution and is not known in advance.

Source: S. M. Cox, P. C. Matthews (2002), doi:10.1006/jcph.2002.6995; A.-K. Kassam,
L. N. Trefethen (2005), doi:10.1137/S1064827502410633.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp

from mfnjax.core.grid import Grid
from mfnjax.models.base import Advanced, Model, ReactionDiffusion, Values
from mfnjax.simulation.spectral import (
    SPECTRAL_BOUNDARIES,
    from_modes,
    laplacian_eigenvalues,
    scale_modes,
    to_modes,
)
from mfnjax.simulation.steppers.base import Stepper, advanced, transport_symbol

_TAYLOR_TERMS = 20


def phi(order: int, z: jax.Array) -> jax.Array:
    """φ_k(z) = (e^z − Σ_{j<k} z^j/j!) / z^k, and 1/k! at z = 0; φ_0 = e^z.

    The quotient loses all its digits near 0, and its derivative more. So for |z| < 1 the Taylor
    series is summed (to rounding in float64), and the quotient is used only where it is sound:
    value and derivatives are good to rounding, a few digits of margin, everywhere.

    Args:
        order: k, 0…3.
        z: Real numbers, any shape.

    Returns:
        φ_k(z), the shape and dtype of z.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax.simulation.steppers.exponential import phi
        >>> print(f"{float(phi(1, jnp.array(1.0))):.5f}")
        1.71828
        >>> print(f"{float(jax.grad(lambda z: phi(1, z))(0.0)):.2f}")
        0.50
    """
    if order == 0:
        return jnp.exp(z)
    small = jnp.abs(z) < 1
    inner = jnp.where(small, z, jnp.zeros_like(z))
    outer = jnp.where(small, jnp.ones_like(z), z)
    series = jnp.zeros_like(z)
    for n in reversed(range(_TAYLOR_TERMS)):
        series = series * inner + 1 / math.factorial(n + order)
    quotient = jnp.exp(outer)
    for j in range(order):
        quotient = (quotient - 1 / math.factorial(j)) / outer
    return jnp.where(small, series, quotient)


class _Etd2(NamedTuple):
    """Coefficients of ETDRK2, one array of modes for each field."""

    decay: tuple[jax.Array, ...]
    first: tuple[jax.Array, ...]
    second: tuple[jax.Array, ...]


class _Etd4(NamedTuple):
    """Coefficients of ETDRK4, one array of modes for each field."""

    decay: tuple[jax.Array, ...]
    half_decay: tuple[jax.Array, ...]
    half: tuple[jax.Array, ...]
    first: tuple[jax.Array, ...]
    middle: tuple[jax.Array, ...]
    last: tuple[jax.Array, ...]


@final
@dataclass(frozen=True)
class ETDRK2(Stepper):
    """a = e^z u + dt φ₁ N(u);  u ← a + dt φ₂ (N(a) − N(u)); second order (Cox–Matthews, eq. 22)."""

    name = "etdrk2"
    order = 2
    boundaries = SPECTRAL_BOUNDARIES

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> _Etd2:
        exponents = transport_exponents(model, grid, dt, dtype)
        dt = jnp.asarray(dt, dtype)
        return _Etd2(
            *zip(*((phi(0, z), dt * phi(1, z), dt * phi(2, z)) for z in exponents), strict=True)
        )

    def step(
        self,
        model: ReactionDiffusion,
        grid: Grid,
        dt: Any,
        prepared: _Etd2,
        values: Values,
        *,
        draw: Any,
    ) -> Advanced:
        c = prepared
        modes, rates = _modes(values, grid), _modes(model.reaction(values), grid)
        predicted = _combine((c.decay, modes), (c.first, rates))
        again = _modes(model.reaction(_fields(predicted, grid)), grid)
        changed = tuple(b - a for a, b in zip(rates, again, strict=True))
        correction = _combine((c.second, changed))
        corrected = tuple(a + b for a, b in zip(predicted, correction, strict=True))
        return advanced(_fields(corrected, grid))


@final
@dataclass(frozen=True)
class ETDRK4(Stepper):
    """Four stages, fourth order (Cox–Matthews, eqs. 26–29), with N the reaction, h = dt:

    a = e^{z/2}u + (h/2)φ₁(z/2)N(u),  b = e^{z/2}u + (h/2)φ₁(z/2)N(a),
    c = e^{z/2}a + (h/2)φ₁(z/2)(2N(b) − N(u)),
    u ← e^z u + h[(φ₁ − 3φ₂ + 4φ₃)N(u) + (2φ₂ − 4φ₃)(N(a) + N(b)) + (4φ₃ − φ₂)N(c)].

    On stiff modes that the reaction drives through a non-smooth boundary layer the order may drop.
    """

    name = "etdrk4"
    order = 4
    boundaries = SPECTRAL_BOUNDARIES

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> _Etd4:
        dt = jnp.asarray(dt, dtype)

        def of(z: jax.Array) -> tuple[jax.Array, ...]:
            p1, p2, p3 = (phi(k, z) for k in (1, 2, 3))
            return (
                phi(0, z),
                phi(0, z / 2),
                dt / 2 * phi(1, z / 2),
                dt * (p1 - 3 * p2 + 4 * p3),
                dt * (2 * p2 - 4 * p3),
                dt * (4 * p3 - p2),
            )

        return _Etd4(*zip(*map(of, transport_exponents(model, grid, dt, dtype)), strict=True))

    def step(
        self,
        model: ReactionDiffusion,
        grid: Grid,
        dt: Any,
        prepared: _Etd4,
        values: Values,
        *,
        draw: Any,
    ) -> Advanced:
        c = prepared

        def rates_of(modes: Values) -> Values:
            return _modes(model.reaction(_fields(modes, grid)), grid)

        u = _modes(values, grid)
        n_u = _modes(model.reaction(values), grid)
        a = _combine((c.half_decay, u), (c.half, n_u))
        n_a = rates_of(a)
        b = _combine((c.half_decay, u), (c.half, n_a))
        n_b = rates_of(b)
        forced = tuple(2 * y - x for x, y in zip(n_u, n_b, strict=True))
        n_c = rates_of(_combine((c.half_decay, a), (c.half, forced)))
        n_ab = tuple(x + y for x, y in zip(n_a, n_b, strict=True))
        after = _combine((c.decay, u), (c.first, n_u), (c.middle, n_ab), (c.last, n_c))
        return advanced(_fields(after, grid))


def transport_exponents(model: Model, grid: Grid, dt: Any, dtype: Any) -> tuple[jax.Array, ...]:
    """z = dt·L for every mode, one array a field, in the layout of `to_modes`."""
    eigenvalues = laplacian_eigenvalues(grid, dtype)
    dt = jnp.asarray(dt, dtype)
    return tuple(dt * symbol for symbol in transport_symbol(model, eigenvalues, dtype))


def _modes(values: Values, grid: Grid) -> Values:
    return tuple(to_modes(u, grid) for u in values)


def _fields(modes: Values, grid: Grid) -> Values:
    return tuple(from_modes(m, grid) for m in modes)


def _combine(*terms: tuple[Values, Values]) -> Values:
    """Σ c·m over (coefficients, modes), field by field."""
    scaled = [
        tuple(scale_modes(c, m) for c, m in zip(coefficients, modes, strict=True))
        for coefficients, modes in terms
    ]
    return tuple(sum(parts[1:], parts[0]) for parts in zip(*scaled, strict=True))
