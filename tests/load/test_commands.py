"""What a person sees of the load commands when something is wrong: one line, and a status."""

from __future__ import annotations

import pytest

from load_tests import rates, scenarios, wrk
from load_tests.running import in_one_line, running_server


def test_a_server_that_does_not_start_is_told_in_a_line(capsys, tmp_path) -> None:
    def main() -> int:
        with running_server(environment={"MFN_ENV": "nowhere"}, log=tmp_path / "log"):
            return 0

    assert in_one_line(main) == 2
    told = capsys.readouterr().err
    assert "MFN_ENV must be one of dev, staging, prod" in told
    assert "Traceback" not in told


def test_ctrl_c_is_no_traceback(capsys) -> None:
    def main() -> int:
        raise KeyboardInterrupt

    assert in_one_line(main) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("options", [["other"], ["smoke", "--duration", "soon"]])
def test_wrong_options_are_refused(options: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        scenarios.main(options)
    assert stopped.value.code == 2
    assert options[-1] in capsys.readouterr().err


def test_a_wrong_duration_in_the_environment_is_refused(monkeypatch, capsys) -> None:
    monkeypatch.setenv("MFN_LOADTEST_DURATION", "soon")
    with pytest.raises(SystemExit):
        scenarios.main(["smoke"])
    assert "'soon' is no time" in capsys.readouterr().err


def test_a_missing_wrk_is_told_with_how_to_install_it(monkeypatch, capsys) -> None:
    monkeypatch.setattr(wrk.shutil, "which", lambda name: None)
    assert rates.main([]) == 2
    assert "apt-get install wrk" in capsys.readouterr().err
