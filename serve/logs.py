"""Logs: one JSON object, or one line of text, a record; written by a thread of their own."""

from __future__ import annotations

import datetime
import logging
import logging.handlers
import queue
import sys
import traceback
from typing import Any, final

import msgspec

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in vars(record).items() if k not in _PLAIN}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@final
class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: no value can break out of its line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return msgspec.json.encode(fields, enc_hook=repr).decode()


@final
class TextFormatter(logging.Formatter):
    """A record as a line for a person."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{k}={v!r}" for k, v in _extra(record).items())
        message = record.getMessage().replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_time(record)} {record.levelname:<7} {message} {extra}".rstrip()
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info))
        return line


@final
class _Queueing(logging.handlers.QueueHandler):
    """Hands records over as they are: they are formatted in the writing thread."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


_LISTENERS: list[logging.handlers.QueueListener] = []


def stop_logs() -> None:
    """Write what is still in the queue, and stop."""
    while _LISTENERS:
        _LISTENERS.pop().stop()


def configure_logs(level: str, style: str) -> None:
    """Send everything of the server and of uvicorn to standard error in the given form."""
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, writer)
    listener.start()
    _LISTENERS.append(listener)
    root = logging.getLogger()
    root.handlers = [_Queueing(records)]
    root.setLevel(logging.WARNING)
    for name in ("serve", "uvicorn", "mfnjax"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(level.upper())
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)  # `serve.access` is it
