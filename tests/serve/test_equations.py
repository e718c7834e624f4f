"""Equations and any domain over HTTP; and what strangers may send."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from mfnjax import Grid, Simulation
from serve.app import create_app
from serve.settings import Settings
from tests.strangers import ESCAPES, strings

HEAT = {"equation": "u_t = D*lap(u)", "D": 0.1, "steps": 6, "dt": 0.5, "start": {"u": "uniform()"}}
DOMAINS = {
    "walls of a line": {
        "shape": 12,
        "spacing": [0.5],
        "boundary": {"x-": "dirichlet 1", "x+": "neumann"},
    },
    "a box": {
        "shape": [3, 4, 5],
        "boundary": "x: periodic; y: neumann; z-: robin 1 1 0; z+: ghost 1",
    },
    "a dish": {"mask": Grid.disc(12).mask.tolist(), "boundary": "neumann", "D": "0.1 + 0.01*x"},
    "a wall of many values": {
        "shape": [3, 4],
        "boundary": {"x-": ["dirichlet", [1, 2, 3]], "x+": "neumann", "y": "neumann"},
        "D": np.full((3, 4), 0.2).tolist(),
    },
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    known = Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        warm_grid_sizes=(),
        queue_seconds=120,
        deadline_seconds=120,
    )
    with TestClient(create_app(known)) as client:
        yield client


@pytest.mark.thorough
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_answer_is_the_run(web: TestClient[Any], domain: str) -> None:
    body = {**HEAT, **DOMAINS[domain]}
    wanted = {"seed": 3, "include_field": True, "include_features": True}
    answer = web.post("/simulate", json={**body, **wanted})
    assert answer.status_code == 200, answer.text
    run = Simulation.from_dict(body).run(seed=3)
    found = answer.json()
    np.testing.assert_allclose(found["fields"]["u"], run.state["u"], rtol=2e-6, atol=1e-7)
    statistics = found["statistics"]["u"]
    assert statistics.pop("unit") == ""
    assert statistics == pytest.approx(run.statistics("u"), rel=1e-5)


def test_a_stream_says_the_shape_of_its_frames(web: TestClient[Any]) -> None:
    body = {**HEAT, **DOMAINS["a box"], "frames": 2}
    with web.stream("POST", "/simulate/stream", json=body) as answer:
        lines = [msgspec.json.decode(line) for line in answer.iter_lines()]
    assert lines[0]["shape"] == [4, 5]
    assert lines[-1]["type"] == "end", lines[-1]


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"equation": "u_t = q"}, "equation", "'q' is not given"),
        ({"equation": "u_t = D" + "+u" * 250}, "equation", "400 words"),
        ({"equation": "u_t = D" + " " * 2500}, "equation", "2000"),
        ({"start": {"u": "1" + "+1" * 250}}, "equation", "400 words"),
        ({"equation": "u_t = D" + "+noise(1)" * 40}, "equation", "400 words"),
        ({"model": "gray-scott"}, "equation", "model must not be given"),
        ({"D": [[1, 2]]}, "D", "shape"),
        ({"D": {}}, "D", "no such field"),
        ({"mask": "/etc/passwd"}, "mask", "array"),
        ({"mask": [[1], [1, 2]]}, "mask", "mask must be"),
        ({"shape": [300, 300]}, "shape", "65536 cells"),
        ({"shape": [1, 2, 3, 4]}, "shape", "length"),
        ({"start": "/etc/passwd"}, "start", "customary start"),
        ({"boundary": "x-: dirichlet 1"}, "boundary", "side"),
        ({"boundary": {"x": ["dirichlet", [1]]}}, "boundary", "side"),
        ({"spacing": [1, 2, 3]}, "spacing", "one an axis"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_line(
    web: TestClient[Any], change: dict[str, Any], field: str, told: str
) -> None:
    answer = web.post("/simulate", json={**HEAT, **change})
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert any(one["field"].startswith(field) for one in answer.json()["errors"])


SECONDS = 0.05
JSON = {"content-type": "application/json"}
PLACES = ("equation", "start", "boundary", "D")


def answer_to(web: TestClient[Any], place: str, text: str) -> None:
    """It is refused by one line, at once: what is accepted is a run that is too large.

    A busy machine may need a second try, or a third.
    """
    value: Any = {"u": text} if place == "start" else text
    body = {**HEAT, place: value, "grid_size": 256, "steps": 100_000}
    took = []
    for _ in range(5):
        began = time.perf_counter()
        answer = web.post("/simulate", content=json.dumps(body), headers=JSON)
        took.append(time.perf_counter() - began)
        assert answer.status_code == 400, answer.text
        assert "\n" not in answer.json()["detail"]
        if took[-1] < SECONDS:
            return
    raise AssertionError(f"{min(took):.3f} s for {text[:80]!r}")


@pytest.mark.parametrize("place", PLACES)
def test_whatever_a_stranger_writes_is_refused_at_once(web: TestClient[Any], place: str) -> None:
    for text in (*ESCAPES, *strings(100)):
        answer_to(web, place, text)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_ten_thousand_strings_are_refused_at_once(web: TestClient[Any], place: str) -> None:
    for text in strings(10_000):
        answer_to(web, place, text)
