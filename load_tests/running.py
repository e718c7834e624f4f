"""A server process to test against: `mfn-api` on a free port, stopped at the end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil

from load_tests.probe import connect

READY_WITHIN_S = 120
STOPPED_WITHIN_S = 15


@final
@dataclass(frozen=True)
class Server:
    """A running `mfn-api`."""

    url: str
    process: subprocess.Popen[bytes]

    def memory_mb(self) -> float:
        """Resident memory of the server and its workers [MB]."""
        parent = psutil.Process(self.process.pid)
        return sum(p.memory_info().rss for p in [parent, *parent.children(recursive=True)]) / 1e6


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running_server(
    *,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    log: Path | None = None,
) -> Iterator[Server]:
    """Start `mfn-api` on a free port, wait until it is ready, stop it at the end.

    Args:
        workers: Worker processes.
        environment: Settings beside those of this process.
        arguments: Further options of `mfn-api`.
        log: Where its output goes; nowhere without one.

    Raises:
        RuntimeError: It ended, or was not ready in time; the message has its last lines.
    """
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command = [sys.executable, "-m", "serve.main", *where, *arguments]
    settings = {"MFN_ENV": "dev", **os.environ, **(environment or {})}
    output = open(log or os.devnull, "wb")  # noqa: SIM115 - outlives this block's first half
    process = subprocess.Popen(command, env=settings, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        yield Server(f"http://127.0.0.1:{port}", process)
    finally:
        stop(process)
        output.close()


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ask the process to end, and kill it if it does not; returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path | None) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        connection = connect(url, timeout_s=5)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    ended = process.poll()
    what = f"ended with {ended}" if ended is not None else f"not ready in {READY_WITHIN_S} s"
    tail = log.read_text(errors="replace")[-2000:] if log else "run it by hand to see why"
    raise RuntimeError(f"mfn-api {what}: {tail}")


def in_one_line(main: Callable[[], int]) -> int:
    """Run a command; what cannot be helped is said in a line: no server, Ctrl-C."""
    try:
        return main()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
