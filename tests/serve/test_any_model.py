"""Whatever a v4.1 run gets, any registered model gets: a user's own model, too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from mfnjax import Simulation
from serve.app import create_app
from serve.engine.simulations import BATCHES, PROGRAMS, SMALL, Run
from serve.http.arrays import read_array
from serve.settings import Settings
from tests.serve.conftest import ServerProcess
from tests.tolerances import RELATIVE

pytestmark = pytest.mark.usefixtures("own_model")
OWN_MODEL = str(Path(__file__).with_name("own_model.py"))
GRAY_SCOTT = {"model": "gray-scott", "preset": "spots", "grid_size": 16, "steps": 24}
DOCUMENTED = {"grid_size": 16, "steps": 24}
RIVALS = {"model": "rivals", "rivalry": 1.5, "shape": [16, 12], "steps": 24, "dt": 0.25}
BODIES = {
    "v4.1": DOCUMENTED,
    "gray-scott": {**GRAY_SCOTT, "boundary": "neumann", "stepper": "rk4", "dt": 0.5},
    "rivals": RIVALS,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that knows a user's model; it need not be warm."""
    folder = tmp_path_factory.mktemp("server")
    settings = {"MFN_WARM_GRID_SIZES": "none", "MFN_QUEUE_SECONDS": "60"}
    with ServerProcess(folder, "--import", OWN_MODEL, **settings) as process:
        yield process.wait_ready()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> TestClient[Any]:
    """The application without its engine: for what is refused before."""
    folder = tmp_path_factory.mktemp("state")
    return TestClient(create_app(Settings(state_dir=folder, imports=(OWN_MODEL,))))


SIXES = [k % 6 for k in range(48)]


@pytest.mark.parametrize("kind", BODIES)
def test_forty_eight_at_once_have_the_bits_of_one_alone(server: ServerProcess, kind: str) -> None:
    asked = [{**BODIES[kind], "seed": seed, "include_field": True} for seed in range(6)]
    alone = [server.client.post("/simulate", json=body) for body in asked]
    assert {answer.status_code for answer in alone} == {200}, alone[0].text
    assert len({answer.text for answer in alone}) == len(asked)
    with ThreadPoolExecutor(48) as clients:
        for _ in range(2):  # with and without the batches, which the first company asks for
            together = clients.map(lambda k: server.client.post("/simulate", json=asked[k]), SIXES)
            for k, answer in zip(SIXES, together, strict=True):
                assert answer.text == alone[k].text


@pytest.mark.parametrize(
    "values",
    [
        {**GRAY_SCOTT, "grid_size": 12, "steps": 30},
        {"model": "allen-cahn", "grid_size": 12, "steps": 9, "stepper": "etdrk4", "dt": 0.1},
    ],
    ids=["gray-scott", "spectral"],
)
@pytest.mark.thorough
def test_a_batch_is_kept_only_where_it_changes_no_bit(values: dict[str, Any]) -> None:
    simulation = Simulation.from_dict(values)
    runs = [Run.of(simulation, seed) for seed in range(8)]
    alone = [SMALL.run(run.program, [run])[0] for run in runs]
    PROGRAMS.compile_batches(runs[0])
    kept, _ = PROGRAMS.largest(runs[0], 8)
    assert kept in BATCHES
    for together, one in zip(SMALL.run(runs[0].program, runs), alone, strict=True):
        assert together.counts == one.counts
        np.testing.assert_array_equal(together.features.to_array(), one.features.to_array())
        for name in one.fields:
            np.testing.assert_array_equal(together.fields[name], one.fields[name])


@pytest.mark.parametrize("kind", ["gray-scott", "rivals"])
def test_a_run_of_a_named_model_equals_the_library(server: ServerProcess, kind: str) -> None:
    body = {**BODIES[kind], "seed": 5, "include_field": True, "include_features": True}
    answer = server.client.post("/simulate", json=body).json()
    simulation = Simulation.from_dict(BODIES[kind])
    run = simulation.run(seed=5)
    for name, field in run.state.asdict().items():
        expected = pytest.approx(np.asarray(field), rel=RELATIVE["batched", "float32"])
        assert np.array(answer["fields"][name]) == expected
        found = answer["statistics"][name]
        assert found["mean"] == pytest.approx(np.mean(answer["fields"][name]))
        assert found["max"] == np.max(answer["fields"][name])
        assert found["unit"] == ""
    assert answer["main_field"] == simulation.model.fields[-1]
    assert answer["features"]["D_box"] == answer["fractal_dimension"]
    assert len(answer["features"]) == 6  # those of a mask


def test_the_documented_model_by_name_has_the_documented_numbers(server: ServerProcess) -> None:
    documented = server.client.post("/simulate", json=DOCUMENTED).json()
    body = {"model": "mycelium", **DOCUMENTED, "α": 0.18, "include_features": True}
    named = server.client.post("/simulate", json=body).json()
    assert named["counts"]["growth_events"] == documented["growth_events"]
    assert named["fractal_dimension"] == documented["fractal_dimension"]
    assert named["features"]["V_mean"] == documented["pot_mean_mV"]
    potential = named["statistics"]["potential"]
    assert potential["unit"] == "mV"
    assert potential["min"] == pytest.approx(documented["pot_min_mV"], rel=1e-6)
    assert len(named["features"]) == 18


