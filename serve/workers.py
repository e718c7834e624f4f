"""Several workers over one listening socket, and the parent that looks after them.

The parent never imports JAX. It makes the folder that the workers' metrics are merged in, before
any of them imports the client library; it starts a worker again that has died; and it passes a
signal on and waits for all to drain.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from serve.process import UNUSABLE, leave, serve
from serve.settings import Settings

POLL_SECONDS = 0.2
DRAIN_SECONDS = 9.5
RESTART_SECONDS = 1.0
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def supervise(listening: socket.socket, settings: Settings, workers: int) -> int:
    """Run ``workers`` processes until a signal; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="mfn-api-metrics-") as folder:
        os.environ[MULTIPROCESS_VARIABLE] = folder
        context = multiprocessing.get_context("spawn")
        stopping: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: stopping.append(number))

        def start() -> BaseProcess:
            process = context.Process(target=_work, args=(listening, settings, Path(folder)))
            process.start()
            return process

        processes = [start() for _ in range(workers)]
        while not stopping:
            time.sleep(POLL_SECONDS)
            if any(process.exitcode == UNUSABLE for process in processes):
                _stop(processes)
                return UNUSABLE
            for index, process in enumerate(processes):
                if not process.is_alive() and not stopping:
                    _forget(process.pid)
                    print(
                        f"mfn-api: worker {process.pid} ended with status {process.exitcode}; "
                        "another is started",
                        file=sys.stderr,
                        flush=True,
                    )
                    time.sleep(RESTART_SECONDS)
                    processes[index] = start()
        return _stop(processes)


def _stop(processes: list[BaseProcess]) -> int:
    for process in processes:
        process.terminate()
    until = time.monotonic() + DRAIN_SECONDS
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
    late = [process for process in processes if process.is_alive()]
    for process in late:
        process.kill()
        process.join()
    return 1 if late else 0


def _forget(pid: int | None) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)


def _work(listening: Any, settings: Settings, shared: Path) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    leave(serve(listening, settings, shared))


def _end_with_parent() -> None:
    """Stop as by a signal when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
