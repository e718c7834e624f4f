"""Noise-free recovery: Gray–Scott from two frames, from starts 40 % off on either side."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfnjax import GrayScottModel, Grid, fit, simulate
from mfnjax.fitting import identifiability, pointwise


@pytest.fixture(scope="module")
def frames():
    """Two states of a growing pattern, 40 steps apart."""
    grid, model = Grid((32, 32)), GrayScottModel()
    start = model.initial_state(grid, key=jax.random.key(4))
    first = simulate(model, start, grid=grid, steps=400).state
    second = simulate(model, first, grid=grid, steps=40).state
    return grid, first.asdict(), {name: u[None] for name, u in second.asdict().items()}


def test_gray_scott_from_two_frames(frames) -> None:
    grid, first, second = frames
    truth = GrayScottModel()
    objective = pointwise(second, start=first, grid=grid, steps=[40])
    names = ("feed", "kill", "d_u", "d_v")
    starts = [{n: f * getattr(truth, n) for n in names} for f in (0.6, 1.4)]
    result = fit(truth, objective, starts=starts)
    for start in result.starts:
        assert start.status == "converged"
        for name in names:
            assert start.parameters[name] == pytest.approx(getattr(truth, name), rel=1e-3)
    report = identifiability(result, scale=1e-6)
    assert report.ok
    assert report.identifiable == names


def test_one_field_of_two_is_enough(frames) -> None:
    grid, first, second = frames
    truth = GrayScottModel()
    objective = pointwise({"v": second["v"]}, start=first, grid=grid, steps=[40])
    result = fit(GrayScottModel(0.03, 0.05, 0.2, 0.1), objective)
    found = np.array(list(result.parameters.values()))
    wanted = np.array([truth.feed, truth.kill, truth.d_u, truth.d_v])
    np.testing.assert_allclose(found, wanted, rtol=1e-3)
