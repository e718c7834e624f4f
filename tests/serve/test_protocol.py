"""What never becomes a request: too slow, too long, not HTTP. Over real connections, no engine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn
from litestar.testing import TestClient

from serve.app import create_app
from serve.http.protocol import MAX_HEADER_BYTES, MAX_URL_BYTES
from serve.process import uvicorn_config
from serve.settings import Settings

GET = b"GET /health HTTP/1.1\r\nHost: mfn\r\n"
POST = b"POST /nernst HTTP/1.1\r\nHost: mfn\r\nContent-Type: application/json\r\n"
ION = b'{"concentration_out_molar": 1, "concentration_in_molar": 1}'
CLOSE = b"Connection: close\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
OK, BAD, LATE, LONG_URL, LONG_HEADER = 200, 400, 408, 414, 431


class Listening(NamedTuple):
    """An application on a port."""

    app: Any
    port: int

    def ask(self, *pieces: bytes) -> list[tuple[int, dict[str, Any]]]:
        """Send; the statuses and bodies of all answers until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.02)  # a piece of its own for the server, too
            received = b""
            while piece := connection.recv(2**16):
                received += piece
        return list(_answers(received))


def _answers(received: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode("ascii").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length, status = int(headers["content-length"]), int(lines[0].split()[1])
        body, received = json.loads(rest[:length]), rest[length:]
        kind = "application/json" if status == OK else "application/problem+json"
        assert headers["content-type"] == kind
        if status != OK:
            assert (body["status"], body["request_id"]) == (status, headers["x-request-id"])
        yield status, body


def listen(folder: Path, **settings: Any) -> Iterator[Listening]:
    app = create_app(Settings(state_dir=folder, **settings))
    server = uvicorn.Server(uvicorn_config(app, app.state.service.settings, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield Listening(app, listening.getsockname()[1])
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """Waits for hardly anything."""
    yield from listen(tmp_path_factory.mktemp("hasty"), request_seconds=0.15)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """Waits longer than a test takes on a busy machine."""
    yield from listen(tmp_path_factory.mktemp("patient"), request_seconds=60.0)


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        ([b""], []),
        ([b"\r\n"], []),
        ([b"GET /health HT"], [LATE]),
        ([GET + b"X-A: "], [LATE]),
        ([POST + b"Content-Length: 60\r\n\r\n" + ION[:20]], [LATE]),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"], [LATE]),
        ([GET + b"\r\n", b"\r\n"], [OK]),
        ([GET + b"Content-Length: 9\r\n\r\n"], [OK]),
    ],
    ids=range(8),
)
def test_a_request_that_does_not_come_ends(
    hasty: Listening, sent: list[bytes], statuses: list[int]
) -> None:
    assert [status for status, _ in hasty.ask(*sent)] == statuses


def test_what_follows_an_answered_request_is_late_too(hasty: Listening) -> None:
    answers = [status for status, _ in hasty.ask(GET + b"\r\n" + GET)]
    assert answers in ([OK, LATE], [OK])  # the latter where the first was not answered yet


def test_a_body_that_drips_ends_although_it_never_stops(hasty: Listening) -> None:
    connection = socket.create_connection(("127.0.0.1", hasty.port), timeout=20)
    with connection:
        connection.sendall(POST + b"Content-Length: 1000000\r\n\r\n")
        connection.settimeout(0.01)
        until = time.monotonic() + 20
        received = b""
        while not received and time.monotonic() < until:
            connection.sendall(b" ")
            try:
                received = connection.recv(2**16)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([GET + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n"], LONG_HEADER),
        ([GET + b"X-A: aaaaaaaa\r\n" * 20_000 + b"\r\n"], LONG_HEADER),
        ([GET + b"X-A: ", *[b"a" * 20_000] * 4], LONG_HEADER),
        ([GET + b"X-A: " + b"a" * (MAX_HEADER_BYTES - 100) + b"\r\n" + CLOSE + b"\r\n"], OK),
        ([b"GET /health?" + b"a" * MAX_URL_BYTES + GET[11:] + b"\r\n"], LONG_URL),
        ([b"GET /health?", *[b"a" * MAX_URL_BYTES] * 3], LONG_URL),
        ([b"GET /health?" + b"a" * (MAX_URL_BYTES - 20) + GET[11:] + CLOSE + b"\r\n"], OK),
        ([GET + b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"], BAD),
        ([GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"], OK),
        ([POST + UPGRADE + b"Content-Length: 59\r\n\r\n" + ION], OK),
        ([POST + UPGRADE + b"Content-Length: 59\r\n\r\n", ION[:9], ION[9:]], OK),
        ([POST + UPGRADE[:9], UPGRADE[9:] + b"Content-Length: 59\r\n\r\n" + ION[:9], ION[9:]], OK),
        ([POST + UPGRADE + CHUNKED + b"3b\r\n", ION + b"\r\n0\r\n\r\n" + GET + b"\r\n"], OK),
        ([POST + UPGRADE + CHUNKED + b"ZZ\r\n"], BAD),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], BAD),
        ([b"\x16\x03\x01\x02\x00\x01"], BAD),
        ([b"CONNECT elsewhere:443 HTTP/1.1\r\n\r\n"], BAD),
        ([POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"], BAD),
        ([POST + b"Content-Length: 59\r\nTransfer-Encoding: chunked\r\n\r\n" + ION], BAD),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n", b"ZZ\r\n"], BAD),
        ([POST + CLOSE + b"Content-Length: 59\r\n\r\n" + ION[:9], ION[9:]], OK),
        ([POST + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n3b\r\n", ION + b"\r\n0\r\n\r\n"], OK),
    ],
    ids=range(22),
)
def test_what_is_too_long_or_not_http_is_refused(
    patient: Listening, pieces: list[bytes], status: int
) -> None:
    assert [found for found, _ in patient.ask(*pieces)] == [status]


def test_all_bodies_together_are_bounded(tmp_path: Path) -> None:
    """Eight of the largest: what many clients begin and do not end does not fill the memory."""
    head = POST + b"Content-Length: 4000\r\n\r\n"
    for listening in listen(tmp_path, request_seconds=60.0, max_body_bytes=4096):
        begun = []
        for _ in range(9):
            begun.append(socket.create_connection(("127.0.0.1", listening.port), timeout=20))
            begun[-1].sendall(head + b" " * 3900)
            time.sleep(0.02)
        answer = begun[-1].recv(2**16)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        for one in begun:
            one.close()
        time.sleep(0.2)
        whole = POST + CLOSE + b"Content-Length: 59\r\n\r\n" + ION
        assert [status for status, _ in listening.ask(whole)] == [OK]


def test_what_came_before_nonsense_is_answered(patient: Listening) -> None:
    whole = POST + b"Content-Length: 59\r\n\r\n" + ION
    answers = patient.ask(whole + GET + b"\r\n" + b"\x00\x00\x00\x00")
    assert [status for status, _ in answers] == [OK, OK]


def test_refusals_and_clients_that_left_are_counted_and_are_no_defects_of_ours(
    tmp_path: Path,
) -> None:
    for listening in listen(tmp_path, request_seconds=60.0, log_level="error"):
        listening.ask(b"\x00\x00\r\n\r\n")
        address = ("127.0.0.1", listening.port)
        with socket.create_connection(address) as leaving:
            leaving.sendall(POST + b"Content-Length: 59\r\n\r\n" + ION[:9])
        wanted = {
            'endpoint="unmatched",method="OTHER",status="400"} 1.0',
            'endpoint="/nernst",method="POST",status="499"} 1.0',
        }
        until = time.monotonic() + 20
        while wanted and time.monotonic() < until:
            text = TestClient(listening.app).get("/metrics").text
            wanted = {line for line in wanted if f"mfn_http_requests_total{{{line}" not in text}
        assert not wanted
        assert 'status="500"} 1.0' not in text
