"""Uncertainty: against closed forms, against each other, and against what the data can tell."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats
from scipy.linalg import block_diag

from mfnjax import FisherKPPModel, Grid, MyceliumModel, fit, simulate
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import FitError, ParameterError
from mfnjax.fitting import (
    CallableObjective,
    LowerMinimumWarning,
    bootstrap,
    covariance,
    identifiability,
    plot_profiles,
    pointwise,
    profile,
)
from mfnjax.fitting.inference.correlation import Frames, neighbour_correlation
from mfnjax.fitting.inference.uncertainty import jacobian_of
from mfnjax.fitting.lanes import Problem
from mfnjax.models.base import ReactionDiffusion
from tests.fitting.conftest import RATES, START, observed

pytestmark = pytest.mark.compile_bound

X = np.linspace(0.0, 1.0, 12)
Y = 1.0 + 2.0 * X + 0.3 * np.sin(40 * X)


def _line(model):
    return jnp.asarray(model.diffusivity) + jnp.asarray(model.growth_rate) * X - Y


LINE = CallableObjective(_line, squares=True)
FREE = {"bounds": {"D": (None, None), "λ": (None, None)}, "fixed": ["K"]}


@pytest.fixture(scope="module")
def line():
    return fit(FisherKPPModel(0.7, 1.4), LINE, **FREE)


def test_a_straight_line_has_the_textbook_covariance(line) -> None:
    slope = stats.linregress(X, Y)
    found = covariance(line)
    assert found.degrees_of_freedom == 10
    assert found.values["growth_rate"] == pytest.approx(slope.slope, rel=1e-8)
    assert found.standard_errors["growth_rate"] == pytest.approx(slope.stderr, rel=1e-8)
    assert found.standard_errors["diffusivity"] == pytest.approx(slope.intercept_stderr, rel=1e-8)
    low, high = found.intervals(0.95)["growth_rate"]
    half = slope.stderr * stats.t.ppf(0.975, 10)
    assert (low, high) == pytest.approx((slope.slope - half, slope.slope + half), rel=1e-8)
    design = np.stack([np.ones(12), X], 1)
    inverse = np.linalg.inv(design.T @ design)
    expected = inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert found.correlation[0, 1] == pytest.approx(expected, rel=1e-8)
    assert covariance(line, scale=1.0).standard_errors["diffusivity"] == pytest.approx(
        np.sqrt(inverse[0, 0]), rel=1e-8
    )
    assert "±" in repr(found)
    assert found.to_dict()["parameters"]["growth_rate"]["low"] == pytest.approx(
        found.intervals(0.9)["growth_rate"][0]
    )


@pytest.mark.thorough
def test_the_hessian_serves_a_loss_that_is_no_sum_of_squares(line) -> None:
    by_loss = fit(FisherKPPModel(0.7, 1.4), lambda m: 0.5 * jnp.sum(_line(m) ** 2), **FREE)
    assert not by_loss.is_least_squares
    ours = covariance(by_loss).free
    np.testing.assert_allclose(ours, covariance(line, scale=1.0).free, rtol=1e-6)
    report = identifiability(by_loss)
    assert report.condition_number == pytest.approx(
        identifiability(line, scale=1.0).condition_number, rel=1e-4
    )
    found = profile(by_loss, "growth_rate", points=7)
    assert found.interval == pytest.approx(covariance(by_loss).intervals()["growth_rate"], rel=1e-3)


@pytest.mark.thorough
def test_a_stiff_direction_does_not_hide_another_that_is_well_determined() -> None:
    """ln D to 1e-5 and ln λ to 10 %: the curvatures are 1e10 and 100."""
    result = fit(
        FisherKPPModel(1.9, 2.9),
        lambda m: 0.5e10 * jnp.log(m.diffusivity / 2) ** 2 + 50 * jnp.log(m.growth_rate / 3) ** 2,
        fixed=["K"],
    )
    found, report = covariance(result), identifiability(result)
    assert found.standard_errors == pytest.approx(
        {"diffusivity": 2e-5, "growth_rate": 0.3}, rel=1e-3
    )
    assert report.ok
    assert report.condition_number == pytest.approx(1e4, rel=1e-3)


@pytest.mark.parametrize("squares", [True, False])
def test_derivatives_that_are_not_finite_are_told(squares: bool) -> None:
    def root(model) -> jax.Array:
        return jnp.sqrt(jnp.abs(jnp.asarray(model.diffusivity) - 1.0))

    objective = CallableObjective(root, squares=squares)
    optimizer = None if squares else optax.sgd(0.1)
    result = fit(FisherKPPModel(1.0), objective, free=["D"], optimizer=optimizer, max_steps=2)
    for of in (covariance, identifiability):
        with pytest.raises(FitError, match=r"not finite at diffusivity = 1 "):
            of(result, scale=1.0)


@pytest.mark.thorough
def test_what_the_hessian_loses_in_rounding_is_not_seen() -> None:
    with jax.enable_x64(False):
        result = fit(
            FisherKPPModel(1.3, 0.7),
            lambda m: 5e3 * (2 * jnp.sqrt(m.diffusivity * m.growth_rate * m.capacity) - 1.0) ** 2,
        )
        assert result.layout.dtype == "float32"
        assert np.all(np.isinf(list(covariance(result).standard_errors.values())))
        assert identifiability(result).condition_number == np.inf
        kinds = [direction.kind for direction in identifiability(result).directions]
    assert kinds == ["determined", "unseen", "unseen"]


@pytest.mark.thorough
def test_the_profile_of_a_linear_problem_is_its_interval(line) -> None:
    found = profile(line, "growth_rate")
    assert found.interval == pytest.approx(covariance(line).intervals()["growth_rate"], rel=1e-6)
    assert np.all(found.converged)
    assert found.rise[len(found.rise) // 2] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.thorough
def test_profile_laplace_and_bootstrap_agree_where_the_data_are_good(fitted, tmp_path) -> None:
    laplace = covariance(fitted)
    assert laplace.scale == 1.0  # the noise was given
    profiles = [profile(fitted, name, points=11) for name in RATES]
    for found in profiles:
        low, high = laplace.intervals()[found.name]
        assert found.interval == pytest.approx((low, high), rel=0.05)
    boot = bootstrap(fitted, repeats=150, key=jax.random.key(1))
    assert boot.failed == 0
    for name in RATES:
        # 150 repeats know a standard deviation to 6 %: three of those.
        assert boot.standard_errors[name] == pytest.approx(laplace.standard_errors[name], rel=0.18)
        low, high = boot.intervals()[name]
        assert low < fitted.parameters[name] < high
    assert len(plot_profiles(profiles, tmp_path / "p.png").axes) == 2


@pytest.mark.thorough
def test_a_single_parameter_has_a_profile(noisy) -> None:
    one = fit(START, noisy, free=["D"], fixed={})
    found = profile(one, "diffusivity", points=9)
    # sign(θ − θ̂)·√rise is near linear through the best value.
    assert found.interval[0] < one.parameters["diffusivity"] < found.interval[1]
    with pytest.raises(ParameterError, match="'Q' was not fitted"):
        profile(one, "Q")


@pytest.mark.thorough
def test_a_profile_that_falls_below_the_fit_says_so() -> None:
    """A double well: the fit ends in the higher one, the profile reaches the lower."""

    def wells(model) -> jax.Array:
        at = jnp.asarray(model.growth_rate)
        return (
            5 * (at - 1) ** 2 * (at - 3) ** 2 + 0.5 * (3 - at) + 0.1 * (model.diffusivity - 1) ** 2
        )

    result = fit(FisherKPPModel(0.9, 1.1), wells, **FREE)
    assert result.parameters["growth_rate"] == pytest.approx(1.0, abs=0.05)
    with pytest.warns(LowerMinimumWarning, match="falls below the fit"):
        found = profile(result, "λ", width=16, points=81)
    assert found.better["growth_rate"] == pytest.approx(3.0, abs=0.05)
    assert found.fall == pytest.approx(
        2 * (result.loss - float(wells(FisherKPPModel(1.0, 3.0)))), rel=0.05
    )
    assert found.rise.min() == 0.0
    again = fit(FisherKPPModel(0.9, 1.1), wells, starts=[found.better], **FREE)
    low, high = found.interval  # of the lower well
    assert low < again.parameters["growth_rate"] < high
    assert found.to_dict()["better"] == found.better


@pytest.mark.thorough
def test_correlated_residuals_widen_the_interval(front) -> None:
    # Noise that is the mean of five neighbours: correlated along x, ρ₁ = 0.8.
    rng = np.random.default_rng(3)
    raw = rng.normal(size=(3, 1, 28))
    smooth = sum(raw[..., k : k + 24] for k in range(5)) / np.sqrt(5)
    seen = front.seen + 0.05 * smooth
    result = fit(START, observed(front._replace(seen=seen), sigma=0.05), free=RATES)
    plain, wide = covariance(result), covariance(result, along_x=True)
    assert 0.6 < wide.correlation_along_x < 0.9
    for name in RATES:
        assert wide.standard_errors[name] > 1.2 * plain.standard_errors[name]
    alternating = front.seen + 0.05 * (-1.0) ** np.arange(24)
    other = fit(START, observed(front._replace(seen=alternating), sigma=0.05), free=RATES)
    same = covariance(other, along_x=True)
    assert same.correlation_along_x == 0.0  # it never narrows
    np.testing.assert_allclose(same.free, covariance(other).free, rtol=1e-9)
    with pytest.raises(ParameterError, match="pointwise objectives"):
        covariance(fit(FisherKPPModel(0.7, 1.4), LINE, **FREE), along_x=True)


def test_the_correlation_is_found_at_uneven_columns() -> None:
    """An autoregressive process, ρ = 0.7 from cell to cell, seen at a few of its cells."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(40_000, 12))
    process = [noise[:, 0]]
    for k in range(1, 12):
        process.append(0.7 * process[-1] + np.sqrt(1 - 0.7**2) * noise[:, k])
    for columns in ([0, 1, 2, 3], [0, 3, 4, 11], [9, 2, 0, 5], [0, 4, 8]):
        seen = np.stack([process[k] for k in columns], axis=1)
        rows = [Frames(0, np.ones(seen.shape, bool), np.array(columns, float), seen)]
        # 40 000 rows know a correlation to 0.005; the last columns lie four cells apart.
        assert neighbour_correlation(rows, 1.0) == pytest.approx(0.7, abs=0.02)
    assert neighbour_correlation(rows, 4.0) == pytest.approx(0.7**4, abs=0.02)


