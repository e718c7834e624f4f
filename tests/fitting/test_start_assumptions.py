"""What is assumed of a noisy start, and what is said of a parameter that ended at a bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import linalg

from mfnjax import FisherKPPModel, Grid, fit
from mfnjax.fitting import pointwise, report_fit
from mfnjax.fitting.inference.integrated import _Marginal, integrate_start
from mfnjax.fitting.inference.start_assumptions import Assumption, disagreements

CELLS, TIMES, SIGMA = 12, (4, 8, 12), 0.02
GRID = Grid((1, CELLS), boundary="neumann")


def _heat(D: float, t: float) -> np.ndarray:
    second = np.diag(np.full(CELLS, -2.0)) + np.diag(np.ones(CELLS - 1), 1)
    second += np.diag(np.ones(CELLS - 1), -1)
    second[0, 0] = second[-1, -1] = -1
    return linalg.expm(t * D * second)


def _fitted(D: float, seed: int, sigma: float = SIGMA) -> tuple[Any, np.ndarray, np.ndarray]:
    """A fit of heat alone, the measured start, the data."""
    rng = np.random.default_rng(seed)
    start = np.where(np.arange(CELLS) < 6, 1.0, 0.0)
    seen = start + sigma * rng.normal(size=CELLS)
    data = np.stack([_heat(D, 0.25 * n) @ start for n in TIMES])
    data = data + sigma * rng.normal(size=data.shape)
    objective = pointwise(
        {"u": data},
        start={"u": seen},
        grid=GRID,
        steps=TIMES,
        dt=0.25,
        sigma=sigma,
        start_sigma={"u": np.full(CELLS, sigma)},
        stepper="etdrk4",
    )
    model = FisherKPPModel(diffusivity=0.5, growth_rate=0.0)
    return fit(model, objective, free=["diffusivity"]), seen, data


@pytest.mark.thorough
def test_the_likelihood_is_the_integral_over_the_start() -> None:
    """Heat is linear in its start: the integral of a Gaussian, by the exponential of a matrix."""
    result, seen, data = _fitted(0.3, seed=1)
    marginal = _Marginal(result, None)

    def exact(D: float) -> float:
        rows = [np.eye(CELLS), *(_heat(D, 0.25 * n) for n in TIMES)]
        A, b = np.concatenate(rows) / SIGMA, np.concatenate([seen, *data]) / SIGMA
        u, *_ = np.linalg.lstsq(A, b, rcond=None)
        return float(0.5 * np.sum((A @ u - b) ** 2) + 0.5 * np.linalg.slogdet(A.T @ A)[1])

    transform = result.layout.entries[0].transform
    found = [marginal(np.array([float(transform.inverse(D))])) for D in (0.1, 0.3, 0.9)]
    expected = [exact(D) for D in (0.1, 0.3, 0.9)]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-6, atol=1e-6)


def test_the_interval_is_that_of_the_curvature() -> None:
    result, _, _ = _fitted(0.3, seed=2)
    found = integrate_start(result)
    low, high = found.intervals["diffusivity"]
    assert low < 0.3 < high
    assert 1.05 < high / low < 3


def test_a_start_that_was_taken_as_exact_has_nothing_to_integrate() -> None:
    objective = pointwise(
        {"u": np.ones((1, CELLS))}, start={"u": np.ones(CELLS)}, grid=GRID, steps=(4,), dt=0.25
    )
    result = fit(FisherKPPModel(), objective, free=["diffusivity"], max_steps=1)
    with pytest.raises(ValueError, match="unknown start"):
        integrate_start(result)


def test_only_values_outside_of_another_interval_disagree() -> None:
    one = Assumption("a", {"D": 1.0, "r": 1.0}, {"D": (0.5, 1.5), "r": (0.9, 1.1)})
    two = Assumption("b", {"D": 1.4, "r": 1.2}, {"D": (0.9, None), "r": (None, 1.3)})
    assert disagreements((one, two)) == ("r",)
    assert disagreements(()) == ()


@pytest.mark.thorough
def test_a_parameter_that_ended_at_its_bound_has_a_limit_and_not_no_influence() -> None:
    """Data of heat that hardly moves: D is small against what is seen, and D = 1 is ruled out."""
    result, _, _ = _fitted(0.0, seed=3, sigma=0.05)
    report = report_fit(result, assumptions=True)
    low, high = report.intervals()["diffusivity"]
    assert low == 0
    assert 1e-3 < high < 0.3
    said = "\n".join(report.sentences())
    assert "No influence" not in said
    assert f"the data say only diffusivity < {high:.3g}" in said
    assert [one.start for one in report.assumptions] == [
        "estimated along",
        "integrated out",
        "as measured",
    ]
    told = report.to_dict()["uncertainty"]["parameters"]["diffusivity"]
    assert (told["low"], told["high"]) == (0, high)
    assert report_fit(result, level=0.4).identifiability.limits == {}
    assert report.to_dict()["identifiability"]["limits"] == {"diffusivity": [None, high]}
