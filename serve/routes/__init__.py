"""The endpoints: thin handlers over the engine, one file a subject."""

from __future__ import annotations

from typing import Any

from serve.routes import health, nernst, openapi, page, simulate

HANDLERS: list[Any] = [
    health.health,
    health.ready,
    openapi.document,
    page.index,
    page.docs,
    page.static,
    nernst.nernst,
    simulate.simulate,
]
"""Every handler but ``/metrics``, which can be switched off."""
