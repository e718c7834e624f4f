"""Goldman–Hodgkin–Katz: potentials and currents in a constant electric field."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax.core.units import (
    FARADAY_CONSTANT,
    GAS_CONSTANT,
    mm_to_molar,
    molar_to_mm,
    mv_to_v,
)
from mfnjax.errors import ParameterError
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

# B_2n/(2n)! for n = 1…10: x/expm1(x) = 1 − x/2 + Σ B_2n/(2n)! x^2n, |x| < 2π. On |x| ≤ 1 the
# first term left out is 6e-18.
_BERNOULLI = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)


def x_over_expm1(x: jax.Array) -> jax.Array:
    """x/(eˣ − 1), smooth through x = 0 and free of overflow; all derivatives are accurate too.

    Near 0 the quotient itself would do (but at 0 exactly), yet its derivative is a difference of
    two poles 1/x: hence the Bernoulli series on |x| ≤ 1. Outside, f(−y) = f(y) + y leaves only
    y·e⁻ʸ/(1 − e⁻ʸ) with y = |x| > 1 to compute, which underflows to the right limits where
    eˣ would overflow.
    """
    near = jnp.abs(x) <= 1
    series_x = jnp.where(near, x, jnp.zeros_like(x))
    squared = series_x * series_x
    series = jnp.zeros_like(x)
    for coefficient in reversed(_BERNOULLI):
        series = coefficient + squared * series
    series = 1 - series_x / 2 + squared * series

    y = jnp.where(near, jnp.ones_like(x), jnp.abs(x))
    far = y * jnp.exp(-y) / -jnp.expm1(-y) + jnp.where(x < 0, y, jnp.zeros_like(x))
    return jnp.where(near, series, far)


def ghk_voltage(
    permeability: Any,
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
) -> jax.Array:
    """The potential at which the GHK currents of monovalent ions cancel.

    E = RT/F · ln( (Σ P_c·[C]_out + Σ P_a·[A]_in) / (Σ P_c·[C]_in + Σ P_a·[A]_out) ), over
    cations C and anions A. Ions run along the last axis of the first four arguments. With ions
    of other valences there is no closed form: see `ghk_reversal_potential`.

    Args:
        permeability: P ≥ 0 in any one unit (only ratios matter), shape (…, ions); at least one
            must be > 0.
        concentration_out: c_out [mol/L], > 0, broadcast to (…, ions).
        concentration_in: c_in [mol/L], > 0, broadcast to (…, ions).
        valence: +1 for a cation, −1 for an anion, broadcast to (…, ions).
        temperature: T [K], in [273, 373], broadcast to (…).

    Returns:
        E [V], shape (…).

    Raises:
        ParameterError: A value is outside its range, no ion is permeable, or the shapes do
            not fit.

    Examples:
        The squid axon at rest, P_K : P_Na : P_Cl = 1 : 0.04 : 0.45:

        >>> from mfnjax.membrane import ghk_voltage
        >>> out, inside = [0.020, 0.440, 0.560], [0.400, 0.050, 0.052]
        >>> e = ghk_voltage([1.0, 0.04, 0.45], out, inside, [1, 1, -1], 293.15)
        >>> print(f"{1e3 * float(e):.2f} mV")
        -59.93 mV

    Source: D. E. Goldman (1943), doi:10.1085/jgp.27.1.37; A. L. Hodgkin and B. Katz (1949),
    doi:10.1113/jphysiol.1949.sp004310.
    """
    ions, temperature = _ions(
        permeability, concentration_out, concentration_in, valence, temperature, (-1, 1)
    )
    return _ghk_voltage(*ions, temperature)


def ghk_current(
    potential: Any,
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
    permeability: Any,
) -> jax.Array:
    """Current density of one ion through a membrane with a constant field, in SI units.

    I = P·z·F·( c_in·f(−x) − c_out·f(x) ), x = zFV/(RT), f(x) = x/(eˣ − 1); outward current of
    positive charge is positive. At V = 0 it is P·z·F·(c_in − c_out), reached smoothly: value
    and derivatives are exact there. All arguments broadcast.

    Args:
        potential: V, membrane potential [V].
        concentration_out: c_out [mol/L], > 0.
        concentration_in: c_in [mol/L], > 0.
        valence: z [-], one of −2, −1, 1, 2, 3.
        temperature: T [K], in [273, 373].
        permeability: P [m/s], ≥ 0.

    Returns:
        I [A/m²], of the broadcast shape.

    Raises:
        ParameterError: A value is outside its range, or the shapes do not broadcast.

    Examples:
        >>> from mfnjax.membrane import ghk_current
        >>> current = ghk_current(-0.070, 2e-3, 1e-7, 2, 310.15, 1e-8)  # calcium, inwards
        >>> print(f"{float(current):.4f} A/m²")
        -0.0203 A/m²

    Source: D. E. Goldman (1943), doi:10.1085/jgp.27.1.37; A. L. Hodgkin and B. Katz (1949),
    doi:10.1113/jphysiol.1949.sp004310.
    """
    check_values("permeability", permeability, lambda p: p >= 0, "a finite number ≥ 0")
    arrays = _one_ion(potential, concentration_out, concentration_in, valence, temperature)
    check_shapes(**arrays, permeability=permeability)
    return _ghk_current(*as_floats(*arrays.values(), permeability))


def ghk_current_mc_per_cm3(
    potential_mv: Any,
    out_mm: Any,
    in_mm: Any,
    valence: Any,
    temperature: Any,
) -> jax.Array:
    """GHK current per unit of permeability in the units of electrophysiology.

    The function that NEURON calls ``ghk(v, ci, co, z)`` at ``celsius`` (note its order: inside
    first). Times a permeability in cm/s, mC/cm³ is a current density in mA/cm².

    Args:
        potential_mv: V, membrane potential [mV].
        out_mm: c_out [mmol/L], > 0.
        in_mm: c_in [mmol/L], > 0.
        valence: z [-], one of −2, −1, 1, 2, 3.
        temperature: T [K], in [273, 373].

    Returns:
        I/P [mC/cm³], of the broadcast shape; outward current of positive charge is positive.

    Raises:
        ParameterError: A value is outside its range, or the shapes do not broadcast.

    Examples:
        >>> from mfnjax.membrane import ghk_current_mc_per_cm3
        >>> print(f"{float(ghk_current_mc_per_cm3(-10.0, 10.0, 0.1, 2, 279.45)):.1f} mC/cm³")
        -2828.3 mC/cm³

    Source: as for `ghk_current`; M. L. Hines and N. T. Carnevale (1997),
    doi:10.1162/neco.1997.9.6.1179.
    """
    arrays = _one_ion(potential_mv, out_mm, in_mm, valence, temperature, unit=("_mv", "_mm"))
    check_shapes(**arrays)
    v, c_out, c_in, z, t = as_floats(*arrays.values())
    # 1 C/m³ = 1e-3 mC/cm³, and `_ghk_current` per P = 1 m/s is in C/m³.
    per_cubic_metre = _ghk_current(
        mv_to_v(v), mm_to_molar(c_out), mm_to_molar(c_in), z, t, jnp.ones_like(t)
    )
    return per_cubic_metre * 1e-3


def ghk_reversal_potential(
    permeability: Any,
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
) -> jax.Array:
    """Where the GHK current through a channel that lets several ions pass vanishes.

    The root V of Σ P_k·z_k·( c_in,k·f(−x_k) − c_out,k·f(x_k) ) = 0, x_k = z_k·FV/(RT). Every
    term rises with V, so the root is unique and lies between the lowest and the highest Nernst
    potential; it is found by bisection, and differentiated by the implicit function theorem.
    With monovalent ions alone it equals `ghk_voltage`.

    Args:
        permeability: P ≥ 0 in any one unit, shape (…, ions); at least one must be > 0.
        concentration_out: c_out [mol/L], > 0, broadcast to (…, ions).
        concentration_in: c_in [mol/L], > 0, broadcast to (…, ions).
        valence: z, each one of −2, −1, 1, 2, 3, broadcast to (…, ions).
        temperature: T [K], in [273, 373], broadcast to (…).

    Returns:
        E_rev [V], shape (…).

    Raises:
        ParameterError: A value is outside its range, no ion is permeable, or the shapes do
            not fit.

    Examples:
        An NMDA-like channel, P_Ca : P_Na : P_K = 4 : 1 : 1:

        >>> from mfnjax.membrane import ghk_reversal_potential
        >>> out, inside = [2e-3, 0.145, 5e-3], [1e-7, 0.012, 0.140]
        >>> e = ghk_reversal_potential([4.0, 1.0, 1.0], out, inside, [2, 1, 1], 310.15)
        >>> print(f"{1e3 * float(e):.1f} mV")
        2.2 mV

    Source: C. A. Lewis (1979), doi:10.1113/jphysiol.1979.sp012608.
    """
    ions, temperature = _ions(
        permeability, concentration_out, concentration_in, valence, temperature, None
    )
    return _ghk_reversal(*ions, temperature)


def _one_ion(
    potential: Any,
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
    unit: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Check the arguments of a current and return them by the names the caller knows."""
    names = ("potential", "concentration_out", "concentration_in")
    if unit is not None:
        names = (f"potential{unit[0]}", f"out{unit[1]}", f"in{unit[1]}")
    check_finite(names[0], potential)
    check_concentration(names[1], concentration_out)
    check_concentration(names[2], concentration_in)
    check_valence(valence)
    check_temperature(temperature)
    values = (potential, concentration_out, concentration_in, valence, temperature)
    return dict(zip((*names, "valence", "temperature"), values, strict=True))


