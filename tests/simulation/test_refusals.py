"""What would be silently wrong is refused, and what is computed instead is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import (
    FisherKPPModel,
    GrayScottModel,
    Grid,
    MyceliumModel,
    ParameterError,
    State,
    simulate,
    simulate_ensemble,
)
from mfnjax.core import Boundary, Nabla, laplacian, register_pytree
from mfnjax.core.operators import largest_stable_step
from mfnjax.fitting import gradient_horizon
from mfnjax.fitting.objectives.table_objective import table_objective
from mfnjax.fitting.table import Table
from mfnjax.models import get_model, model_names
from mfnjax.models.base import IteratedMap, ReactionDiffusion
from mfnjax.models.transport import Kind, transport_obstacle
from mfnjax.steppers import explicit_stable_step

GRID = Grid((6, 8), boundary="neumann")
KEY = jax.random.key(0)
U, V = np.random.default_rng(0).uniform(0.5, 1.5, (2, *GRID.shape))
BY_MODES = ["etdrk2", "etdrk4", "strang"]
EXPLICIT = ["euler", "rk4"]


class _NoReaction(ReactionDiffusion):
    """u_t = L u."""

    fields: ClassVar[tuple[str, ...]] = ("u", "v")
    reaction_fields: ClassVar[tuple[str, ...]] = ("u", "v")

    def reaction(self, values: Any) -> Any:
        return tuple(jnp.zeros_like(u) for u in values)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        return State(self.fields, tuple(jnp.ones(grid.shape) for _ in self.fields), jnp.int32(0))


@final
@register_pytree
@dataclass(frozen=True)
class Cross(_NoReaction):
    """u_t = ∇²u + c∇²v, v_t = b∇²u + d∇²v."""

    c: Any = 0.5
    b: Any = 0.0
    d: Any = 1.0

    def transport(self, values: Any, laplacian: Any) -> Any:
        u, v = values
        lap_u, lap_v = laplacian(u), laplacian(v)
        return lap_u + self.c * lap_v, self.b * lap_u + self.d * lap_v


class _OneField(_NoReaction):
    fields: ClassVar[tuple[str, ...]] = ("u",)
    reaction_fields: ClassVar[tuple[str, ...]] = ("u",)


@final
@register_pytree
@dataclass(frozen=True)
class Porous(_OneField):
    """u_t = ∇²(D uᵐ)."""

    diffusivity: Any = 1.0
    power: Any = 2.0

    def transport(self, values: Any, laplacian: Any) -> Any:
        return (laplacian(self.diffusivity * values[0] ** self.power),)


def chosen(law: Callable[..., Any], size: Any = 1.0) -> Any:
    """A model of one field whose transport is law(u, laplacian, size)."""

    class Model(_OneField):
        def transport(self, values: Any, laplacian: Any) -> Any:
            return (law(values[0], laplacian, self.size),)

    Model.__annotations__ = {"size": Any}
    return register_pytree(dataclass(frozen=True)(Model))(size)  # type: ignore[call-arg]


def run(model: Any, **options: Any) -> Any:
    start = dict(zip(model.fields, (U, V, V), strict=False))
    options = {"grid": GRID, "steps": 3, "dt": 0.01, **options}
    return simulate(model, start, **options)


def stencil(u: Any) -> Any:
    """∇²u between no-flux walls, by NumPy alone."""
    p = np.pad(u, 1, mode="edge")
    return p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * u


def flux_stencil(d: Any, u: Any) -> Any:
    """∇·(D∇u) between no-flux walls, by NumPy alone: D on a face is the mean of both cells."""
    total = 0.0
    for axis in (0, 1):
        face = np.diff(u, axis=axis) * (np.roll(d, -1, axis) + d).take(
            range(u.shape[axis] - 1), axis
        )
        wide = np.pad(face / 2, [(1, 1) if k == axis else (0, 0) for k in (0, 1)])
        total = total + np.diff(wide, axis=axis)
    return total


# Transports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", model_names())
def test_the_transport_of_every_model_here_has_a_symbol(name: str) -> None:
    model = get_model(name).model()
    if hasattr(model, "transport"):
        assert transport_obstacle(model) is None
    else:
        assert model.symbol_obstacle(Nabla(GRID, (), ())) is None


LAWS: dict[str, tuple[Callable[..., Any], Kind]] = {
    "porous": (lambda u, lap, a: lap(a * u * u), Kind.NONLINEAR),
    "u times its own Laplacian": (lambda u, lap, a: a * u * lap(u), Kind.NONLINEAR),
    # Where ∇² is a number these vanish: no symbol tells them from nothing.
    "commutator": (lambda u, lap, a: lap(u * u) - u * lap(u), Kind.NONLINEAR),
    "limited": (lambda u, lap, a: lap(np.clip(u, -5, 5)), Kind.NONLINEAR),
    "a source": (lambda u, lap, a: lap(u) + a, Kind.NONLINEAR),
    "place": (lambda u, lap, a: jnp.linspace(0.0, 1.0, u.shape[1]) * lap(u), Kind.OTHER),
    "drift": (lambda u, lap, a: lap(u) + a * (jnp.roll(u, 1, 1) - u), Kind.OTHER),
}


@pytest.mark.parametrize("name", LAWS)
def test_what_has_no_symbol_is_told_in_kind(name: str) -> None:
    law, kind = LAWS[name]
    obstacle = transport_obstacle(chosen(law))
    assert obstacle is not None
    assert obstacle.kind is kind


@pytest.mark.parametrize(
    "law",
    [
        lambda u, lap, a: 0,
        lambda u, lap, a: -a * lap(lap(u)) - lap(u) - a * u,
        lambda u, lap, a: jnp.exp(jnp.asarray(a)) * lap(u),
        lambda u, lap, a: lap(a * u + lap(u)) - lap(lap(u)),
    ],
)
def test_what_has_a_symbol_is_accepted_however_written(law: Any) -> None:
    assert transport_obstacle(chosen(law)) is None
    jax.jit(lambda a: (transport_obstacle(chosen(law, a)), a)[1])(1.0)


@pytest.mark.parametrize("stepper", BY_MODES)
@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Cross(), "couples the fields 'u' with 'v'"),
        (Cross(c=0.0, b=0.1), "couples the fields 'v' with 'u'"),
        (Porous(), "is not linear"),
        (FisherKPPModel(diffusivity=0.1 * U), r"varies in space \(of u\)"),
    ],
)
def test_a_spectral_stepper_refuses_a_transport_without_a_symbol(
    stepper: str, model: Any, why: str
) -> None:
    with pytest.raises(ParameterError, match=f"{stepper}.*{why}.*'euler' or 'rk4'"):
        run(model, stepper=stepper)


@pytest.mark.thorough
@pytest.mark.parametrize("stepper", BY_MODES)
def test_numbers_that_leave_a_symbol_are_accepted(stepper: str) -> None:
    close = {"rtol": 1e-6}
    diffused = run(Cross(c=0.0, d=2.0), stepper=stepper).state
    explicit = run(Cross(c=0.0, d=2.0), stepper="rk4", steps=30, dt=0.001).state
    np.testing.assert_allclose(diffused["v"], explicit["v"], **close)
    run(Porous(power=1.0), stepper=stepper)


@pytest.mark.thorough
def test_a_traced_number_might_be_any() -> None:
    def end(c: Any, stepper: str) -> Any:
        return run(Cross(c=c), stepper=stepper).state["u"].sum()

    with pytest.raises(ParameterError, match="couples"):
        jax.jit(lambda c: end(c, "etdrk2"))(0.0)
    with pytest.raises(ParameterError, match="couples"):
        jax.vmap(lambda c: end(c, "etdrk4"))(jnp.zeros(2))
    assert np.isfinite(jax.jvp(lambda c: end(c, "euler"), (0.5,), (1.0,))[1])
    traced = jax.jit(lambda d: run(FisherKPPModel(d), stepper="etdrk2").state["u"])(0.1)
    np.testing.assert_allclose(traced, run(FisherKPPModel(0.1), stepper="etdrk2").state["u"])


@pytest.mark.parametrize(
    ("model", "rates"),
    [
        (Cross(c=0.5, b=0.2, d=0.7), lambda: stencil(U) + 0.5 * stencil(V)),
        (Porous(), lambda: stencil(U * U)),
        (FisherKPPModel(diffusivity=U, growth_rate=0.0), lambda: flux_stencil(U, U)),
        (chosen(LAWS["commutator"][0]), lambda: stencil(U * U) - U * stencil(U)),
    ],
)
def test_an_explicit_stepper_computes_them(model: Any, rates: Any) -> None:
    end = run(model, stepper="euler", steps=1).state["u"]
    np.testing.assert_allclose(end, U + 0.01 * rates(), rtol=1e-12)
    bound = explicit_stable_step(model, GRID, extent=2.0)
    if isinstance(model, FisherKPPModel):  # of a D that varies the largest counts
        assert bound == pytest.approx(2 / (8 * U.max()))
        return
    # Whether a step is stable is not known: neither refused nor promised.
    assert bound is None
    assert run(model, stepper="rk4", steps=1, dt=10.0).state["u"].shape == GRID.shape


def test_a_diagonal_transport_keeps_its_bound() -> None:
    assert explicit_stable_step(GrayScottModel(), GRID, extent=2.0) is not None
    assert explicit_stable_step(Cross(c=0.0), GRID, extent=2.0) == pytest.approx(0.25)


def test_coupled_diffusivities_are_judged_by_their_matrix() -> None:
    run(Cross(c=-3.0), stepper="euler")  # each row's sum is negative, no eigenvalue is
    with pytest.raises(ParameterError, match=r"amplifies short waves.*matrix"):
        run(Cross(c=2.0, b=2.0), stepper="euler")
    with pytest.raises(ParameterError, match="amplifies short waves"):
        run(FisherKPPModel(diffusivity=-0.1 * U), stepper="euler")


def test_the_fit_of_a_table_takes_etdrk4_only_where_it_is_right() -> None:
    positions, times = np.arange(12.0), np.arange(4.0)
    table = Table(positions, times, np.ones((4, 12)), None, None, 0, {})
    options: dict[str, Any] = {"model": Porous(), "refine": 1}
    assert table_objective(table, **options).settings.stepper == "euler"
    options["model"] = FisherKPPModel()
    assert table_objective(table, **options).settings.stepper == "etdrk4"


# Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8,), (1, 8), (6, 1), (3, 3), (1,), (8, 6), (2, 6, 8)])
@pytest.mark.parametrize("stepper", ["euler", "etdrk2", "strang"])
def test_a_parameter_is_a_number_or_a_field_of_the_grid(stepper: str, shape: Any) -> None:
    message = rf"must be a number, or a field of .*\(6, 8\); got the shape {re.escape(str(shape))}"
    for name in ("diffusivity", "capacity"):
        with pytest.raises(ParameterError, match=f"{name} {message}"):
            run(FisherKPPModel(**{name: np.ones(shape)}), stepper=stepper)
    with pytest.raises(ParameterError, match="growth_rate must be a number"):
        run(FisherKPPModel(growth_rate=[1.0, 2.0]), stepper=stepper)
    with pytest.raises(ParameterError, match="growth_rate must be a number"):
        jax.jit(lambda r: run(FisherKPPModel(growth_rate=r), stepper=stepper))(np.ones(shape))


@pytest.mark.parametrize("stepper", [*EXPLICIT, *BY_MODES])
def test_a_field_in_the_reaction_is_right_under_every_stepper(stepper: str) -> None:
    model = FisherKPPModel(diffusivity=0.0, growth_rate=V)
    end = run(model, stepper=stepper, steps=100, dt=1e-3).state["u"]
    logistic = U * np.exp(0.1 * V) / (1 + U * (np.exp(0.1 * V) - 1))
    np.testing.assert_allclose(end, logistic, rtol=1e-4)


def test_the_map_takes_numbers() -> None:
    for alpha in (0.1 * U, jnp.full(GRID.shape, 0.1)):
        with pytest.raises(ParameterError, match=r"MyceliumModel\.alpha must be a number"):
            run(MyceliumModel(alpha=alpha), dt=1.0, key=KEY)
    with pytest.raises(ParameterError, match="spike_probability must be a number"):
        jax.jit(lambda p: run(MyceliumModel(spike_probability=p), dt=1.0, key=KEY))(0.1 * U)


# Boundaries ---------------------------------------------------------------------------------------


class _Own(Boundary):
    name = "own"


@final
@register_pytree
@dataclass(frozen=True)
class Squared(_Own):
    """What lies outside is the square of the last cell, times a number: not linear."""

    factor: Any = 1.0

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        first = jax.lax.slice_in_dim(field, 0, 1, axis=axis)
        last = jax.lax.slice_in_dim(field, field.shape[axis] - 1, field.shape[axis], axis=axis)
        return self.factor * first**2, self.factor * last**2


@final
@register_pytree
@dataclass(frozen=True)
class OneWay(Boundary):
    """The cells before are those at the other end, those after are 0; under a name of another."""

    name = "periodic"

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        last = jax.lax.slice_in_dim(field, field.shape[axis] - 1, field.shape[axis], axis=axis)
        return last, jnp.zeros_like(last)


@pytest.mark.parametrize("boundary", [Squared(), OneWay()])
@pytest.mark.thorough
def test_derivatives_through_a_boundary_of_ones_own(boundary: Boundary) -> None:
    grid = Grid((3, 4), boundary=boundary)
    u = jnp.asarray(U[:3, :4])
    weights = jnp.asarray(V[:3, :4])

    def loss(u: jax.Array) -> jax.Array:
        return jnp.vdot(weights, laplacian(u, grid))

    by_hand = jax.jacobian(
        lambda u: (
            jnp.sum(boundary.pad(u)[1:-1, :-2] * weights)
            + jnp.sum(boundary.pad(u)[1:-1, 2:] * weights)
            + jnp.sum(boundary.pad(u)[:-2, 1:-1] * weights)
            + jnp.sum(boundary.pad(u)[2:, 1:-1] * weights)
            - 4 * jnp.sum(u * weights)
        )
    )(u)
    differences = [
        (loss(u.at[at].add(1e-5)) - loss(u.at[at].add(-1e-5))) / 2e-5 for at in np.ndindex(3, 4)
    ]
    for gradient in (jax.grad(loss)(u), jax.jacfwd(loss)(u)):
        np.testing.assert_allclose(gradient, by_hand, rtol=1e-12)
        np.testing.assert_allclose(np.ravel(gradient), differences, rtol=1e-7)


def test_a_derivative_by_a_number_of_the_boundary() -> None:
    def total(factor: Any) -> Any:
        return jnp.sum(laplacian(jnp.ones((3, 4)) * 2, Grid((3, 4), boundary=Squared(factor))))

    assert float(jax.grad(total)(1.0)) == 2 * (3 + 4) * 4.0


@pytest.mark.parametrize("boundary", [Squared(0.5), OneWay()])
def test_a_boundary_of_ones_own_runs_under_explicit_steppers_alone(boundary: Boundary) -> None:
    grid = Grid(GRID.shape, boundary=boundary)
    p = np.asarray(boundary.pad(jnp.asarray(U)))
    lap = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * U
    model = FisherKPPModel(diffusivity=0.1, growth_rate=0.0)
    end = run(model, grid=grid, stepper="euler", steps=1).state["u"]
    np.testing.assert_allclose(end, U + 0.001 * lap, rtol=1e-12)
    assert explicit_stable_step(model, grid, extent=2.0) is None
    for stepper in BY_MODES:
        with pytest.raises(ParameterError, match=f"{stepper}.*{type(boundary).__name__}"):
            run(model, grid=grid, stepper=stepper)
    with pytest.raises(
        ParameterError,
        match=f"sides that nothing passes, not {type(boundary).__name__}.*'periodic' or 'neumann'",
    ):
        run(get_model("gierer-meinhardt").model(), grid=grid, stepper="euler")
    run(MyceliumModel(), grid=grid, dt=1.0, key=KEY)


# Spacings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 2.0, 3.0), (1.0, -1.0), ("a", 1.0)])
def test_a_spacing_is_a_number_or_one_an_axis(spacing: Any) -> None:
    with pytest.raises(ParameterError, match="spacing must be"):
        Grid((3, 4), spacing)


def test_a_batch_of_spacings_is_for_vmap() -> None:
    spacings = np.array([1.0, 2.0])
    batch = Grid(GRID.shape, spacings)
    for function in (
        lambda: run(FisherKPPModel(), grid=batch),
        lambda: run(FisherKPPModel(), grid=batch, stepper="etdrk2"),
        lambda: laplacian(jnp.asarray(U), batch),
        lambda: largest_stable_step(1.0, batch),
        lambda: jax.jit(lambda grid: run(FisherKPPModel(), grid=grid))(batch),
    ):
        with pytest.raises(ParameterError, match=r"spacing must be one number.*vmap"):
            function()
    many = jax.vmap(lambda grid: run(FisherKPPModel(), grid=grid).state["u"])(batch)
    for spacing, one in zip(spacings, many, strict=True):
        alone = run(FisherKPPModel(), grid=Grid(GRID.shape, spacing)).state["u"]
        np.testing.assert_allclose(one, alone, rtol=1e-12)


# Ensembles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("save_every", [None, 2])
@pytest.mark.parametrize("count", [3, 6])  # 6 members of (6, 8): rows could be mistaken for members
def test_a_field_as_a_parameter_of_an_ensemble(count: int, save_every: int | None) -> None:
    fields = np.random.default_rng(1).uniform(0.1, 0.5, (count, *GRID.shape))
    capacities = np.linspace(1.0, 2.0, count)
    options: dict[str, Any] = {"grid": GRID, "steps": 4, "dt": 0.1, "save_every": save_every}
    for rates, of in ((fields[0], lambda i: fields[0]), (fields, lambda i: fields[i])):
        model = FisherKPPModel(growth_rate=rates, capacity=capacities)
        many = simulate_ensemble(model, {"u": U}, **options)
        assert many.state["u"].shape == (count, *GRID.shape)
        for index, capacity in enumerate(capacities):
            alone = FisherKPPModel(growth_rate=of(index), capacity=capacity)
            expected = simulate(alone, {"u": U}, **options)
            np.testing.assert_array_equal(many.state["u"][index], expected.state["u"])


def test_a_field_alone_makes_no_members() -> None:
    options: dict[str, Any] = {"grid": GRID, "steps": 4}
    with pytest.raises(ParameterError, match="needs a leading axis of members"):
        simulate_ensemble(FisherKPPModel(growth_rate=U), {"u": U}, **options)
    wrong = FisherKPPModel(growth_rate=np.ones((5, 4)), capacity=np.ones(5))
    with pytest.raises(ParameterError, match=r"growth_rate must be a number.*\(5, 4\)"):
        simulate_ensemble(wrong, {"u": U}, **options)


# Keys ---------------------------------------------------------------------------------------------


@final
@register_pytree
@dataclass(frozen=True)
class Clock(IteratedMap):
    """A map without chance, which says so."""

    fields: ClassVar[tuple[str, ...]] = ("u",)
    reaction_fields: ClassVar[tuple[str, ...]] = ()
    takes_key: ClassVar[bool] = False

    def reaction(self, values: Any) -> Any:
        return ()

    def transport(self, values: Any, laplacian: Any) -> Any:
        return ()

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        return State(self.fields, (jnp.zeros(grid.shape),), jnp.int32(0))

    def check(self, grid: Grid, dt: float) -> None:
        pass

    def advance(self, values: Any, grid: Grid, *, draw: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize("model", [GrayScottModel(), FisherKPPModel(), Clock()])
def test_a_key_that_decides_nothing_is_refused(model: Any) -> None:
    start = {name: np.broadcast_to(U, (2, *U.shape)) for name in model.fields}
    with pytest.raises(ParameterError, match="draws no random numbers"):
        run(model, key=KEY)
    for keys in (KEY, jax.random.split(KEY, 2)):
        with pytest.raises(ParameterError, match="draws no random numbers"):
            simulate_ensemble(model, start, grid=GRID, steps=2, key=keys)


def test_a_key_is_accepted_where_chance_is_only_switched_off() -> None:
    model = MyceliumModel(spike_probability=0.0)
    ends = [run(model, dt=1.0, key=key).state["potential"] for key in (KEY, None)]
    np.testing.assert_array_equal(*ends)


def test_a_key_of_a_model_without_chance_is_refused_by_the_horizon_too() -> None:
    with pytest.raises(ParameterError, match="draws no random numbers"):
        gradient_horizon(FisherKPPModel(), {"u": U}, grid=GRID, steps=20, key=KEY)
