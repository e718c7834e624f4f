"""Runs of the documented v4.1 model, and of every other one."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, post

from mfnjax.core.quantity import POTENTIAL
from mfnjax.simulation.trajectory import statistics_of
from serve.engine.documented import documented_run
from serve.engine.simulations import Program, Run, RunResult, kind_of, quantity_of
from serve.http.arrays import write_npy
from serve.http.body import JSON_TYPE, accepted, decode_json, json_bytes
from serve.http.errors import invalid
from serve.http.model_run import decode_model_run, names_model
from serve.schemas import (
    FieldStatistics,
    ModelRunRequest,
    ModelRunResponse,
    SimulateRequest,
    SimulateResponse,
)
from serve.service import Service, service_of

DOCUMENTED = ("seed", "grid_size", "steps", "alpha", "spike_probability", "turing_enabled")
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
    """Run the v4.1 model, or the one that is named; return statistics and fractal dimension.

    The form follows `Accept`: JSON, MessagePack (`application/msgpack`), or the final main field
    alone (`application/x-npy`, a potential in volts), with the rest as JSON in the header
    `X-MFN-Result`.
    """
    service, body = service_of(request), await json_bytes(request)
    data: SimulateRequest | ModelRunRequest
    mask = None
    if names_model(body):
        data, simulation = decode_model_run(body, ModelRunRequest)
        run, mask = Run.of(simulation, data.seed), simulation.grid.mask
    else:
        data = decode_json(body, SimulateRequest)
        run = documented_run(**{name: getattr(data, name) for name in DOCUMENTED})
    check_work(service, cells=run.cells, steps=run.steps)
    result: RunResult = await service.submit(request, kind_of(run), run)
    form = accepted(request, (JSON_TYPE, NPY_TYPE, *MSGPACK_TYPES))
    with_field = data.include_field and form != NPY_TYPE
    answer: SimulateResponse | ModelRunResponse
    if isinstance(data, SimulateRequest):
        answer = _documented_answer(result, data, with_field=with_field)
    else:
        answer = _answer(run.program, result, data, mask, with_field=with_field)
    content: Any = answer
    headers: dict[str, str] = {}
    if form == NPY_TYPE:
        content = write_npy(result.fields[run.program.main])
        headers[RESULT_HEADER] = msgspec.json.encode(answer).decode("ascii")
    elif form in MSGPACK_TYPES:
        content = msgspec.msgpack.encode(answer)
    return Response(content, media_type=form, headers=headers)


def _documented_answer(
    result: RunResult, data: SimulateRequest, *, with_field: bool
) -> SimulateResponse:
    features = result.features
    return SimulateResponse(
        growth_events=result.counts["growth_events"],
        pot_min_mV=features["V_min"],
        pot_max_mV=features["V_max"],
        pot_mean_mV=features["V_mean"],
        pot_std_mV=features["V_std"],
        fractal_dimension=features["D_box"],
        field_mV=POTENTIAL.shown(result.fields["potential"]).tolist() if with_field else None,
        features=features.to_json_dict() if data.include_features else None,
    )


def _answer(
    program: Program, result: RunResult, data: ModelRunRequest, mask: Any, *, with_field: bool
) -> ModelRunResponse:
    model = program.model
    shown = {name: quantity_of(model, name).shown(u) for name, u in result.fields.items()}
    features = result.features.to_json_dict()
    if quantity_of(model, program.main) != POTENTIAL:  # what only a potential has is left out
        features = {name: value for name, value in features.items() if value is not None}
    return ModelRunResponse(
        model=data.model or "equation",
        counts=result.counts,
        main_field=program.main,
        statistics={
            name: FieldStatistics(unit=quantity_of(model, name).unit, **statistics_of(values, mask))
            for name, values in shown.items()
        },
        fractal_dimension=result.features["D_box"],
        fields={name: values.tolist() for name, values in shown.items()} if with_field else None,
        features=features if data.include_features else None,
    )
