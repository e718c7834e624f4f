"""What the tests of the benchmarks' commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Refusal = Callable[[Callable[[Sequence[str]], Any], Sequence[str]], str]


@pytest.fixture
def refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refusal:
    """The last line that a command says when it refuses its arguments.

    It is called in an empty folder but for a file called ``file``.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")

    def last_line(main: Callable[[Sequence[str]], Any], arguments: Sequence[str]) -> str:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code
        return capsys.readouterr().err.strip().splitlines()[-1]

    return last_line
