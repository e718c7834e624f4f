"""The OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get

from serve.http.auth import PUBLIC
from serve.http.openapi import complete


@get("/openapi.json", opt=PUBLIC, include_in_schema=False)
async def document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI document of this server."""
    state = request.app.state
    if not hasattr(state, "openapi_document"):
        state.openapi_document = msgspec.json.encode(
            complete(request.app.openapi_schema.to_schema())
        )
    return Response(state.openapi_document, media_type="application/json")
