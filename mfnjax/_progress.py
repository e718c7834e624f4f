"""A progress bar for work that takes a while, and Ctrl-C that is never lost."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import Any


class ProgressBar:
    """A progress bar on stderr: on a terminal only, and only for a run that takes a while.

    It also sees to it that Ctrl-C ends the run. Python drops the KeyboardInterrupt where it comes
    up inside a destructor, which tracing calls often: so it is remembered, and raised again here,
    at the end at the latest. A process that ignores Ctrl-C (``nohup``, a script's background job)
    goes on ignoring it.
    """

    def __init__(self, text: str, *, unit: str = "", patience_s: float = 0.5) -> None:
        """Say ``text`` before the bar and, where ``unit`` is given, the rate in it behind."""
        self._text = text
        self._unit = unit
        self._patience_s = patience_s
        self._started = time.monotonic()
        self._before = 0
        self._bar: Any = None
        self._task: Any = None
        self._interrupted = False
        self._handler: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` is done."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            if time.monotonic() - self._started < self._patience_s or done >= total:
                return
            self._start(done, total)
        self._bar.update(self._task, completed=done, rate=self._rate(done))

    def _rate(self, done: int) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        return f"{(done - self._before) / seconds:,.0f} {self._unit}/s" if self._unit else ""

    def _start(self, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress as Bar,
            TextColumn,
            TimeRemainingColumn,
        )

        # What is done when the bar begins may be there from an earlier run: it has no rate.
        self._before, self._started = done, time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        rate = (TextColumn("{task.fields[rate]}"),) if self._unit else ()
        console = Console(file=sys.stderr)
        self._bar = Bar(*columns, *rate, TimeRemainingColumn(), console=console, transient=True)
        self._task = self._bar.add_task(self._text, total=total, completed=done, rate="")
        self._bar.start()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def __enter__(self) -> ProgressBar:
        heeds = signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None)
        if heeds and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        if self._bar is not None:
            self._bar.stop()
        if self._interrupted and kind is None:
            raise KeyboardInterrupt
