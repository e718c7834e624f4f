"""Derivatives through `simulate`: one contract over the registry, steppers and boundaries.

A model that is added to the registry is held to it without a line here. Every combination is
compiled once: one program gives the value, the gradient by reverse mode, and along a direction the
slope by forward mode and the Hessian by forward over reverse mode; difference quotients come from
calling it again. Compiling is what these tests spend time on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from tolerances import RELATIVE

from mfnjax import Grid, MyceliumModel, get_model, model_names, simulate, smooth_twin
from mfnjax.models import IteratedMap
from mfnjax.models.mycelium.model import CLAMP_HIGH_V, CLAMP_LOW_V
from mfnjax.models.mycelium.smooth import SmoothMyceliumModel
from mfnjax.models.registry import parameter_names
from mfnjax.steppers import STEPPERS, boundaries_of, choose_stepper, steppers_of

SHAPE, STEPS, KEY = (3, 4), 2, jax.random.key(7)
STEP = 1e-4
"""Of the difference quotients, as a share of each quantity."""

EXACT = RELATIVE["forward_reverse", "float64"]
CLOSE = RELATIVE["gradient", "float64"]
QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
SMOOTH = "(smooth) "


def models() -> dict[str, Any]:
    """Every registered model, and the twin of every one that is not its own."""
    found: dict[str, Any] = {}
    for name in model_names():
        model = get_model(name).model()
        if isinstance(model, MyceliumModel):
            # All its parts at once: events, threshold, clips, jitter, clamp.
            model = dataclasses.replace(
                model, quantum_jitter=True, jitter_var=1e-8, d_activator=0.02, spike_probability=0.5
            )
        found[name] = model
        twin = smooth_twin(model, 4.0)
        if twin is not model:
            found[SMOOTH + name] = twin
    return found


MODELS = models()


def cases() -> list[Any]:
    """Every combination; quick are each model with its own stepper, each stepper with one model,
    and the maps and Euler's method with every boundary. The rest are slow tests."""
    found = []
    for name, model in MODELS.items():
        usual = choose_stepper(model, None).name
        for boundary in boundaries_of(model):
            for stepper in steppers_of(model, Grid((8, 8), boundary=boundary)):
                quick = (boundary, stepper) == ("periodic", usual)
                quick |= name == "gray-scott" and boundary == "periodic"
                quick |= (name, stepper) == ("gray-scott", "euler") or stepper == "map"
                case = (name, stepper, boundary)
                found.append(case if quick else pytest.param(*case, marks=pytest.mark.slow))
    return found


@dataclass(frozen=True)
class Case:
    """A run as a function of relative changes t (of a tenth where a parameter is 0): one number for
    each parameter, one for the spacing and one for the time step of a system in continuous time,
    and one for a direction of the fields."""

    model: Any
    stepper: str
    boundary: str
    dt: float
    fields: tuple[jax.Array, ...]
    direction: tuple[jax.Array, ...]

    @property
    def size(self) -> int:
        return len(jax.tree.leaves(self.model)) + 1 + 2 * (not self.is_map)

    @property
    def is_map(self) -> bool:
        return isinstance(self.model, IteratedMap)

    def run(self, t: jax.Array, **options: Any) -> Any:
        leaves, structure = jax.tree.flatten(self.model)
        scales = [jnp.where(x == 0, 0.1, x) for x in leaves]
        model = structure.unflatten([x + t[i] * scales[i] for i, x in enumerate(leaves)])
        fields = tuple(u + t[-1] * d for u, d in zip(self.fields, self.direction, strict=True))
        dt, spacing = (1.0, 1.0) if self.is_map else (self.dt * (1 + t[-2]), 1 + t[-3])
        return simulate(
            model,
            fields,
            grid=Grid(SHAPE, spacing, self.boundary),
            steps=STEPS,
            dt=dt,
            stepper=self.stepper,
            adjoint="direct",
            key=KEY if self.is_map else None,
            **options,
        )

    def value(self, t: jax.Array) -> jax.Array:
        """A scalar that weighs all fields alike."""
        pairs = zip(self.run(t).state.values, self.fields, strict=True)
        return sum(jnp.sum(jnp.sin(2 * u / jnp.max(jnp.abs(start)))) for u, start in pairs)


