"""Stopping under load, secrets in the log: a real process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.serve.conftest import ServerProcess

pytestmark = pytest.mark.thorough

RUN = {"grid_size": 192, "steps": 1000}
READ_SECONDS = 0.25
"""A request that was sent so long ago has been read by the server, also on a busy machine."""
KEY, WRONG = "the-right-key-5c1f", "the-wrong-key-91ab"


class Load:
    """Clients that send one run after the other; of each: when it was sent and answered, status."""

    def __init__(self, server: ServerProcess, clients: int) -> None:
        self.answers: list[tuple[float, float, int | None]] = []
        self._over = False
        self._threads = []
        for seed in range(clients):
            client = httpx.Client(
                base_url=server.url, timeout=60, headers={"X-API-Key": KEY}, verify=False
            )
            self._threads.append(threading.Thread(target=self._ask, args=(client, seed)))
        for thread in self._threads:
            thread.start()

    def _ask(self, client: httpx.Client, seed: int) -> None:
        with client:
            while not self._over:
                sent = time.monotonic()
                try:
                    status = client.post("/simulate", json={**RUN, "seed": seed}).status_code
                except httpx.TransportError:
                    status = None
                    self._over = True
                self.answers.append((sent, time.monotonic(), status))

    def wait_for(self, count: int) -> None:
        """Wait until so many are answered."""
        until = time.monotonic() + 60
        while len(self.answers) < count and time.monotonic() < until:
            time.sleep(0.01)

    def join(self) -> None:
        """Stop, and wait for all clients."""
        self._over = True
        for thread in self._threads:
            thread.join(60)


def test_what_is_accepted_is_answered_after_a_sigterm(tmp_path: Path) -> None:
    settings = {"MFN_API_KEY": KEY, "MFN_LOG_LEVEL": "debug", "MFN_WARM_GRID_SIZES": "192"}
    server = ServerProcess(tmp_path, **settings).wait_ready()
    refused = server.client.post("/simulate", json=RUN, headers={"X-API-Key": WRONG})
    assert refused.status_code == 401
    load = Load(server, clients=8)
    load.wait_for(8)
    time.sleep(READ_SECONDS)
    signalled = time.monotonic()
    status = server.stop()
    took = time.monotonic() - signalled
    load.join()
    assert status == 0
    assert took <= 10
    accepted = [answer for answer in load.answers if answer[0] < signalled - READ_SECONDS]
    assert {status for _, _, status in accepted} == {200}
    assert any(answered > signalled for _, answered, _ in accepted)  # it was busy with them
    assert {status for _, _, status in load.answers} <= {200, 503, None}
    log = server.log()
    assert '"path":"/simulate"' in log
    assert KEY not in log
    assert WRONG not in log


def test_a_log_that_nobody_reads_holds_up_neither_answers_nor_the_end(tmp_path: Path) -> None:
    """A pipe holds some 64 kB, of about 200 a line."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MFN_")}
    environment |= {"MFN_STATE_DIR": str(tmp_path), "MFN_WARM_GRID_SIZES": "none"}
    program = [sys.executable, "-m", "serve.main", "--port", "0"]
    with subprocess.Popen(program, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        url = re.findall(rb"on (http://\S+)", process.stderr.readline())[0].decode()
        with httpx.Client(base_url=url, timeout=10) as web:
            for _ in range(1500):
                assert web.get("/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
