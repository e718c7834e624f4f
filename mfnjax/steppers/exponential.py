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
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.pytree import register_pytree
from mfnjax.core.spectral import from_modes, mode_eigenvalues, scale_modes, to_modes
from mfnjax.models.base import Advanced, Equation, Model, Values
from mfnjax.steppers.stepper import Stepper, advanced, obstacle_of_modes, transport_symbols

_TAYLOR_TERMS = 18


def phi_functions(z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """φ_k(z) = (e^z − Σ_{j<k} z^j/j!) / z^k for k = 0…3, and 1/k! at z = 0.

    The quotients lose all their digits near 0, and their derivatives more. So for |z| < 1 the
    Taylor series of φ₃ is summed, and the others follow by φ_{k−1} = zφ_k + 1/(k−1)!, which loses
    none; the quotients are used only where they are sound. Values and derivatives are good to
    rounding everywhere, in float32 and float64.

    Args:
        z: Real numbers, any shape.

    Returns:
        (φ₀, φ₁, φ₂, φ₃), each of the shape and dtype of z.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax.steppers.exponential import phi_functions
        >>> print(" ".join(f"{float(phi):.4f}" for phi in phi_functions(jnp.array(1.0))))
        2.7183 1.7183 0.7183 0.2183
        >>> print(f"{float(jax.grad(lambda z: phi_functions(z)[1])(0.0)):.2f}")
        0.50
    """
    small = jnp.abs(z) < 1
    inner = jnp.where(small, z, jnp.zeros_like(z))
    outer = jnp.where(small, jnp.ones_like(z), z)

    # A loop, not an expression: unrolled, its derivatives take a minute to compile.
    def horner(total: jax.Array, coefficient: jax.Array) -> tuple[jax.Array, None]:
        return total * inner + coefficient, None

    terms = [1 / math.factorial(n + 3) for n in reversed(range(_TAYLOR_TERMS))]
    series3, _ = lax.scan(horner, jnp.zeros_like(z), jnp.asarray(terms, z.dtype))
    series2 = inner * series3 + 0.5
    series1 = inner * series2 + 1.0
    exponential = jnp.exp(z)
    quotient1 = (jnp.exp(outer) - 1.0) / outer
    quotient2 = (quotient1 - 1.0) / outer
    quotient3 = (quotient2 - 0.5) / outer
    return (
        exponential,
        jnp.where(small, series1, quotient1),
        jnp.where(small, series2, quotient2),
        jnp.where(small, series3, quotient3),
    )


@register_pytree
@dataclass(frozen=True)
class _Etd2:
    """Coefficients of ETDRK2, each (fields, modes…)."""

    decay: jax.Array
    first: jax.Array
    second: jax.Array


@register_pytree
@dataclass(frozen=True)
class _Etd4:
    """Coefficients of ETDRK4, each (fields, modes…)."""

    decay: jax.Array
    half_decay: jax.Array
    half: jax.Array
    first: jax.Array
    middle: jax.Array
    last: jax.Array


@final
@dataclass(frozen=True)
class ETDRK2(Stepper):
    """a = e^z u + dt φ₁ N(u);  u ← a + dt φ₂ (N(a) − N(u)); second order (Cox–Matthews, eq. 22)."""

    name = "etdrk2"
    order = 2

    def obstacle(self, model: Model, grid: Grid) -> str | None:
        """It needs a transport with a symbol, and sides with a transform."""
        return super().obstacle(model, grid) or obstacle_of_modes(model, grid)

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> _Etd2:
        dt = jnp.asarray(dt, dtype)
        p0, p1, p2, _ = phi_functions(transport_exponents(model, grid, dt, dtype))
        return _Etd2(p0, dt * p1, dt * p2)

    def step(
        self,
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: _Etd2,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        c = prepared
        rates = _rates(model, grid, values, time)
        modes = to_modes(jnp.stack(values), grid)
        predicted = scale_modes(c.decay, modes) + scale_modes(c.first, rates)
        changed = _rates(model, grid, _fields(predicted, grid), time + dt) - rates
        return advanced(_fields(predicted + scale_modes(c.second, changed), grid))


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

    def obstacle(self, model: Model, grid: Grid) -> str | None:
        """It needs a transport with a symbol, and sides with a transform."""
        return super().obstacle(model, grid) or obstacle_of_modes(model, grid)

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> _Etd4:
        dt = jnp.asarray(dt, dtype)
        z = transport_exponents(model, grid, dt, dtype)
        (p0, p1, p2, p3), (h0, h1, _, _) = phi_functions(z), phi_functions(z / 2)
        return _Etd4(
            decay=p0,
            half_decay=h0,
            half=dt / 2 * h1,
            first=dt * (p1 - 3 * p2 + 4 * p3),
            middle=dt * (2 * p2 - 4 * p3),
            last=dt * (4 * p3 - p2),
        )

    def step(
        self,
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: _Etd4,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        c = prepared

        def rates_of(modes: jax.Array, at: Any) -> jax.Array:
            return _rates(model, grid, _fields(modes, grid), at)

        middle = time + 0.5 * dt
        u, n_u = to_modes(jnp.stack(values), grid), _rates(model, grid, values, time)
        halfway = scale_modes(c.half_decay, u)
        a = halfway + scale_modes(c.half, n_u)
        n_a = rates_of(a, middle)
        n_b = rates_of(halfway + scale_modes(c.half, n_a), middle)
        last = scale_modes(c.half_decay, a) + scale_modes(c.half, 2 * n_b - n_u)
        n_c = rates_of(last, time + dt)
        after = (
            scale_modes(c.decay, u)
            + scale_modes(c.first, n_u)
            + scale_modes(c.middle, n_a + n_b)
            + scale_modes(c.last, n_c)
        )
        return advanced(_fields(after, grid))


def transport_exponents(model: Model, grid: Grid, dt: Any, dtype: Any) -> jax.Array:
    """z = dt·L for every field and mode, (fields, modes…) in the layout of `to_modes`."""
    symbols = transport_symbols(model, grid, mode_eigenvalues(grid, dtype))  # type: ignore[arg-type]
    return jnp.asarray(dt, dtype) * jnp.stack(symbols)


def explicit_rates(model: Equation, grid: Grid, values: Values, time: Any) -> Values:
    """What a symbol does not take of u_t: f(u), and what values at the sides add to L u."""
    nabla = Nabla(grid, model.fields, values, time, lazy=True)
    rates = model.rates(nabla.fields, nabla)
    if all(grid.boundary.of(name).is_plain for name in model.fields):
        return rates
    zeros = Nabla(grid, model.fields, tuple(jnp.zeros_like(u) for u in values), time)
    fixed = model.linear_rates(zeros.fields, zeros)
    return tuple(rate + one for rate, one in zip(rates, fixed, strict=True))


def _rates(model: Equation, grid: Grid, values: Values, time: Any) -> jax.Array:
    rates = explicit_rates(model, grid, values, time)
    shaped = [jnp.broadcast_to(rate, u.shape) for rate, u in zip(rates, values, strict=True)]
    return to_modes(jnp.stack(shaped), grid)


def _fields(modes: jax.Array, grid: Grid) -> Values:
    return tuple(from_modes(modes, grid))
