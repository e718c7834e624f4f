"""The equilibrium potential of one ion."""

from __future__ import annotations

import math
from typing import Any

from litestar import Request, post

from mfnjax.membrane.nernst import nernst_equation
from serve.http.body import json_body
from serve.http.errors import invalid
from serve.schemas import NernstRequest, NernstResponse

MV_PER_VOLT = 1e3


def potential_mv(data: NernstRequest) -> float:
    """The library's equation on plain numbers, in double precision.

    Its call for arrays, `mfnjax.membrane.nernst_potential_mv`, checks and ships arrays for 310 µs
    and rounds to float32; this takes 0.3 µs, and a whole request some 100.
    """
    if data.z_valence == 0:
        raise invalid("z_valence", "expected −2, −1, 1, 2 or 3; got 0")
    c_out, c_in = data.concentration_out_molar, data.concentration_in_molar
    if not 0 < c_out / c_in < math.inf:
        raise invalid(
            "concentration_in_molar",
            f"the ratio of the concentrations {c_out:g} and {c_in:g} is beyond double precision",
        )
    return MV_PER_VOLT * nernst_equation(math.log, c_out, c_in, data.z_valence, data.temperature_k)


@post("/nernst", status_code=200, tags=["membrane"])
async def nernst(request: Request[Any, Any, Any]) -> NernstResponse:
    """The Nernst potential of one ion, in millivolts."""
    return NernstResponse(potential_mV=potential_mv(await json_body(request, NernstRequest)))
