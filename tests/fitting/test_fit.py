"""`fit`: against SciPy, with starts that fail, with data sets that share, and as a file."""

from __future__ import annotations

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import least_squares

from mfnjax import FisherKPPModel, fit, simulate
from mfnjax.errors import FitError, ParameterError
from mfnjax.fitting import lanes
from tests.fitting.conftest import DT, RATES, START, observed


def test_the_same_minimum_as_scipy_finds(front, noisy, fitted) -> None:
    def residuals(theta: np.ndarray) -> np.ndarray:
        model = FisherKPPModel(*theta, capacity=1.0)
        start = {"u": jnp.asarray(front.start)}
        run = simulate(model, start, grid=front.grid, steps=60, dt=DT, save_every=20)
        return ((np.asarray(run.history["u"]) - np.asarray(noisy.data["u"])) / 0.05).ravel()

    theirs = least_squares(residuals, [0.25, 0.2], xtol=1e-10, ftol=1e-12)
    ours = [fitted.parameters[name] for name in RATES]
    assert fitted.status == "converged"
    assert fitted.loss == pytest.approx(theirs.cost, rel=1e-8)
    np.testing.assert_allclose(ours, theirs.x, rtol=1e-5)
    assert fitted.model.capacity == 1.0
    assert fitted.history[0, -1] == fitted.loss


@pytest.mark.parametrize("optimizer", [None, optax.adam(0.05)], ids=["lbfgs", "adam"])
@pytest.mark.thorough
def test_first_order_finds_the_same(noisy, fitted, optimizer) -> None:
    loss = noisy.loss
    objective = noisy if optimizer is not None else (lambda model: loss(model, {}))
    result = fit(START, objective, free=RATES, optimizer=optimizer, max_steps=800)
    for name in RATES:
        assert result.parameters[name] == pytest.approx(fitted.parameters[name], rel=1e-3)
    assert result.loss >= fitted.loss * (1 - 1e-9)


@pytest.mark.parametrize(("rate", "status"), [(0.05, "converged"), (0.112, "stalled")])
def test_a_descent_that_goes_astray_has_not_converged(rate: float, status: str) -> None:
    """(D − 1)² with y = D/3 has the curvature 18: a rate over 2/18 swings up."""
    result = fit(
        FisherKPPModel(3.0),
        lambda model: (jnp.asarray(model.diffusivity) - 1.0) ** 2,
        free=["D"],
        bounds={"D": (None, None)},
        optimizer=optax.sgd(rate),
    )
    assert result.status == status


@pytest.mark.thorough
def test_bad_starts_hurt_no_other(noisy, fitted) -> None:
    starts = [
        {},
        {"growth_rate": 1e6},
        {"diffusivity": 0.3, "growth_rate": 0.15},
        {"diffusivity": 1e9},
    ]
    many = fit(START, noisy, free=RATES, starts=starts)
    assert [s.status for s in many.starts] == ["converged", "value NaN", "converged", "value NaN"]
    # Alone or beside starts that fail: the same.
    assert many.starts[0].parameters == pytest.approx(fitted.parameters, rel=1e-9)
    assert "2 converged, 2 value NaN" in repr(many)
    with pytest.raises(FitError, match=r"no start led to a finite loss .*growth_rate = 1e\+06"):
        fit(START, noisy, free=RATES, starts=starts[1:2])


def test_a_gradient_that_is_nan_is_told_apart() -> None:
    def kinked(model: FisherKPPModel) -> jax.Array:
        return jnp.sqrt(jnp.abs(jnp.asarray(model.diffusivity) - 1.0)) + model.growth_rate**2

    starts = [{}, {"diffusivity": 2.0}]
    model = FisherKPPModel(diffusivity=1.0)
    many = fit(model, kinked, free=RATES, starts=starts, optimizer=optax.sgd(0.01), max_steps=5)
    assert many.starts[0].status == "gradient NaN"
    assert many.starts[1].status == "stalled"


@pytest.mark.thorough
def test_drawn_starts_need_a_key_and_stay_inside_bounds(noisy) -> None:
    with pytest.raises(ParameterError, match="pass key="):
        fit(START, noisy, free=RATES, starts=3)
    many = fit(
        START,
        noisy,
        free=RATES,
        starts=6,
        bounds={"D": (0.1, 1.0)},
        max_steps=1,
        key=jax.random.key(0),
    )
    drawn = np.array([s.start["diffusivity"] for s in many.starts])
    assert drawn[0] == pytest.approx(0.25)
    assert np.all((drawn > 0.1) & (drawn < 1.0))
    assert len(set(drawn)) == 6
    assert {s.status for s in many.starts} == {"stalled"}


