"""The documented validation cycle."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, post

from serve.engine.library import VALIDATION
from serve.http.body import json_body
from serve.routes.simulate import check_work
from serve.schemas import ValidateRequest, ValidateResponse
from serve.service import service_of


@post("/validate", status_code=200, tags=["network"])
async def validate(request: Request[Any, Any, Any]) -> ValidateResponse:
    """Sixteen runs, a small network trained on their features, and the report of it."""
    from mfnjax.v41.validation import ValidationConfig

    service, data = service_of(request), await json_body(request, ValidateRequest)
    check_work(service, cells=data.grid_size**2, steps=data.steps)
    config = ValidationConfig(**msgspec.structs.asdict(data))
    report = await service.submit(request, VALIDATION, config)
    return ValidateResponse(**report.to_dict())
