"""``mfn simulate``: what is run, what is written, and what is refused."""

from __future__ import annotations

import json
import os
import re
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from mfnjax import (
    GrayScottModel,
    Grid,
    Simulation,
    SimulationConfig,
    SimulationResult,
    Trajectory,
    make_simulation_config_demo,
    run_mycelium_simulation_with_history,
    simulate,
)
from mfnjax.cli.common import Progress
from mfnjax.errors import DataError, ParameterError
from mfnjax.models import registry
from tests.strangers import ESCAPES, strings

SMALL = ("--grid_size", 8, "--steps", 4, "--seed", 5)
GRAY_SCOTT = ("--model", "gray-scott", "--grid_size", 16, "--steps", 20, "--seed", 3)


@pytest.fixture(scope="module")
def demo_result() -> SimulationResult:
    return run_mycelium_simulation_with_history(make_simulation_config_demo())


def test_the_saved_result_is_the_documented_run(mfn, tmp_path, demo_result):
    path = tmp_path / "new" / "run.npz"
    output = mfn("simulate", "--config", "demo", "--history", "-o", path).stdout
    loaded = SimulationResult.load(path)
    assert loaded.config == make_simulation_config_demo()
    np.testing.assert_array_equal(loaded.field, demo_result.field)
    np.testing.assert_array_equal(loaded.history, demo_result.history)
    assert loaded.growth_events == demo_result.growth_events
    assert re.search(rf"growth events +{demo_result.growth_events}\b", output)
    assert f"wrote {path}" in output


def test_the_history_is_saved_only_when_asked_for(mfn, tmp_path):
    mfn("simulate", *SMALL, "-o", tmp_path / "run.npz", "--movie", tmp_path / "run.gif")
    assert SimulationResult.load(tmp_path / "run.npz").history is None


def test_options_win_over_the_file_and_both_spellings_work(mfn, tmp_path):
    file = tmp_path / "config.toml"
    SimulationConfig(grid_size=8, steps=3, seed=9, alpha=0.1).to_file(file)
    path = tmp_path / "run.npz"
    options = ("--spike-probability", 0.5, "--no-turing_enabled", "--alpha", 0.2)
    mfn("simulate", "--config", file, *options, "-o", path)
    expected = SimulationConfig(
        grid_size=8, steps=3, seed=9, alpha=0.2, spike_probability=0.5, turing_enabled=False
    )
    assert SimulationResult.load(path).config == expected


@pytest.mark.thorough
def test_parameters_by_name_or_symbol(mfn, tmp_path):
    path = tmp_path / "run.npz"
    mfn("simulate", *SMALL, "--set", "p=0.5", "--set", "alpha=0.125", "-o", path)
    config = SimulationResult.load(path).config
    assert (config.spike_probability, config.alpha) == (0.5, 0.125)


def test_a_drawn_seed_is_reported_and_reproduces_the_run(mfn, tmp_path):
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    output = mfn("simulate", "--grid_size", 8, "--steps", 4, "-o", first).stdout
    seed = int(re.search(r"seed +(\d+)", output)[1])
    mfn("simulate", "--grid_size", 8, "--steps", 4, "--seed", seed, "-o", second)
    fields = [SimulationResult.load(path).field for path in (first, second)]
    np.testing.assert_array_equal(*fields)


@pytest.mark.parametrize("switch", [("--x64",), ("--dtype", "float64")])
def test_x64_computes_in_float64(mfn, tmp_path, switch):
    path = tmp_path / "run.npz"
    mfn("simulate", *SMALL, *switch, "-o", path)
    assert SimulationResult.load(path).field.dtype == np.float64


