"""What the tests of the command share: a runner."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from mfnjax.cli import main

Mfn = Callable[..., Result]


@pytest.fixture(scope="session")
def mfn() -> Mfn:
    """Call ``mfn`` in this process: ``mfn("simulate", "--seed", 1)``."""

    def call(*arguments: object, status: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(a) for a in arguments], prog_name="mfn")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        if status:
            assert "Traceback" not in result.output
        return result

    return call


@pytest.fixture(scope="session")
def refused(mfn: Mfn) -> Callable[..., str]:
    """Call ``mfn`` with what it must refuse: status 2, one line, which is returned."""

    def call(*arguments: object) -> str:
        result = mfn(*arguments, status=2)
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("Error: ")
        assert result.stdout == ""
        return lines[0]

    return call
