"""Noise-free recovery: Gray–Scott from two frames, from starts 40 % off on either side."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import FisherKPPModel, GrayScottModel, Grid, fit, simulate
from mfnjax.fitting import identifiability, pointwise

pytestmark = pytest.mark.thorough


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


@pytest.mark.compile_bound
def test_a_coarse_table_leaves_diffusivity_unbiased() -> None:
    """A front measured as means over 50 µm, as wide as its edge; to interpolate the start between
    the means left D 1.1 % too low."""
    cells, per = 38, 16
    x = (np.arange(cells * per) + 0.5) * 50 / per
    start = 0.9 * (1 - 0.5 * (np.tanh((x - 500) / 50) - np.tanh((x - 1400) / 50)))
    truth = FisherKPPModel(diffusivity=1000.0, growth_rate=0.06, capacity=1.7)
    fine = Grid((1, len(x)), 50 / per, boundary="neumann")
    began = {"u": jnp.asarray(start[None])}
    run = simulate(truth, began, grid=fine, steps=48, save_every=12, stepper="etdrk4")

    def means(u: np.ndarray) -> np.ndarray:
        return np.asarray(u).reshape(-1, cells, per).mean(-1)

    objective = pointwise(
        {"u": means(run.history["u"])},
        start={"u": means(start)},
        grid=Grid((1, 2 * cells), 25.0, boundary="neumann"),
        steps=[12, 24, 36, 48],
        coarsen=2,
        stepper="etdrk4",
    )
    found = fit(FisherKPPModel(500.0, 0.1, 1.7), objective, fixed=["K"]).parameters
    assert found["diffusivity"] == pytest.approx(1000, rel=2e-3)
    assert found["growth_rate"] == pytest.approx(0.06, rel=1e-3)
