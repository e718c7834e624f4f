"""The endpoints, asked of a real server: answers equal the library's."""

from __future__ import annotations

import pytest

from mfnjax import (
    SimulationConfig,
    __version__,
    compute_fractal_features,
    run_mycelium_simulation,
)
from tests.serve.conftest import ServerProcess
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
