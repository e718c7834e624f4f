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

from serve.engine.library import FEATURES
from serve.engine.streams import PIECES, Stream
from serve.http.body import json_body
from serve.http.errors import as_api_error, invalid, request_problem
from serve.routes.simulate import check_work
from serve.schemas import StreamRequest
from serve.service import Service, service_of

MEDIA_TYPE = "application/x-ndjson"
CHUNK_UNITS = 2**23
"""Cell-steps of one piece: some 50 ms, then somebody else has a turn."""


@post("/simulate/stream", status_code=200, tags=["simulation"], media_type=MEDIA_TYPE)
async def stream(request: Request[Any, Any, Any]) -> StreamResponse:
    """Run any registered model and send frames of its field as they come."""
    service, data = service_of(request), await json_body(request, StreamRequest)
    run, header = _prepare(data)
    check_work(service, cells=data.grid_size**2, steps=header["steps"])
    # The first piece decides about the status: a full queue is a 503, a bad parameter a 400.
    first = await service.submit(request, PIECES, (run, 0))
    lines = _lines(service, request, run, header, first)
    return StreamResponse(lines, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _prepare(data: StreamRequest) -> tuple[Stream, dict[str, Any]]:
    from mfnjax import Grid, build_model, get_model

    entry = get_model(data.model)
    model = build_model(data.model, data.parameters, preset=data.preset)
    preset = entry.presets.get(data.preset or "")
    dt = data.dt if data.dt is not None else (preset.dt if preset else 1.0)
    steps = data.steps
    field = data.field if data.field is not None else _shown(model.fields)
    if field not in model.fields:
        raise invalid("field", f"expected one of {', '.join(model.fields)}; got {field!r}")
    grid = Grid((data.grid_size, data.grid_size), boundary=data.boundary)
    model.check(grid, dt)
    run = Stream(model, grid, dt, data.seed)
    header = {
        "type": "header",
        "model": data.model,
        "preset": data.preset,
        "fields": list(model.fields),
        "field": field,
        "unit": "mV" if field == "potential" else "",
        "grid_size": data.grid_size,
        "steps": steps,
        "frames": min(data.frames, steps),
        "dt": dt,
        "seed": data.seed,
        "parameters": data.parameters,
    }
    return run, header


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
    name, steps, frames = header["field"], header["steps"], header["frames"]
    most = max(1, CHUNK_UNITS // run.grid.num_cells)
    done = 0
    try:
        yield _line(header)
        for frame in range(1, frames + 1):
            end = steps * frame // frames
            while done < end:
                piece = min(most, end - done)
                fields = await service.engine.submit(PIECES, (run, piece))
                done += piece
            yield _line(_frame(fields[name], header["unit"], done))
        features = None
        if "potential" in fields:
            vector = await service.engine.submit(FEATURES, np.asarray(fields["potential"]))
            features = vector.to_dict()
        seconds = round(time.monotonic() - began, 3)
        yield _line({"type": "end", "counts": run.counts, "features": features, "seconds": seconds})
    except Exception as error:  # the status has gone out already: the error is the last line
        problem = msgspec.to_builtins(request_problem(request, as_api_error(error)))
        yield _line({**problem, "type": "error"})


def _frame(field: np.ndarray, unit: str, step: int) -> dict[str, Any]:
    values = field.astype(np.float64) * (1e3 if unit == "mV" else 1.0)
    low, high = float(values.min()), float(values.max())
    span = high - low
    scaled = (values - low) * (255 / span) if span > 0 else np.zeros_like(values)
    data = base64.b64encode(np.rint(scaled).astype(np.uint8).tobytes()).decode("ascii")
    return {"type": "frame", "step": step, "min": low, "max": high, "data": data}


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
