"""Steppers: order, exactness on transport, stability, and their coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from mfnjax import GrayScottModel, Grid, State, laplacian, simulate
from mfnjax.core.pytree import register_pytree
from mfnjax.core.spectral import from_modes, laplacian_eigenvalues, scale_modes, to_modes
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models import AllenCahnModel, ReactionDiffusion, SwiftHohenbergModel
from mfnjax.steppers import (
    STEPPERS,
    advanced,
    check_serves,
    choose_stepper,
    explicit_stable_step,
    right_hand_side,
)
from mfnjax.steppers.explicit import RK4_EXTENT
from mfnjax.steppers.exponential import phi_functions

ALL = ("euler", "rk4", "etdrk2", "etdrk4", "strang")
SPECTRAL = ("etdrk2", "etdrk4", "strang")
SHAPES = [(6, 6), (5, 8), (1, 7), (8, 1), (2, 3), (1, 1)]


@register_pytree
@dataclass(frozen=True)
class Linear(ReactionDiffusion):
    """u_t = D∇²u + B∇⁴u, v_t = 0: transport alone."""

    fields: ClassVar[tuple[str, ...]] = ("u", "v")
    reaction_fields: ClassVar[tuple[str, ...]] = ("u", "v")
    steppers: ClassVar[tuple[str, ...]] = ALL

    first: Any = 0.7
    second: Any = -0.05

    def reaction(self, values):
        return tuple(0 * u for u in values)

    def transport(self, values, laplacian):
        u, v = values
        once = laplacian(u)
        return self.first * once + self.second * laplacian(once), 0 * v

    def initial_state(self, grid, *, dtype=None, key):
        u = jax.random.normal(key, grid.shape, dtype or "float64")
        return State(self.fields, (u, u), 0)


def matrix_of_laplacian(grid: Grid) -> np.ndarray:
    basis = np.eye(grid.num_cells).reshape(-1, *grid.shape)
    columns = jax.vmap(lambda e: laplacian(e, grid))(jnp.asarray(basis))
    return np.asarray(columns).reshape(grid.num_cells, -1).T


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
@pytest.mark.parametrize("shape", SHAPES)
def test_eigenvectors_of_the_stencil(shape: tuple[int, int], boundary: str) -> None:
    grid = Grid(shape, 0.7, boundary)
    u = jax.random.normal(jax.random.key(0), shape)
    np.testing.assert_allclose(from_modes(to_modes(u, grid), grid), u, atol=1e-14)
    eigenvalues = laplacian_eigenvalues(grid, u.dtype)
    through_modes = from_modes(scale_modes(eigenvalues, to_modes(u, grid)), grid)
    np.testing.assert_allclose(through_modes, laplacian(u, grid), atol=1e-13)
    spectrum = np.linalg.eigvalsh(matrix_of_laplacian(grid))
    assert float(eigenvalues.min()) == pytest.approx(spectrum[0], abs=1e-12)


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
@pytest.mark.parametrize("stepper", SPECTRAL)
@pytest.mark.parametrize("shape", [(5, 6), (1, 9)])
def test_transport_alone_is_exact(shape, stepper: str, boundary: str) -> None:
    """One step of any length is the matrix exponential of the semi-discrete operator."""
    model, grid, dt = Linear(), Grid(shape, 0.8, boundary), 3.0
    start = model.initial_state(grid, key=jax.random.key(1))
    run = simulate(model, start, grid=grid, steps=2, dt=dt, stepper=stepper)
    lap = matrix_of_laplacian(grid)
    evolved = expm(2 * dt * (model.first * lap + model.second * lap @ lap))
    expected = (evolved @ np.asarray(start["u"]).ravel()).reshape(shape)
    np.testing.assert_allclose(run.state["u"], expected, atol=1e-12)
    np.testing.assert_allclose(run.state["v"], start["v"], atol=1e-13)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Gray–Scott to t = 32 with 4096 steps of RK4, on a line and on a plane."""
    found = {}
    for boundary, shape in (("periodic", (12, 10)), ("neumann", (1, 20))):
        model, grid = GrayScottModel(), Grid(shape, 1.0, boundary)
        start = model.initial_state(grid, key=jax.random.key(0))
        run = simulate(model, start, grid=grid, steps=4096, dt=32 / 4096, stepper="rk4")
        found[boundary] = (model, grid, start, np.stack(run.state.values))
    return found


