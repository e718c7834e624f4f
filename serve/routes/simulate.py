"""Runs of the v4.1 model."""

from __future__ import annotations

from typing import Any

import numpy as np
from litestar import Request, post

from serve.body import JsonBody
from serve.engine.simulations import Run, RunResult, kind_of
from serve.errors import invalid
from serve.schemas import SimulateRequest, SimulateResponse
from serve.service import Service, service_of


def check_work(service: Service, grid_size: int, steps: int) -> None:
    """Refuse a run of more than MFN_MAX_CELL_STEPS."""
    largest = service.settings.max_cell_steps
    if grid_size * grid_size * steps > largest:
        raise invalid("steps", f"{grid_size}² cells × {steps} steps is over the limit {largest}")


@post(
    "/simulate",
    dto=JsonBody[SimulateRequest],
    return_dto=None,
    status_code=200,
    tags=["simulation"],
)
async def simulate(data: SimulateRequest, request: Request[Any, Any, Any]) -> SimulateResponse:
    """Run the v4.1 model and return its counts, statistics and fractal dimension."""
    service = service_of(request)
    check_work(service, data.grid_size, data.steps)
    run = Run(
        data.seed,
        data.grid_size,
        data.steps,
        data.alpha,
        data.spike_probability,
        data.turing_enabled,
    )
    result: RunResult = await service.submit(request, kind_of(run), run)
    features = result.features
    return SimulateResponse(
        growth_events=result.growth_events,
        pot_min_mV=features["V_min"],
        pot_max_mV=features["V_max"],
        pot_mean_mV=features["V_mean"],
        pot_std_mV=features["V_std"],
        fractal_dimension=features["D_box"],
        field_mV=(1e3 * result.field.astype(np.float64)).tolist() if data.include_field else None,
        features=features.to_dict() if data.include_features else None,
    )
