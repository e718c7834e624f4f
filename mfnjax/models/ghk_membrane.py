"""GHK membrane: a sheet of cells whose potential follows the ions that diffuse around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp

from mfnjax._parameter import parameter
from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.operator import Operator
from mfnjax.core.pytree import register_pytree
from mfnjax.core.quantity import POTENTIAL, Quantity
from mfnjax.core.state import State
from mfnjax.core.units import BODY_TEMPERATURE_K, FARADAY_CONSTANT, mm_to_molar
from mfnjax.membrane import MAMMALIAN, ghk_current, ghk_voltage
from mfnjax.models._common import in_disc
from mfnjax.models.base import Equation, Values

_IONS = tuple(MAMMALIAN[name] for name in ("K", "Na", "Cl"))
_VALENCES = tuple(ion.valence for ion in _IONS)


@final
@register_pytree
@dataclass(frozen=True)
class GHKMembraneModel(Equation):
    """V_t = D_V∇²V − Σ I_k/C,  c_k,t = D_k∇²c_k + sI_k/(z_k F),  I_k the GHK current of the ion k.

    V [V] is the potential of a sheet of coupled cells, c_k [mol/L] the potassium, sodium and
    chloride in the film of fluid around them; inside, the concentrations are held. Lengths are in
    µm, times in s. In milliseconds V comes to rest where the currents cancel: at the potential of
    Goldman, Hodgkin and Katz for the c_k of the place (`rest`), which a puddle of potassium
    raises until it has spread. What the membrane passes is counted on both sides: the charge
    Σ(sCV + FΣz_k c_k) is kept. In float32 the slow drift of the concentrations may be lost.

    Source: D. E. Goldman (1943), doi:10.1085/jgp.27.1.37; A. L. Hodgkin, B. Katz (1949),
    doi:10.1113/jphysiol.1949.sp004310.
    """

    fields: ClassVar[tuple[str, ...]] = ("potential", "potassium", "sodium", "chloride")
    main_field: ClassVar[str | None] = "potential"
    needs_closed_sides: ClassVar[bool] = True
    quantities: ClassVar[dict[str, Quantity]] = {
        "potential": POTENTIAL,
        **{name: Quantity(f"{name} outside", "mmol/L", 1e3) for name in fields[1:]},
    }

    temperature: Any = parameter(
        BODY_TEMPERATURE_K, symbol="T", unit="K", low=273.0, high=373.0, text="Temperature"
    )
    capacitance: Any = parameter(
        0.01, symbol="C", unit="F/m²", low=0.0, open_low=True, text="Capacitance of the membrane"
    )
    surface: Any = parameter(
        0.1, symbol="s", unit="1/µm", low=0.0, text="Membrane per volume of the film"
    )
    p_potassium: Any = parameter(1e-8, symbol="P_K", unit="m/s", low=0.0, text="Permeability")
    p_sodium: Any = parameter(4e-10, symbol="P_Na", unit="m/s", low=0.0, text="Permeability")
    p_chloride: Any = parameter(4.5e-9, symbol="P_Cl", unit="m/s", low=0.0, text="Permeability")
    potassium_inside: Any = parameter(0.140, unit="mol/L", low=0.0, open_low=True, text="K inside")
    sodium_inside: Any = parameter(0.012, unit="mol/L", low=0.0, open_low=True, text="Na inside")
    chloride_inside: Any = parameter(0.004, unit="mol/L", low=0.0, open_low=True, text="Cl inside")
    d_potential: Any = parameter(2000.0, unit="µm²/s", low=0.0, text="Coupling of neighbours")
    d_potassium: Any = parameter(1960.0, unit="µm²/s", low=0.0, text="Diffusivity of K")
    d_sodium: Any = parameter(1330.0, unit="µm²/s", low=0.0, text="Diffusivity of Na")
    d_chloride: Any = parameter(2030.0, unit="µm²/s", low=0.0, text="Diffusivity of Cl")

    @property
    def _ions(self) -> list[tuple[int, Any, Any]]:
        """Valence, concentration inside and permeability of each ion."""
        inside = self.potassium_inside, self.sodium_inside, self.chloride_inside
        permeability = self.p_potassium, self.p_sodium, self.p_chloride
        return list(zip(_VALENCES, inside, permeability, strict=True))

    def linear(self, nabla: Nabla) -> dict[str, Operator]:
        """D_V∇²V and D_k∇²c_k."""
        return {name: nabla.diffusion(getattr(self, f"d_{name}")) for name in self.fields}

    def rates(self, values: Values, nabla: Nabla) -> Values:
        """−Σ I_k/C and sI_k/(z_k F)."""
        potential, *outside = values
        currents = [
            ghk_current(potential, c, inside, z, self.temperature, permeability)
            for c, (z, inside, permeability) in zip(outside, self._ions, strict=True)
        ]
        total = sum(currents[1:], currents[0])
        # A/m² per µm of film are 1e6 A/m³, and those over F mol/m³/s.
        per_current = mm_to_molar(1e6 * self.surface / FARADAY_CONSTANT)
        flows = [per_current / z * i for i, z in zip(currents, _VALENCES, strict=True)]
        return (-total / self.capacitance, *flows)

    def rest(self, outside: tuple[jax.Array, ...]) -> jax.Array:
        """The GHK potential [V] for the concentrations outside [mol/L], of their shape."""
        _, inside, permeability = zip(*self._ions, strict=True)
        out, within, weight = (
            jnp.stack(jnp.broadcast_arrays(*[jnp.asarray(x, outside[0].dtype) for x in one]), -1)
            for one in (outside, inside, permeability)
        )
        return ghk_voltage(weight, out, within, jnp.asarray(_VALENCES), self.temperature)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """At rest in the fluid around a mammalian cell, but for a puddle in the middle.

        The puddle, an eighth of the side in radius, holds 30 mmol/L more of potassium and chloride.
        Nothing is drawn.
        """
        dtype = jnp.result_type(float) if dtype is None else dtype
        more = jnp.where(in_disc(grid), jnp.asarray(0.03, dtype), jnp.zeros((), dtype))
        levels = [jnp.asarray(ion.out_molar, dtype) for ion in _IONS]
        outside = levels[0] + more, levels[1] + 0 * more, levels[2] + more
        rest = jnp.broadcast_to(jnp.asarray(self.rest(tuple(levels)), dtype), grid.shape)
        return State(self.fields, (rest, *outside), jnp.int32(0))
