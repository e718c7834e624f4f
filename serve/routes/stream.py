"""A run as it evolves: frames, one JSON object a line."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
from litestar import Request, post
from litestar.response import Stream as StreamResponse

from mfnjax import Simulation
from mfnjax.core.quantity import POTENTIAL
from mfnjax.models.base import main_field
from serve.engine.library import FEATURES
from serve.engine.simulations import quantity_of
from serve.engine.streams import PIECES, Stream
from serve.http.body import json_bytes
from serve.http.errors import as_api_error, invalid, overloaded, request_problem
from serve.http.model_run import decode_model_run
from serve.routes.simulate import check_work
from serve.schemas import StreamRequest
from serve.service import Service, service_of

MEDIA_TYPE = "application/x-ndjson"
USUAL_SIZE = 64
MAX_STREAMS = 64
"""Streams that are on their way; each is finished once it has begun."""
CHUNK_UNITS = 2**23
"""Cell-steps of one piece: some 50 ms, then somebody else has a turn."""


@post("/simulate/stream", status_code=200, tags=["simulation"], media_type=MEDIA_TYPE)
async def stream(request: Request[Any, Any, Any]) -> StreamResponse:
    """Run any registered model and send frames of its field as they come."""
    service = service_of(request)
    body = await json_bytes(request)
    data, simulation = decode_model_run(body, StreamRequest, usual_size=USUAL_SIZE)
    run = Stream(simulation, data.seed)
    header = _header(data, simulation)
    check_work(service, cells=simulation.grid.num_cells, steps=simulation.steps)
    if service.streams >= MAX_STREAMS:
        raise overloaded(f"{MAX_STREAMS} streams are on their way.", 5)
    # The first piece decides about the status: a full queue is a 503, a bad parameter a 400.
    first = await service.submit(request, PIECES, (run, 0))
    lines = _lines(service, request, run, header, first)
    return StreamResponse(lines, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _header(data: StreamRequest, simulation: Simulation) -> dict[str, Any]:
    model = simulation.model
    field = data.field if data.field is not None else _shown(model.fields)
    if field not in model.fields:
        raise invalid("field", f"expected one of {', '.join(model.fields)}; got {field!r}")
    return {
        "type": "header",
        "model": simulation.model_name if data.equation is None else "equation",
        "preset": data.preset,
        "fields": list(model.fields),
        "field": field,
        "unit": quantity_of(model, field).unit,
        "grid_size": simulation.grid.shape[-1],
        "shape": list(_plane(np.zeros(simulation.grid.shape, bool)).shape),
        "steps": simulation.steps,
        "frames": min(data.frames, simulation.steps),
        "dt": simulation.dt,
        "seed": data.seed,
        "parameters": data.parameters,
    }


def _shown(fields: tuple[str, ...]) -> str:
    return "v" if "v" in fields and "u" in fields else fields[0]


async def _lines(
    service: Service,
    request: Request[Any, Any, Any],
    run: Stream,
    header: dict[str, Any],
    fields: dict[str, np.ndarray],
) -> AsyncIterator[bytes]:
    began = time.monotonic()
    service.streams += 1
    name, steps, frames = header["field"], header["steps"], header["frames"]
    simulation = run.simulation
    quantity = quantity_of(simulation.model, name)
    mask = None if simulation.grid.mask is None else _plane(np.asarray(simulation.grid.mask)) > 0
    most = max(1, CHUNK_UNITS // simulation.grid.num_cells)
    done = 0
    try:
        yield _line(header)
        for frame in range(1, frames + 1):
            end = steps * frame // frames
            while done < end:
                piece = min(most, end - done)
                fields = await service.engine.submit(PIECES, (run, piece), is_admitted=True)
                done += piece
            yield _line(_frame(quantity.shown(_plane(fields[name])), done, mask))
        features = None
        measured = main_field(simulation.model)
        if quantity_of(simulation.model, measured) == POTENTIAL:
            field = np.asarray(fields[measured])
            vector = await service.engine.submit(FEATURES, field, is_admitted=True)
            features = vector.to_json_dict()
        seconds = round(time.monotonic() - began, 3)
        yield _line({"type": "end", "counts": run.counts, "features": features, "seconds": seconds})
    except Exception as error:  # the status has gone out already: the error is the last line
        problem = msgspec.to_builtins(request_problem(request, as_api_error(error)))
        yield _line({**problem, "type": "error"})
    finally:
        service.streams -= 1


def _plane(field: np.ndarray) -> np.ndarray:
    """What is sent of a field: a line as (1, W), the middle slice of a box."""
    if field.ndim == 1:
        return field[None]
    return field if field.ndim == 2 else field[len(field) // 2]


def _frame(values: np.ndarray, step: int, mask: np.ndarray | None) -> dict[str, Any]:
    inside = values if mask is None or not mask.any() else values[mask]
    low, high = float(inside.min()), float(inside.max())
    span = high - low
    scaled = np.clip((values - low) * (255 / span), 0, 255) if span > 0 else np.zeros_like(values)
    data = base64.b64encode(np.rint(scaled).astype(np.uint8).tobytes()).decode("ascii")
    return {"type": "frame", "step": step, "min": low, "max": high, "data": data}


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
