"""A dt that is too long for the reaction is noticed; one that will do is not blamed."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfnjax import FisherKPPModel, GrayScottModel, Grid, Simulation, simulate

START = {"u": np.full((8, 8), 0.3)}


@pytest.mark.parametrize(
    ("stepper", "rate", "inaccurate"),
    [
        ("euler", 2.7, True),
        ("etdrk2", 2.7, True),
        ("euler", 2.2, True),
        ("rk4", 2.7, False),  # 0.9998 where 1 is right
        ("euler", 0.3, False),
    ],
)
def test_logistic_growth(stepper, rate, inaccurate):
    """At λ·dt > 2 Euler's step leaves the state at rest, where every field is finite."""
    simulation = Simulation(FisherKPPModel(growth_rate=rate), Grid((8, 8)), 60, 1.0, stepper)
    run = simulation.run(START)
    is_wrong = abs(float(run.state["u"].mean()) - 1) > 1e-2
    assert is_wrong == inaccurate == run.status.inaccurate
    assert inaccurate == any("inaccurate" in text for _, text in run.summary())
    if inaccurate:
        dt = run.status.sufficient_dt
        better = simulation.replace(dt=dt, steps=round(60 / dt)).run(START)
        np.testing.assert_allclose(better.state["u"], 1.0, atol=1e-6)
        assert not better.status.inaccurate


@pytest.mark.parametrize(
    ("model", "preset"),
    [("klausmeier", "bands"), ("cahn-hilliard", "domains"), ("porous-fisher", "colony")],
)
def test_no_preset_is_blamed(model, preset):
    """Not even after three steps from a rough start, nor where rates look at neighbours."""
    values = {"model": model, "preset": preset, "grid_size": 16, "steps": 3}
    run = Simulation.from_dict(values).run(seed=1)
    assert run.status.ok
    assert not run.status.inaccurate


def test_nothing_is_said_of_what_is_not_known():
    model, grid = GrayScottModel(), Grid((4, 4))
    state = {"u": np.ones((4, 4)), "v": np.ones((4, 4))}
    inside = jax.jit(lambda s: simulate(model, s, grid=grid, steps=2))(state)
    assert inside.status.sufficient_dt is None
    assert not Simulation.from_dict({"grid_size": 8, "steps": 2}).run(seed=1).status.inaccurate
