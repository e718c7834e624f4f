"""GHK: NEURON's numbers, a 60-digit oracle at v → 0, Hodgkin and Katz's axon, special cases."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax.test_util import check_grads
from scipy.optimize import brentq

from mfnjax import membrane
from mfnjax.core.units import FARADAY_CONSTANT, GAS_CONSTANT, celsius_to_kelvin
from mfnjax.errors import ParameterError
from mfnjax.membrane.ghk import x_over_expm1

NEURON_TEMPERATURE = celsius_to_kelvin(6.3)
SQUID_OUT = np.array([0.020, 0.440, 0.560])
SQUID_IN = np.array([0.400, 0.050, 0.052])
SQUID_Z = np.array([1, 1, -1])

log_concentration = st.floats(-6.0, 0.0)
valences = st.sampled_from([-2, -1, 1, 2, 3])


def _decimal_f(x: Decimal) -> Decimal:
    return x / (x.exp() - 1) if x else Decimal(1)


def _decimal_ghk(v_mv: Decimal, c_out: str, c_in: str, z: int, t: float) -> Decimal:
    """NEURON's ghk in 60 digits [mC/cm³]."""
    thermal_mv = 1000 * Decimal(GAS_CONSTANT) * Decimal(t) / Decimal(FARADAY_CONSTANT)
    x = z * v_mv / thermal_mv
    flow = Decimal(c_in) * _decimal_f(-x) - Decimal(c_out) * _decimal_f(x)
    return flow * z * Decimal(FARADAY_CONSTANT) / 1000


def _decimal_derivative(f: Callable[[Decimal], Decimal], at: float, order: int) -> float:
    with localcontext() as context:
        context.prec = 80
        x, h = Decimal(at), Decimal("1e-15")
        if order == 1:
            return float((f(x + h) - f(x - h)) / (2 * h))
        return float((f(x + h) - 2 * f(x) + f(x - h)) / (h * h))


@pytest.mark.parametrize(
    ("v_mv", "expected"), [(-10.0, -2828.3285716150644), (1e-6, -1910.40949510667)]
)
def test_current_equals_neuron(v_mv: float, expected: float) -> None:
    computed = membrane.ghk_current_mc_per_cm3(v_mv, 10.0, 0.1, 2, NEURON_TEMPERATURE)
    assert float(computed) == pytest.approx(expected, rel=1e-12)


@pytest.mark.thorough
def test_current_and_its_derivatives_equal_sixty_digits() -> None:
    """v = ±12 mV straddles |x| = 1, where the series hands over to the quotient."""
    v_mv = np.array([0.0, 1e-6, -1e-6, 1e-3, 1.0, -10.0, 11.9, 12.1, -12.1, 60.0])

    def current(v: jax.Array) -> jax.Array:
        return membrane.ghk_current_mc_per_cm3(v, 10.0, 0.1, 2, NEURON_TEMPERATURE)

    def exact(v: Decimal) -> Decimal:
        return _decimal_ghk(v, "10.0", "0.1", 2, NEURON_TEMPERATURE)

    slope = jax.grad(current)
    derivatives = jax.jit(jax.vmap(lambda v: (slope(v), jax.grad(slope)(v))))(v_mv)
    with localcontext() as context:
        context.prec = 60
        values = [float(exact(Decimal(v))) for v in v_mv]
    np.testing.assert_allclose(current(v_mv), values, rtol=1e-13)
    for order, rtol in ((1, 1e-12), (2, 1e-10)):
        expected = [_decimal_derivative(exact, v, order) for v in v_mv]
        np.testing.assert_allclose(derivatives[order - 1], expected, rtol=rtol)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_x_over_expm1_has_no_bad_point(dtype: type) -> None:
    tiny = float(jnp.finfo(dtype).tiny)
    x = jnp.array([-1e4, -800.0, -100.0, -1.0, -tiny, 0.0, tiny, 1.0, 100.0, 800.0, 1e4], dtype)
    value, slope = jax.jit(x_over_expm1)(x), jax.jit(jax.vmap(jax.grad(x_over_expm1)))(x)
    assert value.dtype == dtype
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    with np.errstate(over="ignore", invalid="ignore"):
        wide = np.asarray(x, np.float64)
        expected = np.where(np.abs(wide) < 1e-300, 1.0, wide / np.expm1(wide))
    tolerance = 4 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tiny)
    assert float(slope[5]) == -0.5
    assert float(slope[0]) == -1.0
    assert float(slope[-1]) == 0.0


def test_current_in_si_is_the_field_unit_times_permeability() -> None:
    """1e-8 m/s = 1e-6 cm/s, and 1 mA/cm² = 10 A/m²."""
    si = membrane.ghk_current(-0.010, 10e-3, 0.1e-3, 2, NEURON_TEMPERATURE, 1e-8)
    assert float(si) == pytest.approx(-2828.3285716150644 * 1e-6 * 10, rel=1e-12)


