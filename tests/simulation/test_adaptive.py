"""`Adaptive`: steps that choose themselves, against closed forms, SciPy and differences."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import (
    PDE,
    Adaptive,
    AtRest,
    FisherKPPModel,
    GrayScottModel,
    Grid,
    MyceliumModel,
    NumericalInstabilityError,
    ParameterError,
    Simulation,
    State,
    Trajectory,
    simulate,
    simulate_ensemble,
)
from mfnjax.steppers import right_hand_side

SOLVERS = ("tsit5", "kencarp4", "kvaerno5")
OREGONATOR = """
    u_t = D*lap(u) + (q*w - u*w + u*(1 - u))/a
    w_t = D*lap(w) + (f*v - q*w - u*w)/b
    v_t = D*lap(v) + u - v
"""


def _start(model, grid):
    return model.initial_state(grid, key=jax.random.key(0), dtype=jnp.float64)


def _oregonator(size):
    model = PDE(OREGONATOR, D=1.0, a=1e-2, b=1e-4, q=8e-4, f=1.2)
    x = np.arange(size) / size
    u, v = np.where(x < 0.4, 0.8, 0.001), np.where(x > 0.5, 0.21, 0.01)
    return model, Grid(size, spacing=0.5), {"u": u, "w": 1.2 * v / (8e-4 + u), "v": v}


@pytest.mark.parametrize(
    "solver",
    ["tsit5", *(pytest.param(name, marks=pytest.mark.thorough) for name in SOLVERS[1:])],
)
def test_the_error_follows_the_tolerance(solver):
    """Logistic growth times a decaying eigenvector of the stencil: both in closed form."""
    model = PDE("u_t = D*lap(u)\n w_t = r*w*(1 - w)", D=0.3, r=1.7)
    grid, time = Grid(8, boundary="neumann"), 3.0
    wave = np.cos(np.pi * (np.arange(8) + 0.5) / 8)
    decay = np.exp(-0.3 * 4 * np.sin(np.pi / 16) ** 2 * time)
    grown = 1 / (1 + (1 / 0.1 - 1) * np.exp(-1.7 * time))
    start = {"u": 1 + wave, "w": np.full(8, 0.1)}
    for rtol in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        stepper = Adaptive(solver, rtol=rtol, atol=1e-2 * rtol)
        run = simulate(model, start, grid=grid, until=time, stepper=stepper)
        errors = run.state["u"] - (1 + decay * wave), run.state["w"] - grown
        error = max(float(jnp.max(jnp.abs(one))) for one in errors)
        assert error < 5 * rtol  # of all steps together
        assert error > 1e-4 * rtol  # it is no more careful than it is told
        assert run.status.ok


@pytest.mark.slow
def test_a_stiff_reaction_is_that_of_scipy():
    scipy = pytest.importorskip("scipy.integrate")
    model, grid, start = _oregonator(6)
    stepper = Adaptive("kvaerno5", rtol=1e-7, atol=1e-9)
    run = simulate(model, start, grid=grid, until=1.0, stepper=stepper)

    @jax.jit
    def rates(t, y):
        return jnp.stack(right_hand_side(model, grid, tuple(y.reshape(3, 6)), t)).ravel()

    jacobian = jax.jit(jax.jacfwd(rates, 1))
    found = scipy.solve_ivp(
        lambda t, y: np.asarray(rates(t, y)),
        (0.0, 1.0),
        np.stack(list(start.values())).ravel(),
        "Radau",
        rtol=1e-8,
        atol=1e-11,
        jac=lambda t, y: np.asarray(jacobian(t, y)),
    )
    expected = found.y[:, -1].reshape(3, 6)
    for value, other in zip(run.state.values, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_derivatives_are_differences(solver):
    model, grid = PDE("u_t = D*lap(u) + r*u*(1 - u)", D=0.3, r=1.0), Grid(8)
    start = {"u": 0.2 + 0.1 * np.cos(2 * np.pi * np.arange(8) / 8)}
    stepper = Adaptive(solver, rtol=1e-9, atol=1e-11, max_steps=400)

    def loss(numbers, adjoint=None):
        changed = dataclasses.replace(model, D=numbers[0], r=numbers[1])
        run = simulate(
            changed, start, grid=grid, until=numbers[2], stepper=stepper, adjoint=adjoint
        )
        return jnp.sum(run.state["u"] ** 3)

    at = np.array([0.3, 1.0, 2.0])
    found = jax.grad(lambda numbers: loss(numbers, "nested"))(jnp.asarray(at))
    forward = jax.jacfwd(loss)(jnp.asarray(at))
    np.testing.assert_allclose(found, forward, rtol=1e-10)
    for index in range(3):
        step = 1e-4 * np.eye(3)[index]
        difference = (loss(at + step) - loss(at - step)) / 2e-4
        assert abs(found[index] / difference - 1) < 1e-5


@pytest.mark.slow
def test_reverse_mode_without_adjoint_is_refused():
    def loss(feed):
        model, grid = GrayScottModel(feed=feed), Grid((4, 4))
        return simulate(model, {"u": np.ones((4, 4)), "v": np.ones((4, 4))}, grid=grid,
                        until=1.0).state["u"].sum()  # fmt: skip

    with pytest.raises(ParameterError, match="needs adjoint="):
        jax.grad(loss)(0.04)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sides", "solver"),
    [("disc", "kvaerno3"), ("walls", "kencarp3"), ("varying", "kencarp3"), ("robin", "kvaerno3")],
)
def test_implicit_stages_are_right_on_any_domain(solver, sides):
    """With and without a transform, the ghost cells and the outline are those of explicit steps."""
    diffusivity = 0.5
    boundary = {
        "robin": "x-: robin 1 0.5 2; x+: neumann 0.3; y: dirichlet 0.4",
        "walls": "dirichlet 1.0",
    }.get(sides, "neumann")
    if sides == "disc":
        grid = Grid.disc(10)
    else:
        described = {"shape": (6, 7), "boundary": boundary, "equation": "u_t = lap(u)", "steps": 1}
        grid = Simulation.from_dict(described).grid
    if sides == "varying":
        diffusivity = 0.2 + np.random.default_rng(0).random(grid.shape)
    model = PDE("u_t = div(D*grad(u)) + u*(1 - u)\n v_t = u - v", D=diffusivity)
    if sides != "varying":
        model = PDE("u_t = D*lap(u) + u*(1 - u)\n v_t = u - v", D=diffusivity)
    rng = np.random.default_rng(1)
    start = {"u": rng.random(grid.shape), "v": rng.random(grid.shape)}
    tight = Adaptive("dopri8", rtol=1e-10, atol=1e-12)
    expected = simulate(model, start, grid=grid, until=2.0, stepper=tight)
    run = simulate(model, start, grid=grid, until=2.0, stepper=Adaptive(solver, 1e-6, 1e-8))
    for value, other in zip(run.state.values, expected.state.values, strict=True):
        np.testing.assert_allclose(value, other, atol=2e-5)


@pytest.mark.slow
def test_diffusion_that_is_stiff_takes_few_implicit_steps():
    model, grid = FisherKPPModel(diffusivity=1.0), Grid(16, spacing=0.01)
    start = {"u": 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(16) / 16)}
    counts = {}
    for solver in ("tsit5", "kencarp4"):
        run = simulate(model, start, grid=grid, until=1.0, stepper=Adaptive(solver, 1e-4, 1e-6))
        counts[solver] = run.steps_taken + run.steps_refused
    assert counts["kencarp4"] * 50 < counts["tsit5"]


@pytest.mark.slow
def test_no_matrix_is_formed():
    """No array of a stage or of its derivative is as large as a matrix of three fields."""
    model, grid, start = _oregonator(64)
    most = 64 * 64 * 3

    def end(b, adjoint):
        changed = dataclasses.replace(model, b=b)
        stepper = Adaptive("kvaerno3", 1e-4, max_steps=16)
        return simulate(
            changed, start, grid=grid, until=1.0, stepper=stepper, adjoint=adjoint
        ).state["u"].sum()  # fmt: skip

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            for out in equation.outvars:
                yield np.prod(out.aval.shape, initial=1)
            for inner in jax.extend.core.jaxprs_in_params(equation.params):
                yield from sizes(inner)

    made = jax.make_jaxpr(jax.grad(lambda b: end(b, "nested")))(1e-4).jaxpr
    assert max(sizes(made)) < most


@pytest.mark.thorough
def test_saves_at_the_times_and_ends_steps_there():
    model, grid = GrayScottModel(), Grid((8, 8))
    start, stepper = _start(model, grid), Adaptive(rtol=1e-8, atol=1e-10)
    times = [2.5, 7.0, 20.0]
    run = simulate(model, start, grid=grid, until=20.0, stepper=stepper, save_at=times)
    np.testing.assert_array_equal(run.history.time, times)
    for frame, time in zip(run.history["v"], times, strict=True):
        alone = simulate(model, start, grid=grid, until=time, stepper=stepper)
        np.testing.assert_allclose(frame, alone.state["v"], atol=1e-8)
    np.testing.assert_array_equal(run.history["v"][-1], run.state["v"])
    inside = jax.jit(
        lambda state: (
            simulate(
                model, state, grid=grid, until=20.0, stepper=stepper, save_at=times, save="v"
            ).history
        )
    )(start)
    np.testing.assert_allclose(inside, run.history["v"], atol=1e-8)


def test_a_restart_goes_on_at_the_pace():
    model, grid = GrayScottModel(), Grid((8, 8))
    start, stepper = _start(model, grid), Adaptive(rtol=1e-8, atol=1e-10)
    whole = simulate(model, start, grid=grid, until=30.0, stepper=stepper)
    first = simulate(model, start, grid=grid, until=12.0, stepper=stepper)
    rest = simulate(model, first.state, grid=grid, until=30.0, stepper=stepper)
    np.testing.assert_allclose(rest.state["v"], whole.state["v"], atol=1e-8)
    assert rest.steps_refused <= 1
    assert first.steps_taken + rest.steps_taken <= whole.steps_taken + 2
    assert int(rest.state.step) == first.steps_taken + rest.steps_taken


@pytest.mark.thorough
def test_stops_at_rest():
    model, grid = FisherKPPModel(growth_rate=1.0), Grid(8)
    start = {"u": np.full(8, 0.3)}
    run = simulate(model, start, grid=grid, until=1e3, stop=AtRest(1e-5), stepper=Adaptive())
    u = run.state["u"]
    assert 5 < run.stopped_at < 30
    assert run.stopped_at == run.state.time
    assert jnp.max(jnp.abs(u * (1 - u))) < 1e-5
    assert run.status.ok
    again = simulate(model, run.state, grid=grid, until=1e3, stop=AtRest(1e-5))
    assert again.steps_taken == 0
    assert simulate(model, start, grid=grid, until=1.0, stop=AtRest(1e-5)).stopped_at is None


@pytest.mark.slow
def test_a_vmap_and_an_ensemble_are_loops():
    model, grid, stepper = FisherKPPModel(), Grid(8), Adaptive(rtol=1e-7)
    start, rates = {"u": np.linspace(0.1, 0.5, 8)}, np.array([0.2, 1.0, 5.0])

    def run(rate):
        changed = dataclasses.replace(model, growth_rate=rate)
        return simulate(changed, start, grid=grid, until=2.0, stepper=stepper)

    alone = [run(rate) for rate in rates.tolist()]
    mapped = jax.vmap(run)(rates)
    together = simulate_ensemble(
        FisherKPPModel(growth_rate=rates), start, grid=grid, until=2.0, stepper=stepper
    )
    for index, one in enumerate(alone):
        np.testing.assert_allclose(mapped.state["u"][index], one.state["u"], rtol=1e-12)
        np.testing.assert_array_equal(together.state["u"][index], one.state["u"])
        assert mapped.steps_taken[index] == one.steps_taken == together.steps_taken[index]


@pytest.mark.thorough
def test_a_run_that_cannot_go_on_says_so():
    model, grid = PDE("u_t = u^2"), Grid(4)
    run = simulate(model, {"u": np.ones(4)}, grid=grid, until=2.0)
    assert not run.status.ok
    assert abs(float(run.state.time) - 1) < 1e-3
    with pytest.raises(NumericalInstabilityError, match="no step is small enough"):
        run.status.raise_if_bad()
    few = simulate(model, {"u": np.ones(4)}, grid=grid, until=0.99, stepper=Adaptive(max_steps=6))
    with pytest.raises(NumericalInstabilityError, match="all its max_steps"):
        few.status.raise_if_bad()
    bad = simulate(model, {"u": np.array([1, np.nan, 1, 1])}, grid=grid, until=0.5)
    assert not bad.status.ok


@pytest.mark.thorough
def test_files_and_plain_values_keep_it(tmp_path):
    grid = Grid((8, 8))
    simulation = Simulation(
        GrayScottModel(), grid, until=5.0, save_at=[1.0, 5.0], stepper=Adaptive("bosh3", 1e-4)
    )
    assert Simulation.from_dict(simulation.to_dict()) == simulation
    simulation.to_file(tmp_path / "a.toml")
    assert Simulation.from_file(tmp_path / "a.toml") == simulation
    run = simulation.run(seed=3)
    again = Trajectory.load(run.save(tmp_path / "a.npz"))
    assert again.simulation == simulation
    assert (again.steps_taken, again.state.time) == (run.steps_taken, run.state.time)
    np.testing.assert_array_equal(again.history.time, [1.0, 5.0])
    assert "until 5" in repr(again)
    assert ("steps taken", f"{run.steps_taken}, and {run.steps_refused} refused") in run.summary()
    assert run.plot() is not None


_GRAY, _GRID = GrayScottModel(), Grid((4, 4))
_AT_ONE = State.of(1, u=np.ones((4, 4)), v=np.ones((4, 4)))
_LATE = dataclasses.replace(_AT_ONE, step=0, time=np.float64(9.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 3}, "steps= or at until="),
        ({"stepper": "euler"}, "needs steps that choose themselves"),
        ({"dt": 0.1}, "dt is a fixed step"),
        ({"save_every": 2}, "save_at"),
        ({"adjoint": "sideways"}, "adjoint must be"),
        ({"until": None}, "needs steps=, or until="),
        ({"until": None, "steps": 3, "stepper": Adaptive()}, "give until="),
        ({"until": None, "steps": 3, "stop": AtRest(1.0)}, "stop needs until="),
        ({"save_at": [3.0, 2.0]}, "in order"),
        ({"save_at": [3.0, 8.0]}, "in order"),
        ({"save_at": "often"}, "list of times"),
        ({"until": 0.0}, "a time after 0"),
        ({"state": _AT_ONE}, "no time is known"),
        ({"state": _LATE}, "a time after 9"),
        ({"state": _LATE, "until": None, "steps": 1}, "go on with until="),
        ({"model": MyceliumModel()}, "it is a map"),
        ({"model": PDE("u_t = v\n v_t = noise(1) - u")}, "no account of the noise"),
        ({"stepper": Adaptive(rtol=1e-16)}, "beyond float64"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes, message):
    state = {"u": np.ones((4, 4)), "v": np.ones((4, 4))}
    call = {"model": _GRAY, "state": state, "grid": _GRID, "until": 5.0} | changes
    if isinstance(call["model"], MyceliumModel):
        call["state"] = _start(call["model"], _GRID)
    model, state = call.pop("model"), call.pop("state")
    key = jax.random.key(0) if model.takes_key else None
    with pytest.raises(ParameterError, match=message):
        simulate(model, state, key=key, **call)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("euler",), "tsit5"),
        ((3,), "tsit5"),
        (("tsit5", 0.0), "rtol"),
        (("tsit5", 1e-3, -1.0), "atol"),
    ],
)
def test_a_solver_that_is_none_is_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        Adaptive(*arguments)


def test_without_diffrax_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("mfnjax.steppers.methods")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(ParameterError, match=r'needs diffrax.*pip install "mfnjax\[time\]"'):
        Adaptive()


@pytest.mark.thorough
@pytest.mark.parametrize("solver", ["tsit5", pytest.param("kvaerno3", marks=pytest.mark.slow)])
def test_cells_outside_of_a_mask_are_0_and_have_no_say(solver: str) -> None:
    """1/u of the 0 that they hold would leave a NaN in the derivative."""
    model = PDE("u_t = D*lap(u) + 0.1/u - 0.1*u", D=0.3)
    grid = Grid.disc(12)
    outside = np.asarray(grid.mask) == 0
    start = {"u": jnp.asarray(np.where(outside, 0.0, 0.5 + 0.02 * np.arange(12)))}
    stepper = Adaptive(solver, rtol=1e-6, atol=1e-8)

    def end(D: Any, adjoint: Any = None) -> Any:
        changed = dataclasses.replace(model, D=D)
        return simulate(
            changed, start, grid=grid, until=1.0, save_at=[0.5], stepper=stepper, adjoint=adjoint
        )

    run = end(0.3)
    for values in (run.state["u"], run.histories["u"]):
        assert not np.asarray(values)[..., outside].any()

    def total(D: Any) -> Any:
        return jnp.sum(end(D, "direct").state["u"] ** 2)

    slope, ahead, behind = jax.grad(total)(0.3), total(0.3 + 1e-4), total(0.3 - 1e-4)
    assert float(slope) == pytest.approx(float(ahead - behind) / 2e-4, rel=1e-4)
