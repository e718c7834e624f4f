"""Equilibrium potential of one ion, and what follows from it directly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mfnjax.core.units import FARADAY_CONSTANT, GAS_CONSTANT, v_to_mv
from mfnjax.membrane._inputs import (
    as_floats,
    check_concentration,
    check_finite,
    check_shapes,
    check_temperature,
    check_valence,
    check_values,
    check_weight,
)


def thermal_voltage(temperature: Any) -> jax.Array:
    """RT/F, the voltage that one thermal energy gives to one elementary charge.

    Args:
        temperature: T [K], in [273, 373]; any shape.

    Returns:
        RT/F [V], of the shape of ``temperature``; 26.727 mV at 310.15 K.

    Raises:
        ParameterError: A temperature is outside its range.

    Examples:
        >>> from mfnjax.membrane import thermal_voltage
        >>> print(f"{1e3 * float(thermal_voltage(310.15)):.3f} mV")
        26.727 mV
    """
    check_temperature(temperature)
    (temperature,) = as_floats(temperature)
    return jnp.multiply(temperature, GAS_CONSTANT / FARADAY_CONSTANT)


def nernst_equation(
    log: Callable[[Any], Any],
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
) -> Any:
    """E = RT/(zF) · ln(c_out/c_in), the equation alone: nothing is checked.

    `nernst_potential` is this on arrays; with `math.log` it is a fraction of a microsecond on
    plain numbers, which is for those who answer one ion at a time.

    Args:
        log: The natural logarithm for the kind of numbers that follow.
        concentration_out: c_out [mol/L].
        concentration_in: c_in [mol/L].
        valence: z [-].
        temperature: T [K].

    Returns:
        E [V].

    Examples:
        >>> import math
        >>> from mfnjax.membrane.nernst import nernst_equation
        >>> print(f"{nernst_equation(math.log, 0.005, 0.140, 1, 310.15):.4f} V")
        -0.0891 V
    """
    thermal = (GAS_CONSTANT / FARADAY_CONSTANT) * temperature
    return thermal / valence * log(concentration_out / concentration_in)


def nernst_potential(
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
    *,
    min_concentration: Any = None,
) -> jax.Array:
    """The potential at which diffusion and the electric field hold one ion in balance.

    E = RT/(zF) · ln(c_out/c_in). All arguments broadcast against each other; the result can be
    differentiated in each of them (``valence`` too, when it is traced).

    *The clamp.* Nothing is clamped unless ``min_concentration`` asks for it. It exists because a
    documented table was computed with concentrations raised to at least 1e-6 mol/L, which changes
    one of its rows: with 2 mM of Ca²⁺ outside and 100 nM inside (1e-7 mol/L, read as 1e-6), it
    gives 101.5 mV, near the documented +102 mV. Without a clamp, the same ion at 37 °C is at
    +132 mV, and that is the physics. A clamped concentration has a zero gradient.

    Args:
        concentration_out: c_out [mol/L], > 0.
        concentration_in: c_in [mol/L], > 0. Only the ratio matters: any one unit will do
            while ``min_concentration`` is None.
        valence: z [-], one of −2, −1, 1, 2, 3.
        temperature: T [K], in [273, 373].
        min_concentration: Both concentrations are raised to at least this [mol/L]; None
            leaves them alone.

    Returns:
        E [V], inside against outside, of the broadcast shape.

    Raises:
        ParameterError: A value is outside its range (the first such entry is named), or the
            shapes do not broadcast.

    Examples:
        >>> from mfnjax.membrane import nernst_potential
        >>> print(f"{float(nernst_potential(0.005, 0.140, 1, 310.15)):.4f} V")  # potassium
        -0.0891 V
        >>> print(f"{float(nernst_potential(2e-3, 1e-7, 2, 310.15)):.4f} V")  # calcium
        0.1323 V
        >>> e = nernst_potential(2e-3, 1e-7, 2, 310.15, min_concentration=1e-6)
        >>> print(f"{float(e):.4f} V")
        0.1016 V

    Source: W. Nernst (1888), Zur Kinetik der in Lösung befindlichen Körper,
    doi:10.1515/zpch-1888-0274; as in B. Hille (2001), Ion Channels of Excitable Membranes.
    """
    check_concentration("concentration_out", concentration_out)
    check_concentration("concentration_in", concentration_in)
    check_valence(valence)
    check_temperature(temperature)
    arrays = {
        "concentration_out": concentration_out,
        "concentration_in": concentration_in,
        "valence": valence,
        "temperature": temperature,
    }
    if min_concentration is None:
        check_shapes(**arrays)
        return _nernst(*as_floats(*arrays.values()))
    check_concentration("min_concentration", min_concentration)
    check_shapes(**arrays, min_concentration=min_concentration)
    return _nernst(*as_floats(*arrays.values(), min_concentration))


def nernst_potential_mv(
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
    *,
    min_concentration: Any = None,
) -> jax.Array:
    """`nernst_potential` in millivolts; concentrations stay in mol/L, the temperature in K.

    Returns:
        E [mV], of the broadcast shape.

    Raises:
        ParameterError: As for `nernst_potential`.

    Examples:
        >>> from mfnjax.membrane import nernst_potential_mv
        >>> print(f"{float(nernst_potential_mv(0.140, 0.010, 1, 279.45)):.2f} mV")
        63.55 mV
    """
    return v_to_mv(
        nernst_potential(
            concentration_out,
            concentration_in,
            valence,
            temperature,
            min_concentration=min_concentration,
        )
    )


def driving_force(potential: Any, equilibrium_potential: Any) -> jax.Array:
    """How far the membrane is from an ion's equilibrium: V − E.

    A positive driving force pushes positive charge out of the cell, whatever the ion's sign.

    Args:
        potential: V, membrane potential [V].
        equilibrium_potential: E, the ion's equilibrium or a channel's reversal potential [V].

    Returns:
        V − E [V], of the broadcast shape.

    Raises:
        ParameterError: A value is not finite, or the shapes do not broadcast.

    Examples:
        >>> from mfnjax.membrane import driving_force
        >>> print(f"{float(driving_force(-0.070, 0.055)):.3f} V")  # sodium at rest: inwards
        -0.125 V
    """
    check_finite("potential", potential)
    check_finite("equilibrium_potential", equilibrium_potential)
    check_shapes(potential=potential, equilibrium_potential=equilibrium_potential)
    potential, equilibrium_potential = as_floats(potential, equilibrium_potential)
    return jnp.subtract(potential, equilibrium_potential)


def reversal_potential(conductance: Any, equilibrium_potential: Any) -> jax.Array:
    """Where the current through ohmic channels of several ions vanishes.

    E_rev = Σ g_k·E_k / Σ g_k: the chord-conductance equation, the root of Σ g_k·(V − E_k) = 0.
    For channels that rectify as GHK describes, see `ghk_reversal_potential`.

    Args:
        conductance: g_k ≥ 0 (any one unit), ions along the last axis; their sum must be > 0.
        equilibrium_potential: E_k [V], broadcast against ``conductance``.

    Returns:
        E_rev [V], without the last axis.

    Raises:
        ParameterError: A conductance is negative, none is positive, there is no ion axis, or
            the shapes do not broadcast.

    Examples:
        >>> from mfnjax.membrane import reversal_potential
        >>> print(f"{float(reversal_potential([10.0, 1.0], [-0.090, 0.060])):.4f} V")
        -0.0764 V

    Source: A. L. Hodgkin and P. Horowicz (1959), doi:10.1113/jphysiol.1959.sp006278.
    """
    check_weight("conductance", conductance)
    check_finite("equilibrium_potential", equilibrium_potential)
    shape = check_shapes(conductance=conductance, equilibrium_potential=equilibrium_potential)
    check_values("the number of ion axes", len(shape), lambda n: n >= 1, "at least 1")
    g, e = jnp.broadcast_arrays(*as_floats(conductance, equilibrium_potential))
    return jnp.sum(g / jnp.sum(g, axis=-1, keepdims=True) * e, axis=-1)


@jax.jit
def _nernst(
    concentration_out: jax.Array,
    concentration_in: jax.Array,
    valence: jax.Array,
    temperature: jax.Array,
    min_concentration: jax.Array | None = None,
) -> jax.Array:
    if min_concentration is not None:
        concentration_out = jnp.maximum(concentration_out, min_concentration)
        concentration_in = jnp.maximum(concentration_in, min_concentration)
    return nernst_equation(jnp.log, concentration_out, concentration_in, valence, temperature)