@pytest.mark.parametrize(
    ("options", "is_said"),
    [((), True), (("--d_activator", 0.2), False), (("--no-turing-enabled",), False)],
)
def test_the_note_on_patterns_is_said_for_the_default_pair(mfn, options, is_said):
    assert ("forms no pattern" in mfn("simulate", *SMALL, *options).stdout) is is_said


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--alpha", 0.3), ("alpha = 0.3", "0.25")),
        (("--seed", -1), ("seed", "-1")),
        (("--seed", 2**32), ("seed", "4294967295", "4294967296")),
        (("--grid_size", 3), ("grid_size", "4")),
        (("--boundary", "open"), ("boundary", "periodic, neumann [slope]")),
        (("--model", "gray-scot"), ("did you mean 'gray-scott'",)),
        (("--model", "gray-scott", "--alpha", 0.1), ("--alpha", "--set")),
        (("--model", "gray-scott", "--set", "Q=1"), ("'Q'", "feed, kill")),
        (("--model", "gray-scott", "--set", "F"), ("NAME=VALUE",)),
        (("--model", "gray-scott", "--set", "F=x"), ("NAME=VALUE",)),
        (("--model", "gray-scott", "--set", "F=1", "--set", "F=2"), ("twice",)),
        (("--model", "gray-scott", "--preset", "none"), ("preset",)),
        (("--model", "gray-scott", "--stepper", "magic"), ("stepper", "magic")),
        (("--model", "gray-scott", "--dt", 1e3), ("dt",)),
        (("--model", "gray-scott", "--dt", 0), ("dt",)),
        (("--model", "gray-scott", "--field", "w"), ("u, v",)),
        (("--model", "gray-scott", "--steps", -1), ("steps", "-1")),
        (("--model", "gray-scott", "--save-every", 0), ("--save-every", "0")),
        (
            ("--model", "gray-scott", "--steps", 4, "--save-every", 9, "--history"),
            ("--save-every 9", "4 steps"),
        ),
        (("--until", 5), ("it is a map",)),
        (("--model", "gray-scott", "--until", 5, "--steps", 3), ("steps= or at until=",)),
        (("--model", "gray-scott", "--until", 5, "--dt", 3), ("dt belongs to fixed steps",)),
        (("--model", "gray-scott", "--rtol", 1e-3), ("rtol needs until",)),
        (("--model", "gray-scott", "--until", 5, "--rtol", 1e-9), ("beyond float32",)),
        (("--model", "gray-scott", "--until", 5, "--solver", "magic"), ("magic", "tsit5")),
        (("--preset", "x"), ("preset", "'x'")),
        (("--dt", 2), ("dt must be 1", "own step")),
        (("--set", "alpah=0.2"), ("did you mean 'alpha'",)),
        (("--field", "v"), ("potential",)),
        (("--config", "none.toml"), ("none.toml", "cannot be read")),
        (("-o", "run.txt"), ("--output", ".npz")),
        (("--plot", "run.bmp"), ("--plot", ".png")),
        (("--movie", "run.avi"), ("--movie", ".gif")),
    ],
)
def test_wrong_use_is_one_line(refused, options, parts):
    line = refused("simulate", "--grid-size", 8, *options)
    for part in parts:
        assert part in line


HEAT = ("--equation", "u_t = D*lap(u)", "--steps", 4, "--dt", 0.1)


def test_equations_sides_and_starts_are_options(mfn, tmp_path):
    path = tmp_path / "run.npz"
    sides = "x-: dirichlet 1; x+: neumann; y: periodic"
    options = ("--set", "D=0.1 + 0.01*x", "--shape", "6,8", "--spacing", "0.5,1", "--seed", 3)
    start = ("--start", "u = 0.5*uniform() + (x == 1)")
    mfn("simulate", *HEAT, *options, "--boundary", sides, *start, "-o", path)
    values = {"equation": "u_t = D*lap(u)", "D": "0.1 + 0.01*x", "shape": [6, 8], "dt": 0.1}
    values |= {"spacing": [0.5, 1], "boundary": sides, "steps": 4}
    values["start"] = {"u": "0.5*uniform() + (x == 1)"}
    saved, expected = Trajectory.load(path), Simulation.from_dict(values)
    assert saved.simulation == expected
    run = expected.run(seed=3, dtype="float32")
    np.testing.assert_array_equal(saved.state["u"], run.state["u"])


def test_a_picture_is_the_mask_and_another_the_start(mfn, tmp_path):
    levels = np.zeros((8, 10), np.uint8)
    levels[2:6, 3:7] = 255
    for name in ("mask", "start"):
        Image.fromarray(levels).save(tmp_path / f"{name}.png")
    file = tmp_path / "run.toml"
    file.write_text(
        f'equation = "u_t = D*lap(u)"\nD = 0.1\nsteps = 4\nboundary = "neumann"\n'
        f'mask = "{tmp_path / "mask.png"}"\nstart_image = {{u = "{tmp_path / "start.png"}"}}\n'
    )
    path = tmp_path / "run.npz"
    output = mfn("simulate", "--config", file, "-o", path, "--plot", tmp_path / "run.png").stdout
    assert "8 × 10, neumann, masked" in output
    np.testing.assert_array_equal(Trajectory.load(path).state["u"], levels / 255)
    mfn("simulate", "--config", file, "--set", "D=0.05", "--steps", 2, "-o", path)
    assert Trajectory.load(path).simulation.model.D == 0.05


