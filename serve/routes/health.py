"""Liveness, readiness and metrics."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from mfnjax import __version__
from serve.http.auth import PUBLIC
from serve.http.errors import overloaded
from serve.http.metrics import CONTENT_TYPE
from serve.schemas import Health, Readiness
from serve.service import service_of

_HEALTH = Health(status="healthy", version=__version__)


@get("/health", opt=PUBLIC, tags=["operations"])
async def health() -> Health:
    """Liveness: the process answers."""
    return _HEALTH


@get("/ready", opt=PUBLIC, tags=["operations"])
async def ready(request: Request[Any, Any, Any]) -> Readiness:
    """Readiness: 503 until the compiled functions are warm."""
    if not service_of(request).is_ready:
        raise overloaded("The compiled functions are not warm yet.", 1)
    return Readiness(status="ready")


@get("/metrics", opt=PUBLIC, tags=["operations"], media_type=CONTENT_TYPE)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Metrics in Prometheus' text format."""
    service = service_of(request)
    return Response(service.metrics.render(service.engine.waiting), media_type=CONTENT_TYPE)
