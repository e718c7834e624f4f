"""Byzantine-robust aggregation of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from litestar import Request, post

from serve.engine.library import AGGREGATION, MAX_PAIRS, Clients
from serve.http.body import json_body
from serve.http.errors import invalid
from serve.schemas import AggregateRequest, AggregateResponse
from serve.service import service_of


@post("/federated/aggregate", status_code=200, tags=["federated"])
async def aggregate(request: Request[Any, Any, Any]) -> AggregateResponse:
    """Hierarchical Krum: one gradient that a minority of hostile ones cannot steer."""
    data = await json_body(request, AggregateRequest)
    lengths = {len(gradient) for gradient in data.gradients}
    if len(lengths) != 1:
        raise invalid("gradients", f"expected lists of one length, got lengths {sorted(lengths)}")
    updates = np.asarray(data.gradients, np.float32)
    clients = Clients(updates, data.num_clusters, data.byzantine_fraction, data.seed)
    if clients.pairs > MAX_PAIRS:
        raise invalid(
            "gradients",
            f"{len(updates)} gradients need {clients.pairs} distances between them, more than the "
            f"{MAX_PAIRS} allowed: ask for more clusters than {data.num_clusters}",
        )
    result = await service_of(request).submit(request, AGGREGATION, clients)
    if not np.isfinite(result).all():
        raise ArithmeticError("the aggregate is not finite")
    return AggregateResponse(
        aggregated_gradient=result.astype(np.float64).tolist(),
        num_input_gradients=len(updates),
    )
