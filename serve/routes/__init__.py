"""The endpoints: thin handlers over the engine, one file a subject."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from serve.routes import (
    features,
    federated,
    health,
    jobs,
    models,
    nernst,
    openapi,
    page,
    simulate,
    stream,
    validate,
)

_FILES = (
    health, openapi, page, nernst, simulate, stream, models, validate, features, federated, jobs
)  # fmt: skip
HANDLERS = [
    value for file in _FILES for value in vars(file).values() if isinstance(value, HTTPRouteHandler)
]
"""Every handler, ``/metrics`` included, which can be switched off."""
