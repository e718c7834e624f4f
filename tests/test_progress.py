"""The progress bar's other task: Ctrl-C is never lost, and never invented."""

from __future__ import annotations

import contextlib
import signal
import sys

import pytest

from mfnjax._progress import ProgressBar


def test_a_lost_interrupt_is_raised_at_the_end() -> None:
    before = signal.getsignal(signal.SIGINT)

    def run() -> None:
        # Python drops it like this where it comes up in a destructor.
        with ProgressBar("trial"), contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ProgressBar("trial") as bar:
            signal.raise_signal(signal.SIGINT)
            bar(1, 2)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_bar_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressBar("trial", patience_s=0.0) as bar:
        bar(1, 10)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressBar("trial", unit="rows", patience_s=0.0) as bar:
        bar(100, 300)  # there from an earlier run: no rate of this one
        assert bar._bar.tasks[0].fields["rate"] == "0 rows/s"
        bar(200, 300)
        assert bar._bar.tasks[0].completed == 200
        assert bar._bar.tasks[0].fields["rate"].endswith("rows/s")
