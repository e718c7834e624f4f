"""Derivatives by sides, spacings, masks and fields; batches, restarts and dtypes on domains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import PDE, Dirichlet, Ghost, Grid, Neumann, Robin, simulate
from tests.tolerances import RELATIVE

pytestmark = pytest.mark.compile_bound
SHAPE = (4, 5)
RANDOM = np.random.default_rng(0)
START = jnp.asarray(0.5 + RANDOM.random(SHAPE))
PHI = jnp.asarray(0.3 + 0.6 * RANDOM.random(SHAPE))
WEIGHT = jnp.asarray(RANDOM.normal(size=SHAPE))
FISHER = "u_t = D*lap(u) + u*(1 - u)*(1 + 0.1*x)"
LAYERS = "u_t = div(D*grad(u)) + u*(1 - u)"


def end(
    model: Any, grid: Grid, *, adjoint: Any = "direct", start: Any = START, **options: Any
) -> Any:
    options = {"steps": 6, "dt": 0.02, "adjoint": adjoint} | options
    return simulate(model, {"u": start}, grid=grid, **options).state["u"]


def loss(model: Any, grid: Grid, **options: Any) -> Any:
    return jnp.sum(WEIGHT * end(model, grid, **options) ** 2)


def by_walls(v: Any, **options: Any) -> Any:
    sides = {"x-": Dirichlet(v), "x+": Robin(1.0, v, 0.3), "y-": Neumann(v), "y+": Ghost(v)}
    return loss(PDE(FISHER, D=0.4), Grid(SHAPE, 1.0, sides), **options)


def by_robin(v: Any, **options: Any) -> Any:
    return loss(PDE(FISHER, D=0.4), Grid(SHAPE, (1.0, 0.7), Robin(v, 1.0, v * v)), **options)


def by_wall_array(v: Any, **options: Any) -> Any:
    sides = {"x-": Dirichlet(v), "x+": "neumann", "y": Dirichlet(0.2)}
    return loss(PDE(FISHER, D=0.4), Grid(SHAPE, 1.0, sides), **options)


def by_wall_of_place(v: Any, **options: Any) -> Any:
    """The number that a wall of place and time is a multiple of, through the origin."""
    wall = Dirichlet(lambda at: jnp.sin(at.y + at.x) * (1 + at.t))
    grid = Grid(SHAPE, 1.0, {"x": wall, "y": Dirichlet("cos(x) + t")}, origin=(0.1, v))
    return loss(PDE(FISHER, D=0.4), grid, **options)


def by_spacing(v: Any, **options: Any) -> Any:
    return loss(PDE(FISHER, D=0.4), Grid(SHAPE, v, Dirichlet("x*y")), **options)


def by_spacings(v: Any, **options: Any) -> Any:
    return loss(PDE(FISHER, D=0.4), Grid(SHAPE, (v[0], v[1]), Robin(1.0, 2.0, 0.4)), **options)


def by_diffusivity(v: Any, **options: Any) -> Any:
    return loss(
        PDE(LAYERS, D=v), Grid(SHAPE, 0.9, {"x": "periodic", "y": Dirichlet(1.0)}), **options
    )


def by_velocity(v: Any, **options: Any) -> Any:
    return loss(PDE("u_t = -div(vec(c, 0.3)*u)", c=v), Grid(SHAPE, 0.9), **options)


def by_mask(v: Any, **options: Any) -> Any:
    model = PDE("u_t = div(D*u*grad(u)) + u*(1 - u)/(0.1 + u) - div(vec(1, 0.5)*u)", D=0.3)
    return loss(model, Grid(SHAPE, 1.0, "neumann", v), **options)


def by_noise(v: Any, **options: Any) -> Any:
    model = PDE("u_t = lap(u) + noise(s*u)", s=v)
    return loss(model, Grid(SHAPE), stepper="milstein", key=jax.random.key(1), **options)


def by_start_in_a_disc(v: Any, **options: Any) -> Any:
    """u/v and log u of the 0 that cells outside hold must not reach a derivative."""
    mask = np.ones(SHAPE)
    mask[0, :2], mask[3, 4], mask[1, 1] = 0, 0, 0.5
    model = PDE("u_t = div(grad(u)/u) + lap(log(u)) + 1/u")
    return loss(model, Grid(SHAPE, 1.0, "neumann", mask), start=v, **options)


CASES: dict[str, tuple[Callable[..., Any], Any]] = {
    "walls": (by_walls, 0.7),
    "robin": (by_robin, 0.7),
    "array": (by_wall_array, jnp.linspace(0.1, 0.9, SHAPE[0])),
    "place, origin": (by_wall_of_place, 0.3),
    "spacing": (by_spacing, 0.8),
    "spacings": (by_spacings, jnp.array([0.8, 1.1])),
    "diffusivity": (by_diffusivity, 0.2 + jnp.asarray(RANDOM.random(SHAPE))),
    "velocity": (by_velocity, jnp.asarray(RANDOM.normal(size=SHAPE))),
    "mask": (by_mask, PHI),
    "noise": (by_noise, 0.4),
    "start in a disc": (by_start_in_a_disc, START),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_differences_forward_and_reverse(name: str) -> None:
    function, at = CASES[name]
    at = jnp.asarray(at, float)
    direction = jnp.asarray(np.random.default_rng(1).normal(size=at.shape))
    reverse = float(jnp.vdot(jax.grad(function)(at), direction))
    forward = float(jax.jvp(lambda v: function(v, adjoint=None), (at,), (direction,))[1])
    e = 1e-5
    both = [float(function(at + sign * e * direction, adjoint=None)) for sign in (1, -1)]
    assert np.isfinite(reverse)
    assert forward == pytest.approx(reverse, rel=RELATIVE["forward_reverse", "float64"])
    assert (both[0] - both[1]) / (2 * e) == pytest.approx(
        reverse, rel=RELATIVE["gradient", "float64"]
    )


@pytest.mark.thorough
@pytest.mark.parametrize("adjoint", ["per_step", "nested", 1.0])
def test_every_adjoint_gives_the_same_gradient(adjoint: Any) -> None:
    for name in ("walls", "mask"):
        function, at = CASES[name]
        one, other = (
            jax.grad(function)(at),
            jax.grad(lambda v, f=function: f(v, adjoint=adjoint))(at),
        )
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_the_derivative_by_a_cell_that_takes_no_part_is_not_defined() -> None:
    slope = jax.grad(by_mask)(PHI.at[1, 1].set(0.0))
    assert np.flatnonzero(np.isnan(np.asarray(slope))).tolist() == [6]


@pytest.mark.parametrize("name", ["walls", "spacings", "mask", "diffusivity", "array"])
def test_a_batch_is_a_loop(name: str) -> None:
    function, at = CASES[name]
    batch = jnp.stack([jnp.asarray(at, float) * f for f in (1.0, 0.9, 0.8)])
    alone = [float(function(one, adjoint=None)) for one in batch]
    np.testing.assert_allclose(
        jax.vmap(lambda v: function(v, adjoint=None))(batch), alone, rtol=1e-12
    )


WALLS = {"x-": Dirichlet("y + t"), "x+": Robin(1.0, 1.0, 2.0), "y": Neumann(lambda at: 0.1 * at.t)}
MASK = np.where(RANDOM.random(SHAPE) < 0.2, 0.0, 0.2 + 0.7 * RANDOM.random(SHAPE))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("grid", "stepper"),
    [
        (Grid(SHAPE, (0.7, 0.9), WALLS), "euler-maruyama"),
        (Grid(SHAPE, 0.9, "neumann", MASK), "milstein"),
        (Grid(SHAPE, 0.9, WALLS, MASK), "euler-maruyama"),
    ],
)
def test_a_run_in_pieces_is_the_whole_run_bit_for_bit(grid: Grid, stepper: str, dtype: str) -> None:
    model = PDE("u_t = lap(u) + sin(3*t)*x*u - div(vec(y, t)*u) + noise(s*u)", s=0.1)
    start: Any = {"u": START.astype(dtype)}
    options: dict[str, Any] = {
        "grid": grid,
        "dt": 0.01,
        "stepper": stepper,
        "key": jax.random.key(7),
    }
    whole = simulate(model, start, steps=9, **options)
    part = simulate(model, start, steps=4, **options)
    rest = simulate(model, part.state, steps=5, **options)
    np.testing.assert_array_equal(rest.state["u"], whole.state["u"])
    assert whole.state["u"].dtype == jnp.dtype(dtype)
    assert bool(whole.status.ok)


ANY = """
    u_t = lap(u^2) + div(D*v*grad(u)) - div(vec(a, b)*u) + x*u
    v_t = lap(v) + div(u*grad(v)) - dx(u) + dot(grad(u), grad(v))
