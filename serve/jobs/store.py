"""The store of jobs, in SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, final

ACTIVE = ("queued", "running")
RESUMABLE = ("interrupted", "cancelled", "failed")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, request TEXT NOT NULL, status TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    result TEXT, error TEXT, owner INTEGER, cancel INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, updated REAL NOT NULL)
"""


@final
class Job(NamedTuple):
    """A row: what was asked, how far it is, what came of it.

    ``status`` is one of queued, running, done, failed, cancelled, interrupted.
    """

    id: str
    kind: str
    request: dict[str, Any]
    status: str
    done: int
    total: int
    result: Any
    error: str | None
    owner: int | None
    cancel: bool
    created: float
    updated: float


@final
class JobStore:
    """Jobs by id. Every call is one short transaction, from any thread or process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.folder / "jobs.sqlite3", timeout=10)
        try:
            with database:
                yield database
        finally:
            database.close()

    def checkpoint(self, job_id: str) -> Path:
        """Where a job keeps its checkpoint."""
        return self.folder / f"{job_id}.npz"

    def add(self, kind: str, request: dict[str, Any]) -> Job:
        """Queue a job."""
        job_id, now = uuid.uuid4().hex, time.time()
        with self._open() as database:
            database.execute(
                "INSERT INTO jobs (id, kind, request, status, created, updated) "
                "VALUES (?, ?, ?, 'queued', ?, ?)",
                (job_id, kind, json.dumps(request), now, now),
            )
        job = self.get(job_id)
        assert job is not None
        return job

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        with self._open() as database:
            row = database.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else _job(row)

    def recent(self, limit: int = 100) -> list[Job]:
        """The latest jobs, the newest first."""
        with self._open() as database:
            rows = database.execute("SELECT * FROM jobs ORDER BY created DESC LIMIT ?", (limit,))
            return [_job(row) for row in rows]

    def count_queued(self) -> int:
        """Jobs that wait."""
        with self._open() as database:
            found = database.execute("SELECT COUNT(*) FROM jobs WHERE status = 'queued'")
            return int(found.fetchone()[0])

    def claim(self) -> Job | None:
        """Take the oldest queued job for this process; no two take the same."""
        with self._open() as database:
            row = database.execute(
                "UPDATE jobs SET status = 'running', owner = ?, updated = ? WHERE id = "
                "(SELECT id FROM jobs WHERE status = 'queued' ORDER BY created LIMIT 1) "
                "AND status = 'queued' RETURNING *",
                (os.getpid(), time.time()),
            ).fetchone()
        return None if row is None else _job(row)

    def note_progress(self, job_id: str, done: int, total: int) -> bool:
        """Write how far a job is; returns whether it shall stop."""
        with self._open() as database:
            row = database.execute(
                "UPDATE jobs SET done = ?, total = ?, updated = ? WHERE id = ? RETURNING cancel",
                (done, total, time.time(), job_id),
            ).fetchone()
        return row is None or bool(row[0])

    def finish(
        self, job_id: str, status: str, *, result: Any = None, error: str | None = None
    ) -> None:
        """End a running job; one that has ended already stays as it is."""
        text = None if result is None else json.dumps(result, allow_nan=False)
        with self._open() as database:
            database.execute(
                "UPDATE jobs SET status = ?, result = ?, error = ?, owner = NULL, updated = ? "
                "WHERE id = ? AND status = 'running'",
                (status, text, error, time.time(), job_id),
            )

    def cancel(self, job_id: str) -> bool:
        """Ask a job to stop; False where it is not active."""
        with self._open() as database:
            waiting = database.execute(
                "UPDATE jobs SET status = 'cancelled', updated = ? "
                "WHERE id = ? AND status = 'queued'",
                (time.time(), job_id),
            )
            running = database.execute(
                "UPDATE jobs SET cancel = 1, updated = ? WHERE id = ? AND status = 'running'",
                (time.time(), job_id),
            )
            return waiting.rowcount + running.rowcount > 0

    def resume(self, job_id: str) -> bool:
        """Queue a job again that did not end well; False where it did, or has not ended."""
        marks = ", ".join("?" * len(RESUMABLE))
        with self._open() as database:
            changed = database.execute(
                "UPDATE jobs SET status = 'queued', cancel = 0, error = NULL, updated = ? "
                f"WHERE id = ? AND status IN ({marks})",
                (time.time(), job_id, *RESUMABLE),
            )
            return changed.rowcount > 0

    def interrupt_orphans(self) -> int:
        """Mark the jobs whose server is gone as interrupted; returns how many."""
        with self._open() as database:
            rows = database.execute("SELECT id, owner FROM jobs WHERE status = 'running'")
            orphans = [job_id for job_id, owner in rows.fetchall() if not _is_alive(owner)]
        for job_id in orphans:
            self.finish(job_id, "interrupted", error="The server stopped while the job ran.")
        return len(orphans)


def _is_alive(owner: int | None) -> bool:
    if not owner or owner == os.getpid():
        return False  # this process has only just started: it runs nothing yet
    try:
        os.kill(owner, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _job(row: Any) -> Job:
    job = Job(*row)
    return job._replace(
        request=json.loads(row[2]),
        result=None if row[6] is None else json.loads(row[6]),
        cancel=bool(job.cancel),
    )
