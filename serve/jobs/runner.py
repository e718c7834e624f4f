"""The runner: takes queued jobs, one at a time, and gives each a process."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import final

from serve.jobs.owner import Owner
from serve.jobs.store import Job, JobStore

log = logging.getLogger("serve")

POLL_SECONDS = 0.5
STOP_SECONDS = 3.0


@final
class JobRunner:
    """A thread that claims jobs and waits for their processes.

    Args:
        store: Where the jobs are.
        imports: What each process imports first: a user's models.
    """

    def __init__(self, store: JobStore, imports: tuple[str, ...] = ()) -> None:
        self.store = store
        self._imports = imports
        self._wake = threading.Event()
        self._closing = False
        self._owner: Owner | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Mark what a dead server left behind, then take jobs."""
        owner = self._owner = Owner(self.store.folder)
        left = self.store.interrupt_orphans()
        if left:
            log.warning("%d jobs were interrupted; they can be resumed", left)
        self._thread = threading.Thread(
            target=self._serve, args=(owner.name,), name="jobs", daemon=True
        )
        self._thread.start()

    def wake(self) -> None:
        """There is a new job."""
        self._wake.set()

    def stop(self) -> None:
        """Take no more jobs; one that runs is interrupted and can be resumed. Does not wait."""
        self._closing = True
        self._wake.set()
        process = self._process
        if process is not None:
            process.terminate()

    def close(self) -> None:
        """Stop, and wait for it."""
        self.stop()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS + 1)
        if self._owner is not None:
            self._owner.close()

    def _serve(self, owner: str) -> None:
        while not self._closing:
            try:
                job = self.store.claim(owner)
                if job is not None:
                    self._run(job)
                    continue
            except Exception:
                log.exception("a job could not be run")
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def _run(self, job: Job) -> None:
        # Its standard input is a pipe from here: the process ends when this one does.
        program = [sys.executable, "-m", "serve.jobs.child"]
        command = [*program, str(self.store.folder), job.id, *self._imports]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if self._closing:  # since the job was claimed
            self._process.terminate()
        status = self._wait(self._process)
        self._process = None
        if self._closing:
            self.store.finish(job.id, "interrupted", error="The server was stopped.")
        else:
            self.store.finish(
                job.id, "failed", error=f"The job's process ended with status {status}."
            )

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                if self._closing:
                    process.kill()
