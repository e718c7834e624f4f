"""`create_app`: the ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, final

from litestar import Litestar, Request, Response, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException, InternalServerException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Server

from mfnjax import __version__
from mfnjax.models.registry import load_installed_models
from mfnjax.models.user_modules import import_module
from serve.http.auth import Guard
from serve.http.errors import CLIENT_GONE, REFUSED, problem_response
from serve.http.logs import AccessLog
from serve.http.rate_limit import RateLimit
from serve.http.request_id import outermost_layer
from serve.routes import HANDLERS
from serve.routes.health import metrics
from serve.service import ClientGoneError, Service
from serve.settings import Settings


@final
class _NoPages(Router):
    """The framework's own documentation pages load from a CDN and answer 404 in HTML.

    Neither is wanted: `serve.routes.openapi` serves the document, so nothing is registered here.
    """

    def register(self, value: Any) -> list[Any]:
        return []


def create_app(settings: Settings | None = None, *, shared: Path | None = None) -> Litestar:
    """Build the application; its lifespan starts and stops the engine.

    Args:
        settings: None reads the environment.
        shared: Folder that the workers of one server have in common; None where there is one.

    Raises:
        SettingsError: The environment holds a setting that cannot be read.
        DataError: A module with a user's models cannot be imported.
    """
    settings = Settings.from_environment() if settings is None else settings
    for name in settings.imports:
        import_module(name)
    load_installed_models()
    service = Service(settings)
    access_log = AccessLog(settings.log_level, settings.log_format)
    guards: list[Any] = []
    if settings.api_key_required or settings.rate_limit_enabled:
        limit = None
        if settings.rate_limit_enabled:
            limit = RateLimit(settings.rate_limit_requests, shared)
        required = settings.api_key_required
        guards.append(Guard(settings.api_keys, required=required, limit=limit).check)
    cors = None
    if settings.cors_origins:
        cors = CORSConfig(
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["content-type", "accept", "x-api-key", "x-request-id"],
            expose_headers=["x-request-id", "retry-after", "x-mfn-result"],
        )

    def note_refused(path: str, status: int, request_id: str) -> None:
        service.metrics.count_refused(status)
        access_log.write(request_id, "-", path, status, 0.0)

    app = Litestar(
        route_handlers=[h for h in HANDLERS if settings.metrics_enabled or h is not metrics],
        exception_handlers={
            Exception: problem_response,
            ClientGoneError: _client_gone,
            InternalServerException: _cut_off,
        },
        guards=guards,
        cors_config=cors,
        lifespan=[_lifespan],
        on_shutdown=[access_log.flush],
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="mfnjax",
            version=__version__,
            servers=[Server(url=".")],  # where the document is: also behind a path of a proxy
            use_handler_docstrings=True,
            openapi_router=_NoPages(path="/openapi", route_handlers=[]),
        ),
        request_max_body_size=settings.max_body_bytes,
        state=State({"service": service, "note_refused": note_refused}),
    )
    service.metrics.prepare(_endpoints(app))
    app.asgi_handler = outermost_layer(app.asgi_handler, service.metrics, access_log)
    return app


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    service: Service = app.state.service
    service.start()
    try:
        yield
    finally:
        service.close()


def _endpoints(app: Litestar) -> list[tuple[str, str]]:
    return [
        (route.path_format, method)
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    ]


def _cut_off(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The body ended too early: the client went away, or the rest was refused."""
    refusal = request.scope.get(REFUSED)
    if refusal is not None:
        return problem_response(request, refusal)  # type: ignore[arg-type]
    if error.detail == "client disconnected prematurely":  # the framework has no class for it
        return _client_gone(request, error)
    return problem_response(request, error)


def _client_gone(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Nobody reads this; the status is for the metrics and the log."""
    return Response(b"", status_code=CLIENT_GONE)
