"""What a field holds, and how people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Quantity:
    """What a field holds, and how it is shown.

    Attributes:
        label: Its name in words, without the unit.
        unit: Unit of the shown values; empty for none.
        scale: Shown value = stored value · scale.
        colour_map: A perceptually uniform matplotlib colour map.
    """

    label: str
    unit: str = ""
    scale: float = 1.0
    colour_map: str = "magma"

    @property
    def title(self) -> str:
        """Label and unit, as an axis says them."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def shown(self, field: object) -> np.ndarray:
        """The values as they are shown, float64."""
        return np.asarray(field, np.float64) * self.scale


POTENTIAL = Quantity("membrane potential", "mV", 1e3, "viridis")
"""Volts, shown in millivolts."""
