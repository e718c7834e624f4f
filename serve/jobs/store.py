"""The store of jobs, in SQLite."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, final

from platformdirs import user_state_path

from serve.jobs.owner import is_alive
from serve.settings import Settings, SettingsError

FILE = "jobs.sqlite3"
ACTIVE = ("queued", "running")
RESUMABLE = ("interrupted", "cancelled", "failed")

BUSY_SECONDS = 5.0
"""How long a call waits for a file that another process has locked."""

MAX_KEPT = 1000
"""Jobs that have ended and are kept; the oldest are forgotten first."""

MAX_CHECKPOINT_BYTES = 2**30
"""Of all jobs that have ended; those of the oldest are removed first."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, request TEXT NOT NULL, status TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0,
    result TEXT, error TEXT, owner TEXT, cancel INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, updated REAL NOT NULL, client TEXT NOT NULL DEFAULT '')
"""
_ADDED = "ALTER TABLE jobs ADD COLUMN client TEXT NOT NULL DEFAULT ''"
"""For a file of a version that did not know whose a job is."""

MAX_QUEUED = 64
"""Jobs that wait, of all clients; and of one:"""
MAX_QUEUED_OF_CLIENT = 16

CHECKPOINT_SECONDS = 7 * 86_400.0
"""How long a job that did not end well can be resumed from where it was."""


@final
class Job(NamedTuple):
    """A row: what was asked (JSON), how far it is, what came of it.

    ``status`` is one of queued, running, done, failed, cancelled, interrupted; ``client`` is whose
    it is, a digest of the key, and empty where no key was given.
    """

    id: str
    kind: str
    request: str
    status: str
    done: int
    total: int
    result: Any
    error: str | None
    owner: str | None
    cancel: bool
    created: float
    updated: float
    client: str = ""


def open_store(settings: Settings) -> JobStore:
    """The store in ``MFN_STATE_DIR``, or in the user's own state folder of mfnjax.

    Raises:
        SettingsError: There can be no store.
    """
    folder = settings.state_dir
    if folder is None:
        folder = user_state_path("mfnjax", appauthor=False) / "server"
    elif not folder.parent.is_dir():  # a disk that is not there, say: nothing is made in its place
        raise SettingsError(f"MFN_STATE_DIR={folder}: there is no folder {folder.parent}")
    try:
        return JobStore(folder)
    except FileExistsError:
        reason = "it is a file"
    except OSError as error:
        reason = error.strerror or str(error)
    except sqlite3.Error as error:
        reason = f"{folder / FILE}: {error}"
    name = "MFN_STATE_DIR" if settings.state_dir else "the state folder (set MFN_STATE_DIR)"
    raise SettingsError(f"{name}={folder} cannot be used: {reason}")


@final
class JobStore:
    """Jobs by id. Every call is one short transaction, from any thread or process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._open() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_SCHEMA)
            columns = {row[1] for row in database.execute("PRAGMA table_info(jobs)")}
            if "client" not in columns:
                database.execute(_ADDED)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.folder / FILE, timeout=BUSY_SECONDS)
        try:
            with database:
                yield database
        finally:
            database.close()

    def checkpoint(self, job_id: str) -> Path:
        """Where a job keeps its checkpoint."""
        return self.folder / f"{job_id}.npz"

    def add(self, kind: str, request: dict[str, Any], client: str = "") -> Job | None:
        """Queue a job; None where too many wait already."""
        job_id, now = uuid.uuid4().hex, time.time()
        with self._open() as database:
            row = database.execute(
                "INSERT INTO jobs (id, kind, request, status, created, updated, client) "
                "SELECT ?, ?, ?, 'queued', ?, ?, ? WHERE "
                "(SELECT COUNT(*) FROM jobs WHERE status = 'queued') < ? AND "
                "(SELECT COUNT(*) FROM jobs WHERE status = 'queued' AND client = ?) < ? "
                "RETURNING *",
                (
                    *(job_id, kind, json.dumps(request), now, now, client),
                    *(MAX_QUEUED, client, MAX_QUEUED_OF_CLIENT),
                ),
            ).fetchone()
        self._prune()
        return None if row is None else _job(row)

    def _prune(self) -> None:
        """Forget the oldest jobs that have ended; and checkpoints that are old, or too many."""
        with self._open() as database:
            gone = database.execute(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs "
                "WHERE status NOT IN ('queued', 'running') "
                "ORDER BY created DESC LIMIT -1 OFFSET ?) RETURNING id",
                (MAX_KEPT,),
            ).fetchall()
            ended = database.execute(
                "SELECT id, updated FROM jobs WHERE status NOT IN ('queued', 'running') "
                "ORDER BY updated DESC"
            ).fetchall()
        for (job_id,) in gone:
            self.checkpoint(job_id).unlink(missing_ok=True)
        kept = 0
        for job_id, updated in ended:
            path = self.checkpoint(job_id)
            kept += path.stat().st_size if path.is_file() else 0
            if kept > MAX_CHECKPOINT_BYTES or time.time() - updated > CHECKPOINT_SECONDS:
                path.unlink(missing_ok=True)

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        with self._open() as database:
            row = database.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else _job(row)

    def recent(self, client: str = "", limit: int = 100) -> list[Job]:
        """A client's latest jobs, the newest first, without what was asked and what came of it."""
        with self._open() as database:
            rows = database.execute(
                "SELECT id, kind, '', status, done, total, NULL, error, owner, cancel, created, "
                "updated, client FROM jobs WHERE client IN ('', ?) ORDER BY created DESC LIMIT ?",
                (client, limit),
            )
            return [_job(row) for row in rows]

    def claim(self, owner: str) -> Job | None:
        """Take a queued job for the process ``owner``; no two take the same.

        It is the oldest of the client who has had none for the longest time.
        """
        with self._open() as database:
            row = database.execute(
                "UPDATE jobs SET status = 'running', owner = ?, updated = ? WHERE id = "
                "(SELECT id FROM jobs AS next WHERE status = 'queued' ORDER BY "
                "(SELECT MAX(updated) FROM jobs "
                "WHERE client = next.client AND status != 'queued'), created LIMIT 1) "
                "AND status = 'queued' RETURNING *",
                (owner, time.time()),
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
            running = rows.fetchall()
        orphans = [job_id for job_id, owner in running if not is_alive(self.folder, str(owner))]
        for job_id in orphans:
            self.finish(job_id, "interrupted", error="The server stopped while the job ran.")
        return len(orphans)


def _job(row: Any) -> Job:
    job = Job(*row)
    return job._replace(
        result=None if row[6] is None else json.loads(row[6]),
        cancel=bool(job.cancel),
    )