@pytest.mark.parametrize(
    ("stepper", "boundary"),
    [(name, "periodic") for name in ALL]
    + [("etdrk4", "neumann"), ("strang", "neumann")]
    + [pytest.param(n, "neumann", marks=pytest.mark.slow) for n in ("euler", "rk4", "etdrk2")],
)
def test_measured_order_is_nominal(reference, stepper: str, boundary: str) -> None:
    """… and all steppers go to one solution as dt → 0."""
    model, grid, start, exact = reference[boundary]
    counts = np.array([64, 128, 256])
    errors = []
    for steps in counts:
        run = simulate(model, start, grid=grid, steps=int(steps), dt=32 / steps, stepper=stepper)
        errors.append(np.abs(np.stack(run.state.values) - exact).max())
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    nominal = STEPPERS[stepper].order
    assert nominal is not None
    np.testing.assert_allclose(orders, nominal, atol=0.25)
    assert errors[-1] < {1: 1e-2, 2: 1e-3, 4: 1e-6}[nominal]


def phi_decimal(order: int, z: float) -> tuple[float, float]:
    """φ_k(z) and φ_k'(z) with 120 digits."""
    with localcontext() as context:
        context.prec = 120
        x = Decimal(z)
        value = slope = x.exp()
        for j in range(order):
            rest = value - 1 / Decimal(math.factorial(j))
            value, slope = rest / x, (slope * x - rest) / (x * x)
        return float(value), float(slope)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_phi_and_its_derivative_have_all_their_digits(order: int, dtype: str) -> None:
    magnitudes = np.concatenate([np.geomspace(1e-12, 50.0, 60), [0.999, 1.0, 1.001]])
    z = np.concatenate([-magnitudes, magnitudes[magnitudes < 5]]).astype(dtype)
    value = phi_functions(jnp.asarray(z))[order]
    slope = jax.vmap(jax.grad(lambda x: phi_functions(x)[order]))(z)
    assert value.dtype == slope.dtype == jnp.dtype(dtype)
    exact = np.array([phi_decimal(order, float(x)) for x in z])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(value, exact[:, 0], rtol=40 * eps)
    np.testing.assert_allclose(slope, exact[:, 1], rtol=400 * eps)


def test_phi_at_zero() -> None:
    for order in range(4):
        assert float(phi_functions(jnp.zeros(()))[order]) == pytest.approx(
            1 / math.factorial(order)
        )
        slope = jax.grad(lambda z, k=order: phi_functions(z)[k])(0.0)
        assert float(slope) == pytest.approx(1 / math.factorial(order + 1))


def amplification(stepper: str, factor: float, shape: tuple[int, int]) -> float:
    """Growth of the stiffest mode in one step of ``factor`` times the largest stable dt."""
    model, grid = Linear(), Grid(shape, 0.9)
    scheme = STEPPERS[stepper]
    largest = scheme.largest_stable_step(model, grid)
    assert largest is not None
    row, column = np.indices(shape)
    stiff = jnp.asarray((-1.0) ** ((row if shape[0] > 1 else 0) + column))
    dt = factor * largest
    after = scheme.step(model, grid, dt, (), (stiff, stiff), time=0.0, draw=None).values[0]
    return float(jnp.abs(after).max())


@pytest.mark.parametrize("stepper", ["euler", "rk4"])
@pytest.mark.parametrize("shape", [(4, 6), (1, 6)])
def test_largest_stable_step_is_where_the_stiffest_mode_stops_decaying(stepper, shape) -> None:
    assert amplification(stepper, 0.99, shape) < 1 - 1e-3
    assert amplification(stepper, 1.0, shape) == pytest.approx(1.0, abs=1e-12)
    assert amplification(stepper, 1.01, shape) > 1 + 1e-3


def test_rk4_extent_is_the_root_of_its_polynomial() -> None:
    z = -RK4_EXTENT
    assert 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24 == pytest.approx(1.0, abs=1e-14)


def test_a_spectrum_that_is_stiffest_in_its_middle() -> None:
    """L = λ(λ + 8) is 0 at both ends of the spectrum −8…0, and lowest, −16, at λ = −4."""
    model = Linear(first=8.0, second=1.0)
    assert explicit_stable_step(model, Grid((4, 4)), extent=2.0) == pytest.approx(2 / 16)


@pytest.mark.parametrize(
    ("model", "stepper", "dt", "named"),
    [
        (SwiftHohenbergModel(), "euler", 0.2, "0.0408163"),
        (SwiftHohenbergModel(), "rk4", 0.2, "0.0568427"),
        (GrayScottModel(), "euler", 2.0, "1.5625"),
        (GrayScottModel(d_u=jnp.float32(0.5)), "euler", 2.0, "0.5"),
        (GrayScottModel(), "rk4", 3.0, "2.17601"),
    ],
)
def test_unstable_step_is_refused_and_the_largest_named(model, stepper, dt, named) -> None:
    grid = Grid((8, 8))
    start = model.initial_state(grid, key=jax.random.key(0))
    with pytest.raises(StabilityError, match=f"largest stable step on this grid is {named}"):
        simulate(model, start, grid=grid, steps=1, dt=dt, stepper=stepper)