@pytest.mark.parametrize("shape", ["16", "4,5,6"])
def test_a_line_and_a_box_are_drawn_and_filmed(mfn, tmp_path, shape):
    pictures = ("--plot", tmp_path / "run.png", "--movie", tmp_path / "run.gif")
    mfn("simulate", *HEAT, "--set", "D=0.1", "--shape", shape, *pictures)
    assert (tmp_path / "run.gif").stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--equation", "u = 1"), ("line 1", "name_t")),
        (("--equation", "u_t = q"), ("'q' is not given",)),
        (("--equation", "u_t = 1", "--model", "gray-scott"), ("model must not be given",)),
        (("--equation", "u_t = ().__class__"), ("line 1, column 9",)),
        (("--equation", "u_t = 1", "--alpha", 0.1), ("'alpha' is not used",)),
        (("--equation", "u_t = 1", "--shape", "5,x"), ("--shape", "commas")),
        (("--equation", "u_t = 1", "--shape", "1,2,3,4"), ("shape",)),
        (("--equation", "u_t = 1", "--spacing", "a"), ("--spacing",)),
        (("--equation", "u_t = 1", "--mask", "none.png"), ("none.png", "no such file")),
        (("--equation", "u_t = 1", "--start", "w = 1"), ("'w'",)),
        (("--equation", "u_t = 1", "--start", "u = "), ("--start", "NAME = VALUE")),
        (("--equation", "u_t = 1", "--start-image", "u=none.npy"), ("none.npy",)),
        (("--start", "u", "--start-image", "u=none.npy"), ("--start-image",)),
        (("--equation", "u_t = 1", "--boundary", "x-: neumann"), ("side y-",)),
    ],
)
def test_what_is_no_equation_or_domain_is_one_line(refused, options, parts):
    line = refused("simulate", *options)
    for part in parts:
        assert part in line


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_whatever_a_stranger_writes_is_one_line(refused, monkeypatch, count):
    def accepted(*_: object, **__: object) -> None:
        raise ParameterError("accepted")

    monkeypatch.setattr("mfnjax.simulation.Simulation.run", accepted)
    for text in (*ESCAPES, *strings(count)):
        refused("simulate", "--equation", text)


