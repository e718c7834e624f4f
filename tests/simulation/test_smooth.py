"""Smooth twins: what they are the mean of, how fast they become the hard model, what they teach."""

from __future__ import annotations

import dataclasses
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import logistic

from mfnjax import GrayScottModel, Grid, MyceliumModel, ParameterError, State, simulate
from mfnjax.core.smooth import annealed_width, relaxed_bernoulli, soft_clip, soft_step
from mfnjax.models import IteratedMap
from mfnjax.models.mycelium.model import CLAMP_HIGH_V, CLAMP_LOW_V
from mfnjax.models.mycelium.smooth import SmoothMyceliumModel, smooth_twin
from mfnjax.network import DifferentiablePipeline, NetworkConfig, init_network

GRID, KEY, STEPS = Grid((5, 6)), jax.random.key(2), 4
WIDTHS = ("threshold_width", "clip_width", "clamp_width", "event_width")
HARD = MyceliumModel(spike_probability=0.4, d_activator=0.02)


@pytest.fixture(scope="module")
def start() -> State:
    """Cells on both sides of the threshold, none near a kink."""
    rng = np.random.default_rng(4)
    activator = np.where(np.arange(6) < 3, 0.95, 0.35) + rng.uniform(-0.02, 0.02, GRID.shape)
    potential, inhibitor = rng.uniform(-0.08, 0.02, GRID.shape), rng.uniform(0.3, 0.6, GRID.shape)
    return State(HARD.fields, tuple(map(jnp.asarray, (potential, activator, inhibitor))), 0)


@pytest.fixture(scope="module")
def hard_run(start: State):
    return simulate(HARD, start, grid=GRID, steps=STEPS, save_every=1, key=KEY)


def distance_to_hard(model, start, hard_run) -> float:
    run = simulate(model, start, grid=GRID, steps=STEPS, save_every=1, key=KEY)
    pairs = zip(run.history.values, hard_run.history.values, strict=True)
    return max(float(jnp.max(jnp.abs(one - other))) for one, other in pairs)


def margin(part: str, hard_run) -> float:
    """How far the hard trajectory keeps from the kink of one part.

    Nothing is clipped in it, so that the saved fields are those that met the kinks.
    """
    V, a, i = (np.asarray(field) for field in hard_run.history.values)
    if part == "threshold_width":
        return float(np.abs(a - HARD.turing_threshold).min())
    if part == "clip_width":
        return float(min(a.min(), 1 - a.max(), i.min(), 1 - i.max()))
    if part == "clamp_width":
        return float(min(V.min() - CLAMP_LOW_V, CLAMP_HIGH_V - V.max()))
    keys = [jax.random.fold_in(KEY, step) for step in range(STEPS)]
    chances = np.array([float(HARD.draw(V.dtype, key=key)[0][0]) for key in keys])
    return float(np.abs(logistic.ppf(chances) - logistic.ppf(0.4)).min())


def test_the_hard_run_does_what_the_tests_need(hard_run) -> None:
    assert hard_run.counts["clamping_events"] == 0
    assert 0 < hard_run.counts["growth_events"] < STEPS
    assert 0 < hard_run.counts["turing_activations"] < STEPS * GRID.num_cells
    assert all(margin(part, hard_run) > 0.003 for part in WIDTHS)


@pytest.mark.parametrize("part", WIDTHS)
def test_away_from_kinks_the_error_falls_like_exp_of_minus_margin_over_width(
    part: str, start: State, hard_run
) -> None:
    """ln(error) against 1/w has the slope −d, with d the trajectory's margin to that kink."""
    d = margin(part, hard_run)
    narrow = dataclasses.replace(smooth_twin(HARD), **dict.fromkeys(WIDTHS, 1e-4))
    clips = part in ("clip_width", "clamp_width")

    def log_error(width: float) -> float:
        error = distance_to_hard(dataclasses.replace(narrow, **{part: width}), start, hard_run)
        return np.log(error / width) if clips else np.log(error)

    # 8 and 14 e-folds: few enough for rounding, enough for the nearest cell to dominate.
    wide, slim = d / 8, d / 14
    measured = (log_error(wide) - log_error(slim)) / (1 / slim - 1 / wide)
    assert measured == pytest.approx(d, rel=0.05)


def test_the_twin_becomes_the_hard_model_as_its_width_anneals(start: State, hard_run) -> None:
    widths = annealed_width(jnp.linspace(0, 1, 6), start=2.0, stop=0.01)
    errors = [
        distance_to_hard(smooth_twin(HARD, float(width)), start, hard_run) for width in widths
    ]
    assert all(after <= before for before, after in pairwise(errors))
    assert errors[0] > 1e-4
    assert errors[-1] < 1e-15


@pytest.mark.parametrize("limit", [CLAMP_LOW_V, CLAMP_HIGH_V])
def test_at_the_clamp_the_error_is_first_order_in_the_width(limit: float) -> None:
    """Uniform V at the limit: w·ln 2 away after the one step, on the inner side."""
    flat = (jnp.full((4, 4), limit), jnp.zeros((4, 4)), jnp.zeros((4, 4)))
    model = MyceliumModel(spike_probability=0.0, turing_enabled=False)
    run = partial(simulate, state=flat, grid=Grid((4, 4)), steps=1)
    for width in (1.0, 0.5, 0.25):
        twin = smooth_twin(model, width)
        error = run(twin).state["potential"] - run(model).state["potential"]
        expected = np.copysign(0.001 * width * np.log(2), -limit)
        np.testing.assert_allclose(error, expected, rtol=1e-9)