def test_no_bound_is_named_where_none_is_known() -> None:
    grid = Grid((4, 4))
    assert explicit_stable_step(Linear(0.0, 0.0), grid, extent=2.0) is None
    assert all(STEPPERS[name].largest_stable_step(Linear(), grid) is None for name in SPECTRAL)
    bounds = []
    jax.jit(lambda d: bounds.append(explicit_stable_step(Linear(d), grid, extent=2.0)))(1.0)
    assert bounds == [None]


@pytest.mark.parametrize("stepper", SPECTRAL)
def test_dirichlet_is_refused_by_name(stepper: str) -> None:
    grid = Grid((4, 4), boundary="dirichlet")
    start = Linear().initial_state(grid, key=jax.random.key(0))
    message = f"stepper '{stepper}' cannot serve Linear here: there is no fast transform.*Ghost"
    with pytest.raises(ParameterError, match=message):
        simulate(Linear(), start, grid=grid, steps=1, dt=0.01, stepper=stepper)
    with pytest.raises(ParameterError, match="fast transform"):
        to_modes(start["u"], grid)


def test_choice_of_a_stepper() -> None:
    assert choose_stepper(SwiftHohenbergModel(), None).name == "etdrk2"
    assert choose_stepper(GrayScottModel(), STEPPERS["rk4"]) is STEPPERS["rk4"]
    with pytest.raises(ParameterError, match="stepper must be one of map, euler"):
        choose_stepper(GrayScottModel(), "leapfrog")
    with pytest.raises(ParameterError, match=r"cannot serve GrayScottModel here.*step of its own"):
        check_serves(STEPPERS["map"], GrayScottModel(), Grid((4, 4)))


@pytest.mark.parametrize("stepper", ALL)
def test_dtype_follows_the_fields(stepper: str) -> None:
    model, grid, dtype = GrayScottModel(), Grid((6, 5)), "float32"
    start = model.initial_state(grid, dtype=dtype, key=jax.random.key(0))
    end = simulate(model, start, grid=grid, steps=4, stepper=stepper).state
    assert {u.dtype for u in end.values} == {jnp.dtype(dtype)}
    exact = simulate(
        model,
        jax.tree.map(lambda u: u.astype("float64"), start.asdict()),
        grid=grid,
        steps=4,
        stepper=stepper,
    ).state
    for name in model.fields:
        np.testing.assert_allclose(end[name], exact[name], atol=3e-6)


def test_finite_is_judged_field_by_field_and_not_by_an_overflow() -> None:
    huge = jnp.full((4, 4), 1e308)
    fine = jnp.ones((4, 4))
    assert [bool(x) for x in advanced((huge, fine)).finite] == [True, True]
    for bad in (jnp.nan, jnp.inf, -jnp.inf):
        assert [bool(x) for x in advanced((fine, fine.at[1, 2].set(bad))).finite] == [True, False]
    opposite = fine.at[0, 0].set(jnp.inf), fine.at[0, 0].set(-jnp.inf)
    assert [bool(x) for x in advanced(opposite).finite] == [False, False]


def test_right_hand_side_equals_its_parts() -> None:
    model, grid = GrayScottModel(), Grid((5, 6), 0.7, "dirichlet")
    values = tuple(jax.random.uniform(jax.random.key(3), (2, 5, 6)))
    rates = right_hand_side(model, grid, values, 0.0)
    reacted = model.reaction(values)
    for d, u, f, rate in zip((model.d_u, model.d_v), values, reacted, rates, strict=True):
        np.testing.assert_allclose(rate, d * laplacian(u, grid) + f, rtol=1e-12)


def test_uniform_fields_follow_the_reaction_alone() -> None:
    """u' = u − u³ has u = u₀eᵗ/√(1 + u₀²(e²ᵗ − 1))."""
    model, grid = AllenCahnModel(2.0, 1.0), Grid((4, 4))
    start = jnp.full((4, 4), 0.1)
    exact = 0.1 * math.e**2 / math.sqrt(1 + 0.01 * (math.e**4 - 1))
    for stepper in ("rk4", "etdrk4"):
        end = simulate(model, (start,), grid=grid, steps=100, dt=0.02, stepper=stepper).state["u"]
        np.testing.assert_allclose(end, exact, atol=1e-7)