def test_an_output_that_cannot_be_written_is_refused_before_the_run(refused, tmp_path, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the run was started")

    monkeypatch.setattr("mfnjax.simulation.Simulation.run", never)
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "cannot be written" in refused("simulate", "-o", blocked / "run.npz")
    assert "is a folder" in refused("simulate", "--plot", _made(tmp_path / "folder.png"))


def _made(folder):
    folder.mkdir()
    return folder


def test_a_disk_that_fills_up_is_a_failed_run(mfn, monkeypatch, tmp_path):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    stderr = mfn("simulate", *SMALL, "-o", tmp_path / "run.npz", status=1).stderr
    assert "No space left" in stderr
    assert len(stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_history_larger_than_the_memory_is_refused(refused, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sysconf", lambda name: 2**15)  # 1 GiB
    line = refused(
        "simulate", "--grid-size", 1024, "--steps", 200, "--history", "-o", tmp_path / "r.npz"
    )
    assert "2.3 GiB" in line


def test_a_run_that_blows_up_fails_and_names_field_and_step(mfn):
    stderr = mfn("simulate", *GRAY_SCOTT, "--set", "k=9", status=1).stderr
    assert re.search(r"field '[uv]' holds a NaN or an infinity after step \d+", stderr)


@pytest.mark.thorough
@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".h5", ".vti", ".tif"])
def test_a_result_for_other_programs_is_read_by_ours(mfn, refused, tmp_path, suffix) -> None:
    path, usual = tmp_path / f"run{suffix}", tmp_path / "run.npz"
    run = ("simulate", "--model", "gray-scott", "--grid-size", 8, "--steps", 4, "--seed", 1)
    for output in (path, usual):
        mfn(*run, "--history", "--save-every", 2, "-o", output)
    one, other = Trajectory.load(path), Trajectory.load(usual)
    assert one.simulation == other.simulation
    np.testing.assert_array_equal(one.history["v"], other.history["v"])
    measured = [json.loads(mfn("features", file, "--json").stdout) for file in (path, usual)]
    assert measured[0] | {"file": ""} == measured[1] | {"file": ""}
    again = ("simulate", "--equation", "u_t = 0*u", "--steps", 0, "-o", usual, "--start-image")
    mfn(*again, f"v={path}", "--equation", "v_t = 0*v", "--start", "u = 0")
    np.testing.assert_array_equal(Trajectory.load(usual).state["v"], one.state["v"])
    assert "no field 'w'; it holds u, v" in refused(*again, f"w={path}")
    if suffix == ".tif":
        said = refused("simulate", "--dtype", "float64", "-o", path)
        assert "--dtype for .tif (ImageJ) must be one of float32" in said


@pytest.mark.thorough
def test_a_run_that_is_written_as_it_goes_is_resumed(mfn, refused, monkeypatch, tmp_path) -> None:
    from mfnjax.simulation import streaming
    from mfnjax.simulation.exchange import GrowingStore

    monkeypatch.setattr(streaming, "STREAM_BYTES", 1)
    path = tmp_path / "run.zarr"
    run = ("simulate", *GRAY_SCOTT, "--history", "--save-every", 6, "-o")
    add = GrowingStore.add

    def interrupted(self, dataset, seed):
        if self.frames == 2:
            raise KeyboardInterrupt
        add(self, dataset, seed)

    with monkeypatch.context() as patch:
        patch.setattr(GrowingStore, "add", interrupted)
        assert "--resume it goes on" in mfn(*run, path, status=130).stderr
    assert Trajectory.load(path).history_steps.tolist() == [6, 12]
    assert "not finished" in refused(*run, path)
    assert "seed was 3, is 4" in refused(*run, path, "--resume", "--seed", 4)
    assert "made with another precision" in refused(*run, path, "--resume", "--x64")
    assert "--resume goes with" in refused(*run, tmp_path / "run.nc", "--resume")
    assert "no run to resume" in refused(*run, tmp_path / "other.zarr", "--resume")
    mfn(*run, path, "--resume")
    mfn(*run, tmp_path / "whole.npz")
    one, other = Trajectory.load(path), Trajectory.load(tmp_path / "whole.npz")
    assert one.simulation == other.simulation
    np.testing.assert_array_equal(one.history["v"], other.history["v"])
    np.testing.assert_array_equal(one.state["v"], other.state["v"])
    assert "is finished" in refused(*run, path, "--resume")


def test_another_model_is_what_simulate_computes(mfn, tmp_path):
    path = tmp_path / "run.npz"
    options = ("--set", "F=0.03", "--dt", 0.5, "--history", "--save-every", 5)
    output = mfn("simulate", *GRAY_SCOTT, *options, "-o", path).stdout
    result = Trajectory.load(path)
    model, grid = GrayScottModel(feed=0.03), Grid((16, 16))
    start_key, _ = jax.random.split(jax.random.key(3))
    state = model.initial_state(grid, dtype=np.float32, key=start_key)
    expected = simulate(model, state, grid=grid, steps=20, dt=0.5, save_every=5)
    # The start is compiled as one program there: its last bits may differ.
    for name in ("u", "v"):
        np.testing.assert_allclose(result.state[name], expected.state[name], rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(result.histories[name][-1], result.state[name])
        assert result.histories[name].shape == (4, 16, 16)
    assert result.history_steps.tolist() == [5, 10, 15, 20]
    assert result.simulation.model == model
    assert "20 of dt = 0.5" in output


@pytest.mark.thorough
def test_a_run_until_a_time_chooses_its_steps(mfn, tmp_path):
    path, options = tmp_path / "run.npz", ("--until", 20, "--rtol", 1e-4, "--save-at", "5,20")
    model = ("--model", "gray-scott", "--grid-size", 16, "--seed", 3)
    output = mfn("simulate", *model, *options, "--history", "-o", path).stdout
    run = Trajectory.load(path)
    assert f"{run.steps_taken}, and {run.steps_refused} refused" in output
    assert run.history.time.tolist() == [5, 20]
    assert float(run.state.time) == 20


def test_a_step_that_is_too_long_for_the_reaction_is_noticed(mfn):
    options = ("--start", "u = 0.3", "--set", "lambda=2.7", "--steps", 60, "--grid-size", 8)
    assert "inaccurate" in mfn("simulate", "--model", "fisher-kpp", *options).stderr
    slower = ("--start", "u = 0.3", "--set", "lambda=0.3", "--steps", 60, "--grid-size", 8)
    assert "inaccurate" not in mfn("simulate", "--model", "fisher-kpp", *slower).stderr


def test_a_model_in_a_file_with_a_preset(mfn, tmp_path, monkeypatch):
    entry = registry.get_model("gray-scott")
    presets = {"quick": registry.Preset({"feed": 0.05}, "nothing yet", steps=7, dt=0.25)}
    row = registry.ModelEntry(entry.name, entry.model, entry.summary, presets)
    monkeypatch.setitem(registry._REGISTRY, "gray-scott", row)
    file = tmp_path / "run.json"
    values = {"model": "gray-scott", "preset": "quick", "grid_size": 16, "parameters": {"k": 0.06}}
    file.write_text(json.dumps(values))
    path = tmp_path / "run.npz"
    mfn("simulate", "--config", file, "--set", "D_u=0.2", "-o", path)
    run = Trajectory.load(path)
    assert (run.simulation.steps, run.simulation.dt) == (7, 0.25)
    assert run.simulation.model == entry.model(feed=0.05, kill=0.06, d_u=0.2)
    assert run.seed is not None
    assert "quick" in mfn("models", "gray-scott").stdout


def test_counts_of_a_model_run(tmp_path):
    values = {"model": "mycelium", "grid_size": 8, "steps": 50}
    simulation = Simulation.from_dict({**values, "save_every": 25, "save": "potential"})
    result = simulation.run(seed=1)
    assert set(result.counts) == {"growth_events", "turing_activations", "clamping_events"}
    assert 0 < result.counts["growth_events"] < 30
    assert list(result.histories) == ["potential"]
    back = Trajectory.load(result.save(tmp_path / "run.npz"))
    assert back.counts == result.counts
    assert (back.simulation, back.seed) == (simulation, 1)
    np.testing.assert_array_equal(back.histories["potential"], result.histories["potential"])


def test_a_file_that_is_no_run(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, meta=np.array('{"format": "other"}'), u=np.zeros((2, 2)))
    with pytest.raises(DataError, match="not a result"):
        Trajectory.load(path)
    with pytest.raises(DataError, match="no such file"):
        Trajectory.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "values", [{"parameters": [1]}, {"spacing": 0.0}, {"seed": -1}, {"parameters": {"F": "x"}}]
)
def test_plain_values_are_checked(values):
    with pytest.raises(ParameterError):
        Simulation.from_dict({"model": "gray-scott", **values})


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_plots(mfn, tmp_path, suffix):
    path = tmp_path / f"field.{suffix}"
    mfn("simulate", *SMALL, "--plot", path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)


@pytest.mark.thorough
def test_pictures_of_another_model(mfn, tmp_path):
    plot, movie = tmp_path / "u.png", tmp_path / "u.gif"
    mfn("simulate", *GRAY_SCOTT, "--field", "u", "--plot", plot, "--movie", movie)
    assert Image.open(plot).size[0] > 300
    assert Image.open(movie).n_frames == 20


@pytest.mark.thorough
def test_a_long_movie_is_thinned_and_ends_with_the_last_step(mfn, tmp_path):
    path = tmp_path / "run.gif"
    mfn("simulate", "--grid_size", 8, "--steps", 300, "--seed", 1, "--movie", path)
    assert Image.open(path).n_frames == 150


def test_mp4_without_the_extra_says_how_to_get_it(refused, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    line = refused("simulate", *SMALL, "--movie", tmp_path / "run.mp4")
    assert "pip install 'mfnjax[video]'" in line


class _Terminal:
    def __init__(self, is_terminal: bool) -> None:
        self.text = ""
        self._is_terminal = is_terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "patience", "is_shown"),
    [(True, 0.0, True), (True, 60.0, False), (False, 0.0, False)],
)
def test_the_progress_bar_is_for_long_runs_on_a_terminal(
    monkeypatch, is_terminal, patience, is_shown
):
    monkeypatch.setenv("TERM", "xterm")
    terminal = _Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("working", patience_s=patience) as progress:
        progress(1, 4)
        progress(3, 4)
    assert ("working" in terminal.text) is is_shown
