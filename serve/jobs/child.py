"""The process of one job: ``python -m serve.jobs.child FOLDER ID IMPORT…``."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from mfnjax.errors import MfnError
from mfnjax.models.user_modules import import_module
from serve.jobs.store import Job, JobStore

REPORT_SECONDS = 0.2
ORPHAN_SECONDS = 3.0
"""An orphan has so long to write its checkpoint."""


class Cancelled(Exception):
    """The job was asked to stop."""


def main(folder: str, job_id: str, *imports: str) -> None:
    """Run the job and write what comes of it; a SIGTERM leaves a checkpoint and no word."""
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    store = JobStore(Path(folder))
    job = store.get(job_id)
    if job is None:
        return
    try:
        for name in imports:
            import_module(name)
        result = _run(store, job)
    except Cancelled:
        store.finish(job_id, "cancelled", error="The job was cancelled.")
    except MfnError as error:
        store.finish(job_id, "failed", error=str(error))
    except Exception:
        store.finish(job_id, "failed", error="An unexpected error happened.")
    else:
        store.finish(job_id, "done", result=result)
        store.checkpoint(job_id).unlink(missing_ok=True)


def _run(store: JobStore, job: Job) -> dict[str, Any]:
    from mfnjax import enable_compilation_cache
    from serve.jobs.fitting import run_fit

    enable_compilation_cache()
    reported = 0.0

    def report(done: int, total: int) -> None:
        nonlocal reported
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            if store.note_progress(job.id, done, total):
                raise Cancelled

    return run_fit(json.loads(job.request), checkpoint=store.checkpoint(job.id), progress=report)


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def _stop(*_: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not again while the checkpoint is written
    raise SystemExit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
