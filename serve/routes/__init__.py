"""The endpoints: thin handlers over the engine, one file a subject."""

from __future__ import annotations

from typing import Any

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

HANDLERS: list[Any] = [
    health.health,
    health.ready,
    openapi.document,
    page.index,
    page.docs,
    page.static,
    nernst.nernst,
    simulate.simulate,
    stream.stream,
    models.models,
    validate.validate,
    features.features,
    federated.aggregate,
    jobs.fit,
    jobs.jobs,
    jobs.job_methods,
    jobs.job,
    jobs.cancel,
    jobs.resume,
    jobs.events,
]
"""Every handler but ``/metrics``, which can be switched off."""
