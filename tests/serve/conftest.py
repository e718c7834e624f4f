"""A real server process on a free port, one for all tests of a worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

START_SECONDS = 120


class ServerProcess:
    """``mfn-api`` in a process of its own."""

    def __init__(
        self, state_dir: Path, *arguments: str, workers: int = 1, **environment: str
    ) -> None:
        variables = {k: v for k, v in os.environ.items() if not k.startswith("MFN_")}
        variables |= {
            "MFN_STATE_DIR": str(state_dir),
            "MFN_WARM_GRID_SIZES": "32",
            "MFN_LOG_LEVEL": "warning",
            **environment,
        }
        program = [sys.executable, "-m", "serve.main"]
        command = [*program, "--port", "0", "--workers", str(workers), *arguments]
        self.log_path = state_dir / "log.txt"
        state_dir.mkdir(parents=True, exist_ok=True)
        self._starts = len(self._addresses()) if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(command, env=variables, stderr=log, stdout=log)
        self.url = self._address()
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def _address(self) -> str:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            found = self._addresses()
            if len(found) > self._starts:
                return found[-1]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log()}")

    def _addresses(self) -> list[str]:
        return re.findall(r"mfn-api \S+ on (http://\S+)\n", self.log())

    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait_ready(self) -> ServerProcess:
        """Wait until ``/ready`` answers 200."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                if self.client.get("/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the server did not become ready:\n{self.log()}")

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.client.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the default settings."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process.wait_ready()
