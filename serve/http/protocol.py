"""HTTP/1.1 on one connection: uvicorn's protocol with bounds on time and size.

uvicorn waits for ever for the rest of a request, takes headers of any length, and tells what it
cannot read in plain text. Here all that never becomes a request is refused with a problem document,
after which the connection is closed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, final

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serve.http.errors import PROBLEM_TYPE, REFUSED, ApiError, overloaded, problem_of

MAX_URL_BYTES = 8 * 2**10
MAX_HEADER_BYTES = 32 * 2**10
LEAST_BYTES_PER_SECOND = 1024
"""A body that comes more slowly, after the first ``request_seconds``, is refused."""
LINGER_SECONDS = 1.0
"""A refused client has so long to read why: closed at once, its own words would reset the line."""
UNREAD_SECONDS = 30.0
"""A client that has taken nothing of its answer for so long is cut off."""


@final
class Bodies:
    """The bytes of all bodies that come in or are being answered, and how many there may be."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0


@final
class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        request_seconds: A header has so long to come, and a body may pause for so long.
        bodies: What all connections have in common.
        refused: Told of each refusal that no request stands for: path, status, request id.
    """

    def __init__(
        self,
        *args: Any,
        request_seconds: float,
        bodies: Bodies,
        refused: Callable[[str, int, str], None],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._seconds = request_seconds
        self._tell = refused
        self._bodies, self._held = bodies, 0
        self._receiving = self._in_body = self._over = False
        self._declined = self._again = self._is_last = False
        self._head = self._body = 0
        self._began = self._last = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._over = True
        self._let_go()
        for timer in (self._timer, self._unread):
            if timer is not None:
                timer.cancel()

    # -- what comes in ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        began_before = self._receiving
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
            if began_before and self._receiving and not self._in_body:
                self._head += len(data)  # of a header in pieces; the first is not counted
                _check_sizes(len(self.url), self._head)
        except httptools.HttpParserError as error:
            known = isinstance(error.__context__, ApiError)
            self._refuse(error.__context__ if known else _unreadable())  # type: ignore[arg-type]
        except ApiError as error:
            self._refuse(error)
        else:
            self._watch()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline(data[upgrade.args[0] :])

    def _decline(self, rest: bytes) -> None:
        """Go on in HTTP/1.1 after a header that asks for an upgrade, to HTTP/2 say.

        The parser takes what follows for the other protocol; here it is the body. So it is given to
        a new parser that has heard only of its length. The request is the last of its connection.
        """
        self._declined, self._again, self._is_last = False, True, True
        self.parser = httptools.HttpRequestParser(self)
        lengths = [
            b"%b: %b\r\n" % header
            for header in self.headers
            if header[0] in (b"content-length", b"transfer-encoding")
        ]
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(lengths) + b"\r\n")
        self._again = False
        if rest and not self._over:
            self.parser.feed_data(rest)

    def on_url(self, url: bytes) -> None:
        if not self._again:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._again:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        if self._again:
            return
        super().on_message_begin()
        self._receiving = True
        self._head = self._body = 0

    def on_headers_complete(self) -> None:
        if self._again:
            return
        size = sum(len(name) + len(value) for name, value in self.headers)
        _check_sizes(len(self.url), size)
        upgrade = self.parser.should_upgrade()
        if upgrade and dict(self.headers).get(b"upgrade", b"").lower() == b"websocket":
            raise ApiError(400, "There are no WebSockets here: ask in plain HTTP.")
        super().on_headers_complete()
        self._in_body = True
        self._declined = upgrade
        if upgrade:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self._bodies.held + len(body) > self._bodies.most:
            raise overloaded("Too many bytes are on their way to the server.", 1)
        super().on_body(body)
        self._body += len(body)
        self._held += len(body)
        self._bodies.held += len(body)

    def on_message_complete(self) -> None:
        if self._declined:  # only its header
            return
        super().on_message_complete()
        self._receiving = self._in_body = False
        self._over |= self._is_last

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._let_go()

    def _let_go(self) -> None:
        self._bodies.held -= self._held
        self._held = 0

    # -- how long it takes -----------------------------------------------------------------------

    def _watch(self) -> None:
        """Time what is still to come; nothing is timed while we work, or while uvicorn does it."""
        idle = self.cycle is None or self.cycle.response_complete
        if self._receiving or (idle and self.timeout_keep_alive_task is None):
            self._last = self.loop.time()
            if self._timer is None:
                self._expect()
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expect(self) -> None:
        self._began = self._last = self.loop.time()
        self._timer = self.loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        """Whether the rest of the request is late."""
        if self.flow.read_paused:  # it is we who do not read
            self._expect()
            return
        due = self._began + self._seconds
        if self._in_body:
            due = min(self._last + self._seconds, due + self._body / LEAST_BYTES_PER_SECOND)
        if self.loop.time() < due:
            self._timer = self.loop.call_at(due, self._look)
        elif self._receiving:
            self._refuse(ApiError(408, f"The rest did not come within {self._seconds:g} s."))
        else:
            self.transport.close()  # a connection on which nothing was asked

    # -- what goes out ---------------------------------------------------------------------------

    def _refuse(self, error: ApiError) -> None:
        """Answer what cannot be taken, then close; what came before it is answered first."""
        self._over = True
        self._let_go()
        if self._timer is not None:
            self._timer.cancel()
        self.flow.resume_reading()
        path = self.url.partition(b"?")[0][:256].decode("ascii", "replace") or "/"
        request_id = uuid.uuid4().hex
        if self._in_body:  # its handler waits for the body: this ends it
            begun = self.cycle.response_started or bool(self.pipeline)
            self.cycle.scope[REFUSED] = error  # type: ignore[literal-required]
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            request_id = str(self.cycle.scope.get("request_id", request_id))
            if begun:
                self.transport.close()
                return
        elif self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            return
        else:
            self._tell(path, error.status, request_id)
        self.transport.write(self._problem(error, path, request_id))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _problem(self, error: ApiError, path: str, request_id: str) -> bytes:
        content = msgspec.json.encode(problem_of(error, path=path, request_id=request_id))
        headers = [
            *self.server_state.default_headers,
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
            *[(n.lower().encode(), v.encode()) for n, v in error.headers.items()],
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return STATUS_LINE[error.status] + lines + b"\r\n" + content

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(
            UNREAD_SECONDS, self._look_unread, self.transport.get_write_buffer_size()
        )

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def _look_unread(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.transport.abort()
        else:
            self._unread = self.loop.call_later(UNREAD_SECONDS, self._look_unread, left)


def _check_sizes(url: int, headers: int) -> None:
    if url > MAX_URL_BYTES:
        raise ApiError(414, f"The address is longer than {MAX_URL_BYTES} bytes.")
    if headers > MAX_HEADER_BYTES:
        raise ApiError(431, f"The header is longer than {MAX_HEADER_BYTES} bytes.")


def _unreadable() -> ApiError:
    return ApiError(400, "This is not HTTP/1.1 that can be read.")
