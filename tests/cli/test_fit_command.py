"""``mfn fit``: the real data as the README has it, its files, its errors, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

COLUMNS = ("--x", "Position", "--t", "Time", "--y", "AvgDens", "--sd", "DensSD")
QUICK = ("--refine", 1, "--starts", 1, "--fix", "K=1.7e-3")


@pytest.fixture(scope="module")
def cells(shared_data: Path) -> Path:
    return shared_data / "scratch_assay" / "CellDensity_18.csv"


@pytest.mark.thorough
def test_the_scratch_assay(mfn, cells, tmp_path) -> None:
    told = mfn("fit", "--model", "fisher-kpp", "--data", cells, *COLUMNS, *QUICK, "--out", tmp_path)
    assert "FisherKPPModel: converged" in told.stdout
    assert "standard deviations were below the floor" in told.stdout
    assert "Identifiable: diffusivity, growth_rate" in told.stdout
    assert "Misfit: at Time = " in told.stdout
    report = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    found = report["uncertainty"]["parameters"]
    assert 300 < found["diffusivity"]["low"] < found["diffusivity"]["high"] < 2000
    assert 0.04 < found["growth_rate"]["value"] < 0.08
    assert report["data"]["sd_raised_to_floor"] > 0
    for name in ("fit.png", "residuals.png", "descent.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    again = mfn(
        *("fit", "--model", "fisher-kpp", "--data", cells, *COLUMNS, *QUICK),
        *("--out", tmp_path, "--resume", "--json"),
    )
    assert json.loads(again.stdout)["uncertainty"]["parameters"] == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "fisher-kpp"), "needs --data"),
        (("--model", "fisher-kp", "--data", "DATA"), "did you mean 'fisher-kpp'"),
        (("--model", "gray-scott", "--data", "DATA"), "models of one field"),
        (("--model", "fisher-kpp", "--data", "no.csv"), "no.csv: cannot be read"),
        (("--model", "fisher-kpp", "--data", "DATA", "--y", "Dens"), "no column 'Dens'"),
        (("--model", "fisher-kpp", "--data", "DATA", "--sd", "CV"), "row 18, column CV: blank"),
        (("--model", "fisher-kpp", "--data", "DATA", "--fix", "K=x"), "--fix K=x"),
        (("--model", "fisher-kpp", "--data", "DATA", "--fix", "Q"), "--fix: no parameter 'Q'"),
        (
            ("--model", "fisher-kpp", "--data", "DATA", "--fix", "D", "--fix", "diffusivity"),
            "--fix: diffusivity is named twice (D and diffusivity)",
        ),
        (
            (
                "--model",
                "fisher-kpp",
                "--data",
                "DATA",
                "--bound",
                "D=1:",
                "--bound=diffusivity=2:",
            ),
            "bounds: diffusivity is named twice (D and diffusivity)",
        ),
        (
            ("--model", "fisher-kpp", "--data", "DATA", "--set", "D=-1"),
            "its diffusivity must be ≥ 0",
        ),
        (("--model", "fisher-kpp", "--data", "DATA", "--bound", "D=3"), "NAME=LOW:HIGH"),
        (("--model", "fisher-kpp", "--data", "DATA", "--bound", "D=9:3"), "low < high"),
        (
            ("--model", "fisher-kpp", "--data", "DATA", "--set", "K=1", "--fix", "K=2"),
            "both --set and --fix",
        ),
        (("--model", "fisher-kpp", "--data", "DATA", "--resume"), "--resume needs --out"),
        (("--model", "fisher-kpp", "--data", "DATA", "--boundary", "wall"), "boundary"),
        (("--model", "fisher-kpp", "--data", "DATA", "--level", 2), "--level must lie in (0, 1)"),
        (("--model", "fisher-kpp", "--data", "DATA", "--dt", 0), "--dt must lie in"),
        (
            ("--model", "fisher-kpp", "--data", "DATA", "--dt", "nan"),
            "--dt must be a finite number",
        ),
        (("--model", "fisher-kpp", "--data", "DATA", "--invert"), "--invert goes with --image"),
        (("--model", "fisher-kpp", "--data", "DATA", "--out", ""), "--out needs the name"),
        (("--model", "fisher-kpp", "--data", "DATA", "--out", "DATA"), "cannot be written"),
    ],
)
def test_wrong_use_is_one_line(refused, cells, arguments, message: str) -> None:
    given = [str(cells) if a == "DATA" else a for a in arguments]
    columns = [a for a in COLUMNS if "--y" not in given or a not in ("--y", "AvgDens")]
    columns = [a for a in columns if "--sd" not in given or a not in ("--sd", "DensSD")]
    assert message in refused("fit", *columns, *given)


@pytest.fixture(scope="module")
def front_table(tmp_path_factory) -> Path:
    """A front of tanh shape that moves, as a spreadsheet of another country writes it."""
    x, rows = np.arange(10.0), ["\ufeffOrt;Zeit;Dichte\r"]
    for t in (4.0, 0.0, 2.0):  # in no order
        u = 0.5 - 0.5 * np.tanh((x - 3 - t / 2) / 2) + 0.01 * np.cos(5 * x + t)
        rows += [f"{a:g};{t:g};{b:.5f}\r" for a, b in zip(x[::-1], u[::-1], strict=True)]
    path = tmp_path_factory.mktemp("front") / "Größe.csv"
    path.write_bytes("\n".join(rows).encode())
    return path


@pytest.mark.thorough
def test_profiles_are_told_written_and_drawn(mfn, front_table, tmp_path) -> None:
    given = ("fit", "--model", "fisher-kpp", "--data", front_table, "--x", "Ort", "--t", "Zeit")
    given += ("--y", "Dichte", "--fix", "K=1", "--refine", 1, "--starts", 1, "--profiles")
    # The start absorbs the diffusion, and the fit stalls: a status of 1, after all is written.
    told = mfn(*given, "--out", tmp_path, status=1).stdout
    assert "the data say only diffusivity < 0.0" in told
    assert "Profile of diffusivity, 90 %: " in told
    report = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert list(report["profiles"]) == ["diffusivity", "growth_rate"]
    low, high = report["profiles"]["growth_rate"]["interval"]
    laplace = report["uncertainty"]["parameters"]["growth_rate"]
    assert (low, high) == pytest.approx((laplace["low"], laplace["high"]), rel=0.3)
    assert (tmp_path / "profiles.png").read_bytes().startswith(b"\x89PNG")


def test_an_empty_file_is_called_empty(refused, tmp_path) -> None:
    (tmp_path / "none.csv").write_text("")
    line = refused("fit", "--model", "fisher-kpp", "--data", tmp_path / "none.csv")
    assert "row 1: no column 'x'; columns: none, the file is empty" in line


@pytest.mark.thorough
def test_a_start_that_nobody_gave_lies_inside_the_bounds(refused, cells, tmp_path) -> None:
    """The guess from the table does not contradict --bound; a start that was given may."""
    given = ("fit", "--model", "fisher-kpp", "--data", cells, *COLUMNS, "--bound", "D=1:2")
    assert "diffusivity starts at 5" in refused(*given, "--set", "D=5")
    assert "no checkpoint to resume from" in refused(*given, "--out", tmp_path, "--resume")


@pytest.mark.thorough
def test_nothing_to_resume(refused, cells, tmp_path) -> None:
    line = refused(
        *("fit", "--model", "fisher-kpp", "--data", cells, *COLUMNS, *QUICK),
        *("--out", tmp_path, "--resume"),
    )
    assert "no checkpoint to resume from" in line


@pytest.mark.slow  # three processes; tests/fitting/test_checkpoint.py has the same in one
def test_a_real_ctrl_c_and_a_resume_end_where_the_whole_fit_does(cells, tmp_path) -> None:
    command = [sys.executable, "-m", "mfnjax", "fit", "--model", "fisher-kpp", "--data", cells]
    command += [*COLUMNS, *QUICK, "--no-start-noise", "--starts", "32", "--json"]
    command = [str(part) for part in command]
    environment = {**os.environ, "MFNJAX_CACHE": str(tmp_path / "cache")}

    def run(*more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*command, *more], env=environment, capture_output=True, text=True, check=False
        )

    whole = run("--out", str(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    broken = tmp_path / "broken"
    process = subprocess.Popen(
        [*command, "--out", str(broken)], env=environment, stderr=subprocess.PIPE, text=True
    )
    while not (broken / "checkpoint.npz").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130, message
    assert message == f"Interrupted: with --out {broken} --resume it goes on.\n"
    assert not (broken / "fit.json").exists()
    resumed = run("--out", str(broken), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    ours, theirs = (json.loads(r.stdout)["fit"] for r in (resumed, whole))
    assert ours["parameters"] == theirs["parameters"]
    assert ours["starts"] == theirs["starts"]
    np.testing.assert_array_equal(ours["history"], theirs["history"])
