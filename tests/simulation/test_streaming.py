"""Runs that are written as they go: the same run, in bounded memory, and resumed after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

from mfnjax import GrayScottModel, Grid, MyceliumModel, Simulation
from mfnjax.errors import DataError, ParameterError
from mfnjax.simulation import Trajectory, streaming
from tests.simulation.test_exchange import same

WHOLE = Simulation(MyceliumModel(), Grid((8, 8)), 23, save_every=2)


@pytest.fixture(autouse=True)
def two_frames_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STREAM_BYTES", 8 * 64 * len(MyceliumModel.fields) * 2)


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_it_is_the_run_in_memory(tmp_path) -> None:
    done = []
    run = WHOLE.run_to(tmp_path / "a.zarr", seed=4, progress=lambda *told: done.append(told))
    same(Trajectory.load(tmp_path / "a.zarr"), WHOLE.run(seed=4))
    assert run.history is None
    assert done[-1] == (23, 23)
    assert [now for now, _ in done] == sorted(now for now, _ in done)


class Killed(Exception):
    """What a kill is, in this process."""


@pytest.mark.parametrize("at", [0, 1, 3, 5])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, monkeypatch, at: int) -> None:
    """Killed in the middle of writing: one field has its frames, and they are not counted."""
    import zarr

    WHOLE.run_to(tmp_path / "whole.zarr", seed=4)
    calls, put = [0], zarr.Array.__setitem__

    def dying(self, *arguments):
        calls[0] += self.ndim > 1
        if calls[0] > (at + 1) * len(MyceliumModel.fields) + 1:
            raise Killed
        return put(self, *arguments)

    path = tmp_path / "killed.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "__setitem__", dying)
        with pytest.raises(Killed):
            WHOLE.run_to(path, seed=4)
    with pytest.raises(DataError, match="not finished: go on with it"):
        WHOLE.run_to(path, seed=4)
    with pytest.raises(DataError, match=r"another configuration: dt was 1.0, is 0.5"):
        WHOLE.replace(dt=0.5).run_to(path, resume=True)
    part = Trajectory.load(path)  # readable as it is
    np.testing.assert_array_equal(
        part.histories["potential"], WHOLE.run(seed=4).histories["potential"][: part._num_frames]
    )
    with xarray.open_zarr(path, consolidated=False) as data:
        assert data.sizes["time"] == 12
        assert np.isnan(data.inhibitor[-1]).all()
    WHOLE.run_to(path, resume=True)
    assert contents(path) == contents(tmp_path / "whole.zarr")
    with pytest.raises(DataError, match="is finished"):
        WHOLE.run_to(path, resume=True)


def test_what_cannot_be_streamed(tmp_path) -> None:
    for simulation, name in (
        (WHOLE.replace(save_every=None), "a.zarr"),
        (WHOLE.replace(save="potential"), "a.zarr"),
        (WHOLE, "a.nc"),
    ):
        with pytest.raises(ParameterError, match="needs steps= and save_every="):
            simulation.run_to(tmp_path / name, seed=1)
    with pytest.raises(DataError, match="no run to resume"):
        WHOLE.run_to(tmp_path / "a.zarr", resume=True)


@pytest.mark.slow
def test_two_gigabytes_killed_three_times(tmp_path) -> None:
    """Killed by the system at three moments; at most 300 MB above the process's first frames."""
    arguments = (
        *("--model", "gray-scott", "--grid-size", "512", "--steps", "1000", "--save-every", "1"),
        *("--history", "--seed", "1", "-o"),
    )
    code = (
        "import sys, resource; from mfnjax.cli import main\n"
        "try: main(sys.argv[1:], prog_name='mfn')\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    command = [sys.executable, "-c", code, "simulate", *arguments]
    path = tmp_path / "killed.zarr"
    for kill, more in enumerate(((), ("--resume",), ("--resume",))):
        process = subprocess.Popen([*command, path, *more], stdout=subprocess.DEVNULL)
        while process.poll() is None:
            if path.exists() and frames(path) >= 200 * (kill + 1):
                os.kill(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        assert process.returncode == -signal.SIGKILL
    done = subprocess.run([*command, path, "--resume"], capture_output=True, text=True, check=True)
    short = [one if one != "1000" else "1" for one in command]
    first = subprocess.run(
        [*short, tmp_path / "first.zarr"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) < int(first.stdout.split()[-1]) + 300
    subprocess.run([*command, tmp_path / "whole.zarr"], capture_output=True, check=True)
    assert contents(path) == contents(tmp_path / "whole.zarr")
    assert sum(map(len, contents(path).values())) > 1e8
    assert GrayScottModel.fields == ("u", "v")


def frames(path: Path) -> int:
    with xarray.open_zarr(path, consolidated=False) as data:
        return int(json.loads(data.attrs["mfnjax"])["frames"])
