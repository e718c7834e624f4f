"""Nernst and GHK against NEURON's numbers, a high-precision difference, and the squid axon."""

from __future__ import annotations

from decimal import Decimal, localcontext

import jax
import numpy as np

from mfnjax.core.units import FARADAY_CONSTANT, GAS_CONSTANT, celsius_to_kelvin
from mfnjax.membrane import (
    ghk_current_mc_per_cm3,
    ghk_voltage,
    nernst_potential,
    nernst_potential_mv,
)
from mfnjax.science.rows import Row, close

NEURON = "NEURON's nernst() and ghk(), 6.3 °C; Hines & Carnevale (1997), 10.1162/neco.1997.9.6.1179"
SQUID = "Hodgkin & Katz (1949), 10.1113/jphysiol.1949.sp004310"
COLD = celsius_to_kelvin(6.3)


def membrane_rows() -> list[Row]:
    """NEURON's values, the gradient at v → 0, one permeable ion, the squid at rest and peak."""
    slope = jax.grad(lambda v: ghk_current_mc_per_cm3(v, 10.0, 0.1, 2, COLD))
    one_ion = float(ghk_voltage([1.0], [0.005], [0.14], [1], 310.15))
    rows = [
        close(
            "Nernst, 10 | 140 mM, z = 1",
            63.55150321937486,
            float(nernst_potential_mv(0.140, 0.010, 1, COLD)),
            1e-9,
            NEURON,
            relative=True,
            unit="mV",
        )
    ]
    for v_mv, expected in ((-10.0, -2828.3285716150644), (1e-6, -1910.40949510667)):
        computed = float(ghk_current_mc_per_cm3(v_mv, 10.0, 0.1, 2, COLD))
        name = f"GHK current at v = {v_mv:g} mV, Ca²⁺"
        rows.append(close(name, expected, computed, 1e-9, NEURON, relative=True, unit="mC/cm³"))
    rows.append(
        close(
            "dI/dv of the GHK current at v = 1e-6 mV",
            exact_slope(1e-6),
            float(slope(1e-6)),
            1e-9,
            "central difference in 80 digits",
            relative=True,
        )
    )
    rows.append(
        close(
            "GHK with one permeable ion against Nernst",
            1e3 * float(nernst_potential(0.005, 0.14, 1, 310.15)),
            1e3 * one_ion,
            1e-9,
            "ln(P·out/P·in) = ln(out/in)",
            unit="mV",
        )
    )
    return rows + squid_rows()


def squid_rows() -> list[Row]:
    """P_K : P_Na : P_Cl = 1 : 0.04 : 0.45 at rest and 1 : 20 : 0.45 at the peak, 20 °C."""
    outside, inside = np.array([0.020, 0.440, 0.560]), np.array([0.400, 0.050, 0.052])
    rows = []
    for state, sodium, expected in (("rest", 0.04, -59.93), ("peak", 20.0, 42.38)):
        weights = np.array([1.0, sodium, 0.45])
        temperature = celsius_to_kelvin(20.0)
        volts = float(ghk_voltage(weights, outside, inside, np.array([1, 1, -1]), temperature))
        rows.append(
            close(f"GHK squid axon, {state}", expected, 1e3 * volts, 0.01, SQUID, unit="mV")
        )
    return rows


def exact_slope(at_mv: float) -> float:
    """dI/dv of NEURON's ghk(v, 0.1, 10) for z = 2, by a difference in 80 digits."""
    with localcontext() as context:
        context.prec = 80
        thermal = 1000 * Decimal(GAS_CONSTANT) * Decimal(COLD) / Decimal(FARADAY_CONSTANT)

        def f(x: Decimal) -> Decimal:
            return x / (x.exp() - 1)

        def current(v: Decimal) -> Decimal:
            x = 2 * v / thermal
            flow = Decimal("0.1") * f(-x) - Decimal(10) * f(x)
            return flow * 2 * Decimal(FARADAY_CONSTANT) / 1000

        v, h = Decimal(at_mv), Decimal("1e-15")
        return float((current(v + h) - current(v - h)) / (2 * h))