def case_of(name: str, stepper: str, boundary: str) -> Case:
    model, grid = MODELS[name], Grid(SHAPE, boundary=boundary)
    rng = np.random.default_rng(3)
    if isinstance(model, (MyceliumModel, SmoothMyceliumModel)):
        fields = fields_away_from_kinks(rng)
    else:
        start = model.initial_state(grid, key=jax.random.key(0))
        fields = tuple(u + 0.05 * rng.uniform(size=SHAPE) for u in start.values)
    presets = get_model(name.removeprefix(SMOOTH)).presets
    largest = STEPPERS[stepper].largest_stable_step(model, grid)
    dt = min(p.dt for p in presets.values()) if presets else 0.1
    dt = dt if largest is None else min(dt, 0.5 * largest)
    direction = tuple(jnp.asarray(np.abs(u) * rng.uniform(-1, 1, SHAPE)) for u in fields)
    model = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), model)
    return Case(model, stepper, boundary, dt, fields, direction)


def fields_away_from_kinks(rng: np.random.Generator) -> tuple[jax.Array, ...]:
    """Half the cells over the threshold; none near it, a clip or a clamp (a test makes sure)."""
    a = np.where(np.arange(SHAPE[1]) < 2, 0.95, 0.4) + rng.uniform(-0.01, 0.01, SHAPE)
    V, i = rng.uniform(-0.092, 0.01, SHAPE), rng.uniform(0.3, 0.5, SHAPE)
    return tuple(map(jnp.asarray, (V, a, i)))


def derivatives(case: Case) -> Callable[[jax.Array, jax.Array], Any]:
    """(t, v) → value, reverse gradient, forward slope along v, Hessian times v: one program."""

    def all_of_them(t: jax.Array, v: jax.Array) -> Any:
        value, slope = jax.jvp(case.value, (t,), (v,))
        gradient, bend = jax.jvp(jax.grad(case.value), (t,), (v,))
        return value, gradient, slope, bend

    return jax.jit(all_of_them, compiler_options=QUICK_COMPILE)


@pytest.mark.parametrize(("name", "stepper", "boundary"), cases())
@pytest.mark.thorough
def test_first_and_second_derivatives(name: str, stepper: str, boundary: str) -> None:
    case = case_of(name, stepper, boundary)
    at, axes = derivatives(case), jnp.eye(case.size)
    results = [at(jnp.zeros(case.size), axis) for axis in axes]
    reverse = np.asarray(results[0][1])
    forward, hessian = np.array([r[2] for r in results]), np.array([r[3] for r in results])
    assert all(np.isfinite(x).all() for x in (reverse, forward, hessian))
    scale, second_scale = np.abs(forward).max(), np.abs(hessian).max()
    np.testing.assert_allclose(reverse, forward, rtol=EXACT, atol=EXACT * scale)
    np.testing.assert_allclose(hessian, hessian.T, rtol=EXACT, atol=EXACT * second_scale)
    for axis, slope, bend in zip(axes, forward, hessian, strict=True):
        up, down = at(STEP * axis, axis), at(-STEP * axis, axis)
        first, second = ((a - b) / (2 * STEP) for a, b in zip(up[:2], down[:2], strict=True))
        np.testing.assert_allclose(slope, first, rtol=CLOSE, atol=CLOSE * scale)
        np.testing.assert_allclose(bend, second, rtol=CLOSE, atol=CLOSE * second_scale)
    # No quantity is without effect but the chance of a hard event, whose derivative is 0.
    silent = np.flatnonzero(np.abs(forward) < 1e-9 * scale)
    expected = []
    if isinstance(case.model, MyceliumModel):
        names = parameter_names(MyceliumModel)
        expected = [names.index(n) for n in ("turing_threshold", "spike_probability")]
    assert set(silent) <= set(expected), silent


