"""Objectives: what they count, how they add up, and what they refuse."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax import FisherKPPModel, Grid, simulate
from mfnjax.core import State
from mfnjax.errors import DataError, ParameterError
from mfnjax.fitting import CallableObjective, pointwise
from mfnjax.fitting.objectives.refinement import refined
from tests.fitting.conftest import DT, STEPS

MODEL = FisherKPPModel(diffusivity=0.4, growth_rate=0.12)


def given(front, **settings):
    return {"start": {"u": front.start}, "grid": front.grid, "steps": STEPS, "dt": DT, **settings}


@pytest.fixture(scope="module")
def frames(front) -> np.ndarray:
    run = simulate(
        MODEL, {"u": jnp.asarray(front.start)}, grid=front.grid, steps=60, dt=DT, save_every=20
    )
    return np.asarray(run.history["u"])


def test_residuals_are_what_they_say(front, frames) -> None:
    sigma = np.linspace(0.1, 0.2, 24)
    objective = pointwise({"u": front.seen}, sigma={"u": sigma}, **given(front))
    expected = (frames - front.seen) / sigma
    found = objective.residuals(MODEL, {})
    np.testing.assert_allclose(np.asarray(found).reshape(3, 1, 24), expected, rtol=1e-12)
    assert float(objective(MODEL)) == pytest.approx(0.5 * np.sum(expected**2), rel=1e-12)
    assert objective.noise_is_known


def test_missing_data_count_for_nothing(front, frames) -> None:
    seen = front.seen[:, 0].copy()  # (T, W) is short for (T, 1, W)
    seen[1, 3:9] = np.nan
    mask = np.ones_like(seen, bool)
    mask[2, 20:] = False
    objective = pointwise({"u": seen}, mask={"u": mask}, **given(front))
    counted = mask & np.isfinite(seen)
    expected = np.where(counted, frames[:, 0] - np.nan_to_num(seen), 0)
    np.testing.assert_allclose(
        np.asarray(objective.residuals(MODEL, {})).reshape(3, 24), expected, rtol=1e-12, atol=1e-15
    )
    assert objective.num_residuals == counted.sum() == 72 - 6 - 4
    assert not objective.noise_is_known


def test_chosen_columns_and_times(front, frames) -> None:
    columns = [2, 9, 17]
    objective = pointwise(
        {"u": front.seen[1:, :, columns]},
        columns=columns,
        **given(front, steps=STEPS[1:]),
    )
    expected = (frames - front.seen)[1:, 0, columns].ravel()
    np.testing.assert_allclose(objective.residuals(MODEL, {}), expected, rtol=1e-12)


def test_coarse_data_are_means_of_cells() -> None:
    fine = Grid((8, 12), 0.5, "neumann")
    start = np.random.default_rng(0).uniform(size=(4, 6))
    objective = pointwise(
        {"u": np.zeros((1, 4, 6))}, start={"u": start}, grid=fine, steps=[5], dt=0.1, coarsen=2
    )
    fine_start = np.asarray(objective.initial({})["u"])
    assert fine_start.shape == (8, 12)
    # The start's means over the data's cells are the data.
    np.testing.assert_allclose(fine_start.reshape(4, 2, 6, 2).mean((1, 3)), start, rtol=1e-13)
    run = simulate(MODEL, {"u": jnp.asarray(fine_start)}, grid=fine, steps=5, dt=0.1)
    means = np.asarray(run.state["u"]).reshape(4, 2, 6, 2).mean((1, 3))
    np.testing.assert_allclose(objective.predict(MODEL, {})["u"][0], means, rtol=1e-12)


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
def test_a_refined_start_is_of_third_order(boundary: str) -> None:
    """cos(2πx) has the period of the torus, and no flux at 0 and 1."""

    def error(cells: int) -> float:
        edges = np.linspace(0.0, 1.0, 4 * cells + 1)
        fine = np.diff(np.sin(2 * np.pi * edges)) / (2 * np.pi) * 4 * cells
        coarse = fine.reshape(1, cells, 4).mean(2)
        found = refined(coarse, (1, 4), periodic=boundary == "periodic")
        np.testing.assert_allclose(found.reshape(1, cells, 4).mean(2), coarse, atol=1e-14)
        return float(np.abs(np.asarray(found)[0] - fine).max())

    orders = np.log2([error(n) / error(2 * n) for n in (8, 16, 32)])
    assert np.all(orders > 2.8), orders


def test_a_noisy_start_is_an_unknown(front) -> None:
    objective = pointwise({"u": front.seen}, sigma=0.1, start_sigma={"u": 0.05}, **given(front))
    assert {k: v.shape for k, v in objective.unknowns.items()} == {"start.u": (1, 24)}
    assert objective.num_residuals == 72 + 24
    z = jnp.linspace(-1.0, 1.0, 24)[None]
    residuals = objective.residuals(MODEL, {"start.u": z})
    np.testing.assert_allclose(residuals[72:], z[0])
    np.testing.assert_allclose(objective.initial({"start.u": z})["u"], front.start + 0.05 * z)


def test_synthetic_data_have_the_noise_they_should(front, frames) -> None:
    objective = pointwise({"u": front.seen}, sigma=0.05, start_sigma={"u": 0.02}, **given(front))
    keys = jax.random.split(jax.random.key(0), 400)
    drawn = jax.vmap(lambda key: objective.redraw(MODEL, objective.unknowns, scale=2.0, key=key))(
        keys
    )
    noise = np.asarray(drawn.data["u"]) - frames
    assert noise.std() == pytest.approx(0.1, rel=0.02)  # 28 800 deviates
    assert (np.asarray(drawn.start["u"]) - front.start).std() == pytest.approx(0.04, rel=0.04)
    assert abs(np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1]) < 0.05


@pytest.mark.thorough
def test_sums_weigh_and_keep_squares(front) -> None:
    one = pointwise({"u": front.seen}, sigma=0.1, **given(front))
    two = pointwise({"u": front.seen[:, :, ::2]}, columns=range(0, 24, 2), **given(front))
    total = one * 2.0 + 0.5 * two + one
    expected = 3.0 * float(one(MODEL)) + 0.5 * float(two(MODEL))
    assert float(total(MODEL)) == pytest.approx(expected, rel=1e-12)
    assert float(0.5 * jnp.sum(total.residuals(MODEL, {}) ** 2)) == pytest.approx(expected)
    assert total.is_least_squares
    assert total.num_residuals == 72 + 36 + 72
    assert (one + one).noise_is_known
    assert not total.noise_is_known
    redrawn = total.redraw(MODEL, {}, scale=1.0, key=jax.random.key(0))
    assert redrawn.weights == total.weights
    free = total + CallableObjective(lambda m: m.diffusivity**2)
    assert not free.is_least_squares
    assert float(free(MODEL)) == pytest.approx(expected + 0.16)
    with pytest.raises(TypeError):
        _ = one + 3
    with pytest.raises(ParameterError, match="weight of an objective"):
        _ = one * -1.0
    with pytest.raises(ParameterError, match="no least-squares"):
        free.residuals(MODEL, {})
    with pytest.raises(ParameterError, match="no model of its noise"):
        free.redraw(MODEL, {}, scale=1.0, key=jax.random.key(0))


def test_unknowns_of_one_name_are_one(front) -> None:
    noise = {"sigma": 0.1, "start_sigma": {"u": 0.1}}
    noisy = pointwise({"u": front.seen}, **noise, **given(front))
    assert list((noisy + noisy).unknowns) == ["start.u"]
    short = Grid((1, 12), boundary="neumann")
    other = pointwise(
        {"u": np.zeros((1, 12))},
        start={"u": np.zeros((1, 12))},
        **noise,
        grid=short,
        steps=[4],
    )
    with pytest.raises(ParameterError, match=r"'start.u' has the shapes \(1, 24\) and \(1, 12\)"):
        _ = noisy + other
    again = pointwise({"u": front.seen}, **noise, **given(front, start={"u": front.start + 0.01}))
    with pytest.raises(ParameterError, match=r"'start\.u' was measured twice"):
        _ = noisy + again


@pytest.mark.thorough
def test_a_start_that_terms_share_counts_once(front) -> None:
    """One objective in three pieces, time by time, is that objective."""
    noise = {"sigma": 0.1, "start_sigma": {"u": 0.05}}
    whole = pointwise({"u": front.seen}, **noise, **given(front))
    parts = [
        pointwise({"u": front.seen[k : k + 1]}, **noise, **given(front, steps=[step]))
        for k, step in enumerate(STEPS)
    ]
    total = parts[0] + (parts[1] + parts[2])
    z = {"start.u": jnp.linspace(-1.0, 1.0, 24)[None]}
    assert total.num_residuals == whole.num_residuals == 72 + 24
    assert float(total.loss(MODEL, z)) == pytest.approx(float(whole.loss(MODEL, z)), rel=1e-12)
    np.testing.assert_allclose(total.residuals(MODEL, z), whole.residuals(MODEL, z), rtol=1e-9)
    doubled = 2.0 * total  # weighs every part, the start once more among them
    assert float(doubled.loss(MODEL, z)) == pytest.approx(2 * float(whole.loss(MODEL, z)))
    mixed = total + CallableObjective(lambda m: 0.0 * m.diffusivity)  # no least squares
    assert float(mixed.loss(MODEL, z)) == pytest.approx(float(whole.loss(MODEL, z)))
    drawn = total.redraw(MODEL, total.unknowns, scale=1.0, key=jax.random.key(1))
    starts = [np.asarray(term.start["u"]) for term in drawn.terms]
    assert np.abs(starts[0] - front.start).max() > 0.05
    np.testing.assert_array_equal(starts[0], starts[1])
    np.testing.assert_array_equal(starts[0], starts[2])


@pytest.mark.thorough
def test_the_gradient_goes_through_both_ways(front) -> None:
    objective = pointwise({"u": front.seen}, sigma=0.1, start_sigma={"u": 0.1}, **given(front))

    def loss(theta: jax.Array, z: jax.Array) -> jax.Array:
        return objective.loss(FisherKPPModel(theta[0], theta[1]), {"start.u": z})

    point = (jnp.array([0.4, 0.12]), jnp.full((1, 24), 0.1))
    check_grads(loss, point, order=1, modes=("fwd", "rev"), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"data": {}}, ParameterError, "at least one field"),
        ({"data": {"v": np.zeros((3, 24))}}, ParameterError, "'v' that the start has not"),
        ({"data": {"u": np.zeros((3, 9))}}, ParameterError, r"shape \(3, 1, 24\)"),
        ({"data": {"u": np.full((3, 24), "x")}}, ParameterError, "must be numbers"),
        ({"data": {"u": np.full((3, 24), np.nan)}}, DataError, "not one measurement"),
        ({"start": {"u": np.zeros(9)}}, ParameterError, r"real floating point of shape \(1, 24\)"),
        ({"start": {"u": np.full(24, np.nan)}}, DataError, "start of 'u' holds a NaN"),
        ({"steps": [20, 20, 40]}, ParameterError, "rising integers"),
        ({"steps": [0, 20, 40]}, ParameterError, "steps must be an integer from 1"),
        ({"sigma": 0.0}, ParameterError, "sigma of 'u' must be positive"),
        ({"sigma": np.ones(5)}, ParameterError, "must broadcast"),
        ({"sigma": {"v": 0.1}}, ParameterError, "sigma has no 'u'; it has v"),
        ({"start_sigma": {"w": 1.0}}, ParameterError, "'w' that the start has not"),
        ({"start_sigma": 0.1}, ParameterError, "start_sigma must be a mapping"),
        ({"start_sigma": {"u": 0.1}}, ParameterError, "start_sigma needs sigma="),
        ({"mask": {"w": True}}, ParameterError, "'w' that the data has not"),
        ({"mask": {"u": np.ones(5, bool)}}, ParameterError, "mask of 'u' must broadcast"),
        ({"columns": [1, 1]}, ParameterError, "different columns"),
        ({"columns": [30]}, ParameterError, "columns must be an integer from 0 to 23"),
        ({"coarsen": 5}, ParameterError, "does not divide"),
        ({"grid": 3}, ParameterError, "grid must be a Grid"),
    ],
)
def test_what_pointwise_refuses(front, change, error, message: str) -> None:
    settings = {"data": {"u": front.seen}, **given(front), **change}
    with pytest.raises(error, match=message):
        pointwise(settings.pop("data"), **settings)


def test_a_state_is_a_start(front) -> None:
    state = State.of(u=jnp.asarray(front.start))
    assert pointwise({"u": front.seen}, **given(front, start=state)).start["u"].shape == (1, 24)