@pytest.mark.thorough
def test_uneven_columns_and_a_measured_start_are_correlated_by_their_distance(front) -> None:
    columns = [0, 1, 2, 7, 11, 23]
    seen = front.seen[:, :, columns] + 0.06 * np.array([1.0, -1.0, 1.0])[:, None, None]
    start = np.maximum(front.start, 1e-3)
    objective = observed(
        front._replace(seen=seen),
        start={"u": start},
        columns=columns,
        sigma=0.05,
        start_sigma={"u": 0.05},
    )
    result = fit(START, objective, free=RATES)
    found = covariance(result, along_x=True)
    jacobian = np.asarray(
        jacobian_of(
            result.layout, jnp.asarray(result.free), Problem(result.models, result.objectives)
        )[1]
    )
    blocks = [np.array(columns)] * 3 + [np.arange(24)]
    rho = found.correlation_along_x
    assert rho > 0.2
    correlation = block_diag(*[rho ** np.abs(np.subtract.outer(x, x)) for x in blocks])
    inverse = np.linalg.inv(jacobian.T @ jacobian)
    expected = inverse @ jacobian.T @ correlation @ jacobian @ inverse
    np.testing.assert_allclose(found.free, expected[:2, :2], rtol=1e-6)


@pytest.mark.thorough
def test_the_order_in_which_data_sets_are_named_changes_nothing(front) -> None:
    late, gaps = front.seen[1:].copy(), front.seen.copy()
    gaps[:, :, ::5] = np.nan
    rng = np.random.default_rng(4)
    sets = {
        "b": observed(front._replace(seen=late), 0.05, steps=[40, 60], sigma=0.05),
        "a": observed(front._replace(seen=gaps + 0.02 * rng.normal(size=(3, 1, 24)).cumsum(-1))),
    }
    result = fit(START, sets, free=RATES, shared=RATES)
    sorted_sets = {label: result.objectives[label] for label in sorted(sets)}
    other = dataclasses.replace(result, objectives=sorted_sets)
    one, two = (covariance(r, along_x=True) for r in (result, other))
    assert one.correlation_along_x > 0.05
    np.testing.assert_allclose(one.free, two.free, rtol=1e-12)