@pytest.mark.parametrize("x", [-0.4, 0.0, 0.3, 0.98, 1.7])
def test_each_part_is_the_mean_of_the_hard_one_under_logistic_noise(x: float) -> None:
    width = 0.1

    def mean(function, *kinks: float) -> float:
        points = sorted((kink - x) / width for kink in kinks)
        edges = [-60.0, *(p for p in points if -60 < p < 60), 60.0]
        pieces = [
            quad(lambda n: function(x + width * n) * logistic.pdf(n), a, b)[0]
            for a, b in pairwise(edges)
        ]
        return sum(pieces)

    assert float(soft_step(x, width)) == pytest.approx(mean(lambda y: float(y > 0), 0.0), abs=1e-9)
    clipped = mean(lambda y: min(max(y, 0.0), 1.0), 0.0, 1.0)
    assert float(soft_clip(x, 0.0, 1.0, width)) == pytest.approx(clipped, abs=1e-9)


def test_the_soft_clip_is_monotone_and_stays_between_the_limits() -> None:
    x = jnp.linspace(-0.8, 1.8, 2001)
    clipped, slope = jax.vmap(jax.value_and_grad(lambda u: soft_clip(u, 0.0, 1.0, 0.05)))(x)
    assert float(clipped.min()) >= -1e-15
    assert float(clipped.max()) <= 1 + 1e-15
    assert bool(jnp.all(slope > 0))
    assert float(jnp.abs(clipped - jnp.clip(x, 0, 1)).max()) <= 0.05 * np.log(2) * (1 + 1e-12)


@pytest.mark.thorough
def test_the_relaxed_event_teaches_its_probability() -> None:
    """∫ db/dp du → 1 = d E[u < p]/dp, while for one u the hard derivative is 0."""
    count = 400_000
    draws = (jnp.arange(float(count)) + 0.5) / count
    slope = jax.vmap(jax.value_and_grad(relaxed_bernoulli), in_axes=(None, 0, None))
    errors = []
    for width in (0.4, 0.2, 0.1, 0.05):
        value, derivative = slope(0.3, draws, width)
        assert float(value.mean()) == pytest.approx(0.3, abs=0.15 * width)
        errors.append(abs(float(derivative.mean()) - 1))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(orders, 2, atol=0.3)
    assert errors[-1] < 0.01


@pytest.mark.parametrize("p", [0.0, 1.0, -0.5, 1.5])
@pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2**-52])
def test_a_certain_event_has_a_finite_gradient(p: float, u: float) -> None:
    b, (first, in_width) = jax.value_and_grad(relaxed_bernoulli, (0, 2))(p, u, 0.3)
    assert float(b) == (p >= 1)
    assert float(first) == float(in_width) == 0.0
    assert float(jax.grad(jax.grad(relaxed_bernoulli))(p, u, 0.3)) == 0.0


def test_a_draw_of_zero_has_a_finite_gradient() -> None:
    gradients = jax.grad(relaxed_bernoulli, (0, 2))(0.3, 0.0, 0.1)
    assert all(np.isfinite(float(g)) for g in gradients)


@pytest.mark.thorough
def test_the_pipeline_learns_the_probability_of_an_event(start: State) -> None:
    """The gradient in p of a loss of network and features equals its difference quotient."""
    pipeline = DifferentiablePipeline(
        grid=GRID, network=NetworkConfig(dtype="float64"), steps=6, feature_scale=10.0
    )
    params = init_network(pipeline.network, key=jax.random.key(0))

    @jax.jit
    @jax.value_and_grad
    def loss(p):
        model = smooth_twin(dataclasses.replace(HARD, spike_probability=p), 4.0)
        return pipeline.loss(params, model, start, 0.3, key=KEY)

    slope = float(loss(0.4)[1])
    difference = float(loss(0.4 + 1e-6)[0] - loss(0.4 - 1e-6)[0]) / 2e-6
    assert abs(slope) > 1e-5
    assert slope == pytest.approx(difference, rel=1e-5)


def test_a_width_is_traced() -> None:
    fields = {f.name: f.metadata.get("static") for f in dataclasses.fields(SmoothMyceliumModel)}
    assert [name for name, static in fields.items() if static] == [
        "turing_enabled",
        "quantum_jitter",
    ]
    twin = jax.jit(lambda w: smooth_twin(HARD, w))(0.5)
    assert float(twin.event_width) == 0.05
    assert smooth_twin(twin, 3.0) == smooth_twin(twin.hard, 3.0)


def test_a_system_without_hard_parts_is_its_own_twin() -> None:
    model = GrayScottModel()
    assert smooth_twin(model, 0.1) is model


class Doubling(IteratedMap):
    """A map that nobody made a twin for."""

    fields = ("u",)
    reaction = transport = initial_state = check = advance = None  # type: ignore[assignment]


def test_wrong_widths_and_models_are_named(start: State) -> None:
    with pytest.raises(ParameterError, match=r"width must be positive, got 0\.0"):
        smooth_twin(HARD, 0.0)
    with pytest.raises(ParameterError, match=r"event_width must lie in \(0, 1\), got 1"):
        simulate(smooth_twin(HARD, 10.0), start, grid=GRID, steps=1, key=KEY)
    bad = dataclasses.replace(smooth_twin(HARD), clip_width=float("nan"))
    with pytest.raises(ParameterError, match=r"clip_width must lie in \(0, inf\), got nan"):
        bad.check(GRID, 1.0)
    with pytest.raises(ParameterError, match="Doubling has hard parts and no smooth twin"):
        smooth_twin(Doubling())
    with pytest.raises(ParameterError, match=r"stop must be positive and finite, got 0"):
        annealed_width(0.5, stop=0)
    with pytest.raises(ParameterError, match=r"alpha"):
        simulate(smooth_twin(MyceliumModel(alpha=-1.0)), start, grid=GRID, steps=1, key=KEY)
