"""Reference systems with known Lyapunov exponents, ready for `lyapunov_exponents`.

Maps are functions state → state; flows are vector fields dx/dt = f(x), which `rk4_step` turns
into maps over one time step. Parameters are keyword arguments with the textbook values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array


def logistic(x: Array, *, r: float = 4.0) -> Array:
    """The logistic map x ↦ r·x·(1 − x); at r = 4 its exponent is ln 2.

    Examples:
        >>> import jax.numpy as jnp
        >>> float(logistic(jnp.asarray(0.25)))
        0.75
    """
    return r * x * (1.0 - x)


def henon(state: Array, *, a: float = 1.4, b: float = 0.3) -> Array:
    """The Hénon map (x, y) ↦ (1 − a·x² + y, b·x); exponents 0.41922 and −1.62319.

    Source: M. Hénon 1976, Commun. Math. Phys. 50:69, doi:10.1007/BF01608556.
    """
    x, y = state
    return jnp.stack([1.0 - a * x * x + y, b * x])


def standard_map(state: Array, *, kick: float = 10.0) -> Array:
    """Chirikov's standard map p' = p + K·sin θ, θ' = θ + p' (mod 2π); about ln(K/2) for large K.

    Source: B. V. Chirikov 1979, Phys. Rep. 52:263, doi:10.1016/0370-1573(79)90023-1.
    """
    theta, momentum = state
    momentum = momentum + kick * jnp.sin(theta)
    return jnp.mod(jnp.stack([theta + momentum, momentum]), 2.0 * jnp.pi)


def lorenz(state: Array, *, sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3) -> Array:
    """Lorenz' flow dx/dt; exponents 0.9056, 0, −14.5723, with the sum −(σ + 1 + β).

    Source: E. N. Lorenz 1963, J. Atmos. Sci. 20:130; exponents: J. C. Sprott 2003, *Chaos and
    Time-Series Analysis*.
    """
    x, y, z = state
    return jnp.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def roessler(state: Array, *, a: float = 0.2, b: float = 0.2, c: float = 5.7) -> Array:
    """Rössler's flow dx/dt; exponents 0.0714, 0, −5.3943.

    Source: O. E. Rössler 1976, Phys. Lett. A 57:397, doi:10.1016/0375-9601(76)90101-8.
    """
    x, y, z = state
    return jnp.stack([-y - z, x + a * y, b + z * (x - c)])


def rk4_step(field: Callable[[Any], Any], dt: float) -> Callable[[Any], Any]:
    """One classical Runge–Kutta step of dx/dt = field(x) over ``dt``, as a map.

    Args:
        field: Vector field on an array.
        dt: Time step.

    Examples:
        >>> import jax.numpy as jnp
        >>> step = rk4_step(lambda x: -x, 0.1)
        >>> round(float(step(jnp.asarray(1.0))), 5)  # exp(-0.1)
        0.90484
    """

    def step(state: Any) -> Any:
        k1 = field(state)
        k2 = field(state + 0.5 * dt * k1)
        k3 = field(state + 0.5 * dt * k2)
        k4 = field(state + dt * k3)
        return state + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)

    return step
