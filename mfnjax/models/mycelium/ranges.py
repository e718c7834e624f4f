"""The accepted range of every number of the v4.1 model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mfnjax._checks import check_real, shown
from mfnjax.errors import StabilityError

DIFFUSIVITY_MAX = 0.25
"""Explicit-Euler bound dt·D·4/dx² ≤ 1 at dt = dx = 1, for the 5-point Laplacian."""


def _diffusivity(
    name: str, value: Any, low: float, *, open_low: bool = False, open_high: bool = False
) -> float:
    """A diffusivity in range; over the explicit-Euler bound it is a StabilityError."""
    kinds = (int, float, np.integer, np.floating)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    over = is_number and (value > DIFFUSIVITY_MAX or (open_high and value == DIFFUSIVITY_MAX))
    if over and value != float("inf"):
        relation = "not below" if open_high and value == DIFFUSIVITY_MAX else "over"
        raise StabilityError(
            f"{name} = {shown(value)} is {relation} the stability bound {DIFFUSIVITY_MAX} "
            "(dt·D·4/dx² ≤ 1)"
        )
    return check_real(name, value, low, DIFFUSIVITY_MAX, open_low=open_low, open_high=open_high)


MYCELIUM_PARAMETERS: dict[str, Callable[[str, Any], float]] = {
    "alpha": partial(_diffusivity, low=0.0, open_low=True),
    "d_activator": partial(_diffusivity, low=0.01, open_high=True),
    "d_inhibitor": partial(_diffusivity, low=0.01, open_high=True),
    "r_activator": partial(check_real, low=0.001, high=0.1),
    "r_inhibitor": partial(check_real, low=0.001, high=0.1),
    "turing_threshold": partial(check_real, low=0.0, high=1.0),
    "spike_probability": partial(check_real, low=0.0, high=1.0),
    "jitter_var": partial(check_real, low=0.0, high=0.01),
}
"""The accepted range of every number of the v4.1 model: name → check(name, value)."""