def _ions(
    permeability: Any,
    concentration_out: Any,
    concentration_in: Any,
    valence: Any,
    temperature: Any,
    valences: tuple[int, ...] | None,
) -> tuple[list[jax.Array], jax.Array]:
    """Check the arguments of a potential of several ions; arrays of shape (…, ions), and T."""
    check_weight("permeability", permeability)
    check_concentration("concentration_out", concentration_out)
    check_concentration("concentration_in", concentration_in)
    if valences is None:
        check_valence(valence)
    else:
        check_valence(valence, valences)
    check_temperature(temperature)
    shape = check_shapes(
        permeability=permeability,
        concentration_out=concentration_out,
        concentration_in=concentration_in,
        valence=valence,
    )
    if not shape or shape[-1] == 0:
        raise ParameterError(f"the last axis must hold the ions, got the shape {shape}")
    check_shapes(ions=np.empty(shape[:-1]), temperature=temperature)
    *ions, temperature = as_floats(
        permeability, concentration_out, concentration_in, valence, temperature
    )
    return jnp.broadcast_arrays(*ions), temperature


@jax.jit
def _ghk_voltage(
    permeability: jax.Array,
    concentration_out: jax.Array,
    concentration_in: jax.Array,
    valence: jax.Array,
    temperature: jax.Array,
) -> jax.Array:
    # P/ΣP: the products of small permeabilities and concentrations would vanish in float32.
    permeability = permeability / jnp.sum(permeability, -1, keepdims=True)
    is_cation = valence > 0
    attracts = jnp.where(is_cation, concentration_out, concentration_in)
    repels = jnp.where(is_cation, concentration_in, concentration_out)
    ratio = jnp.sum(permeability * attracts, -1) / jnp.sum(permeability * repels, -1)
    return (GAS_CONSTANT / FARADAY_CONSTANT) * temperature * jnp.log(ratio)


