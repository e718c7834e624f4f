"""Requests of several kinds, shapes, parameters and seeds, and what the library answers to each."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jax
import numpy as np
import pytest

from mfnjax import (
    SimulationConfig,
    compute_features,
    compute_fractal_features,
    run_mycelium_simulation,
)
from mfnjax.federated import hierarchical_krum
from mfnjax.membrane import nernst_potential_mv
from tests.tolerances import RELATIVE

CLIENTS = 12
GIVE_UP_SECONDS = 200
Request = tuple[str, dict[str, Any], Callable[[], Any]]
"""A path, its body, and the library's answer."""
STATISTICS = {
    "pot_min_mV": "V_min",
    "pot_max_mV": "V_max",
    "pot_mean_mV": "V_mean",
    "pot_std_mV": "V_std",
    "fractal_dimension": "D_box",
}
FIELD_MV = np.random.default_rng(3).uniform(-90.0, 30.0, (32, 32))
GRADIENTS = np.random.default_rng(4).normal(size=(9, 5))


def _run(seed: int, **options: Any) -> Request:
    body = {"seed": seed, **options}

    def library() -> dict[str, Any]:
        result = run_mycelium_simulation(SimulationConfig(**body))
        features = compute_fractal_features(result)
        return {
            "growth_events": result.growth_events,
            **{name: features[feature] for name, feature in STATISTICS.items()},
            "field_mV": (1e3 * result.field.astype(np.float64)).tolist(),
            "features": features.to_json_dict(),
        }

    return "/simulate", {**body, "include_field": True, "include_features": True}, library


def _features() -> dict[str, Any]:
    volts = (FIELD_MV / 1e3).astype(np.float32)
    return {"features": compute_features(volts).to_json_dict()}


def _aggregate(seed: int) -> dict[str, Any]:
    key = jax.random.key(np.uint32(seed))
    options = {"num_clusters": 3, "byzantine_fraction": 0.2, "key": key}
    update = hierarchical_krum(GRADIENTS.astype(np.float32), **options).update
    return {
        "aggregated_gradient": np.asarray(update, np.float64).tolist(),
        "num_input_gradients": len(GRADIENTS),
    }


def _nernst(out: float, valence: int) -> Request:
    body = {"concentration_out_molar": out, "concentration_in_molar": 0.14, "z_valence": valence}
    return (
        "/nernst",
        body,
        lambda: {
            "potential_mV": float(nernst_potential_mv(np.float64(out), 0.14, valence, 310.15))
        },
    )


ONE_SHAPE: list[Request] = [
    # Short runs of one length on a small grid share a batch; others find none to share with.
    *(_run(seed, grid_size=32, steps=24, alpha=0.02 * (1 + seed)) for seed in range(8)),
    *(_run(seed, grid_size=32, steps=24 + seed, spike_probability=0.9) for seed in (50, 51)),
    *(_nernst(out, valence) for out in (0.005, 1.5) for valence in (-2, 1, 3)),
    ("/features", {"field_mV": FIELD_MV.tolist()}, _features),
    *(
        (
            "/federated/aggregate",
            {"gradients": GRADIENTS.tolist(), "num_clusters": 3, "seed": seed},
            functools.partial(_aggregate, seed),
        )
        for seed in (1, 2)
    ),
]
SEVERAL_SHAPES: list[Request] = [
    *ONE_SHAPE,
    *(_run(seed, grid_size=32, steps=24, turing_enabled=False) for seed in (2**32 - 1, 8)),
    *(_run(seed, grid_size=24, steps=60) for seed in range(4)),
]


def ask_at_once(url: str, requests: list[Request], repeats: int) -> list[set[str]]:
    """The different answers to each request: all of them asked ``repeats`` times, in disorder."""
    order = [k for k in range(len(requests)) for _ in range(repeats)]
    random.Random(7).shuffle(order)
    answers: list[set[str]] = [set() for _ in requests]

    def ask(k: int) -> None:
        path, body, _ = requests[k]
        end = time.monotonic() + GIVE_UP_SECONDS
        # Over a connection of its own, so that any worker may take it; and again where it was told
        # to come back, because programs are still compiled on a busy machine.
        while True:
            answer = httpx.post(url + path, json=body, timeout=GIVE_UP_SECONDS)
            if answer.status_code != 503 or time.monotonic() > end:
                break
            time.sleep(0.5)
        assert answer.status_code == 200, answer.text
        answers[k].add(answer.text)

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(ask, order))
    return answers


def close_to(value: Any) -> Any:
    """Numbers that are counted are the same, others nearly so."""
    if isinstance(value, dict):
        return {name: close_to(item) for name, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], list):
        return [close_to(row) for row in value]
    if isinstance(value, (float, list)):
        return pytest.approx(value, rel=RELATIVE["batched", "float32"])
    return value


def check_answers(url: str, requests: list[Request], *, repeats: int) -> None:
    """Each request has one answer, whoever else asks, and it is the library's."""
    told = ask_at_once(url, requests, repeats)
    for (path, body, library), answers in zip(requests, told, strict=True):
        assert len(answers) == 1, (path, body)
        found = httpx.Response(200, text=answers.pop()).json()
        assert found == close_to(library()), (path, body)
