"""The equilibrium potential of one ion."""

from __future__ import annotations

import math

from litestar import post

from mfnjax.core.units import FARADAY_CONSTANT, GAS_CONSTANT
from serve.body import JsonBody
from serve.errors import invalid
from serve.schemas import NernstRequest, NernstResponse

MV_PER_VOLT = 1e3


def potential_mv(data: NernstRequest) -> float:
    """E = RT/(zF) · ln(c_out/c_in) in millivolts, in double precision on the host.

    One logarithm: a call of the compiled `mfnjax.membrane.nernst_potential`, which this equals,
    would cost more than the rest of the request.
    """
    thermal = GAS_CONSTANT * data.temperature_k / (data.z_valence * FARADAY_CONSTANT)
    ratio = data.concentration_out_molar / data.concentration_in_molar
    return MV_PER_VOLT * thermal * math.log(ratio)


@post("/nernst", dto=JsonBody[NernstRequest], return_dto=None, status_code=200, tags=["membrane"])
async def nernst(data: NernstRequest) -> NernstResponse:
    """The Nernst potential of one ion, in millivolts."""
    if data.z_valence == 0:
        raise invalid("z_valence", "expected −2, −1, 1, 2 or 3; got 0")
    return NernstResponse(potential_mV=potential_mv(data))
