"""Keys: a guard for every endpoint that is not public."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from serve.errors import ApiError

HEADER = "x-api-key"
PUBLIC = {"public": True}
"""``opt`` of a handler that asks for no key and is not rate limited."""


@final
class KeyGuard:
    """Refuses a request without an accepted key.

    Only digests are kept, and a digest of fixed length is compared with each of them in constant
    time, so that neither length nor prefix of a key can be told from the time an answer takes.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._digests = [_digest(key) for key in keys]

    # A coroutine, because the framework runs a plain function in a thread: 0.1 ms a request.
    async def check(self, connection: ASGIConnection[Any, Any, Any, Any], handler: Any) -> None:
        """Raise a 401 unless the endpoint is public or the key is right."""
        if is_public(handler):
            return
        given = connection.headers.get(HEADER)
        if not given:
            raise ApiError(401, "This endpoint needs a key in the header X-API-Key.")
        digest = _digest(given)
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if not any(matches):
            raise ApiError(
                401, "The key in X-API-Key is not accepted.", error_code="INVALID_API_KEY"
            )


def is_public(handler: BaseRouteHandler) -> bool:
    """Whether a handler is open to everyone."""
    return bool(handler.opt.get("public"))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
