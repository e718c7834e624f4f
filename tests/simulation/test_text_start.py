"""Starts as text: through `simulate`, by key and by seed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import PDE, FisherKPPModel, Grid, ParameterError, Simulation, simulate

KEY = jax.random.key(3)
GRID = Grid((6, 8))
MODEL = PDE("u_t = D*lap(u) - u*v\nv_t = 0.1*lap(v) + u*v", D=0.1)
START = {"u": "1 - 0.5*(abs(x - 4) < 2) + D", "v": "0.01*uniform() + 0.1*y"}


def test_a_text_is_the_function_of_the_place_that_it_says() -> None:
    run = simulate(MODEL, START, grid=GRID, steps=0, key=KEY)
    u, v = run.state.values
    near = np.abs(np.arange(8) + 0.5 - 4) < 2
    np.testing.assert_allclose(u, np.tile(1.1 - 0.5 * near, (6, 1)))
    rest = np.asarray(v) - 0.1 * (np.arange(6) + 0.5)[:, None]
    assert rest.min() >= 0
    assert rest.max() < 0.01
    assert u.dtype == jnp.result_type(float)
    assert dict(run.simulation.start) == START


def test_a_model_without_noise_takes_a_key_for_its_start_and_the_same_key_is_the_same_run() -> None:
    one, same, other = (
        simulate(MODEL, START, grid=GRID, steps=3, key=key).state["v"]
        for key in (KEY, KEY, jax.random.key(4))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_steps_draw_the_same_whatever_the_start_drew() -> None:
    model = PDE("u_t = noise(s)", s=0.1)
    runs = [
        simulate(model, {"u": u}, grid=GRID, steps=4, dt=0.1, key=KEY).state["u"]
        for u in ("0*x + 0*uniform()", jnp.zeros(GRID.shape))
    ]
    np.testing.assert_array_equal(*runs)


def test_a_simulation_keeps_its_start_and_draws_it_from_a_seed_or_a_key() -> None:
    simulation = Simulation(MODEL, GRID, 3, start=START)
    run = simulation.run(seed=5)
    assert run.seed == 5
    np.testing.assert_array_equal(run.state["v"], simulation.run(seed=5).state["v"])
    by_key = simulation.run(key=KEY)
    assert by_key.seed is None
    expected = simulate(MODEL, START, grid=GRID, steps=3, key=KEY)
    np.testing.assert_array_equal(by_key.state["v"], expected.state["v"])
    hash(simulation)
    assert simulation.run(seed=5, dtype="float32").state["u"].dtype == "float32"


def test_a_field_may_be_an_array_beside_a_text() -> None:
    run = Simulation(MODEL, GRID, 2).run({"u": jnp.ones(GRID.shape), "v": "uniform()"}, seed=1)
    assert run.seed is None
    assert run.simulation.start is None


def test_a_class_names_its_parameters_and_their_symbols() -> None:
    run = simulate(
        FisherKPPModel(growth_rate=0.25), {"u": "lambda + D"}, grid=GRID, steps=0, key=KEY
    )
    np.testing.assert_allclose(run.state["u"], 0.35)


def test_a_derivative_goes_through_a_start() -> None:
    def total(D: Any) -> Any:
        model = PDE("u_t = lap(u) + D*u", D=D)
        return simulate(
            model, {"u": "D^2"}, grid=GRID, steps=1, dt=0.1, adjoint="direct", key=KEY
        ).state["u"][0, 0]

    assert jax.grad(total)(0.5) == pytest.approx(2 * 0.5 * 1.05 + 0.25 * 0.1, rel=1e-6)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ({"u": "1"}, "says nothing of v"),
        ({"u": "1", "v": "1", "w": "1"}, "names 'w'"),
        ({"u": "1", "v": "__class__"}, "start of 'v', column 1"),
        ({"u": "1", "v": "noise(1)"}, "noise"),
        ({"u": "1", "v": "1e99"}, "start of 'v', column 1"),
        ({"u": "1", "v": jnp.zeros(3)}, "shape"),
        ({"u": "1", "v": None}, "start of 'v'"),
        ({"u": "lap(u)", "v": "1"}, "for equations"),
    ],
)
def test_what_is_no_start_is_one_line(start: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words) as caught:
        simulate(MODEL, start, grid=GRID, steps=1, key=KEY)
    assert "\n" not in str(caught.value)


def test_a_seed_and_a_key_are_not_given_together() -> None:
    with pytest.raises(ParameterError, match="one of seed and key"):
        Simulation(MODEL, GRID, 1, start=START).run(key=KEY, seed=1)


@pytest.mark.parametrize(
    ("shape", "text"), [((8,), "exp(-(y - 4)^2)"), ((1, 8), "y"), ((8, 8), "z")]
)
def test_a_direction_that_the_grid_does_not_have_is_refused(
    shape: tuple[int, ...], text: str
) -> None:
    """A spot in the plane on a line would be no spot, and nobody would be told."""
    with pytest.raises(ParameterError, match=r"start of 'u'.*the grid has no direction [yz]"):
        Simulation(PDE("u_t = lap(u)"), Grid(shape), 1, dt=0.1).run({"u": text})
    mask = {"equation": "u_t = lap(u)", "shape": list(shape), "steps": 1, "dt": 0.1}
    with pytest.raises(ParameterError, match=r"mask.*the grid has no direction [yz]"):
        Simulation.from_dict({**mask, "boundary": "neumann", "mask": f"{text} > 0.5"})
