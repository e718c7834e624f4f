"""Runs of the v4.1 model."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from litestar import Request, Response, post

from serve.engine.simulations import Run, RunResult, kind_of
from serve.http.arrays import write_npy
from serve.http.body import JSON_TYPE, accepted, json_body
from serve.http.errors import invalid
from serve.schemas import SimulateRequest, SimulateResponse
from serve.service import Service, service_of

NPY_TYPE = "application/x-npy"
MSGPACK_TYPES = ("application/msgpack", "application/x-msgpack")
RESULT_HEADER = "X-MFN-Result"


def check_work(service: Service, *, cells: int, steps: int) -> None:
    """Refuse a run of more than MFN_MAX_CELL_STEPS."""
    largest = service.settings.max_cell_steps
    if cells * steps > largest:
        raise invalid("steps", f"{cells} cells × {steps} steps is over the limit {largest}")


@post("/simulate", status_code=200, tags=["simulation"])
async def simulate(request: Request[Any, Any, Any]) -> Response[SimulateResponse]:
    """Run the v4.1 model and return its counts, statistics and fractal dimension.

    The form follows `Accept`: JSON, MessagePack (`application/msgpack`), or the final field alone
    in volts (`application/x-npy`), with the rest as JSON in the header `X-MFN-Result`.
    """
    service, data = service_of(request), await json_body(request, SimulateRequest)
    check_work(service, cells=data.grid_size**2, steps=data.steps)
    run = Run(*(getattr(data, name) for name in Run._fields))
    result: RunResult = await service.submit(request, kind_of(run), run)
    form = accepted(request, (JSON_TYPE, NPY_TYPE, *MSGPACK_TYPES))
    answer = _answer(result, data, with_field=data.include_field and form != NPY_TYPE)
    content: Any = answer
    headers: dict[str, str] = {}
    if form == NPY_TYPE:
        content = write_npy(result.field)
        headers[RESULT_HEADER] = msgspec.json.encode(answer).decode("ascii")
    elif form in MSGPACK_TYPES:
        content = msgspec.msgpack.encode(answer)
    return Response(content, media_type=form, headers=headers)


def _answer(result: RunResult, data: SimulateRequest, *, with_field: bool) -> SimulateResponse:
    features = result.features
    return SimulateResponse(
        growth_events=result.growth_events,
        pot_min_mV=features["V_min"],
        pot_max_mV=features["V_max"],
        pot_mean_mV=features["V_mean"],
        pot_std_mV=features["V_std"],
        fractal_dimension=features["D_box"],
        field_mV=(1e3 * result.field.astype(np.float64)).tolist() if with_field else None,
        features=features.to_dict() if data.include_features else None,
    )