@jax.jit
def _ghk_current(
    potential: jax.Array,
    concentration_out: jax.Array,
    concentration_in: jax.Array,
    valence: jax.Array,
    temperature: jax.Array,
    permeability: jax.Array,
) -> jax.Array:
    x = valence * potential / ((GAS_CONSTANT / FARADAY_CONSTANT) * temperature)
    flow = concentration_in * x_over_expm1(-x) - concentration_out * x_over_expm1(x)
    return permeability * valence * FARADAY_CONSTANT * molar_to_mm(flow)


@jax.jit
def _ghk_reversal(
    permeability: jax.Array,
    concentration_out: jax.Array,
    concentration_in: jax.Array,
    valence: jax.Array,
    temperature: jax.Array,
) -> jax.Array:
    # In y = FV/(RT) the temperature drops out; P/ΣP keeps float32 away from denormals.
    weight = valence * permeability / jnp.sum(permeability, -1, keepdims=True)
    nernst = lax.stop_gradient(jnp.log(concentration_out / concentration_in) / valence)
    low, high = jnp.min(nernst, -1), jnp.max(nernst, -1)
    halvings = jnp.finfo(low.dtype).nmant + 6

    def current(y: jax.Array) -> jax.Array:
        x = valence * y[..., None]
        flow = concentration_in * x_over_expm1(-x) - concentration_out * x_over_expm1(x)
        return jnp.sum(weight * flow, -1)

    def bisect(function: Any, _: jax.Array) -> jax.Array:
        def halve(_: int, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            low, high = bracket
            middle = low + (high - low) / 2
            below = function(middle) < 0
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        low_end, high_end = lax.fori_loop(0, halvings, halve, (low, high))
        return low_end + (high_end - low_end) / 2

    # Entries are independent, so the Jacobian is diagonal: one product with ones reads it off.
    root = lax.custom_root(current, low, bisect, lambda g, b: b / g(jnp.ones_like(b)))
    return (GAS_CONSTANT / FARADAY_CONSTANT) * temperature * root
