"""The checks of the load tests refuse wrong answers."""

from __future__ import annotations

import json

import pytest

from load_tests import workload, wrk
from load_tests.workload import Answers, Call

SIMULATED = {
    "growth_events": 7,
    "pot_min_mV": -75.0,
    "pot_max_mV": -62.0,
    "pot_mean_mV": -69.0,
    "pot_std_mV": 3.0,
    "fractal_dimension": 1.2,
}
VALIDATED = {
    "loss_start": 2.0,
    "loss_final": 0.5,
    "loss_drop": 1.5,
    "lyapunov_exponent": -2.1,
    "nernst_symbolic_mV": -89.0,
    "nernst_numeric_mV": -89.0,
}
AGGREGATED = {
    "aggregated_gradient": workload.aggregate(5, 4).body["gradients"][0],
    "num_input_gradients": 5,
}


def problem(call: Call, answer: object) -> str | None:
    return call.problem(call.status, json.dumps(answer).encode())


RIGHT = [
    (workload.health(), {"status": "healthy", "version": "1"}),
    (workload.nernst(), {"potential_mV": -89.0587}),
    (workload.simulate(), SIMULATED),
    (workload.validate(), VALIDATED),
    (workload.aggregate(5, 4), AGGREGATED),
    (workload.bad_value(), {"error_code": "VALIDATION_ERROR", "detail": "grid_size: 1"}),
]


@pytest.mark.parametrize(("call", "answer"), RIGHT, ids=lambda value: getattr(value, "name", ""))
def test_right_answers_pass(call: Call, answer: dict) -> None:
    assert problem(call, answer) is None


WRONG = [
    (workload.health(), {"status": "degraded"}),
    (workload.nernst(), {"potential_mV": -89.07}),
    (workload.nernst(valence=2), {"potential_mV": -89.0587}),
    (workload.simulate(), {**SIMULATED, "pot_mean_mV": -80.0}),
    (workload.simulate(), {**SIMULATED, "pot_max_mV": 41.0}),
    (workload.simulate(), {**SIMULATED, "fractal_dimension": 2.5}),
    (workload.simulate(), {**SIMULATED, "growth_events": 33}),
    (workload.simulate(), {**SIMULATED, "growth_events": 7.0}),
    (workload.simulate(8, include_field=True), {**SIMULATED, "field_mV": [[-75.0]]}),
    (workload.validate(), {**VALIDATED, "loss_drop": 1.0}),
    (workload.validate(), {**VALIDATED, "lyapunov_exponent": 0.1}),
    (workload.aggregate(5, 4), {**AGGREGATED, "aggregated_gradient": [1.0] * 4}),
    (workload.aggregate(5, 4), {**AGGREGATED, "num_input_gradients": 4}),
    (workload.bad_value(), {"error_code": "VALIDATION_ERROR", "detail": "a value is wrong"}),
]


@pytest.mark.parametrize(("call", "answer"), WRONG, ids=lambda value: getattr(value, "name", ""))
def test_wrong_answers_are_told(call: Call, answer: dict) -> None:
    assert problem(call, answer)


def test_another_status_or_no_json_is_told() -> None:
    assert "status 500" in (workload.health().problem(500, b"{}") or "")
    assert "another shape" in (workload.health().problem(200, b"<html>") or "")
    assert "another shape" in (workload.simulate().problem(200, b"{}") or "")


def test_the_same_request_must_get_the_same_answer() -> None:
    answers, call = Answers(), workload.simulate(seed=1)
    assert answers.problem(call, b"1") is None
    assert answers.problem(call, b"1") is None
    assert answers.problem(workload.simulate(seed=2), b"2") is None
    assert "another answer" in (answers.problem(call, b"2") or "")


def test_the_lua_script_holds_the_request() -> None:
    call = workload.simulate(32, 32, 7)
    text = wrk.script(call)
    assert 'wrk.method = "POST"' in text
    assert json.dumps(call.body).replace('"', '\\"') in text
    assert "wrk.body = nil" in wrk.script(workload.health())