@pytest.mark.thorough
def test_degrees_of_freedom_count_what_was_measured_and_a_functions_residuals(front) -> None:
    seen = front.seen.copy()
    seen[:, :, ::2] = np.nan
    measured = observed(front._replace(seen=seen))
    prior = CallableObjective(lambda m: jnp.log(m.diffusivity / 0.4) * jnp.ones(3), squares=True)
    whole = measured + 0.5 * prior
    assert whole.num_residuals == 0  # not known beforehand
    result = fit(START, whole, free=RATES)
    assert covariance(result).degrees_of_freedom == 36 + 3 - 2


@pytest.mark.thorough
def test_a_bootstrap_starts_at_a_bound_that_was_reached(noisy) -> None:
    result = fit(START, noisy, free=RATES, bounds={"D": (0.0, 0.3)})
    free = result.free.copy()
    free[0] = 60.0  # 0.3 to the last bit: its way back is infinite
    values = result.layout.values(free)
    assert values["diffusivity"] == 0.3
    at_bound = dataclasses.replace(
        result, free=free, model=dataclasses.replace(result.model, diffusivity=0.3)
    )
    found = bootstrap(at_bound, repeats=2, max_steps=3, key=jax.random.key(0))
    assert found.failed == 0
    assert np.all(found.samples["diffusivity"] <= 0.3)


