"""Physical constants and the few unit conversions that mfnjax needs.

R and F are products of defining constants of the SI, so they carry no uncertainty (CODATA 2018).
The conversions take numbers or arrays and keep their dtype.

Examples:
    >>> from mfnjax.core.units import FARADAY_CONSTANT, GAS_CONSTANT, celsius_to_kelvin
    >>> round(GAS_CONSTANT, 9), round(FARADAY_CONSTANT, 5)
    (8.314462618, 96485.33212)
    >>> round(1e3 * GAS_CONSTANT * celsius_to_kelvin(37.0) / FARADAY_CONSTANT, 3)
    26.727
"""

from __future__ import annotations

from typing import Any

BOLTZMANN_CONSTANT = 1.380649e-23
"""k, J/K (exact)."""

AVOGADRO_CONSTANT = 6.02214076e23
"""N_A, 1/mol (exact)."""

ELEMENTARY_CHARGE = 1.602176634e-19
"""e, C (exact)."""

GAS_CONSTANT = BOLTZMANN_CONSTANT * AVOGADRO_CONSTANT
"""R = k·N_A = 8.314462618… J/(mol·K) (exact)."""

FARADAY_CONSTANT = ELEMENTARY_CHARGE * AVOGADRO_CONSTANT
"""F = e·N_A = 96485.33212… C/mol (exact)."""

ZERO_CELSIUS_K = 273.15
"""0 °C in kelvin (exact)."""

BODY_TEMPERATURE_K = 310.15
"""37 °C in kelvin."""


def mv_to_v(value_mv: Any) -> Any:
    """Millivolts → volts."""
    return value_mv / 1e3


def v_to_mv(value_v: Any) -> Any:
    """Volts → millivolts."""
    return value_v * 1e3


def mm_to_molar(value_mm: Any) -> Any:
    """mmol/L (the same number as mol/m³) → mol/L."""
    return value_mm / 1e3


def molar_to_mm(value_molar: Any) -> Any:
    """mol/L → mmol/L (the same number as mol/m³)."""
    return value_molar * 1e3


def celsius_to_kelvin(value_c: Any) -> Any:
    """°C → K."""
    return value_c + ZERO_CELSIUS_K


def kelvin_to_celsius(value_k: Any) -> Any:
    """K → °C."""
    return value_k - ZERO_CELSIUS_K