CHECKED = ("gray-scott", "euler", "periodic"), (SMOOTH + "mycelium", "map", "neumann")


def checked() -> list[Any]:
    """The same combinations, two of them quick."""
    plain = [case.values if hasattr(case, "values") else case for case in cases()]
    return [c if c in CHECKED else pytest.param(*c, marks=pytest.mark.slow) for c in plain]


@pytest.mark.parametrize(("name", "stepper", "boundary"), checked())
@pytest.mark.thorough
def test_every_order_of_modes_by_jaxs_own_check(name: str, stepper: str, boundary: str) -> None:
    """Forward and reverse over forward and reverse, along a plane: parameters and fields."""
    case = case_of(name, stepper, boundary)
    weights = np.random.default_rng(0).uniform(0.2, 1, case.size)
    plane = np.stack([weights, np.zeros(case.size)])
    plane[0, -1], plane[1, -1] = 0, 1
    value = jax.jit(lambda t: case.value(t @ plane))
    check_grads(value, (jnp.zeros(2),), 2, modes=["fwd", "rev"], atol=1e-6, rtol=CLOSE, eps=STEP)


@pytest.mark.parametrize(("name", "stepper", "boundary"), checked())
@pytest.mark.thorough
def test_jacobian_and_hessian_are_batches_of_the_same(name, stepper, boundary) -> None:
    """jax.jacfwd and jax.hessian, which batch, against one direction at a time."""
    case = case_of(name, stepper, boundary)
    at, here = derivatives(case), jnp.zeros(case.size)
    results = [at(here, axis) for axis in jnp.eye(case.size)]
    forward, hessian = jax.jit(
        lambda t: (jax.jacfwd(case.value)(t), jax.hessian(case.value)(t)),
        compiler_options=QUICK_COMPILE,
    )(here)
    expected, second = np.array([r[2] for r in results]), np.array([r[3] for r in results])
    np.testing.assert_allclose(forward, expected, rtol=EXACT, atol=EXACT * abs(expected).max())
    np.testing.assert_allclose(hessian, second, rtol=EXACT, atol=EXACT * abs(second).max())


@pytest.mark.parametrize("boundary", boundaries_of(MyceliumModel()))
def test_the_hard_model_keeps_ten_difference_steps_from_its_kinks(boundary: str) -> None:
    """… in the runs that the contract differences: the change of a step against the margin."""
    case = case_of("mycelium", "map", boundary)
    history = jax.jit(lambda t: case.run(t, save_every=1).history.values)
    here = jnp.zeros(case.size)
    V, a, i = (np.asarray(u) for u in history(here))
    model = case.model
    margins = {
        "potential": min(V.min() - CLAMP_LOW_V, CLAMP_HIGH_V - V.max()),
        "activator": min(np.abs(a - model.turing_threshold).min(), a.min(), 1 - a.max()),
        "inhibitor": min(i.min(), 1 - i.max()),
    }
    assert (a > model.turing_threshold).any()
    assert (a < model.turing_threshold).any()
    moved = [history(here + STEP * shift) for shift in np.eye(case.size)]
    for name, before, *after in zip(margins, (V, a, i), *moved, strict=True):
        change = max(float(np.abs(np.asarray(u) - before).max()) for u in after)
        assert 10 * change < margins[name], name
    keys = [jax.random.fold_in(KEY, step) for step in range(STEPS)]
    chances = np.array([float(model.draw(V.dtype, key=key)[0][0]) for key in keys])
    p = float(model.spike_probability)
    assert (chances < p).any()
    assert np.abs(chances - p).min() > 10 * STEP * p


def flat(V: float, a: float, i: float) -> tuple[jax.Array, ...]:
    return tuple(jnp.full(SHAPE, x, float) for x in (V, a, i))


