"""The guard of every endpoint that is not public: the rate limit, then the key."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
from typing import Any, final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from serve.http.errors import ApiError
from serve.http.rate_limit import RateLimit

HEADER = "x-api-key"
CLIENT = "mfn_client"
"""Name in a request's scope of who asks: a digest of the accepted key, or empty."""
PUBLIC = {"public": True}
"""``opt`` of a handler that asks for no key and is not rate limited."""


@final
class Guard:
    """Refuses a caller that asks too often, and a request without an accepted key.

    Only an accepted key has a bucket of its own: made-up keys share that of their address, so that
    they neither evade the limit nor try more keys than it allows.

    Args:
        keys: The accepted keys. Only digests are kept, and a digest of fixed length is compared
            with each of them in constant time, so that neither length nor prefix of a key can be
            told from the time an answer takes.
        required: Whether a request needs one of them.
        limit: The rate limit; None is none.
    """

    def __init__(
        self, keys: tuple[str, ...], *, required: bool, limit: RateLimit | None = None
    ) -> None:
        self._digests = [_digest(key) for key in keys]
        self._required = required
        self._limit = limit

    # A coroutine, because the framework runs a plain function in a thread: 0.1 ms a request.
    async def check(self, connection: ASGIConnection[Any, Any, Any, Any], handler: Any) -> None:
        """Raise a 429 or a 401, unless the endpoint is public."""
        if is_public(handler):
            return
        given = connection.headers.get(HEADER)
        digest = _digest(given) if given else b""
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        accepted = any(matches)
        connection.scope[CLIENT] = digest.hex() if accepted else ""  # type: ignore[literal-required]
        if self._limit is not None:
            host = connection.client.host if connection.client else "unknown"
            wait = self._limit.spend(digest.hex() if accepted else address_of(host))
            if wait > 0:
                raise ApiError(
                    429,
                    f"More than {self._limit.requests} requests a minute.",
                    headers={"Retry-After": str(math.ceil(wait))},
                )
        if self._required and not accepted:
            if not given:
                raise ApiError(401, "This endpoint needs a key in the header X-API-Key.")
            raise ApiError(
                401, "The key in X-API-Key is not accepted.", error_code="INVALID_API_KEY"
            )


def client_of(connection: Any) -> str:
    """Who asks: a digest of the accepted key, or empty where none was given."""
    return str(connection.scope.get(CLIENT, ""))


def is_public(handler: BaseRouteHandler) -> bool:
    """Whether a handler is open to everyone."""
    return bool(handler.opt.get("public"))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def address_of(host: str) -> str:
    """What one client has: an address of IPv4, a whole network (/64) of IPv6."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
