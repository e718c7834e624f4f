"""The endpoints, asked of a real server: answers equal the library's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfnjax import (
    SimulationConfig,
    __version__,
    compute_fractal_features,
    run_mycelium_simulation,
)
from mfnjax.fractal import fractal_dimension
from serve.http.arrays import write_npy
from serve.http.examples import EXAMPLES
from serve.http.openapi import BODIES
from tests.serve.conftest import ServerProcess
from tests.serve.mixture import SEVERAL_SHAPES, check_answers
from tests.tolerances import RELATIVE


def test_health_names_the_version(server: ServerProcess) -> None:
    answer = server.client.get("/health")
    assert answer.json() == {"status": "healthy", "version": __version__}


def test_nernst_is_the_textbook_value(server: ServerProcess) -> None:
    body = {"concentration_out_molar": 0.005, "concentration_in_molar": 0.14}
    answer = server.client.post("/nernst", json=body)
    # RT/F ln(5/140) at 310.15 K, by hand from the CODATA constants.
    assert answer.json()["potential_mV"] == pytest.approx(-89.0587, abs=2e-4)


def test_a_run_equals_the_library_call(server: ServerProcess) -> None:
    body = {"seed": 7, "grid_size": 32, "steps": 40, "alpha": 0.2}
    answer = server.client.post("/simulate", json=body).json()
    result = run_mycelium_simulation(SimulationConfig(**body))
    features = compute_fractal_features(result)
    assert answer["growth_events"] == result.growth_events
    for name, feature in (("pot_min_mV", "V_min"), ("pot_std_mV", "V_std")):
        expected = pytest.approx(features[feature], rel=RELATIVE["batched", "float32"])
        assert answer[name] == expected


def test_an_answer_is_the_librarys_whoever_else_asks(server: ServerProcess) -> None:
    check_answers(server.url, SEVERAL_SHAPES, repeats=4)


def test_what_a_mask_does_not_have_is_null(server: ServerProcess) -> None:
    mask = np.arange(64).reshape(8, 8) % 3 == 0
    answer = server.client.post(
        "/features", content=write_npy(mask), headers={"content-type": "application/x-npy"}
    )
    given = {name for name, value in answer.json()["features"].items() if value is not None}
    assert len(answer.json()["features"]) == 18
    assert given == {
        "D_box", "D_r2", "f_active", "N_clusters_low", "max_cluster_size", "cluster_size_std"
    }  # fmt: skip
    assert answer.json()["features"]["f_active"] == mask.mean()


def test_the_features_of_a_run_are_those_of_its_final_field(server: ServerProcess) -> None:
    body = {"seed": 7, "grid_size": 32, "steps": 40}
    asked = {**body, "include_features": True}
    answer = server.client.post("/simulate", json=asked).json()["features"]
    expected = compute_fractal_features(run_mycelium_simulation(SimulationConfig(**body)))
    assert answer.keys() == set(expected)
    for name, value in expected.to_json_dict().items():
        near = None if value is None else pytest.approx(value, rel=RELATIVE["batched", "float32"])
        assert answer[name] == near, name


@pytest.mark.parametrize("path", sorted(BODIES))
def test_the_examples_of_the_description_hold(server: ServerProcess, path: str) -> None:
    answer = server.client.post(path, json=EXAMPLES[BODIES[path]])
    if path == "/simulate/stream":
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [line["type"] for line in lines] == ["header", "frame", "frame", "end"]
        return
    operation = server.client.get("/openapi.json").json()["paths"][path]["post"]
    schema = operation["responses"][str(answer.status_code)]["content"]["application/json"][
        "schema"
    ]
    schema = schema.get("anyOf", [schema])[0]
    found, expected = answer.json(), EXAMPLES[schema["$ref"].rpartition("/")[2]]
    if path == "/fit":
        assert answer.status_code == 202
        assert found.keys() == expected.keys()
        assert server.client.delete(f"/jobs/{found['id']}").status_code == 200
        return
    assert found == _close_to(expected)


def test_the_example_of_a_named_model_holds(server: ServerProcess) -> None:
    answer = server.client.post("/simulate", json=EXAMPLES["ModelRunRequest"])
    assert answer.json() == _close_to(EXAMPLES["ModelRunResponse"])


def _close_to(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _close_to(item) for name, item in value.items()}
    is_plain = value is None or isinstance(value, str)
    return value if is_plain else pytest.approx(value, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("phases", "examples", "least"),
    [
        ("examples,fuzzing", 11, 140),
        pytest.param("examples,coverage,fuzzing", 150, 2000, marks=pytest.mark.slow),
    ],
)
def test_the_server_does_what_its_description_says(
    server: ServerProcess, tmp_path: Path, phases: str, examples: int, least: int
) -> None:
    report = tmp_path / "report.json"
    command = [
        sys.executable, "-m", "schemathesis.cli",
        "--config-file", str(Path(__file__).with_name("schemathesis.toml")),
        "run", f"{server.url}/openapi.json", "--phases", phases,
        "--max-examples", str(examples), "--seed", "7", "--continue-on-failure", "--no-color",
        "--report", "json", "--report-json-path", str(report),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert json.loads(report.read_text())["test_cases"]["generated"] >= least


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/simulate", "OPTIONS, POST"), (f"/jobs/{'0' * 32}", "DELETE, GET, OPTIONS")],
)
def test_options_names_every_method_of_a_path(
    server: ServerProcess, path: str, methods: str
) -> None:
    answer = server.client.options(path)
    assert (answer.status_code, answer.headers["allow"]) == (204, methods)


def test_a_wrong_method_is_told_the_right_ones(server: ServerProcess) -> None:
    answer = server.client.put("/simulate")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert answer.json()["error_code"] == "METHOD_NOT_ALLOWED"


def test_the_dimension_to_trust_comes_on_request(server: ServerProcess) -> None:
    mask = np.bitwise_and.outer(np.arange(128), np.arange(128)) == 0
    asked = {"content": write_npy(mask), "headers": {"content-type": "application/x-npy"}}
    answer = server.client.post("/features?dimension=true", **asked).json()["features"]
    found = fractal_dimension(mask)
    assert (answer["D_fit"], answer["D_low"], answer["D_high"]) == (
        found.dimension, *found.interval
    )  # fmt: skip
    empty = {"field_mV": [[-70.0, -70.0], [-70.0, -70.0]]}
    answer = server.client.post("/features", params={"dimension": True}, json=empty).json()
    assert answer["features"]["D_fit"] is None
    assert server.client.post("/features?dimension=maybe", json=empty).status_code == 400
