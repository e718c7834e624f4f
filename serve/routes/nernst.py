"""The equilibrium potential of one ion."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from litestar import post

from serve.body import JsonBody
from serve.errors import invalid
from serve.schemas import NernstRequest, NernstResponse


@functools.cache
def compiled() -> Any:
    """`mfnjax.membrane.nernst_potential_mv` as one compiled call of four float32."""
    import jax

    from mfnjax.membrane import nernst_potential_mv

    return jax.jit(nernst_potential_mv)


def potential_mv(data: NernstRequest) -> float:
    """E in millivolts."""
    values = (
        data.concentration_out_molar,
        data.concentration_in_molar,
        data.z_valence,
        data.temperature_k,
    )
    return float(compiled()(*map(np.float32, values)))


# A few microseconds of arithmetic: it is done at once rather than queued.
@post("/nernst", dto=JsonBody[NernstRequest], return_dto=None, status_code=200, tags=["membrane"])
async def nernst(data: NernstRequest) -> NernstResponse:
    """The Nernst potential of one ion, in millivolts."""
    if data.z_valence == 0:
        raise invalid("z_valence", "expected −2, −1, 1, 2 or 3; got 0")
    potential = potential_mv(data)
    if not math.isfinite(potential):
        raise invalid(
            "concentration_out_molar", "the ratio of the concentrations is beyond single precision"
        )
    return NernstResponse(potential_mV=potential)
