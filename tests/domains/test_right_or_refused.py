"""Every model, stepper, side, dimension and mask: refused by name, or right.

What is right says SciPy of the same semi-discrete system, written a second time in `oracle`. A
model of the registry without rates there is held to rk4 with an eighth of the step: so a new one
is tested from the day it is registered.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import (
    PDE,
    Dirichlet,
    Ghost,
    Grid,
    Neumann,
    Robin,
    Simulation,
    get_model,
    model_names,
    simulate,
)
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models import IteratedMap
from mfnjax.steppers import STEPPERS, steppers_of
from tests.domains.oracle import Rates, Space, integrate

pytestmark = pytest.mark.compile_bound

SHAPES = {"1-D": (9,), "1-D in a plane": (1, 9), "2-D": (5, 6), "3-D": (4, 3, 5)}
SPACING = {1: (0.9,), 2: (1.1, 0.9), 3: (1.2, 1.1, 0.9)}
NAMES = (
    "map",
    "euler",
    "rk4",
    "ssprk3",
    "etdrk2",
    "etdrk4",
    "strang",
    "euler-maruyama",
    "milstein",
)


def _mirror(u: Any, h: float, t: float, at: Any) -> Any:
    return u


def _wall(u: Any, h: float, t: float, at: Any) -> Any:
    return 2 * (0.5 + 0.1 * np.sin(t + at.get("y", 0.0))) - u


def _robin(u: Any, h: float, t: float, at: Any) -> Any:
    return (0.8 - (1.5 / 2 - 0.7 / h) * u) / (1.5 / 2 + 0.7 / h)


SIDES: dict[str, tuple[Any, Any]] = {
    "torus": ("periodic", "periodic"),
    "closed": ("neumann", (_mirror, _mirror)),
    "zero": (Dirichlet(0.0), (lambda u, *_: -u,) * 2),
    "ghost": (Ghost(0.3), (lambda u, *_: 0.3 + 0 * u,) * 2),
    "wall": (Dirichlet("0.5 + 0.1*sin(t + y)"), (_wall, _wall)),
    "slope": (Neumann(lambda at: 0.2 * at.t), (lambda u, h, t, at: u + h * 0.2 * t,) * 2),
    "robin": (Robin(1.5, 0.7, 0.8), (_robin, _robin)),
    "robin, closed": ({"-": Robin(1.5, 0.7, 0.8), "+": "neumann"}, (_robin, _mirror)),
}
MIXES = {name: (name,) * 3 for name in SIDES} | {
    "torus × closed": ("torus", "closed", "torus"),
    "torus × zero": ("torus", "zero", "closed"),
    "wall × torus": ("wall", "torus", "robin"),
    "slope × wall": ("slope", "wall", "zero"),
}


@dataclass(frozen=True)
class Case:
    """An equation: a model, its rates in NumPy, and on what it is not written."""

    model: Any
    rates: Rates
    masked: bool = True
    smooth: bool = True


def _place(space: Space) -> np.ndarray:
    return 0.5 + 0.3 * np.sin(space.at("x"))


def _flow(space: Space) -> dict[str, Any]:
    return dict(zip("xyz", (0.6 + 0 * space.at("x"), -0.4, 0.3), strict=True))


def _gray_scott(space: Space, values: Any, t: float) -> Any:
    u, v = values
    return (
        space.diffusion(0.16, u) - u * v**2 + 0.04 * (1 - u),
        space.diffusion(0.08, v) + u * v**2 - 0.102 * v,
    )


def _chemotaxis(space: Space, values: Any, t: float) -> Any:
    u, c = values
    drift = space.div(
        lambda n: space.coefficient(0.5 * u, n) * np.diff(space.wide(c, n), axis=0) / space.h(n)
    )
    return space.diffusion(0.5, u) - drift, space.diffusion(1.0, c) + u - c


def _eikonal(space: Space, values: Any, t: float) -> Any:
    (u,) = values
    return (space.diffusion(0.5, u) + 0.3 * sum(space.slope(u, n) ** 2 for n in space.names),)


EQUATIONS = {
    "heat": Case(PDE("u_t = 0.7*lap(u)"), lambda s, v, t: (s.diffusion(0.7, v[0]),)),
    "layers": Case(
        PDE("u_t = div(D*grad(u)) + u*(1 - u)", D="0.5 + 0.3*sin(x)"),
        lambda s, v, t: (s.diffusion(_place(s), v[0]) + v[0] * (1 - v[0]),),
    ),
    "porous": Case(
        PDE("u_t = lap(u^2) + x*cos(t)"),
        lambda s, v, t: (s.diffusion_of(lambda u: u**2, v[0]) + s.at("x") * np.cos(t),),
    ),
    "text": Case(
        PDE(
            "u_t = d_u*lap(u) - u*v^2 + F*(1 - u)\nv_t = d_v*lap(v) + u*v^2 - (F + k)*v",
            d_u=0.16,
            d_v=0.08,
            F=0.04,
            k=0.062,
        ),
        _gray_scott,
    ),
    "chemotaxis": Case(
        PDE("u_t = 0.5*lap(u) - div(0.5*u*grad(c))\nc_t = lap(c) + u - c"), _chemotaxis
    ),
    "eikonal": Case(PDE("u_t = 0.5*lap(u) + 0.3*dot(grad(u), grad(u))"), _eikonal, masked=False),
}
FLOW = "u_t = 0.4*lap(u) - div(vec({})*u)"
ENTRIES = ("0.6", "-0.4", "0.3")


def flow_case(axes: int) -> Case:
    """Carried and diffusing, with one entry of the velocity an axis."""
    text = FLOW.format(", ".join(ENTRIES[:axes]))
    rates: Rates = lambda s, v, t: (s.diffusion(0.4, v[0]) - s.advection(_flow(s), v[0]),)  # noqa: E731
    return Case(PDE(text), rates, smooth=False)


def grid_of(dimension: str, mix: str, mask: np.ndarray | None) -> Grid:
    shape = SHAPES[dimension]
    boundary: dict[str, Any] = {}
    used = [n for n, size in zip("xyz", reversed(shape), strict=False) if size > 1]
    for name, kind in zip(used, MIXES[mix], strict=False):
        side = SIDES[kind][0]
        if isinstance(side, dict):
            boundary |= {name + end: one for end, one in side.items()}
        else:
            boundary[name] = side
    return Grid(shape, SPACING[len(shape)], boundary, mask)


def space_of(dimension: str, mix: str, mask: np.ndarray | None) -> Space:
    shape = tuple(n for n in SHAPES[dimension] if n > 1)
    spacing = SPACING[len(SHAPES[dimension])][-len(shape) :]
    sides = dict(zip("xyz", (SIDES[kind][1] for kind in MIXES[mix]), strict=True))
    sides = {
        n: "periodic" if SIDES[k][0] == "periodic" else sides[n]
        for n, k in zip("xyz", MIXES[mix], strict=True)
    }
    return Space(shape, spacing, sides, None if mask is None else mask.reshape(shape))


def mask_of(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.where(rng.random(shape) < 0.2, 0.0, 0.3 + 0.7 * rng.random(shape))


def runs(case: Case, grid: Grid, stepper: str, start: Any, time: float, steps: int) -> Any:
    run = simulate(case.model, start, grid=grid, steps=steps, dt=time / steps, stepper=stepper)
    assert bool(run.status.ok)
    return np.stack([np.asarray(u) for u in run.state.values])


def right(case: Case, dimension: str, mix: str, mask: np.ndarray | None, stepper: str) -> None:
    """Go to SciPy's fields as dt → 0 at the stepper's order (the step is traced: one program)."""
    grid, space = grid_of(dimension, mix, mask), space_of(dimension, mix, mask)
    rng = np.random.default_rng(5)
    fields = len(case.model.fields)
    start = [0.5 + 0.4 * rng.random(grid.shape) for _ in range(fields)]
    if mask is not None:
        start = [np.where(mask > 0, u, 0) for u in start]
    time, order = 0.4, STEPPERS[stepper].order or 1
    exact = integrate(space, case.rates, [u.reshape(space.shape) for u in start], time)
    given = tuple(map(jnp.asarray, start))
    counts = (64, 128) if order < 3 else (16, 32)
    errors = [
        np.abs(runs(case, grid, stepper, given, time, n).reshape(exact.shape) - exact).max()
        for n in counts
    ]
    assert errors[1] < {1: 1e-2, 2: 1e-3, 3: 1e-5, 4: 2e-6}[order] * (1 if case.smooth else 100)
    if case.smooth and errors[1] > 1e-9:
        assert math.log2(errors[0] / errors[1]) > order - 0.4


def serves(case: Case, grid: Grid, stepper: str) -> bool:
    return STEPPERS[stepper].obstacle(case.model, grid) is None


def test_every_stepper_is_in_the_table() -> None:
    assert set(NAMES) == set(STEPPERS)


@pytest.mark.parametrize("equation", [*EQUATIONS, "flow"])
def test_what_is_not_served_is_refused_by_name(equation: str) -> None:
    """The stepper is named, and what would do; what it takes is tried out below."""
    for stepper, mix, dimension, is_masked in itertools.product(NAMES, MIXES, SHAPES, (0, 1)):
        shape = SHAPES[dimension]
        case = flow_case(sum(n > 1 for n in shape)) if equation == "flow" else EQUATIONS[equation]
        grid = grid_of(dimension, mix, mask_of(shape) if is_masked else None)
        if serves(case, grid, stepper):
            continue
        start = tuple(jnp.ones(shape) for _ in case.model.fields)
        with pytest.raises(
            ParameterError, match=f"the stepper '{stepper}' cannot serve PDE here: .+; take"
        ):
            simulate(case.model, start, grid=grid, steps=1, dt=0.01, stepper=stepper)


def table() -> list[Any]:
    """A stepper in turn for every equation × sides × dimension × mask, one in 47 of them quick."""
    found = []
    rows = itertools.product([*EQUATIONS, "flow"], MIXES, SHAPES, (False, True))
    for number, (equation, mix, dimension, is_masked) in enumerate(rows):
        shape = SHAPES[dimension]
        case = flow_case(sum(n > 1 for n in shape)) if equation == "flow" else EQUATIONS[equation]
        if is_masked and not case.masked:
            continue
        grid = grid_of(dimension, mix, mask_of(shape) if is_masked else None)
        able = steppers_of(case.model, grid)
        stepper = able[number % len(able)]
        spectral = [s for s in able if s.startswith("etd") or s == "strang"]
        if spectral and number % 3:
            stepper = spectral[number % len(spectral)]
        values = (equation, mix, dimension, is_masked, stepper)
        found.append(values if number % 47 == 0 else pytest.param(*values, marks=pytest.mark.slow))
    return found


@pytest.mark.parametrize(("equation", "mix", "dimension", "is_masked", "stepper"), table())
def test_what_is_served_is_right(equation, mix, dimension, is_masked, stepper) -> None:
    shape = SHAPES[dimension]
    case = flow_case(sum(n > 1 for n in shape)) if equation == "flow" else EQUATIONS[equation]
    right(case, dimension, mix, mask_of(shape) if is_masked else None, stepper)


@pytest.mark.parametrize(
    ("text", "walls"),
    [
        ("u_t = lap(u*lap(u))", Dirichlet(0.0)),
        ("u_t = lap(u - lap(u))", Dirichlet(1.0)),
        ("u_t = lap(u*dx(u))", Robin(1.0, 1.0, 0.0)),
    ],
)
def test_what_lies_outside_an_expression_with_derivatives_is_not_guessed(text, walls) -> None:
    with pytest.raises(ParameterError, match="needs sides that wrap or mirror"):
        simulate(
            PDE(text), (jnp.ones(8),), grid=Grid(8, 1.0, walls), steps=1, dt=1e-3, stepper="rk4"
        )


def test_no_stepper_takes_noise_silently() -> None:
    model, start = PDE("u_t = lap(u) + noise(0.1)"), (jnp.ones(8),)
    for stepper in NAMES:
        options: dict[str, Any] = {"grid": Grid(8), "steps": 1, "dt": 0.1, "key": jax.random.key(0)}
        if stepper in ("euler-maruyama", "milstein"):
            run = simulate(model, start, stepper=stepper, **options)
            assert float(jnp.std(run.state["u"])) > 0.01
            with pytest.raises(ParameterError, match="random numbers: pass key="):
                simulate(model, start, stepper=stepper, **{**options, "key": None})
        else:
            with pytest.raises(ParameterError, match=r"noise|step of its own"):
                simulate(model, start, stepper=stepper, **options)


@pytest.mark.parametrize("kind", ["numbers", "of other fields", "of neighbours", "two"])
def test_milstein_takes_noise_that_is_diagonal_and_no_other(kind: str) -> None:
    text = {
        "numbers": "u_t = lap(u) + noise(s*u*(1 + x))\nv_t = -v",
        "of other fields": "u_t = lap(u) + noise(s*v)\nv_t = -v",
        "of neighbours": "u_t = lap(u) + noise(s*lap(u))\nv_t = -v",
        "two": "u_t = lap(u) + noise(s*u) + noise(s)\nv_t = -v",
    }[kind]
    grid, start = Grid(8, 1.0, "neumann"), (jnp.ones(8), jnp.ones(8))

    def end(s: Any) -> Any:
        options: dict[str, Any] = {"steps": 2, "dt": 0.01, "stepper": "milstein"}
        run = simulate(PDE(text, s=s), start, grid=grid, key=jax.random.key(0), **options)
        return run.state["u"].sum()

    for wrap in (lambda f: f, jax.jit):
        if kind == "numbers":
            assert bool(jnp.isfinite(wrap(end)(0.1)))
        else:
            with pytest.raises(ParameterError, match=r"'milstein' cannot serve PDE here: .*noise"):
                wrap(end)(0.1)


# Models of the registry.

RATES: dict[str, Rates] = {
    "gray-scott": _gray_scott,
    "fisher-kpp": lambda s, v, t: (s.diffusion(0.3, v[0]) + 0.7 * v[0] * (1 - v[0] / 2),),
    "allen-cahn": lambda s, v, t: (s.diffusion(0.4, v[0]) + 1.2 * (v[0] - v[0] ** 3),),
}
VALUES = {
    "gray-scott": {"d_u": 0.16, "d_v": 0.08, "feed": 0.04, "kill": 0.062},
    "fisher-kpp": {"diffusivity": 0.3, "growth_rate": 0.7, "capacity": 2.0},
    "allen-cahn": {"diffusivity": 0.4, "rate": 1.2},
}
PLACES = [("closed", "2-D", True), ("torus × closed", "3-D", False), ("wall × torus", "2-D", False)]


def registered() -> list[Any]:
    found = []
    for name, (mix, dimension, is_masked) in itertools.product(model_names(), PLACES):
        model = (
            get_model(name).model(**VALUES.get(name, {}))
            if name in VALUES
            else get_model(name).example()
        )
        if isinstance(model, IteratedMap):
            continue
        is_quick = name in RATES and mix == "closed"
        values = (name, mix, dimension, is_masked)
        found.append(values if is_quick else pytest.param(*values, marks=pytest.mark.slow))
    return found


def _start(model: Any, grid: Grid) -> tuple[Any, ...]:
    """The customary start on a plane of as many cells, laid out anew."""
    plane = Grid((grid.shape[0], grid.num_cells // grid.shape[0]))
    state = model.initial_state(plane, key=jax.random.key(0))
    return tuple(u.reshape(grid.shape) for u in state.values)


@pytest.mark.parametrize(("name", "mix", "dimension", "is_masked"), registered())
def test_models_of_the_registry_are_right_or_refused(name, mix, dimension, is_masked) -> None:
    """By SciPy where their rates stand above; by rk4 with an eighth of the step where not."""
    entry, shape = get_model(name), SHAPES[dimension]
    model = entry.model(**VALUES[name]) if name in VALUES else entry.example()
    mask = mask_of(shape) if is_masked else None
    grid = grid_of(dimension, mix, mask)
    if "rk4" not in steppers_of(model, grid):
        start = _start(model, grid)
        with pytest.raises(ParameterError, match="cannot serve"):
            simulate(model, start, grid=grid, steps=1, stepper="rk4", key=None)
        return
    for stepper in steppers_of(model, grid):
        if stepper == "milstein":
            continue
        if name in RATES:
            right(Case(model, RATES[name]), dimension, mix, mask, stepper)
            continue
        start = _start(model, grid)
        bound = STEPPERS["euler"].largest_stable_step(model, grid)
        dt = min(p.dt for p in entry.presets.values()) if entry.presets else 0.01
        dt = min(dt, 0.02 * bound) if bound is not None else 0.1 * dt
        options: dict[str, Any] = {"grid": grid}
        key = jax.random.key(1) if model.is_stochastic() else None
        ends = [
            np.stack(
                simulate(model, start, steps=n, dt=d, stepper=s, key=key, **options).state.values
            )
            for n, d, s in ((8, dt, stepper), (16, dt / 2, stepper), (128, dt / 16, "rk4"))
        ]
        errors = [np.abs(one - ends[-1]).max() for one in ends[:2]]
        order, size = STEPPERS[stepper].order or 1, max(np.abs(ends[-1]).max(), 1)
        if max(errors) < 1e-13 * size:  # of rounding alone
            continue
        # A limiter has kinks, where an order is lost: then the difference itself must be small.
        if errors[1] > 1e-4 * size or errors[1] > errors[0]:
            assert math.log2(errors[0] / errors[1]) > order - 0.5


VARYING = PDE("u_t = 2*div(D*grad(u)) - u", D="1 + 0.5*sin(x)")


def test_a_step_beyond_a_known_bound_is_refused() -> None:
    """Where D varies in space or time, and beside Robin sides: else 10¹⁰ would be 'ok'."""
    line, start = Grid(16), {"u": "sin(x)"}
    largest = 1 + 0.5 * np.sin(np.arange(16) + 0.5).max()
    known = STEPPERS["euler"].largest_stable_step(VARYING, line)
    assert known == pytest.approx(2 / (4 * 2 * largest), rel=1e-6)
    robin = Grid(16, 1.0, Robin(1.0, 1.0))
    for model, grid in ((VARYING, line), (PDE("u_t = lap(u)"), robin)):
        with pytest.raises(StabilityError, match="largest stable step"):
            simulate(model, start, grid=grid, steps=1, dt=0.9)
    # −1 ≤ α ≤ 1 is known of a and b of one sign alone.
    assert STEPPERS["euler"].largest_stable_step(PDE("u_t = lap(u)"), robin) == pytest.approx(0.5)
    steep = Grid(16, 1.0, Robin(3.0, -1.0))
    assert STEPPERS["euler"].largest_stable_step(PDE("u_t = lap(u)"), steep) is None


def test_a_diffusivity_that_varies_has_no_exponential_stepper() -> None:
    for D in ("1 + 0.5*sin(x)", "1 + 0.5*sin(t)", np.linspace(1, 2, 16), lambda at: 1 + at.x):
        model = PDE("u_t = div(D*grad(u))", D=D)
        with pytest.raises(ParameterError, match=r"etdrk2.*varies in space or time.*'euler'"):
            simulate(model, {"u": "sin(x)"}, grid=Grid(16), steps=1, dt=0.01, stepper="etdrk2")


@pytest.mark.parametrize("D", ["-1", "x - 3", -np.ones(16)])
def test_a_diffusivity_of_text_that_is_negative_somewhere_is_refused(D) -> None:
    with pytest.raises(ParameterError, match="amplifies short waves"):
        simulate(PDE("u_t = div(D*grad(u))", D=D), {"u": "x"}, grid=Grid(16), steps=1, dt=0.01)


def test_sides_of_a_field_that_there_is_not_are_refused() -> None:
    for fields in (("u", "w"), ("w",)):
        grid = Grid(8, boundary=dict.fromkeys(fields, "neumann"))
        with pytest.raises(ParameterError, match=r"the boundary is of the fields.* are u"):
            simulate(PDE("u_t = lap(u)"), {"u": "0"}, grid=grid, steps=1, dt=0.1)


@pytest.mark.parametrize("shape", [(12,), (1, 12), (4, 6), (3, 4, 5)])
def test_members_of_an_ensemble_are_told_from_axes_of_space(shape: tuple[int, ...]) -> None:
    grid, numbers = Grid(shape, boundary="neumann"), np.array([0.05, 0.1, 0.2])
    start = (np.linspace(0, 1, grid.num_cells).reshape(shape),)

    def run(D: Any, start: Any) -> Any:
        return Simulation(PDE("u_t = D*lap(u)", D=D), grid, 5, dt=0.1).run(start).state["u"]

    many = Simulation(PDE("u_t = D*lap(u)", D=numbers), grid, 5, dt=0.1)
    fields = (np.stack([start[0], start[0] ** 2, 1 - start[0]]),)
    for members, each in ((start, [start] * 3), (fields, [(u,) for u in fields[0]])):
        together = many.ensemble(members).state["u"]
        for k, own in enumerate(each):
            np.testing.assert_array_equal(together[k], run(float(numbers[k]), own))


def test_numbers_that_may_be_members_or_a_field_are_refused() -> None:
    many = Simulation(PDE("u_t = D*lap(u)", D=np.ones(8)), Grid(8), 1, dt=0.1)
    with pytest.raises(ParameterError, match="one number a member or a field for all"):
        many.ensemble((np.ones((8, 8)),))
