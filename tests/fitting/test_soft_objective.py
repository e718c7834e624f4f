"""Fitting summary statistics: the soft features of a run."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfnjax import Grid, MyceliumModel, fit
from mfnjax.errors import DataError, ParameterError
from mfnjax.features import SOFT_FEATURES, soft_features
from mfnjax.fitting import soft_feature_targets
from mfnjax.simulation import simulate

NAMES = ("V_std", "dV_mean", "V_kurt")


@pytest.fixture(scope="module")
def problem():
    grid, key = Grid((16, 16)), jax.random.key(3)
    start = MyceliumModel().initial_state(grid, key=jax.random.key(0))
    return {"start": start, "grid": grid, "steps": 20, "save_every": 10, "key": key}


def truth_of(problem) -> dict[str, float]:
    run = simulate(
        MyceliumModel(alpha=0.12),
        problem["start"],
        grid=problem["grid"],
        steps=20,
        save_every=10,
        save="potential",
        key=problem["key"],
    )
    found = soft_features(run.history, 2.0)
    return {name: float(found[name]) for name in SOFT_FEATURES}


@pytest.mark.thorough
def test_alpha_comes_back_from_three_statistics(problem) -> None:
    truth = truth_of(problem)
    objective = soft_feature_targets({n: truth[n] for n in NAMES}, **problem)
    assert objective.num_residuals == 3
    assert not objective.noise_is_known
    result = fit(MyceliumModel(alpha=0.2), objective, free=["alpha"])
    assert result.parameters["alpha"] == pytest.approx(0.12, rel=1e-6)
    moved = soft_feature_targets({"V_std": truth["V_std"] + 0.3}, sigma=0.1, **problem)
    at_truth = moved.residuals(MyceliumModel(alpha=0.12), {})
    np.testing.assert_allclose(at_truth, [-3.0], rtol=1e-6)
    drawn = moved.redraw(MyceliumModel(alpha=0.12), {}, scale=0.0, key=jax.random.key(1))
    assert float(drawn.targets["V_std"]) == pytest.approx(truth["V_std"])


@pytest.mark.parametrize(
    ("targets", "settings", "error", "message"),
    [
        ({"T_stable": 3.0}, {}, ParameterError, "'T_stable' has no soft twin"),
        ({}, {}, ParameterError, "at least one feature"),
        ({"V_std": np.nan}, {}, DataError, "target of V_std"),
        ({"V_std": 1.0}, {"sigma": 0.0}, ParameterError, "sigma of V_std"),
        ({"V_std": 1.0}, {"width": 0.0}, ParameterError, "width"),
        ({"V_std": 1.0}, {"save_every": 40}, ParameterError, "save_every"),
        ({"V_std": 1.0}, {"observed": "u"}, ParameterError, "observed must be one of potential"),
        ({"V_std": 1.0}, {"sigma": {"V_mean": 0.1}}, ParameterError, "sigma has no 'V_std'"),
    ],
)
def test_what_it_refuses(problem, targets, settings, error, message: str) -> None:
    with pytest.raises(error, match=message):
        soft_feature_targets(targets, **{**problem, **settings})