"""


@pytest.mark.thorough
def test_a_mask_of_a_rectangle_is_the_smaller_grid_between_walls() -> None:
    """Whatever lies in the cells that take no part; the flow stands still at the walls."""
    large, small = (7, 9), (slice(2, 6), slice(3, 8))
    mask = np.zeros(large)
    mask[small] = 1
    u, v, d = (jnp.asarray(0.5 + RANDOM.random(large)) for _ in range(3))
    # The velocity vanishes on the faces of the rectangle: it is odd about them.
    x, y = np.arange(9) + 0.5, np.arange(7) + 0.5
    a = np.sin(np.pi * (x - 3) / 5) * np.ones((7, 1))
    b = np.sin(np.pi * (y - 2) / 4)[:, None] * np.ones(9)
    model = PDE(ANY, D=d, a=a, b=b)
    options: dict[str, Any] = {"steps": 20, "dt": 0.01, "stepper": "rk4"}
    masked = simulate(model, {"u": u, "v": v}, grid=Grid(large, 1.0, "neumann", mask), **options)
    inner = Grid((4, 5), 1.0, "neumann", origin=(2.0, 3.0))
    # Between walls what the flow carries through them is what the cells beside them say: stop it.
    frame = {"D": d[small], "a": a[small], "b": b[small]}
    closed = Grid((4, 5), 1.0, "neumann", np.ones((4, 5)), origin=(2.0, 3.0))
    alone = simulate(PDE(ANY, **frame), {"u": u[small], "v": v[small]}, grid=closed, **options)
    for field in "uv":
        assert not np.asarray(masked.state[field])[mask == 0].any()
    still = {**frame, "a": 0 * a[small], "b": 0 * b[small]}
    whole = PDE(ANY, D=d, a=0 * a, b=0 * b)
    masked = simulate(whole, {"u": u, "v": v}, grid=Grid(large, 1.0, "neumann", mask), **options)
    alone = simulate(PDE(ANY, **still), {"u": u[small], "v": v[small]}, grid=inner, **options)
    for field in "uv":
        np.testing.assert_allclose(masked.state[field][small], alone.state[field], rtol=1e-12)


@pytest.mark.thorough
def test_carrying_beside_an_outline_is_carrying_beside_a_wall() -> None:
    """Nothing is known behind a closed face: the slope there is 0, as a mirrored ghost makes it."""
    mask = np.zeros(9)
    mask[2:7] = 1
    u = jnp.asarray(0.5 + RANDOM.random(9))
    c = jnp.asarray([0.0, -0.4, 0.4, 1.0, 0.7, 0.5, 0.3, -0.3, 0.0])  # its mean is 0 on the outline
    model, wall = PDE("u_t = -div(vec(c)*u)", c=c), PDE("u_t = -div(vec(c)*u)", c=c[1:8])
    options: dict[str, Any] = {"steps": 20, "dt": 0.1}
    masked = simulate(model, {"u": u}, grid=Grid(9, 1.0, "neumann", mask), **options).state["u"]
    # The same cells with a mirrored cell on either side, held by hand, step by step.
    values = u[1:8]
    for _ in range(20):
        values = values.at[0].set(values[1]).at[-1].set(values[-2])
        values = simulate(wall, {"u": values}, grid=Grid(7, 1.0, "neumann"), steps=1, dt=0.1).state[
            "u"
        ]
    np.testing.assert_allclose(masked[2:7], values[1:6], rtol=1e-12)


@pytest.mark.parametrize(
    "boundary",
    [
        {"u": "periodic", "v": "neumann"},
        {"u": {"x": "periodic", "y": "neumann"}, "v": {"x": "neumann", "y": "periodic"}},
    ],
)
@pytest.mark.parametrize("mask", [None, MASK])
def test_each_field_wraps_by_its_own_sides(boundary: Any, mask: Any) -> None:
    """A coefficient and a mask wrap where the field does that they are used for."""
    d = jnp.asarray(0.5 + RANDOM.random(SHAPE))
    text = "u_t = div(D*grad(u)) + lap(x*u)\nv_t = div(D*grad(v)) + div(u*grad(v))"
    grid = Grid(SHAPE, 1.0, boundary, mask)
    weight = np.ones(SHAPE) if mask is None else mask
    start = {"u": START, "v": START[::-1]}
    model = PDE(text.replace(" + lap(x*u)", "") if mask is None else text, D=d)
    run = simulate(model, start, grid=grid, steps=20, dt=0.02)
    for field in "uv":
        change = weight * (np.asarray(run.state[field]) - np.asarray(start[field]))
        assert abs(change.sum()) < 1e-12


def test_a_coordinate_on_a_torus_keeps_the_mass() -> None:
    run = simulate(PDE("u_t = lap(x*u)"), {"u": START}, grid=Grid(SHAPE), steps=20, dt=0.01)
    assert abs(float((run.state["u"] - START).sum())) < 1e-12
