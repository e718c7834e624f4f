"""Runs in files of other programs: read back without loss, and opened by these programs."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
import tifffile
import xarray

from mfnjax import FisherKPPModel, GrayScottModel, Grid, MyceliumModel, Simulation
from mfnjax.errors import DataError, ParameterError
from mfnjax.models.registry import get_model, model_names
from mfnjax.simulation import Trajectory
from mfnjax.simulation.exchange import SUFFIXES, Layout, labelled, read_run, write_run

GRIDS = {
    "line": Grid(9, 0.5, "neumann"),
    "plane": Grid((5, 6), (0.5, 2.0), "neumann", origin=(1.0, -3.0)),
    "box": Grid((3, 4, 5), 1.5),
    "dish": Grid.disc(8),
}
FRAMES = {
    "end": {},
    "all": {"save_every": 2},
    "all, last too": {"save_every": 5},
    "one": {"save_every": 2, "save": "v"},
}


def same(one: Trajectory, other: Trajectory) -> None:
    """Everything of two runs, bit for bit."""
    (meta, arrays), (meta_2, arrays_2) = one._record(), other._record()
    assert meta == meta_2
    assert arrays.keys() == arrays_2.keys()
    for name, values in arrays.items():
        assert values.dtype == arrays_2[name].dtype, name
        np.testing.assert_array_equal(values, arrays_2[name], err_msg=name)


def made(grid: Grid, dtype: str = "float32", **frames: object) -> Trajectory:
    with jax.enable_x64(dtype == "float64"):
        return Simulation(GrayScottModel(), grid, 5, 0.5, **frames).run(seed=1, dtype=dtype)


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, str, str], Trajectory]:
    cases = {(shape, frames, "float32") for shape in GRIDS for frames in ("end", "all")}
    cases |= {("plane", frames, dtype) for frames in FRAMES for dtype in ("float32", "float64")}
    return {case: made(GRIDS[case[0]], case[2], **FRAMES[case[1]]) for case in sorted(cases)}


@pytest.mark.thorough
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_run_comes_back_as_it_was(runs, tmp_path, suffix: str) -> None:
    for number, ((_, frames, dtype), run) in enumerate(runs.items()):
        path = tmp_path / f"{number}{suffix}"
        if suffix == ".tif" and (dtype == "float64" or frames == "one"):
            with pytest.raises(ParameterError, match=r"a \.tif file for ImageJ has"):
                run.save(path)
            assert not path.exists()
            continue
        assert run.save(path) == path
        same(run, Trajectory.load(path))
        assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.thorough
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ensembles_maps_and_events(tmp_path, suffix: str) -> None:
    """Members, a parameter that is a field, counters, and a start that another run replaces."""
    path, grid = tmp_path / f"run{suffix}", Grid((4, 6))
    rate = np.linspace(0.1, 1.0, 24, dtype=np.float32).reshape(4, 6)
    mapped = Simulation(FisherKPPModel(growth_rate=rate), grid, 3, dt=0.1).run(seed=0)
    events = Simulation(MyceliumModel(), grid, 3, save_every=1).run(seed=2)
    for run in (mapped, events):
        run.save(path)
        same(run, Trajectory.load(path))
    models = GrayScottModel(feed=np.linspace(0.03, 0.06, 3, dtype=np.float32))
    start = GrayScottModel().initial_state(grid, key=jax.random.key(0))
    members = Simulation(models, grid, 5, save_every=2).ensemble(start)
    if suffix in (".vti", ".tif"):
        with pytest.raises(ParameterError, match="not an ensemble"):
            members.save(path)
        same(events, Trajectory.load(path))  # what was there is there
        return
    members.save(path)
    same(members, Trajectory.load(path))
    assert members.to_xarray().u.dims == ("member", "time", "y", "x")


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_every_model_comes_back(name: str, tmp_path) -> None:
    """Of every kind of file, dtype and dimension that the model starts in."""
    dt = 1.0 if hasattr(get_model(name).model, "advance") else 1e-5
    for shape in ((12,), (6, 7), (4, 5, 6)):
        for dtype in ("float32", "float64"):
            with jax.enable_x64(dtype == "float64"):
                try:
                    simulation = Simulation.from_dict(
                        {"model": name, "shape": shape, "steps": 3, "dt": dt}
                    )
                    run = simulation.replace(save_every=2).run(seed=0, dtype=dtype)
                except ParameterError:  # no start on such a grid
                    continue
                for suffix in SUFFIXES:
                    if (suffix, dtype) != (".tif", "float64"):
                        run.save(tmp_path / f"run{suffix}")
                        same(run, Trajectory.load(tmp_path / f"run{suffix}"))
    assert (tmp_path / "run.nc").exists()


def test_coordinates_and_units(runs) -> None:
    run = runs["plane", "all", "float32"]
    data = run.to_xarray()
    assert data.u.dims == ("time", "y", "x")
    assert data.step.values.tolist() == [2, 4, 5]
    assert data.y.values.tolist() == [1.25, 1.75, 2.25, 2.75, 3.25]
    assert data.x.values.tolist() == [-2, 0, 2, 4, 6, 8]
    np.testing.assert_array_equal(data.u.isel(time=-1), run.state["u"])
    assert data.attrs["Conventions"].startswith("CF-")
    assert data.attrs["source"].startswith("mfnjax ")
    potential = Simulation(MyceliumModel(), Grid((4, 4)), 2).run(seed=0).to_xarray().potential
    assert potential.attrs == {"long_name": "membrane potential", "units": "V"}
    assert runs["plane", "one", "float32"].to_xarray().u.dims == ("y", "x")


@pytest.mark.parametrize("step", [5, 4])
def test_times_of_its_own_and_a_last_state_that_is_no_frame(runs, tmp_path, step: int) -> None:
    """Steps that a run chose: neither dt nor the number of steps says when, and what is last."""
    run = runs["plane", "all", "float32"]
    meta, arrays = run._record()
    meta |= {"time": 0.9, "step": step}
    arrays["history_times"] = np.array([0.3, 0.8], np.float32)
    layout = Layout((0.5, 2.0), (1.0, -3.0), 0.5, {}, "a run")
    data = labelled(meta, arrays, layout)
    np.testing.assert_allclose(data.time, [0.3, 0.8, 0.9], rtol=1e-7)
    for suffix in SUFFIXES:
        write_run(data, tmp_path / f"run{suffix}")
        meta_2, arrays_2 = read_run(tmp_path / f"run{suffix}")
        assert meta_2 == meta
        assert arrays_2.keys() == arrays.keys()
        for name, values in arrays.items():
            assert arrays_2[name].dtype == values.dtype
            np.testing.assert_array_equal(arrays_2[name], values, err_msg=name)


def test_a_frame_of_rows(runs) -> None:
    frame = runs["plane", "all", "float32"].to_dataframe()
    assert frame.columns.tolist() == ["time", "y", "x", "u", "v", "step"]
    assert len(frame) == 3 * 30
    at = frame[(frame.step == 4) & (frame.y == 1.75) & (frame.x == -2)]
    assert at.u.item() == runs["plane", "all", "float32"].history["u"][1, 1, 0]
    assert "u" not in runs["plane", "one", "float32"].to_dataframe()


def test_other_programs_open_them(runs, tmp_path) -> None:
    run = runs["plane", "all", "float32"]
    frames = np.concatenate([run.history["v"], run.state["v"][None]])
    for suffix in (".nc", ".zarr", ".h5", ".tif"):
        run.save(tmp_path / f"r{suffix}")
    with xarray.open_dataset(tmp_path / "r.nc") as data:
        np.testing.assert_array_equal(data.v, frames)
        assert data.time.values.tolist() == [1, 2, 2.5]
    with xarray.open_zarr(tmp_path / "r.zarr", consolidated=False) as data:
        np.testing.assert_array_equal(data.v, frames)
        assert data.v.encoding["chunks"] == (1, 5, 6)  # one frame does not read all
    with h5py.File(tmp_path / "r.h5") as file:
        np.testing.assert_array_equal(file["v"], frames)
        assert file["v"].chunks == (1, 5, 6)
        assert file["v"].dims[2].label == "" or file["v"].dims[2][0].name == "/x"
    with tifffile.TiffFile(tmp_path / "r.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == "TCYX"
        np.testing.assert_array_equal(file.asarray()[:, 1], frames)
        assert file.imagej_metadata["finterval"] == 1
        assert file.imagej_metadata["Labels"][:2] == ["u", "v"]
        assert file.pages[0].get_resolution() == (0.5, 2.0)


def test_what_is_not_installed_is_said_before_anything_is_written(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ParameterError, match=r"needs xarray: pip install 'mfnjax\[files\]'"):
        runs["plane", "end", "float32"].save(tmp_path / "run.nc")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_such_file(runs, tmp_path) -> None:
    run = runs["plane", "end", "float32"]
    with pytest.raises(DataError, match=r"ends in .npz, .nc, .h5"):
        run.save(tmp_path / "run.txt")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="no Zarr store: it is not replaced"):
        run.save(tmp_path / "mine.zarr")
    for suffix in SUFFIXES:
        path = tmp_path / f"bad{suffix}"
        with pytest.raises(DataError, match="no such file"):
            Trajectory.load(path)
        path.write_bytes(b"nothing of the kind")
        with pytest.raises(DataError, match="not a run saved by mfnjax"):
            Trajectory.load(path)
    xarray.Dataset({"u": ("x", np.zeros(3))}).to_netcdf(tmp_path / "u.nc", engine="h5netcdf")
    with pytest.raises(DataError, match="no attribute 'mfnjax'"):
        Trajectory.load(Path(tmp_path / "u.nc"))
