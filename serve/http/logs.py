"""The log: a line a record and a line a request on standard error, for a machine or a person."""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, final

import msgspec

FLUSH_SECONDS = 0.2
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


def configure_logs(level: str, style: str) -> None:
    """Send everything of the server and of uvicorn to standard error in the given form."""
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(Formatter(style))
    root = logging.getLogger()
    root.handlers = [writer]
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
            sys.stderr.write("\n".join([*self._lines, ""]))
            sys.stderr.flush()
            self._lines.clear()
