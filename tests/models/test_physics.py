"""Fronts, waves and steady states against closed forms, and two models against SciPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mfnjax import FisherKPPModel, GrayScottModel, Grid, simulate
from mfnjax.models import (
    AllenCahnModel,
    BrusselatorModel,
    FitzHughNagumoModel,
    GiererMeinhardtModel,
    SchnakenbergModel,
    SwiftHohenbergModel,
)
from mfnjax.stability import homogeneous_states


@pytest.mark.parametrize("kill", [0.050, 0.062, 0.068])
def test_gray_scott_ends_as_published(kill: float) -> None:
    """F = 0.04 from a 20² seed: uniform, patterned, extinct."""
    model, grid = GrayScottModel(feed=0.04, kill=kill, d_u=0.16, d_v=0.08), Grid((96, 96))
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(3))
    assert int((np.asarray(start["v"]) > 0.2).sum()) == 20 * 20
    run = simulate(model, start, grid=grid, steps=12_000)
    v = np.asarray(run.state["v"], np.float64)
    if kill == 0.050:
        # u v = F + k and v = F (1 − u)/(F + k): the larger root.
        total = 0.04 + kill
        level = (0.04 + np.sqrt(0.04**2 - 4 * 0.04 * total**2)) / (2 * total)
        assert level == pytest.approx(0.319, abs=5e-4)
        np.testing.assert_allclose(v, level, atol=1e-3)
    elif kill == 0.062:
        assert v.std() > 0.05
    else:
        assert v.max() < 1e-3


@pytest.mark.parametrize("feed", [0.01, 0.04, 0.09])
@pytest.mark.parametrize("side", [-1, +1])
def test_gray_scott_has_other_states_exactly_below_its_fold(feed: float, side: int) -> None:
    fold = np.sqrt(feed) / 2 - feed
    model = GrayScottModel(feed=feed, kill=float(fold * (1 + 1e-3 * side)))
    states = homogeneous_states(model.reaction, bounds=[(0, 1), (0, 1)])
    assert len(states) == (3 if side < 0 else 1)
    np.testing.assert_allclose(states[-1], [1.0, 0.0], atol=1e-9)


def front_position(u: np.ndarray, spacing: float) -> float:
    """Where a falling profile crosses ½, interpolated."""
    last = int(np.flatnonzero(u > 0.5)[-1])
    return spacing * (last + (u[last] - 0.5) / (u[last] - u[last + 1]))


def test_fisher_front_moves_at_two_root_d_lambda() -> None:
    """Over λt = 60…120, from a compact start.

    A pulled front lags by (3/2)·ln t/s* (Bramson), 0.9 % of the speed over this span, and the
    stencil at dx = ¼√(D/λ) hurries it by 0.3 %: hence 3 %, and not the tolerance of rounding.
    """
    diffusivity, rate = 0.5, 2.0
    spacing, dt = 0.125, 0.01  # ¼√(D/λ)
    model, grid = FisherKPPModel(diffusivity, rate, 1.0), Grid((1, 1100), spacing, "neumann")
    start = jnp.zeros((1, 1100)).at[:, :8].set(1.0)
    run = simulate(
        model, (start,), grid=grid, steps=6000, dt=dt, stepper="rk4", save_every=3000, save="u"
    )
    first, last = (front_position(frame[0], spacing) for frame in np.asarray(run.history))
    assert last < 0.95 * 1100 * spacing
    speed = (last - first) / (3000 * dt)
    assert speed == pytest.approx(2 * np.sqrt(diffusivity * rate), rel=0.03)


@pytest.mark.thorough
def test_fisher_reproduces_the_exact_travelling_wave() -> None:
    """Ablowitz–Zeppetella (1979): c = 5√(Dλ/6), u = K (1 + e^{(x − ct)√(λ/6D)})⁻²."""
    d, rate, capacity, length, time = 0.7, 1.3, 2.0, 60.0, 4.0
    model = FisherKPPModel(d, rate, capacity)
    speed = 5 * np.sqrt(d * rate / 6)

    def wave(x: np.ndarray, t: float) -> np.ndarray:
        return capacity / (1 + np.exp((x - speed * t) * np.sqrt(rate / (6 * d)))) ** 2

    errors = []
    for width in (150, 300, 600):
        spacing = length / width
        x = ((np.arange(width) + 0.5) * spacing - 0.5 * length)[None]
        run = simulate(
            model,
            (jnp.asarray(wave(x, 0.0)),),
            grid=Grid((1, width), spacing, "neumann"),
            steps=200,
            dt=time / 200,
            stepper="etdrk4",
        )
        errors.append(float(np.abs(np.asarray(run.state["u"]) - wave(x, time)).max()))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders >= 1.9).all(), (errors, orders)
    assert errors[-1] < 2e-3


def five_point(u: np.ndarray, periodic: bool) -> np.ndarray:
    padded = np.pad(u, 1, mode="wrap" if periodic else "edge")
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * u


@pytest.mark.parametrize("stepper", ["rk4", "etdrk4"])
@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
def test_allen_cahn_equals_scipy(boundary: str, stepper: str) -> None:
    d, rate, spacing, shape = 0.6, 1.5, 0.8, (12, 9)
    start = np.random.default_rng(0).normal(0, 0.5, shape)

    def rhs(_: float, flat: np.ndarray) -> np.ndarray:
        u = flat.reshape(shape)
        lap = five_point(u, boundary == "periodic") / spacing**2
        return (d * lap + rate * (u - u**3)).ravel()

    exact = solve_ivp(rhs, (0, 5), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-12)
    run = simulate(
        AllenCahnModel(d, rate),
        (jnp.asarray(start),),
        grid=Grid(shape, spacing, boundary),
        steps=1000,
        dt=0.005,
        stepper=stepper,
    )
    np.testing.assert_allclose(run.state["u"], exact.y[:, -1].reshape(shape), atol=1e-6, rtol=0)


@pytest.mark.parametrize("stepper", ["rk4", "etdrk4"])
@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
def test_fitzhugh_nagumo_equals_scipy(boundary: str, stepper: str) -> None:
    current, eps, beta, gamma, d_v, d_w, shape = 0.5, 0.08, 0.7, 0.8, 0.4, 0.1, (10, 7)
    start = np.random.default_rng(1).normal(0, 1, (2, *shape))

    def rhs(_: float, flat: np.ndarray) -> np.ndarray:
        v, w = flat.reshape(2, *shape)
        lap_v, lap_w = (five_point(x, boundary == "periodic") for x in (v, w))
        dv = d_v * lap_v + v - v**3 / 3 - w + current
        dw = d_w * lap_w + eps * (v + beta - gamma * w)
        return np.stack([dv, dw]).ravel()

    exact = solve_ivp(rhs, (0, 20), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-12)
    run = simulate(
        FitzHughNagumoModel(current, eps, beta, gamma, d_v, d_w),
        tuple(jnp.asarray(start)),
        grid=Grid(shape, 1.0, boundary),
        steps=2000,
        dt=0.01,
        stepper=stepper,
    )
    expected = exact.y[:, -1].reshape(2, *shape)
    np.testing.assert_allclose(np.stack(run.state.values), expected, atol=1e-6, rtol=0)


def test_allen_cahn_wall_is_a_hyperbolic_tangent() -> None:
    """tanh(x√(λ/2D)) is at rest up to the stencil's O(dx²)."""
    d, rate, spacing, width = 2.0, 0.5, 0.25, 400
    x = ((np.arange(width) + 0.5) * spacing - 0.5 * width * spacing)[None]
    wall = np.tanh(x * np.sqrt(rate / (2 * d)))
    run = simulate(
        AllenCahnModel(d, rate),
        (jnp.asarray(wall),),
        grid=Grid((1, width), spacing, "neumann"),
        steps=200,
        dt=0.1,
        stepper="etdrk4",
    )
    np.testing.assert_allclose(run.state["u"], wall, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "state"),
    [
        (SchnakenbergModel(0.2, 1.3), (1.5, 1.3 / 1.5**2)),
        (BrusselatorModel(3.0, 5.0), (3.0, 5 / 3)),
        (GiererMeinhardtModel(1.5, 0.8, 2.4), (2.4 / 0.8, 1.5 * 2.4 / 0.8**2)),
        (AllenCahnModel(), (1.0,)),
        (SwiftHohenbergModel(2.0, 1.0, 0.0), (1.0,)),
    ],
)
def test_states_of_rest_are_at_rest(model, state: tuple[float, ...]) -> None:
    """The documented homogeneous states, by hand; Swift–Hohenberg's has u² = r − q₀⁴."""
    values = tuple(jnp.asarray(x) for x in state)
    rates = model.reaction(values)
    transported = model.transport(values, lambda u: 0.0 * u)
    for reacted, moved in zip(rates, transported, strict=True):
        assert float(reacted) + float(moved) == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize("model", [SchnakenbergModel(0.2, 1.3), BrusselatorModel(3.0, 5.0)])
def test_noise_about_the_state_of_rest(model) -> None:
    state = model.initial_state(Grid((40, 30)), key=jax.random.key(0))
    for values, level in zip(state.values, model.homogeneous_state(), strict=True):
        field = np.asarray(values)
        assert field.mean() == pytest.approx(level, abs=2e-3)
        assert field.std() == pytest.approx(0.01, rel=0.1)
