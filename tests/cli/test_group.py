"""The command as a whole: help, suggestions, errors and exit statuses."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import runpy
import signal
import subprocess
import sys

import pytest

from mfnjax import __version__
from mfnjax.cli import COMMANDS, main
from mfnjax.cli.common import Progress
from mfnjax.errors import DataError, NumericalInstabilityError
from mfnjax.v41.config import SimulationConfig

HEAVY = ("jax", "scipy", "matplotlib", "PIL", "rich")


def test_help_lists_every_command_with_its_line(mfn):
    text = mfn("--help").stdout
    for name, (_, line) in COMMANDS.items():
        assert f"{name}" in text
        assert line in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(mfn, name):
    assert f"Usage: mfn {name}" in mfn(name, "--help").stdout


@pytest.mark.thorough
def test_help_waits_for_no_heavy_library():
    code = (
        "import sys; from mfnjax.cli import main\n"
        "for a in (['--help'], *([c, '--help'] for c in main.list_commands(None))):\n"
        "    main(a, standalone_mode=False)\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "LOADED []"


def test_version(mfn):
    assert mfn("--version").stdout == f"mfn {__version__}\n"


def test_python_m_is_the_same_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mfn", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("mfnjax", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"mfn {__version__}\n"


def test_a_misspelt_command_gets_a_suggestion(mfn):
    assert "Did you mean 'simulate'?" in mfn("simulte", status=2).stderr
    assert "Did you mean" not in mfn("xyzzy", status=2).stderr


def test_a_misspelt_option_gets_a_suggestion(mfn):
    assert "--grid-size" in mfn("simulate", "--grid-sise", 8, status=2).stderr


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (NumericalInstabilityError("potential", 7), 1, "after step 7"),
        (MemoryError(), 1, "out of memory"),
        (DataError("two\nlines"), 2, "two lines"),
    ],
)
def test_errors_are_one_line_and_a_status(mfn, monkeypatch, error, status, text):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("mfnjax.simulation.Simulation.run", fail)
    stderr = mfn("simulate", status=status).stderr
    assert len(stderr.splitlines()) == 1
    assert text in stderr


def test_ctrl_c_is_one_line_and_130_and_leaves_nothing(mfn, monkeypatch, tmp_path):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mfnjax.simulation.Simulation.run", interrupt)
    result = mfn("simulate", "-o", tmp_path / "run.npz", status=130)
    assert result.stderr == "Interrupted: no file is left half-written.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_ctrl_c_while_writing_leaves_the_old_file(mfn, monkeypatch, tmp_path):
    import numpy as np

    target = tmp_path / "run.npz"
    target.write_bytes(b"the old file")

    def half(file, **_: object) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", half)
    mfn("simulate", "--grid-size", 8, "--steps", 2, "-o", target, status=130)
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]
    assert target.read_bytes() == b"the old file"


@pytest.mark.thorough
def test_a_real_ctrl_c_stops_a_long_run(tmp_path):
    # The signal comes when the run has begun; the run itself would take minutes.
    code = (
        "import os, signal, sys, threading, time\n"
        "def later():\n"
        "    while signal.getsignal(signal.SIGINT) is signal.default_int_handler:\n"
        "        time.sleep(0.05)\n"
        "    time.sleep(1.5); os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=later, daemon=True).start()\n"
        "from mfnjax.cli import main\n"
        "main(prog_name='mfn')"
    )
    arguments = ("simulate", "--grid_size", "1024", "--steps", "10000", "-o")
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments, str(tmp_path / "run.npz")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 130, run.stderr
    assert run.stderr == "Interrupted: no file is left half-written.\n"
    assert run.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_ctrl_c_that_python_dropped_is_heeded_at_the_next_chunk():
    with Progress("running") as progress:
        progress(1, 3)
        # What happens to a KeyboardInterrupt raised inside a destructor: it is printed and lost.
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            progress(2, 3)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupted_program_leaves_at_once(monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr("mfnjax.simulation.Simulation.run", interrupt)
    monkeypatch.setattr(sys, "argv", ["mfn", "simulate"])
    with pytest.raises(SystemExit):
        main()
    assert left == [130]


def test_every_field_of_the_configuration_is_an_option_under_its_name(mfn):
    text = mfn("simulate", "--help").stdout
    for field in dataclasses.fields(SimulationConfig):
        assert f"--{field.name.replace('_', '-')}" in text
