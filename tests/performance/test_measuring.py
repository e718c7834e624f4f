"""The measuring tools against a server whose behaviour is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from load_tests import workload, wrk
from load_tests.open_loop import offer
from load_tests.probe import probe, probe_one

DELAY_S = 0.02


class Known(BaseHTTPRequestHandler):
    """Healthy after 20 ms; every third POST is refused; one request stalls for 0.4 s."""

    protocol_version = "HTTP/1.1"
    wbufsize = 4096  # head and body in one packet
    stall_at = -1
    count = 0
    posts = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        with Known.lock:
            Known.count += 1
            stalled = Known.count == Known.stall_at
        time.sleep(0.4 if stalled else DELAY_S)
        self.answer(200, b'{"status": "healthy"}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with Known.lock:
            Known.posts += 1
            refused = Known.posts % 3 == 0
        time.sleep(DELAY_S)
        self.answer(503 if refused else 200, b"{}", {"Retry-After": "1"} if refused else {})

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Known.count, Known.posts, Known.stall_at = 0, 0, -1
    server = ThreadingHTTPServer(("127.0.0.1", 0), Known)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def for_seconds(seconds: float):
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def test_the_probe_counts_the_time_that_a_request_was_held_up(url: str) -> None:
    Known.stall_at = 5
    seen = probe_one(url, workload.health(), every_s=0.05, running=for_seconds(1.2))
    assert seen.problems == []
    assert seen.percentile(50) >= 1e3 * DELAY_S
    # one answer took 400 ms, and the seven requests that were due meanwhile were late because of it
    assert sum(took > 100 for took in seen.times_ms) >= 4
    assert 400 <= max(seen.times_ms) < 800


def test_connections_of_one_call_are_put_together(url: str) -> None:
    calls = [(workload.health(), 0.1)] * 3
    (seen,) = probe(url, calls, running=for_seconds(0.5)).values()
    assert 12 <= len(seen.times_ms) <= 18


def test_the_probe_tells_wrong_answers_and_broken_connections(url: str) -> None:
    wrong = probe_one(url, workload.nernst(), every_s=0.05, running=for_seconds(0.12))
    assert "another shape" in wrong.problems[0]
    nobody = probe_one(
        "http://127.0.0.1:9", workload.health(), every_s=0.05, running=for_seconds(0.1)
    )
    assert "Connection refused" in nobody.problems[0]


def test_the_open_loop_keeps_its_rate_and_counts_every_status(url: str) -> None:
    offered = offer(url, workload.nernst(), rate=150, seconds=1.0)
    assert offered.requests == 150
    assert offered.count(503) == 50
    assert offered.count(200) == 100
    assert offered.without_retry_after == 0
    # Held up by its neighbours it ends late, never early; one request after another takes 3 s.
    assert 0.9 < offered.seconds < 2.0
    assert offered.percentile(200, 50) >= 1e3 * DELAY_S


def test_the_open_loop_tells_a_server_that_is_gone() -> None:
    offered = offer("http://127.0.0.1:9", workload.health(), rate=20, seconds=0.2)
    assert (offered.count(0), offered.requests) == (4, 4)


@pytest.mark.skipif(not wrk.installed(), reason=wrk.INSTALL)
def test_wrk_counts_refusals_and_measures_latencies(url: str) -> None:
    load = wrk.drive(url, workload.nernst(), connections=3, seconds=1, refusals=True)
    assert load.wrong == load.broken == 0
    assert load.refused == pytest.approx(load.requests / 3, abs=2)
    assert load.requests <= 1.05 * 3 * load.seconds / DELAY_S
    assert 1e3 * DELAY_S <= load.p50_ms <= load.p95_ms <= load.p99_ms <= load.max_ms
    whole = wrk.drive(url, workload.nernst(), connections=1, seconds=1)
    assert whole.refused == 0
    assert whole.wrong == pytest.approx(whole.requests / 3, abs=2)