@pytest.mark.thorough
def test_data_sets_share_what_they_are_told_to(front) -> None:
    other = FisherKPPModel(diffusivity=0.5, growth_rate=0.2)
    start = {"u": jnp.asarray(front.start)}
    run = simulate(other, start, grid=front.grid, steps=60, dt=DT, save_every=20)
    two = {
        "slow": observed(front),
        "fast": observed(front._replace(seen=np.asarray(run.history["u"]))),
    }
    result = fit(START, two, fixed=["K"], shared=["diffusivity"])
    assert result.parameters == pytest.approx(
        {"diffusivity": 0.5, "growth_rate[slow]": 0.1, "growth_rate[fast]": 0.2}, rel=1e-6
    )
    assert result.model["fast"].growth_rate == pytest.approx(0.2, rel=1e-6)
    assert result.model["slow"].diffusivity == result.model["fast"].diffusivity
    tied = fit(FisherKPPModel(0.3, 0.3, 1.0), two["slow"], fixed={"K": 1.0}, shared=[("D", "λ")])
    assert list(tied.parameters) == ["diffusivity=growth_rate"]
    assert tied.model.diffusivity == tied.model.growth_rate


def test_the_result_as_json_and_as_text(fitted, tmp_path) -> None:
    told = json.loads(fitted.to_json(tmp_path / "fit.json"))
    assert told == json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert told["parameters"] == fitted.parameters
    assert told["starts"][0]["status"] == "converged"
    assert "diffusivity = 0.5" in repr(fitted) or "diffusivity = 0.4" in repr(fitted)
    assert fitted.plot(tmp_path / "descent.png").axes
    assert (tmp_path / "descent.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fixed": ["diffusivty"]}, "did you mean 'diffusivity'"),
        ({"fixed": ["D", "λ", "K"]}, "nothing is left to fit"),
        ({"fixed": "D"}, "fixed must be names, or a mapping"),
        ({"free": ["D"], "fixed": ["D"]}, "both free and fixed"),
        ({"fixed": {"D": 1.0, "diffusivity": 2.0}}, r"diffusivity is named twice \(D and"),
        ({"starts": [{"D": 1.0, "diffusivity": 2.0}]}, "diffusivity is named twice"),
        ({"fixed": ["D"], "bounds": {"D": (0, 1)}}, "not fitted"),
        ({"shared": [("D", "K"), ("K", "λ")]}, "stands in two groups"),
        ({"shared": [("D", "K")], "bounds": {"K": (0, 2)}}, "takes the value of diffusivity"),
        ({"optimizer": "adam"}, "optax transformation"),
        ({"optimizer": 3}, "optax transformation"),
        ({"starts": 0}, "starts must be an integer"),
        ({"starts": [3]}, "list of mappings"),
        ({"starts": [{"Q": 1.0}]}, "'Q' is not fitted"),
        ({"starts": [{"diffusivity": -1.0}]}, "not inside its bounds"),
        ({"max_steps": 0}, "max_steps"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"resume": True}, "needs checkpoint="),
    ],
)
def test_what_fit_refuses(noisy, settings, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fit(START, noisy, **settings)


def test_objectives_and_models_that_are_none(noisy) -> None:
    with pytest.raises(ParameterError, match="an Objective or a function"):
        fit(START, 3)
    with pytest.raises(ParameterError, match="one kind of Model"):
        fit(3, noisy)
    with pytest.raises(ParameterError, match="same data sets"):
        fit({"a": START}, {"b": noisy})
    with pytest.raises(ParameterError, match="needs a least-squares objective"):
        fit(START, lambda m: m.diffusivity * 1.0, optimizer="levenberg-marquardt")
    with pytest.raises(ParameterError, match="real scalar"):
        fit(START, lambda m: jnp.ones(3) * m.diffusivity)


def test_without_the_extra_one_error_says_what_to_install(noisy, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optimistix", None)
    with pytest.raises(ParameterError, match=r'optimistix, .* pip install "mfnjax\[fit\]"'):
        fit(START, noisy, free=["diffusivity"])


def test_a_second_fit_compiles_nothing(front, noisy) -> None:
    fit(START, noisy, free=RATES)
    before = lanes._chunk._cache_size()
    fit(FisherKPPModel(0.3, 0.15), observed(front, 0.05, seed=1, sigma=0.05), free=RATES)
    assert lanes._chunk._cache_size() == before
