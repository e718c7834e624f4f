"""A limit on requests a minute: a token bucket for each caller, in memory that workers share.

A bucket is one number, the time at which it is full again (the *theoretical arrival time* of the
generic cell rate algorithm, ITU-T I.371). One that is full is as good as none, so a small table
of them does, in which the fullest gives way.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

MINUTE = 60.0
SETS, WAYS = 4096, 4
"""A caller has its place in one of the sets; of its few rows it takes any."""
FILE = "rate-limit"
ROUNDING = 1e-6
"""Seconds, of many intervals added up."""


@final
class RateLimit:
    """Lets each caller through ``requests`` times a minute.

    A bucket holds up to ``requests`` tokens and gains them evenly: a burst of a minute's worth is
    let through, after that one request each 60/requests seconds.

    Args:
        requests: Requests a minute.
        shared: Folder that all workers have in common; None where there is one worker.
    """

    def __init__(self, requests: int, shared: Path | None = None) -> None:
        self.requests = requests
        self._interval = MINUTE / requests
        size = 2 * 8 * SETS * WAYS
        self._file = -1
        if shared is not None:
            self._file = os.open(shared / FILE, os.O_RDWR | os.O_CREAT, 0o600)
            os.ftruncate(self._file, size)  # no change where another worker was first
        rows = memoryview(mmap.mmap(self._file, size))
        self._callers, self._full_at = rows[: size // 2].cast("Q"), rows[size // 2 :].cast("d")

    def spend(self, caller: str, now: float | None = None) -> float:
        """Take a token of ``caller``'s; returns 0, or the seconds until there is one."""
        now = time.monotonic() if now is None else now  # of the machine: alike for all workers
        digest = hashlib.blake2b(caller.encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        with self._locked():
            row, full_at = self._row(number)
            full_at = max(full_at, now) + self._interval
            wait = full_at - MINUTE - now
            if wait > ROUNDING:
                return wait
            self._callers[row], self._full_at[row] = number, full_at
        return 0.0

    def _row(self, number: int) -> tuple[int, float]:
        """The caller's row; else the row of the fullest bucket of its set, as a full one."""
        first = number % SETS * WAYS
        rows = range(first, first + WAYS)
        for row in rows:
            if self._callers[row] == number:
                return row, self._full_at[row]
        return min(rows, key=self._full_at.__getitem__), 0.0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else is at the table; a lock on the file ends with the process that holds it."""
        if self._file < 0:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
