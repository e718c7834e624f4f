"""A limit on requests a minute: a token bucket for each key, else for each address."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from typing import Any, final

from litestar.connection import ASGIConnection

from serve.auth import HEADER, is_public
from serve.errors import ApiError

MINUTE = 60.0
MAX_CALLERS = 10_000
"""Buckets kept; the caller seen longest ago is forgotten, so a scan cannot fill the memory."""


@final
class RateLimit:
    """A guard that lets each caller through ``requests`` times a minute.

    A bucket holds up to ``requests`` tokens and gains them evenly: a burst of a minute's worth is
    let through, after that one request each 60/requests seconds.
    """

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._per_second = requests / MINUTE
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def check(self, connection: ASGIConnection[Any, Any, Any, Any], handler: Any) -> None:
        """Raise a 429 if the caller has had its share."""
        if is_public(handler):
            return
        wait = self.spend(_caller(connection))
        if wait > 0:
            raise ApiError(
                429,
                f"More than {self._requests} requests a minute.",
                headers={"Retry-After": str(math.ceil(wait))},
            )

    def spend(self, caller: str, now: float | None = None) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        now = time.monotonic() if now is None else now
        tokens, since = self._buckets.pop(caller, (float(self._requests), now))
        tokens = min(self._requests, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - allowed, now)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._per_second


def _caller(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The key, as a digest, or else the address."""
    key = connection.headers.get(HEADER)
    if key:
        return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    return connection.client.host if connection.client else "unknown"
