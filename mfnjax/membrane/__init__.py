"""Membrane physics: equilibrium and reversal potentials, and GHK currents.

SI inside (volts, kelvin, A/m²) with concentrations in mol/L; a function whose name ends in a unit
(`nernst_potential_mv`, `ghk_current_mc_per_cm3`) speaks the units of electrophysiology.
Every function broadcasts, keeps the dtype of its input, and can be differentiated in every
argument; nothing is clamped unless asked for.
"""

from mfnjax.membrane.ghk import (
    ghk_current,
    ghk_current_mc_per_cm3,
    ghk_reversal_potential,
    ghk_voltage,
)
from mfnjax.membrane.ions import MAMMALIAN, SQUID_AXON, Ion, IonTable
from mfnjax.membrane.nernst import (
    driving_force,
    nernst_potential,
    nernst_potential_mv,
    reversal_potential,
    thermal_voltage,
)

__all__ = [
    "MAMMALIAN",
    "SQUID_AXON",
    "Ion",
    "IonTable",
    "driving_force",
    "ghk_current",
    "ghk_current_mc_per_cm3",
    "ghk_reversal_potential",
    "ghk_voltage",
    "nernst_potential",
    "nernst_potential_mv",
    "reversal_potential",
    "thermal_voltage",
]