def one_step(model: MyceliumModel, fields: Any) -> Any:
    return simulate(model, fields, grid=Grid(SHAPE), steps=1, adjoint="direct").state


@pytest.mark.parametrize(("limit", "outside"), [(CLAMP_HIGH_V, 0.045), (CLAMP_LOW_V, -0.1)])
@pytest.mark.parametrize("others_are_outside", [False, True])
def test_at_the_clamp_the_slope_is_that_from_inside(limit, outside, others_are_outside) -> None:
    """dV'/dV = 1 in a cell that lands exactly on the limit, whatever the other cells do."""
    still = MyceliumModel(alpha=1e-9, spike_probability=0.0, turing_enabled=False)
    V = jnp.full(SHAPE, limit, float)
    if others_are_outside:
        V = V.at[1, 1].set(outside)

    def total(V: jax.Array, alpha: float) -> jax.Array:
        model = dataclasses.replace(still, alpha=alpha)
        return one_step(model, (V, *flat(0, 0, 0)[1:])).values[0]

    # Compiled, so that α is traced: 0 is outside its accepted range, and keeps V on the limit.
    slope = np.asarray(jax.jit(jax.jacfwd(total))(V, 0.0)).reshape(12, 12).diagonal()
    expected = np.ones(12)
    if others_are_outside:
        expected[1 * SHAPE[1] + 1] = 0
    np.testing.assert_array_equal(slope, expected)


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_at_a_clip_the_slope_is_that_from_inside(limit: float) -> None:
    """At the rest state a = i = 0 the derivative is that of the linear pair, not a half of it.

    At a = 1, i = 0 it is 1 + r_a(1 − 2a) = 1 − r_a.
    """
    model = MyceliumModel(spike_probability=0.0)

    def activator(level: jax.Array) -> jax.Array:
        fields = (jnp.zeros(SHAPE), jnp.full(SHAPE, level), jnp.zeros(SHAPE))
        return one_step(model, fields)["activator"].mean()

    value, slope = jax.value_and_grad(activator)(jnp.asarray(limit))
    assert float(value) == limit
    assert float(slope) == pytest.approx(1 + 0.01 * (1 - 2 * limit), rel=1e-14)


def test_on_the_threshold_a_cell_is_not_active_and_its_derivative_is_finite() -> None:
    fields = flat(-0.05, 0.8, 0.1)
    level = one_step(MyceliumModel(spike_probability=0.0), fields)["activator"][0, 0]

    def potential(fields: Any, threshold: jax.Array) -> jax.Array:
        model = MyceliumModel(spike_probability=0.0, turing_threshold=threshold)
        return one_step(model, fields)["potential"].sum()

    value, (slopes, in_threshold) = jax.value_and_grad(potential, (0, 1))(fields, level)
    assert float(value) == pytest.approx(-0.05 * 12, rel=1e-14)
    assert float(in_threshold) == 0
    np.testing.assert_allclose(slopes[0], 1, rtol=1e-14)
    np.testing.assert_array_equal(slopes[1], 0)
    assert float(potential(fields, level - 1e-12)) == pytest.approx(-0.045 * 12, rel=1e-14)


def test_on_the_edge_of_chance_no_event_happens() -> None:
    model = MyceliumModel(turing_enabled=False)
    chance = model.draw("float64", key=jax.random.fold_in(KEY, 0))[0][0]

    def total(p: jax.Array, mean: jax.Array) -> jax.Array:
        changed = dataclasses.replace(model, spike_probability=p, growth_mean=mean)
        run = partial(simulate, grid=Grid(SHAPE), steps=1, adjoint="direct", key=KEY)
        return run(changed, flat(-0.05, 0, 0)).state["potential"].sum()

    gradient = jax.grad(total, (0, 1))
    assert [float(g) for g in gradient(chance, jnp.asarray(0.02))] == [0, 0]
    later = gradient(jnp.nextafter(chance, 1.0), jnp.asarray(0.02))
    assert [float(g) for g in later] == pytest.approx([0, 1])
