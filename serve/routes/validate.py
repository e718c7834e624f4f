"""The documented validation cycle."""

from __future__ import annotations

from typing import Any

from litestar import Request, post

from serve.engine.library import VALIDATION
from serve.http.body import FromBody, JsonBody
from serve.routes.simulate import check_work
from serve.schemas import ValidateRequest, ValidateResponse
from serve.service import service_of


@post(
    "/validate", dto=JsonBody[ValidateRequest], return_dto=None, status_code=200, tags=["network"]
)
async def validate(
    data: FromBody[ValidateRequest], request: Request[Any, Any, Any]
) -> ValidateResponse:
    """Sixteen runs, a small network trained on their features, and the report of it."""
    from mfnjax.network import ValidationConfig

    service = service_of(request)
    check_work(service, cells=data.grid_size**2, steps=data.steps)
    config = ValidationConfig(
        seed=data.seed,
        epochs=data.epochs,
        batch_size=data.batch_size,
        grid_size=data.grid_size,
        steps=data.steps,
        turing_enabled=data.turing_enabled,
        quantum_jitter=data.quantum_jitter,
    )
    report = await service.submit(request, VALIDATION, config)
    return ValidateResponse(**report.to_dict())