@given(log_concentration, log_concentration, valences, st.floats(273.0, 373.0))
@settings(max_examples=40, deadline=None)
def test_current_vanishes_at_nernst_and_rises_through_it(
    log_out: float, log_in: float, z: int, t: float
) -> None:
    out, inside = 10**log_out, 10**log_in
    e = float(membrane.nernst_potential(out, inside, z, t))
    size = float(membrane.ghk_current(0.0, out + inside, 1e-30, z, t, 1.0))
    below, at, above = (
        float(membrane.ghk_current(v, out, inside, z, t, 1.0)) for v in (e - 1e-3, e, e + 1e-3)
    )
    assert abs(at) <= 1e-12 * abs(size) * (1 + abs(np.log(out / inside)))
    assert below < 0 < above


@given(log_concentration, log_concentration, st.sampled_from([-1, 1]), st.floats(273.0, 373.0))
@settings(max_examples=40, deadline=None)
def test_one_permeable_ion_is_nernst(log_out: float, log_in: float, z: int, t: float) -> None:
    out, inside = 10**log_out, 10**log_in
    expected = float(membrane.nernst_potential(out, inside, z, t))
    alone = membrane.ghk_voltage([1e-9], [out], [inside], [z], t)
    among = membrane.ghk_voltage([1.0, 0.0], [out, 0.4], [inside, 0.02], [z, 1], t)
    root = membrane.ghk_reversal_potential([1.0, 0.0], [out, 0.4], [inside, 0.02], [z, 1], t)
    for computed in (alone, among, root):
        assert float(computed) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("p_na", "expected"), [(0.04, -59.93), (20.0, 42.38)])
def test_squid_axon_of_hodgkin_and_katz(p_na: float, expected: float) -> None:
    """At rest, and at the peak of the action potential; 20 °C."""
    p = np.array([1.0, p_na, 0.45])
    t = celsius_to_kelvin(20.0)
    e = float(membrane.ghk_voltage(p, SQUID_OUT, SQUID_IN, SQUID_Z, t))
    assert 1e3 * e == pytest.approx(expected, abs=0.005)
    total = membrane.ghk_current(e, SQUID_OUT, SQUID_IN, SQUID_Z, t, p).sum()
    assert abs(float(total)) < 1e-10 * float(membrane.ghk_current(0.1, 0.4, 0.4, 1, t, 1.0))


def test_reversal_equals_ghk_voltage_for_monovalent_ions_and_scipy_for_others() -> None:
    p = np.array([[1.0, 0.04, 0.45], [1.0, 20.0, 0.45]])
    t = np.array([293.15, 300.0])
    np.testing.assert_allclose(
        membrane.ghk_reversal_potential(p, SQUID_OUT, SQUID_IN, SQUID_Z, t),
        membrane.ghk_voltage(p, SQUID_OUT, SQUID_IN, SQUID_Z, t),
        rtol=1e-12,
    )
    out, inside = np.array([2e-3, 0.145, 5e-3, 0.1]), np.array([1e-7, 0.012, 0.14, 0.03])
    z, p4 = np.array([2, 1, 1, -2]), np.array([4.0, 1.0, 1.0, 0.3])

    def total(v: float) -> float:
        x = z * v * 96485.33212331 / (8.31446261815324 * 310.15)
        return float(np.sum(p4 * z * x * (inside - out * np.exp(-x)) / (1 - np.exp(-x))))

    root = brentq(total, -0.05, 0.0499, xtol=1e-16)
    computed = membrane.ghk_reversal_potential(p4, out, inside, z, 310.15)
    assert float(computed) == pytest.approx(root, rel=1e-10)


@pytest.mark.thorough
def test_gradients_of_every_kernel_in_every_argument() -> None:
    """Logarithms scale the arguments alike, for the finite differences' sake.

    One function of all arguments, so that each mode compiles once.
    """
    squid = ([1.0, 0.5], SQUID_OUT[:2], SQUID_IN[:2])
    log_p, log_out, log_in = (jnp.log(jnp.asarray(a)) for a in squid)
    z, t, v = jnp.array([1.0, 2.0]), jnp.array(293.15), jnp.array([0.0, -0.06])

    @jax.jit
    def kernels(log_p, log_out, log_in, z, t, v):
        p, out, inside = jnp.exp(log_p), jnp.exp(log_out), jnp.exp(log_in)
        return (
            1e3 * membrane.ghk_voltage(p, out, inside, jnp.array([1.0, -1.0]), t),
            1e3 * membrane.ghk_reversal_potential(p, out, inside, z, t),
            1e-6 * membrane.ghk_current(v, out, inside, z, t, p),
        )

    arguments = (log_p, log_out, log_in, z, t, v)
    check_grads(kernels, arguments, order=1, modes=["fwd", "rev"], rtol=1e-5)
    per_p = jax.grad(lambda p: membrane.ghk_current(-0.06, 0.1, 0.01, 1, t, p))(1e-8)
    whole = membrane.ghk_current(-0.06, 0.1, 0.01, 1, t, 1.0)
    assert float(per_p) == pytest.approx(float(whole), rel=1e-12)


