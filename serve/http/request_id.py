"""The outermost layer: each request has an id, is timed, counted and logged.

A layer of the framework never sees what the router refuses (404, 405); this one sees all.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from serve.http.errors import CLIENT_GONE
from serve.http.logs import AccessLog
from serve.http.metrics import Metrics

_ACCEPTED = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch


def request_id_of(scope: Scope) -> str:
    """The client's ``X-Request-ID`` if it is harmless to echo and to log, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode("ascii") if _ACCEPTED(value) else uuid.uuid4().hex
    return uuid.uuid4().hex


def outermost_layer(app: ASGIApp, metrics: Metrics, access_log: AccessLog) -> ASGIApp:
    """Give each request an id and echo it; count the request and log it when it is over."""

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
        header = (b"x-request-id", request_id.encode("ascii"))
        status = CLIENT_GONE
        is_head = scope.get("method") == "HEAD"
        inner: Any = {**scope, "method": "GET"} if is_head else scope
        began = time.perf_counter()

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            elif is_head:
                return
            await send(message)
            if is_head:  # what GET would answer, without its body
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        metrics.in_progress.inc()
        try:
            await app(inner, receive, marked)
        finally:
            metrics.in_progress.dec()
            seconds = time.perf_counter() - began
            method, path = str(scope.get("method")), scope["path"]
            metrics.count(inner.get("path_template"), path, method, status, seconds)
            access_log.write(request_id, method, path, status, seconds)

    return identified
