"""Reference concentrations of two classical cells, with their documented potentials."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from mfnjax.core.units import BODY_TEMPERATURE_K, celsius_to_kelvin
from mfnjax.errors import ParameterError
from mfnjax.membrane.nernst import nernst_potential_mv


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ion:
    """One ion on both sides of a membrane.

    Attributes:
        name: Chemical symbol without its charge: ``K``, ``Na``, ``Cl``, ``Ca``.
        valence: z [-].
        in_molar: Concentration inside [mol/L].
        out_molar: Concentration outside [mol/L].
        documented_mv: Equilibrium potential in the documented table [mV].
        documented_min_concentration: The clamp [mol/L] with which that value was computed,
            None where there was none to speak of.
    """

    name: str
    valence: int
    in_molar: float
    out_molar: float
    documented_mv: float
    documented_min_concentration: float | None = None

    def nernst_mv(self, temperature: float, *, min_concentration: float | None = None) -> float:
        """Equilibrium potential [mV] at ``temperature`` [K]; no clamp unless asked for."""
        return float(
            nernst_potential_mv(
                self.out_molar,
                self.in_molar,
                self.valence,
                temperature,
                min_concentration=min_concentration,
            )
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class IonTable:
    """The ions of one kind of cell at one temperature.

    Attributes:
        name: What the cell is.
        temperature: T [K].
        tolerance_mv: How far a computed potential may be from the documented one [mV].
        source: Where the documented values come from.
        ions: The ions; ``table["K"]`` finds one, and iterating goes through them.
    """

    name: str
    temperature: float
    tolerance_mv: float
    source: str
    ions: tuple[Ion, ...]

    def __getitem__(self, name: str) -> Ion:
        for ion in self.ions:
            if ion.name == name:
                return ion
        known = ", ".join(ion.name for ion in self.ions)
        raise ParameterError(f"ion must be one of {known}; got {name!r}")

    def __iter__(self) -> Iterator[Ion]:
        return iter(self.ions)

    def __len__(self) -> int:
        return len(self.ions)


MAMMALIAN = IonTable(
    name="mammalian cell",
    temperature=BODY_TEMPERATURE_K,
    tolerance_mv=2.0,
    source="MyceliumFractalNet v4.1, after B. Hille (2001), Ion Channels of Excitable Membranes",
    ions=(
        Ion(name="K", valence=1, in_molar=0.140, out_molar=0.005, documented_mv=-89.0),
        Ion(name="Na", valence=1, in_molar=0.012, out_molar=0.145, documented_mv=66.0),
        Ion(name="Cl", valence=-1, in_molar=0.004, out_molar=0.120, documented_mv=-89.0),
        Ion(
            name="Ca",
            valence=2,
            in_molar=1e-7,
            out_molar=0.002,
            documented_mv=102.0,
            documented_min_concentration=1e-6,
        ),
    ),
)
"""A mammalian cell at 37 °C. The documented Ca²⁺ value holds only with its clamp: physically
the ion is at +132 mV (see `nernst_potential`)."""

SQUID_AXON = IonTable(
    name="squid giant axon",
    temperature=celsius_to_kelvin(18.5),
    tolerance_mv=1.0,
    source="MyceliumFractalNet v4.1, after B. Hille (2001); concentrations of A. L. Hodgkin (1951)",
    ions=(
        Ion(name="K", valence=1, in_molar=0.400, out_molar=0.020, documented_mv=-75.0),
        Ion(name="Na", valence=1, in_molar=0.050, out_molar=0.440, documented_mv=55.0),
        Ion(name="Cl", valence=-1, in_molar=0.052, out_molar=0.560, documented_mv=-60.0),
    ),
)
"""The giant axon of the squid at 18.5 °C."""
