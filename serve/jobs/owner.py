"""Who runs a job: a server holds a lock on a file for as long as it lives.

The system lets go of the lock when the process ends, however it ends. A process id would not do:
after a restart, of a container above all, another process has the same one.
"""

from __future__ import annotations

import fcntl
import time
import uuid
from pathlib import Path
from typing import final

STALE_SECONDS = 60.0


@final
class Owner:
    """This process, as the store of jobs knows it.

    Attributes:
        name: Name of its file in the store's folder.
    """

    def __init__(self, folder: Path) -> None:
        _sweep(folder)
        self.name = f"owner-{uuid.uuid4().hex}.lock"
        self._path = folder / self.name
        self._file = self._path.open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let go."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_alive(folder: Path, name: str) -> bool:
    """Whether the owner of that name still runs."""
    try:
        file = (folder / name).open("rb")
    except OSError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _sweep(folder: Path) -> None:
    """Remove what killed servers left; a file that was only just made may not be locked yet."""
    for path in folder.glob("owner-*.lock"):
        try:
            old = time.time() - path.stat().st_mtime > STALE_SECONDS
        except FileNotFoundError:
            continue
        if old and not is_alive(folder, path.name):
            path.unlink(missing_ok=True)