def test_reversal_gradient_equals_that_of_the_closed_form() -> None:
    def slope(function: Callable[..., jax.Array]) -> jax.Array:
        return jax.grad(lambda p: function(p, SQUID_OUT, SQUID_IN, SQUID_Z, 293.15))(
            jnp.array([1.0, 0.04, 0.45])
        )

    np.testing.assert_allclose(
        slope(membrane.ghk_reversal_potential), slope(membrane.ghk_voltage), rtol=1e-10
    )


def test_batched_equals_looped_and_jitted_equals_eager() -> None:
    v = jnp.linspace(-0.1, 0.1, 5)
    whole = membrane.ghk_current(v, 0.1, 0.01, 1, 310.15, 1e-8)
    loop = [float(membrane.ghk_current(float(x), 0.1, 0.01, 1, 310.15, 1e-8)) for x in v]
    np.testing.assert_allclose(whole, loop, rtol=1e-12)
    p = jnp.array([[1.0, 0.04, 0.45], [1.0, 20.0, 0.45]])
    for function in (membrane.ghk_voltage, membrane.ghk_reversal_potential):
        mapped = jax.jit(jax.vmap(lambda q, f=function: f(q, SQUID_OUT, SQUID_IN, SQUID_Z, 293.15)))
        loop = [float(function(q, SQUID_OUT, SQUID_IN, SQUID_Z, 293.15)) for q in p]
        np.testing.assert_allclose(mapped(p), loop, rtol=1e-12)


def test_float32_stays_float32_and_close() -> None:
    p = jnp.array([1e-9, 4e-11, 4.5e-10], jnp.float32)
    for function in (membrane.ghk_voltage, membrane.ghk_reversal_potential):
        e = function(p, list(SQUID_OUT), list(SQUID_IN), SQUID_Z, 293.15)
        assert e.dtype == jnp.float32
        assert 1e3 * float(e) == pytest.approx(-59.92668, rel=1e-5)
    v = jnp.float32(-10.0)
    current = membrane.ghk_current_mc_per_cm3(v, 10.0, 0.1, 2, NEURON_TEMPERATURE)
    assert current.dtype == jnp.float32
    assert float(current) == pytest.approx(-2828.32857, rel=1e-5)


P, OUT, IN, Z = [1.0, 0.5], [0.1, 0.2], [0.2, 0.1], [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: membrane.ghk_voltage([0.0, 0.0], OUT, IN, Z, 300.0), "sum of permeability"),
        (lambda: membrane.ghk_voltage([1.0, -1.0], OUT, IN, Z, 300.0), r"permeability\[1\]"),
        (lambda: membrane.ghk_voltage(P, OUT, IN, [1, 2], 300.0), r"valence\[1\] .* −1, 1, got 2"),
        (lambda: membrane.ghk_voltage(P, [0.1, -0.2], IN, Z, 300.0), r"concentration_out\[1\]"),
        (lambda: membrane.ghk_voltage(P, OUT, IN, Z, 20.0), "temperature must be"),
        (lambda: membrane.ghk_voltage(P, OUT, IN, Z, [300.0] * 3), None),
        (lambda: membrane.ghk_voltage(P, [0.1] * 3, IN, Z, 300.0), "do not broadcast"),
        (lambda: membrane.ghk_voltage(1.0, 0.1, 0.2, 1, 300.0), "last axis must hold the ions"),
        (lambda: membrane.ghk_reversal_potential(P, OUT, IN, [1, 0], 300.0), r"valence\[1\]"),
        (lambda: membrane.ghk_current(float("inf"), 0.1, 0.2, 1, 300.0, 1.0), "potential must be"),
        (lambda: membrane.ghk_current(0.0, 0.1, 0.2, 0, 300.0, 1.0), "valence must be"),
        (lambda: membrane.ghk_current(0.0, 0.1, 0.2, 1, 300.0, -1.0), "permeability must be"),
        (lambda: membrane.ghk_current_mc_per_cm3(0.0, -1.0, 0.2, 1, 300.0), "out_mm must be"),
        (lambda: membrane.ghk_current_mc_per_cm3(0.0, 1.0, -0.2, 1, 300.0), "in_mm must be"),
    ],
)
def test_bad_input_is_one_clear_error(call: Callable[[], object], message: str | None) -> None:
    if message is None:  # three temperatures for one set of ions: three potentials
        assert call().shape == (3,)
        return
    with pytest.raises(ParameterError, match=message):
        call()
