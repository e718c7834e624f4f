"""Request ids: the outermost layer around the application."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from serve.access_log import AccessLog
from serve.errors import CLIENT_GONE

_ACCEPTED = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch


def request_id_of(scope: Scope) -> str:
    """The client's ``X-Request-ID`` if it is harmless to echo and to log, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode("ascii") if _ACCEPTED(value) else uuid.uuid4().hex
    return uuid.uuid4().hex


def request_id_layer(app: ASGIApp, access_log: AccessLog) -> ASGIApp:
    """Give each request an id, echo it, and write one line of log a request."""

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
        header = (b"x-request-id", request_id.encode("ascii"))
        status = CLIENT_GONE
        began = time.perf_counter()

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        path: Any = scope["path"]
        try:
            await app(scope, receive, marked)
        finally:
            access_log.write(
                request_id, str(scope.get("method")), path, status, time.perf_counter() - began
            )

    return identified
