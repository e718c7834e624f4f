"""Closed forms for two fields with plain diffusion: where Turing patterns begin, and how wide.

For J = [[a, b], [c, d]] with bc < 0, det J > 0 and trace J < 0, and diffusivities D₁, D₂. All are
differentiable; combine them with `steady_state` to differentiate through the homogeneous state.

Source: J. D. Murray (2003), Mathematical Biology II, §2.3, doi:10.1007/b98869.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def turing_critical_ratio(jacobian: jax.Array) -> jax.Array:
    """The diffusion ratio D₂/D₁ beyond which a two-field system forms Turing patterns.

    d_c = ( (√det J + √(−bc)) / a )², the larger root of (d·a + J₂₂)² = 4·d·det J, where field 1
    is the activator (a = J₁₁ > 0). NaN where J is not of that kind: no ratio destabilises it.

    Args:
        jacobian: J [1/time], shape (2, 2), activator first.

    Returns:
        d_c [-].

    Examples:
        Schnakenberg kinetics with a = 0.1, b = 0.9:

        >>> import jax.numpy as jnp
        >>> from mfnjax.stability import turing_critical_ratio
        >>> print(f"{float(turing_critical_ratio(jnp.array([[0.8, 1.0], [-1.8, -1.0]]))):.4f}")
        8.5676
    """
    a, b, c, d = jacobian[0, 0], jacobian[0, 1], jacobian[1, 0], jacobian[1, 1]
    det, cross = a * d - b * c, -b * c
    exists = (a > 0) & (det > 0) & (cross > 0) & (a + d < 0)
    one = jnp.ones_like(a)
    safe_det, safe_cross, safe_a = (jnp.where(exists, x, one) for x in (det, cross, a))
    ratio = ((jnp.sqrt(safe_det) + jnp.sqrt(safe_cross)) / safe_a) ** 2
    return jnp.where(exists, ratio, jnp.full_like(a, jnp.nan))


def turing_critical_wavenumber(jacobian: jax.Array, diffusivities: Any) -> jax.Array:
    """The wavenumber that loses stability first: q_c = (det J / (D₁·D₂))^¼.

    Args:
        jacobian: J [1/time], shape (2, 2), with det J > 0 (NaN otherwise).
        diffusivities: (D₁, D₂) [length²/time], at threshold, both > 0.

    Returns:
        q_c [1/length].

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.stability import turing_critical_wavenumber
        >>> j = jnp.array([[0.8, 1.0], [-1.8, -1.0]])
        >>> print(f"{float(turing_critical_wavenumber(j, (1.0, 16.0))):.3f}")
        0.500
    """
    det = jacobian[0, 0] * jacobian[1, 1] - jacobian[0, 1] * jacobian[1, 0]
    return (det / (diffusivities[0] * diffusivities[1])) ** 0.25


def turing_fastest_wavenumber(jacobian: jax.Array, diffusivities: Any) -> jax.Array:
    """The wavenumber at which the real branch of σ(q) peaks.

    q*² = ( s·(D₁ + D₂)·√(−bc/(D₁D₂)) − (J₁₁ − J₂₂) ) / (D₂ − D₁), s = sign(D₂ − D₁). 0 where
    that is negative: the curve only falls.

    Args:
        jacobian: J [1/time], shape (2, 2), with bc < 0.
        diffusivities: (D₁, D₂) [length²/time], both > 0 and different.

    Returns:
        q* [1/length]; the predicted wavelength is 2π/q*.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.stability import turing_fastest_wavenumber
        >>> j = jnp.array([[0.8, 1.0], [-1.8, -1.0]])
        >>> print(f"{float(turing_fastest_wavenumber(j, (1.0, 16.0))):.3f}")
        0.510
    """
    d1, d2 = diffusivities[0], diffusivities[1]
    cross = -jacobian[0, 1] * jacobian[1, 0]
    width = jnp.sign(d2 - d1) * (d1 + d2) * jnp.sqrt(cross / (d1 * d2))
    squared = (width - (jacobian[0, 0] - jacobian[1, 1])) / (d2 - d1)
    positive = squared > 0
    root = jnp.sqrt(jnp.where(positive, squared, jnp.ones_like(squared)))
    return jnp.where(positive, root, jnp.zeros_like(squared))