def test_a_named_model_has_all_forms(server: ServerProcess) -> None:
    body = {**GRAY_SCOTT, "include_field": True}
    whole = server.client.post("/simulate", json=body).json()
    packed = server.client.post("/simulate", json=body, headers={"accept": "application/msgpack"})
    assert msgspec.msgpack.decode(packed.content) == whole
    array = server.client.post("/simulate", json=body, headers={"accept": "application/x-npy"})
    np.testing.assert_array_equal(read_array(array.content, max_bytes=10**6), whole["fields"]["v"])
    del whole["fields"]
    assert msgspec.json.decode(array.headers["x-mfn-result"]) == whole


def test_a_users_model_is_described_streamed_and_run(server: ServerProcess) -> None:
    described = {one["name"]: one for one in server.client.get("/models").json()["models"]}
    rivalry = described["rivals"]["parameters"][0]
    assert (rivalry["default"], rivalry["minimum"], rivalry["symbols"]) == (None, 0.0, ["γ"])
    assert rivalry["range"] == "≥ 0"
    body = {"model": "rivals", "γ": 2.0, "grid_size": 16, "steps": 8, "frames": 2, "dt": 0.1}
    lines = server.client.post("/simulate/stream", json=body).text.splitlines()
    assert [msgspec.json.decode(line)["type"] for line in lines] == [
        "header", "frame", "frame", "end"
    ]  # fmt: skip


def test_a_users_model_is_fitted(server: ServerProcess) -> None:
    profile = [0.1, 0.5, 0.9, 0.5, 0.2, 0.4]
    body = {
        "model": "rivals",
        "parameters": {"rivalry": 1.0},
        "fixed": ["spread"],
        "field": "one",
        "start": {"one": profile, "other": profile[::-1]},
        "steps": [5, 10],
        "dt": 0.1,
        "values": [[0.12, 0.5, 0.87, 0.5, 0.2, 0.41], [0.13, 0.5, 0.85, 0.5, 0.21, 0.42]],
        "max_steps": 20,
    }
    job = server.client.post("/fit", json=body)
    assert job.status_code == 202, job.text
    with server.client.stream("GET", f"/jobs/{job.json()['id']}/events") as events:
        data = [line[6:] for line in events.iter_lines() if line.startswith("data: ")]
    last = msgspec.json.decode(data[-1])
    assert last["status"] == "done", last
    interval = last["result"]["uncertainty"]["parameters"]["rivalry"]
    assert interval["low"] < interval["value"] < interval["high"]


@pytest.mark.parametrize(
    ("wrong", "field", "told"),
    [
        ({"model": "grey-scott"}, "model", "did you mean 'gray-scott'?"),
        ({"preset": "sports"}, "preset", "no preset 'sports'"),
        ({"parameters": {"feeed": 1}}, "feeed", "no parameter 'feeed' (did you mean 'feed'?)"),
        ({"gridsize": 32}, "gridsize", "did you mean 'grid_size'?"),
        ({"F": 0.03, "parameters": {"F": 0.04}}, "F", "given twice"),
        ({"F": "large"}, "F", "no such field"),
        ({"save_every": 1}, "save_every", "no such field"),
        ({"parameters": {"D_u": -1}}, "parameters", "diffusivity must be ≥ 0"),
        ({"model": "rivals", "preset": None, "γ": -1.0}, "rivalry", "Rivals.rivalry"),
        ({"start": "squares"}, "start", "squares"),
        ({"stepper": "rk5"}, "stepper", "stepper must be one of"),
        ({"boundary": "open"}, "boundary", "open"),
        ({"stepper": "etdrk2", "boundary": "dirichlet"}, "stepper", "cannot serve GrayScottModel"),
        ({"stepper": "map"}, "stepper", "cannot serve GrayScottModel"),
        ({"dt": 9.0}, "dt", "the largest stable step"),
        ({"shape": [8, 8]}, "grid_size", "give one"),
        ({"grid_size": None, "shape": [512, 512]}, "shape", "at most 65536 cells"),
        ({"grid_size": 256, "steps": 100_000}, "steps", "over the limit"),
        ({"steps": 0}, "steps", ">= 1"),
        ({"grid_size": 7, "seed": -1}, "seed", ">= 0"),
    ],
    ids=range(20),
)
def test_what_cannot_be_run_is_refused_and_the_field_is_named(
    web: TestClient[Any], wrong: dict[str, Any], field: str, told: str
) -> None:
    answer = web.post("/simulate", json={**GRAY_SCOTT, **wrong})
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["detail"]
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.thorough
def test_a_module_that_cannot_be_imported_is_told_in_a_line(tmp_path: Path, workers: str) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n", encoding="utf-8")
    command = [sys.executable, "-m", "serve.main", "--port", "0", "--workers", workers]
    done = subprocess.run(
        [*command, "--import", str(broken)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "broken.py" in line]
    assert lines
    assert "ZeroDivisionError: division by zero (broken.py, line 1)" in lines[0]
    assert "Traceback" not in done.stderr