@register_pytree
@dataclass(frozen=True)
class Product(ReactionDiffusion):
    """u_t = D∇²u + a·b·u(1 − u): a and b enter as a product alone."""

    fields = ("u",)
    reaction_fields = ("u",)
    diffusivity: float = 0.5
    first: float = 0.5
    second: float = 0.2

    def reaction(self, values):
        return (self.first * self.second * values[0] * (1 - values[0]),)

    def transport(self, values, laplacian):
        return (self.diffusivity * laplacian(values[0]),)

    def initial_state(self, grid, *, dtype=None, key):
        raise NotImplementedError


@pytest.mark.thorough
def test_a_product_is_reported_with_its_direction(front) -> None:
    result = fit(Product(0.3, 1.0, 0.3), observed(front, 0.02, sigma=0.02))
    product = result.parameters["first"] * result.parameters["second"]
    assert product == pytest.approx(0.1, rel=0.05)
    report = identifiability(result)
    assert report.identifiable == ("diffusivity",)
    assert report.confounded == ("first", "second")
    assert report.without_influence == ()
    assert not report.ok
    (direction,) = report.sloppy
    assert direction.kind == "unseen"
    assert direction.components == pytest.approx({"first": 1.0, "second": -1.0}, abs=1e-6)
    assert "first · second^-1.00 changes nothing in the data" in report.text()
    errors = covariance(result).standard_errors
    assert np.isinf(errors["first"])
    assert np.isinf(errors["second"])
    assert errors["diffusivity"] < 0.1
    assert covariance(result).intervals()["first"] == (0.0, np.inf)
    assert covariance(result).to_dict()["parameters"]["first"]["standard_error"] is None


