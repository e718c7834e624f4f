"""Nernst and its kin: documented tables, NEURON's number, closed forms, properties, gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax.test_util import check_grads

from mfnjax import membrane
from mfnjax.core import units
from mfnjax.errors import ParameterError

log_concentration = st.floats(-7.0, 0.5)
valences = st.sampled_from([-2, -1, 1, 2, 3])
temperatures = st.floats(273.0, 373.0)


def test_constants_are_those_of_codata_2018() -> None:
    assert round(units.GAS_CONSTANT, 9) == 8.314462618
    assert round(units.FARADAY_CONSTANT, 5) == 96485.33212
    assert pytest.approx(8.31446261815324, rel=1e-15) == units.GAS_CONSTANT
    assert pytest.approx(96485.3321233100184, rel=1e-15) == units.FARADAY_CONSTANT


def test_conversions_are_inverse_and_anchored() -> None:
    assert units.mv_to_v(250.0) == 0.25
    assert units.mm_to_molar(250.0) == 0.25
    assert units.celsius_to_kelvin(0.0) == 273.15
    for there, back in (
        (units.mv_to_v, units.v_to_mv),
        (units.mm_to_molar, units.molar_to_mm),
        (units.celsius_to_kelvin, units.kelvin_to_celsius),
    ):
        assert back(there(12.5)) == pytest.approx(12.5, rel=1e-14)
        assert there(jnp.float32(3.0)).dtype == jnp.float32


def test_thermal_voltage_at_body_temperature() -> None:
    assert float(membrane.thermal_voltage(310.15)) == pytest.approx(26.727e-3, abs=1e-6)


@pytest.mark.parametrize("table", [membrane.MAMMALIAN, membrane.SQUID_AXON], ids=lambda t: t.name)
def test_documented_rows(table: membrane.IonTable) -> None:
    assert len(table) == len(list(table))
    for ion in table:
        computed = ion.nernst_mv(
            table.temperature, min_concentration=ion.documented_min_concentration
        )
        assert computed == pytest.approx(ion.documented_mv, abs=table.tolerance_mv), ion.name


def test_calcium_with_and_without_the_clamp() -> None:
    calcium = membrane.MAMMALIAN["Ca"]
    assert calcium.nernst_mv(310.15, min_concentration=1e-6) == pytest.approx(101.58, abs=0.1)
    assert calcium.nernst_mv(310.15) == pytest.approx(132.3, abs=0.1)


def test_unknown_ion_names_the_known_ones() -> None:
    with pytest.raises(ParameterError, match="one of K, Na, Cl; got 'Mg'"):
        membrane.SQUID_AXON["Mg"]


def test_equals_neuron() -> None:
    computed = membrane.nernst_potential_mv(0.140, 0.010, 1, units.celsius_to_kelvin(6.3))
    assert float(computed) == pytest.approx(63.55150321937486, rel=1e-12)


@given(log_concentration, log_concentration, log_concentration, valences, temperatures)
@settings(max_examples=60, deadline=None)
def test_properties(a: float, b: float, c: float, z: int, t: float) -> None:
    a, b, c = 10**a, 10**b, 10**c
    e = membrane.nernst_potential
    ab = float(e(a, b, z, t))
    assert ab == pytest.approx(-float(e(b, a, z, t)), rel=1e-12, abs=1e-16)  # swap
    assert ab == pytest.approx(float(e(7 * a, 7 * b, z, t)), rel=1e-12, abs=1e-16)  # scale
    parts = float(e(a, c, z, t)) + float(e(c, b, z, t))
    assert ab == pytest.approx(parts, rel=1e-11, abs=1e-15)  # additivity
    assert ab == pytest.approx(-float(e(a, b, -1, t)) / z, rel=1e-12, abs=1e-16)  # valence
    assert ab == pytest.approx(8.31446261815324 * t / (z * 96485.33212331) * np.log(a / b))


def test_broadcasts_and_agrees_with_a_loop() -> None:
    out = np.array([[0.005], [0.145]])
    inside = np.array([0.14, 0.012, 0.004])
    z = np.array([1, -1, 2])
    whole = membrane.nernst_potential(out, inside, z, 310.15)
    assert whole.shape == (2, 3)
    loop = [
        [float(membrane.nernst_potential(o[0], i, int(v), 310.15)) for i, v in zip(inside, z)]  # noqa: B905
        for o in out
    ]
    np.testing.assert_allclose(whole, loop, rtol=1e-14)
    mapped = jax.vmap(lambda o: jax.jit(membrane.nernst_potential)(o, inside, z, 310.15))(out)
    np.testing.assert_allclose(mapped, whole, rtol=1e-14)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtype_follows_the_input(dtype: type) -> None:
    out = jnp.full((3,), 0.1, dtype)
    z = jnp.array([1, 2, -1])  # an integer array must not promote
    assert membrane.nernst_potential(out, 0.01, z, 310.15).dtype == dtype
    assert membrane.nernst_potential_mv(out, 0.01, 1, 310.15, min_concentration=1e-6).dtype == dtype
    assert membrane.driving_force(out, 0.0).dtype == dtype
    assert membrane.reversal_potential(out, out).dtype == dtype


def test_gradients_in_every_argument() -> None:
    arguments = (jnp.array([0.12, 2e-3]), jnp.array([0.01, 1e-7]), jnp.array([1.0, 2.0]), 310.15)
    scaled = jax.jit(
        lambda lo, li, z, t: 1e3 * membrane.nernst_potential(jnp.exp(lo), jnp.exp(li), z, t)
    )
    logs = (jnp.log(arguments[0]), jnp.log(arguments[1]), *arguments[2:])
    check_grads(scaled, logs, order=1, modes=["fwd", "rev"], rtol=1e-5)
    d_out = jax.grad(lambda c: membrane.nernst_potential(c, 0.01, 1, 310.15))(0.12)
    assert d_out == pytest.approx(float(membrane.thermal_voltage(310.15)) / 0.12, rel=1e-12)


def test_a_clamped_concentration_has_zero_gradient() -> None:
    slope = jax.grad(
        lambda c: membrane.nernst_potential(2e-3, c, 2, 310.15, min_concentration=1e-6)
    )
    assert slope(1e-7) == 0.0
    assert slope(1e-5) < 0.0


def test_driving_force() -> None:
    np.testing.assert_allclose(
        membrane.driving_force(np.array([-0.07, 0.0]), -0.09), [0.02, 0.09], rtol=1e-14
    )
    check_grads(jax.jit(membrane.driving_force), (-0.07, 0.05), order=1, modes=["fwd", "rev"])


def test_reversal_potential_is_the_zero_of_the_ohmic_current() -> None:
    g = np.array([[1.0, 2.0, 0.5], [0.0, 3.0, 0.0]])
    e = np.array([-0.09, 0.06, -0.07])
    reversal = membrane.reversal_potential(g, e)
    current = (g * membrane.driving_force(np.asarray(reversal)[:, None], e)).sum(-1)
    np.testing.assert_allclose(current, 0.0, atol=1e-16)
    assert float(reversal[1]) == pytest.approx(0.06, rel=1e-14)
    check_grads(
        jax.jit(membrane.reversal_potential),
        (jnp.asarray(g) + 0.1, jnp.asarray(e)),
        order=1,
        modes=["fwd", "rev"],
    )


GOOD = {"concentration_out": 0.1, "concentration_in": 0.01, "valence": 1, "temperature": 310.15}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"valence": 0}, r"valence must be one of −2, −1, 1, 2, 3, got 0"),
        ({"valence": 4}, r"valence must be one of"),
        ({"valence": np.array([1, 2, 0])}, r"valence\[2\] must be one of .*, got 0"),
        ({"concentration_out": -0.1}, r"concentration_out must be .* > 0, got -0.1"),
        ({"concentration_in": 0.0}, r"concentration_in must be .* > 0, got 0"),
        (
            {"concentration_in": np.array([[0.1, 0.2], [0.3, -2.0]])},
            r"concentration_in\[1, 1\] must be .* > 0, got -2",
        ),
        ({"concentration_out": [0.1, float("nan")]}, r"concentration_out\[1\] .* got nan"),
        ({"concentration_out": jnp.array([jnp.inf])}, r"concentration_out\[0\] .* got inf"),
        ({"concentration_out": "salt"}, r"concentration_out must be .* got 'salt'"),
        ({"concentration_out": True}, r"concentration_out must be .* got True"),
        ({"temperature": 37.0}, r"temperature must be .*\[273, 373\] K, got 37"),
        ({"temperature": 373.5}, r"temperature must be"),
        ({"min_concentration": 0.0}, r"min_concentration must be"),
        (
            {"concentration_out": np.ones(2), "concentration_in": np.ones(3)},
            r"do not broadcast: concentration_out \(2,\), concentration_in \(3,\)",
        ),
    ],
)
def test_bad_input_is_one_clear_error(wrong: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        membrane.nernst_potential(**{**GOOD, **wrong})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: membrane.thermal_voltage(20.0), "temperature must be"),
        (lambda: membrane.driving_force(float("nan"), 0.0), "potential must be a finite"),
        (lambda: membrane.reversal_potential([0.0, 0.0], [0.1, 0.2]), "sum of conductance"),
        (lambda: membrane.reversal_potential([1.0, -1.0], [0.1, 0.2]), r"conductance\[1\]"),
        (lambda: membrane.reversal_potential(1.0, 0.1), "number of ion axes"),
    ],
)
def test_other_bad_input(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


def test_one_bad_value_inside_jit_is_left_to_the_caller() -> None:
    assert jnp.isnan(jax.jit(membrane.nernst_potential)(-0.1, 0.01, 1, 310.15))
    mixed = jax.jit(lambda c: membrane.nernst_potential([c, 0.1], 0.01, 1, 310.15))(0.1)
    assert mixed.shape == (2,)
    assert float(mixed[0]) == pytest.approx(float(mixed[1]), rel=1e-14)


@pytest.mark.parametrize("value", [1e-300, 1e300])
def test_what_float32_cannot_hold_is_refused_not_answered_with_infinity(value: float) -> None:
    expected = pytest.raises(ParameterError, match=r"e[-+]300 is outside the range of float32")
    with jax.enable_x64(False), expected:
        membrane.nernst_potential(value, 1.0, 1, 310.15)
    assert np.isfinite(float(membrane.nernst_potential(value, 1.0, 1, 310.15)))


def test_small_permeabilities_do_not_vanish_in_float32() -> None:
    with jax.enable_x64(False):  # their products with concentrations lie below its range
        tiny, large = (
            membrane.ghk_voltage([p, 2 * p], [1e-9, 2e-9], [2e-9, 3e-9], [1, 1], 310.15)
            for p in (1e-30, 1.0)
        )
    np.testing.assert_allclose(tiny, large, rtol=1e-6)
