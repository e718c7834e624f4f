"""The log: a line a record and a line a request on standard error, for a machine or a person."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, final

import msgspec

FLUSH_SECONDS = 0.2
MAX_UNWRITTEN = 10_000
"""Pieces of the log that wait for whoever reads it; what comes beyond is dropped, and counted."""
CLOSE_SECONDS = 1.0
"""What waits at the end has so long to be written."""
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def _as_json(fields: dict[str, Any]) -> str:
    """No value can break out of its line."""
    return msgspec.json.encode(fields, enc_hook=repr).decode()


def _as_text(fields: dict[str, Any]) -> str:
    moment, level, _, message = (fields.pop(k) for k in ("time", "level", "logger", "message"))
    traceback = fields.pop("traceback", "")
    message = message.replace("\n", "\\n").replace("\r", "\\r")
    more = " ".join(f"{name}={value!r}" for name, value in fields.items())
    line = f"{moment} {level.upper():<7} {message} {more}".rstrip()
    return f"{line}\n{traceback}" if traceback else line


_FORMS: dict[str, Callable[[dict[str, Any]], str]] = {"json": _as_json, "text": _as_text}


@functools.lru_cache(maxsize=1)
def _stamp(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _time(seconds: float) -> str:
    return f"{_stamp(int(seconds))}.{int(seconds % 1 * 1000):03d}Z"


@final
class Formatter(logging.Formatter):
    """A record as one line (and a traceback, in text)."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._form = _FORMS[style]

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return self._form(fields)


@final
class Writer:
    """Writes to standard error in a thread of its own: a pipe that nobody reads holds up nothing.

    Attributes:
        dropped: Pieces that found no room.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._pieces: queue.Queue[str] = queue.Queue(MAX_UNWRITTEN)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Note ``text``; never waits."""
        if self._thread is None:
            self._start()
        try:
            self._pieces.put_nowait(text)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Wait a moment for what is noted to be written."""
        until = time.monotonic() + CLOSE_SECONDS
        while self._pieces.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            text = self._pieces.get()
            # A reader that has left is no reason to end.
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(text)
                sys.stderr.flush()
            self._pieces.task_done()


WRITER = Writer()


@final
class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        WRITER.write(f"{self.format(record)}\n")


def configure_logs(level: str, style: str) -> None:
    """Send everything of the server and of uvicorn to standard error in the given form."""
    handler = _Handler()
    handler.setFormatter(Formatter(style))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("serve", "uvicorn", "mfnjax"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(level.upper())
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)  # `AccessLog` is it


@final
class AccessLog:
    """A line a request, written a few times a second.

    The standard library's logging costs some 40 µs a record, a third of what a small request costs
    in all. Here a line is one encoding, and many lines are one write.
    """

    def __init__(self, level: str, style: str) -> None:
        self._enabled = level in ("debug", "info")
        self._form = _FORMS[style]
        self._lines: list[str] = []

    def write(
        self, request_id: str, method: str, path: str, status: int, duration_s: float
    ) -> None:
        """Note an answered request."""
        if not self._enabled:
            return
        fields = {
            "time": _time(time.time()),
            "level": "info",
            "logger": "serve.access",
            "message": "request",
            "request_id": request_id,
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": round(1e3 * duration_s, 3),
        }
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(self._form(fields))

    def flush(self) -> None:
        """Write what has been noted."""
        if self._lines:
            WRITER.write("\n".join([*self._lines, ""]))
            self._lines.clear()