@pytest.fixture(scope="module")
def mycelium():
    grid, key = Grid((24, 24)), jax.random.key(2)
    start = MyceliumModel().initial_state(grid, key=jax.random.key(1))
    run = simulate(MyceliumModel(), start, grid=grid, steps=40, save_every=20, key=key)
    return start, run.history.asdict(), {"grid": grid, "steps": [20, 40], "key": key}


FIVE = ("alpha", "d_activator", "d_inhibitor", "r_activator", "r_inhibitor")


@pytest.mark.parametrize("factor", [0.5, 1.35])
@pytest.mark.thorough
def test_the_v41_parameters_come_back_from_all_fields(mycelium, factor: float) -> None:
    start, seen, settings = mycelium
    truth = {name: getattr(MyceliumModel(), name) for name in FIVE}
    off = MyceliumModel(**{name: factor * value for name, value in truth.items()})
    result = fit(off, pointwise(seen, start=start, **settings), free=FIVE)
    assert result.converged
    assert result.parameters == pytest.approx(truth, rel=1e-3)
    assert identifiability(result, scale=1e-6).ok


@pytest.mark.thorough
def test_without_events_no_key_is_needed(mycelium) -> None:
    start, _, settings = mycelium
    still = MyceliumModel(spike_probability=0.0)
    run = simulate(still, start, grid=settings["grid"], steps=10)
    data = {"potential": run.state["potential"][None]}
    plain = {"start": start, "grid": settings["grid"], "steps": [10]}
    off = MyceliumModel(alpha=0.1, spike_probability=0.0)
    result = fit(off, pointwise(data, **plain), free=["alpha"])
    assert result.parameters["alpha"] == pytest.approx(0.18, rel=1e-6)
    with pytest.raises(ParameterError, match="draws random numbers: pass key="):
        fit(MyceliumModel(alpha=0.1), pointwise(data, **plain), free=["alpha"])


@pytest.mark.thorough
def test_from_the_potential_alone_only_alpha_is_identifiable(mycelium) -> None:
    start, seen, settings = mycelium
    objective = pointwise({"potential": seen["potential"]}, start=start, **settings)
    result = fit(MyceliumModel(alpha=0.09), objective, free=FIVE)
    assert result.parameters["alpha"] == pytest.approx(0.18, rel=1e-3)
    report = identifiability(result, scale=1e-6)
    assert report.identifiable == ("alpha",)
    assert report.without_influence == FIVE[1:]
    assert report.text().splitlines() == [
        "Identifiable: alpha. Condition number inf.",
        "No influence on the data: d_activator, d_inhibitor, r_activator, r_inhibitor.",
    ]


@pytest.mark.thorough
def test_a_sloppy_direction_is_named_with_its_error(front) -> None:
    # One column, one time: D and λ can be traded against each other within the noise.
    objective = pointwise(
        {"u": front.seen[:1, :, 9:11]},
        start={"u": front.start},
        grid=front.grid,
        steps=[20],
        dt=0.5,
        columns=[9, 10],
        sigma=0.1,
    )
    result = fit(front.truth, objective, free=RATES)
    report = identifiability(result)
    assert report.sloppy[-1].kind == "sloppy"
    assert set(report.sloppy[-1].components) == set(RATES)
    assert "Poorly determined" in report.text()
    assert report.directions[0].relative_error < report.directions[-1].relative_error


@pytest.mark.thorough
def test_the_noise_cannot_be_estimated_from_too_little() -> None:
    single = CallableObjective(lambda m: jnp.stack([m.diffusivity - 1.0]), squares=True)
    result = fit(FisherKPPModel(0.5), single, free=["D"])
    with pytest.raises(ParameterError, match="1 residuals for 1 unknowns"):
        covariance(result)
    assert covariance(result, scale=4.0).standard_errors["diffusivity"] == pytest.approx(2.0)
    with pytest.raises(ParameterError, match="level must"):
        covariance(result, scale=4.0).intervals(1.0)
