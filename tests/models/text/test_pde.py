"""`PDE`: its numbers against equations written out by hand, its parts, and its life as a model."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import Grid, ParameterError, simulate
from mfnjax.models import GrayScottModel, parameters_of
from mfnjax.models.pde import PDE
from mfnjax.models.text_start import start_from_text
from mfnjax.simulation.packing import cast, has_fixed_numbers
from mfnjax.text.equations import Formula, read_equations
from tests.models.text.torus import Torus, whole_rate

SHAPE, H = (6, 8), 0.7
TORUS = Torus(SHAPE, H, t=0.3)
RANDOM = np.random.default_rng(3)
U, V = (jnp.asarray(0.5 + RANDOM.random(SHAPE)) for _ in range(2))


def lap(u: np.ndarray) -> np.ndarray:
    return sum(np.roll(u, s, a) for s in (1, -1) for a in (0, 1)) / H**2 - 4 * u / H**2


def ddx(u: np.ndarray) -> np.ndarray:
    return (np.roll(u, -1, 1) - np.roll(u, 1, 1)) / (2 * H)


def ddy(u: np.ndarray) -> np.ndarray:
    return (np.roll(u, -1, 0) - np.roll(u, 1, 0)) / (2 * H)


def div_grad_by_axis(d: np.ndarray, u: np.ndarray, axis: int = 1) -> np.ndarray:
    """∂(d ∂u) along one axis, with the mean of d on the faces."""
    face = (d + np.roll(d, -1, axis)) / 2 * (np.roll(u, -1, axis) - u) / H
    return (face - np.roll(face, 1, axis)) / H


def div_grad(d: np.ndarray, u: np.ndarray) -> np.ndarray:
    """∇·(d∇u)."""
    return div_grad_by_axis(d, u, 0) + div_grad_by_axis(d, u, 1)


u, v = np.asarray(U), np.asarray(V)
ONE = np.ones(SHAPE)
BY_HAND: dict[str, tuple[str, dict[str, Any], list[np.ndarray]]] = {
    "gray-scott": (
        "u_t = a*lap(u) - u*v^2 + F*(1 - u)\nv_t = b*lap(v) + u*v^2 - (F + k)*v",
        {"a": 0.16, "b": 0.08, "F": 0.04, "k": 0.06},
        [0.16 * lap(u) - u * v**2 + 0.04 * (1 - u), 0.08 * lap(v) + u * v**2 - 0.1 * v],
    ),
    "swift-hohenberg": (
        "u_t = r*u - (u + 2*lap(u) + lap(lap(u))) - u^3",
        {"r": 0.2},
        [0.2 * u - (u + 2 * lap(u) + lap(lap(u))) - u**3],
    ),
    "cahn-hilliard": (
        "c_t = lap(c^3 - c - kappa*lap(c))",
        {"kappa": 0.5},
        [lap(u**3 - u - 0.5 * lap(u))],
    ),
    "keller-segel": (
        "n_t = div(D*grad(n) - chi*n*grad(c))\nc_t = lap(c) + n - c",
        {"D": 0.7, "chi": 2.0},
        [0.7 * lap(u) - 2 * div_grad(u, v), lap(v) + u - v],
    ),
    "kuramoto-sivashinsky": (
        "u_t = -lap(u) - lap(lap(u)) - 0.5*dot(grad(u), grad(u))",
        {},
        [-lap(u) - lap(lap(u)) - 0.5 * (ddx(u) ** 2 + ddy(u) ** 2)],
    ),
    "derivatives": (
        "u_t = dx(u)*dy(u^2) + dx(dx(u)) + dy(dy(u))",
        {},
        [ddx(u) * ddy(u**2) + lap(u)],
    ),
    "nonlinear diffusion": ("u_t = div((1 + u)/2*grad(u))", {}, [div_grad((1 + u) / 2, u)]),
    "field as a parameter": ("u_t = div(D*grad(u))", {"D": v}, [div_grad(v, u)]),
    "text as a parameter": (
        "u_t = div(D*grad(u)) + s",
        {"D": "1 + x/2", "s": "t"},
        [div_grad(1 + np.asarray(TORUS.x) / 2, u) + 0.3],
    ),
    "function of the place": ("u_t = D*u", {"D": lambda at: at.y + at.t}, [(TORUS.y + 0.3) * u]),
    "function of a field": ("u_t = f(u, k) - 1", {"f": lambda u, k: u**k, "k": 2}, [u**2 - 1]),
    "advection": (
        "u_t = -div(vec(1 + y, 2)*u*3)",
        {},
        [-3 * ddx((1 + TORUS.y) * u) - 6 * ddy(u)],
    ),
    "flux at the centres": (
        "u_t = div(vec(u, -v) + grad(u))\nv_t = 0",
        {},
        [ddx(u) - ddy(v) + lap(u), 0 * ONE],
    ),
    "anisotropic": (
        "u_t = div(-vec(u*dx(u), -2*dy(u))/2)",
        {},
        [-div_grad_by_axis(u / 2, u) + div_grad_by_axis(ONE, u, axis=0)],
    ),
    "along one axis": (
        "u_t = div(vec(0, -(v*dy(u))))\nv_t = 1",
        {},
        [-div_grad_by_axis(v, u, axis=0), ONE],
    ),
    "vectors": (
        "u_t = dot(2*grad(u) - vec(x, u)/v, -grad(v))\nv_t = 1",
        {},
        [-(2 * ddx(u) - TORUS.x / v) * ddx(v) - (2 * ddy(u) - u / v) * ddy(v), ONE],
    ),
    "functions": (
        "u_t = where(u > 1, max(u, v, 1), erf(u)) + (x > 2 and not y < 1) + abs(-u)*tanh(v)\n"
        "v_t = 0*v",
        {},
        [
            np.where(u > 1, np.maximum(np.maximum(u, v), 1), np.asarray(jax.scipy.special.erf(u)))
            + np.asarray((TORUS.x > 2) & ~(TORUS.y < 1))
            + u * np.tanh(v),
            0 * ONE,
        ],
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_rates_are_those_by_hand(name: str) -> None:
    text, parameters, expected = BY_HAND[name]
    model = PDE(text, **parameters)
    values = (U, V)[: len(model.fields)]
    for dtype, tolerance in ((jnp.float64, 1e-12), (jnp.float32, 3e-5)):
        here = tuple(value.astype(dtype) for value in values)
        nabla = Torus(SHAPE, H, t=0.3)
        nabla.x, nabla.y = nabla.x.astype(dtype), nabla.y.astype(dtype)
        found = jax.jit(lambda m, f, nabla=nabla: whole_rate(m, f, nabla))(
            cast_parameters(model, dtype), here
        )
        for one, right in zip(found, expected, strict=True):
            assert one.dtype == dtype
            scale = np.abs(right).max() + 1
            np.testing.assert_allclose(one, right, rtol=0, atol=tolerance * scale)


def cast_parameters(model: PDE, dtype: Any) -> PDE:
    return cast(model, dtype) if jax.tree.leaves(model) else model


SPLITS = {
    "c_t = lap(c^3 - c - k*lap(c))": "c: -lap(c) - k*lap(lap(c)) is exact under an exponential "
    "stepper; the rest is lap(c^3)",
    "u_t = r*u - u - 2*lap(u) - lap(lap(u)) - u^3": "u: -2*lap(u) - lap(lap(u)) is exact under an "
    "exponential stepper; the rest is r*u - u - u^3",
    "u_t = div(k*grad(u) + u*grad(u))": "u: k*lap(u) is exact under an exponential stepper; the "
    "rest is div(u*grad(u))",
    "u_t = k*(lap(u) - u)/2": "u: k/2*lap(u) is exact under an exponential stepper; the rest is "
    "-k/2*u",
    "u_t = exp(-k)*lap(u)": "u: exp(-k)*lap(u) is exact under an exponential stepper; the rest is "
    "nothing",
    "u_t = t*lap(u)": "u: no part is linear and constant; all of it is in the rate, t*lap(u)",
    "u_t = F*(1 - u)": "u: no part is linear and constant; all of it is in the rate, F*(1 - u)",
    "u_t = u*lap(u)": "u: no part is linear and constant; all of it is in the rate, u*lap(u)",
    "u_t = lap(u)/u": "u: no part is linear and constant; all of it is in the rate, lap(u)/u",
    "u_t = 1/lap(u)": "u: no part is linear and constant; all of it is in the rate, 1/lap(u)",
}


@pytest.mark.parametrize("text", SPLITS)
def test_the_split_says_what_is_exact_and_changes_nothing(text: str) -> None:
    numbers = dict.fromkeys(read_equations(text).used, 0.3)
    model = PDE(text, **numbers)
    assert model.split == SPLITS[text]
    if numbers:
        varying = PDE(text, **{name: np.full(SHAPE, 0.3) for name in numbers})
        for one, other in zip(
            whole_rate(model, (U,), TORUS), whole_rate(varying, (U,), TORUS), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("value", [V, "1 + x", lambda at: at.x])
def test_a_coefficient_that_varies_is_in_the_rate(value: Any) -> None:
    assert PDE("u_t = D*lap(u)", D=0.1).linear(TORUS).keys() == {"u"}
    assert PDE("u_t = D*lap(u)", D=jnp.float64(0.1)).linear(TORUS).keys() == {"u"}
    assert PDE("u_t = D*lap(u)", D=value).linear(TORUS) == {}


def test_fields_are_passed_on_as_they_are_and_functions_of_them_by_local() -> None:
    """So that ∇ knows which ghost cells belong to what it is applied to."""
    nabla, seen = Torus(SHAPE, H), []
    nabla.flux = lambda d, u: seen.append((d, u)) or Torus(SHAPE, H).flux(d, u)
    nabla.advective_flux = lambda c, u: seen.append((c, u)) or Torus(SHAPE, H).flux(1.0, u)
    PDE("u_t = div(u*grad(v) + vec(1, 2)*v)\nv_t = 0").rates((U, V), nabla)
    assert seen[0][0] is U
    assert seen[0][1] is V
    assert seen[1][1] is V
    assert nabla.calls == []
    PDE("u_t = lap(u^2*D) + dx(u*v) + div(grad(u*x))\nv_t = lap(3)", D=V).rates((U, V), nabla)
    assert nabla.calls == ["local"] * 4


@pytest.mark.parametrize(
    "text",
    ["div(vec(c)*u)", "-div(vec(c)*u)", "-c*div(vec(-1)*u)", "div(u*vec(1))*c"],
)
def test_a_field_is_carried_from_the_side_that_the_flow_comes_from(text: str) -> None:
    """A hat gets no new extremum, whichever way the sign of the term sends it."""
    grid = Grid(60, 1 / 60)
    hat = jnp.where(abs(grid.coordinate("x") - 0.5) < 0.2, 1.0, 0.0)
    model = PDE(f"u_t = {text}", c=1.0)
    run = simulate(model, (hat,), grid=grid, steps=60, dt=0.5 / 60)
    assert float(run.state["u"].min()) >= -1e-12
    assert float(run.state["u"].max()) <= 1 + 1e-12
    assert float(run.state["u"].sum()) == pytest.approx(float(hat.sum()), rel=1e-12)


def test_a_flow_that_carries_is_a_term_of_its_own() -> None:
    line = Torus((8,), H)
    for text, message in (
        ("x*div(vec(1)*u)", "must be the same everywhere"),
        ("exp(div(vec(1)*u))", "must be a term of its own"),
        ("lap(div(vec(1)*u))", "must be a term of its own"),
    ):
        with pytest.raises(ParameterError, match=message):
            PDE(f"u_t = {text}").rates((U[0],), line)


def test_what_a_grid_does_not_have_is_refused_by_name() -> None:
    line = Torus((8,), H)
    with pytest.raises(
        ParameterError, match=r"line 1, column 11: vec\(…\) has 2 entries; the grid"
    ):
        PDE("u_t = div(vec(1, 2)*u)").rates((U[0],), line)
    with pytest.raises(
        ParameterError, match="line 1, column 7: the grid has no direction y, only x"
    ):
        PDE("u_t = dy(u)").rates((U[0],), line)
    solid = Torus((2, 3, 4), H)
    (rate,) = PDE("u_t = div(vec(1, 2, 3)*u) + z").rates((jnp.ones((2, 3, 4)),), solid)
    np.testing.assert_allclose(rate, solid.z, atol=1e-12)
    grid = Grid(SHAPE)
    with pytest.raises(
        ParameterError, match=r"'D' must be a number or have the grid's shape \(6, 8\)"
    ):
        PDE("u_t = D*u", D=np.ones(3)).check(grid, 0.1)
    with pytest.raises(ParameterError, match="'D' must be finite"):
        PDE("u_t = D*u", D=np.full(SHAPE, np.nan)).check(grid, 0.1)


@pytest.mark.parametrize("inner", ["sin(", "lap(", "-(1 + ", "f("])
def test_the_deepest_expression_runs(inner: str) -> None:
    deep = 20 if "+" in inner else 30
    text = f"u_t = {inner * deep}u{')' * deep}"
    model = PDE(text, **({"f": jnp.tanh} if inner == "f(" else {}))
    assert np.all(np.isfinite(whole_rate(model, (U,), TORUS)[0]))
    assert model.latex


def test_noises() -> None:
    model = PDE("u_t = -s*noise(2*u)/4 + u - (u - noise(1))\nv_t = v", s=3.0)
    first, second = model.noise((U, V), TORUS)
    np.testing.assert_allclose(first[0], -3 * 2 * u / 4)
    assert first[1] == 1.0
    assert second is None
    assert model.takes_key
    assert model.is_stochastic()
    np.testing.assert_allclose(model.rates((U, V), TORUS)[0], 0 * u)
    quiet = PDE("u_t = u")
    assert quiet.noise((U,), TORUS) is None
    assert not quiet.takes_key


@pytest.mark.parametrize(
    "text", ["u_t = lap(u^3 - k*lap(u)) + u^2*sin(k*u)", "u_t = u^-2 + abs(u)^k"]
)
def test_gradients_are_differences(text: str) -> None:
    weights = jnp.asarray(RANDOM.random(SHAPE))

    def loss(k: Any, u: Any) -> Any:
        return jnp.sum(weights * whole_rate(PDE(text, k=k), (u,), TORUS)[0])

    def centred(step: Any, way: Any) -> float:
        return float(loss(0.4 + step, U + way) - loss(0.4 - step, U - way)) / 2e-5

    by_k, by_u = jax.grad(loss, (0, 1))(0.4, U)
    way = jnp.asarray(RANDOM.random(SHAPE))
    assert float(by_k) == pytest.approx(centred(1e-5, 0.0), rel=1e-6)
    assert float(jnp.sum(by_u * way)) == pytest.approx(centred(0.0, 1e-5 * way), rel=1e-6)


def test_gradients_are_finite_where_they_exist() -> None:
    slope = jax.grad(lambda u: PDE("u_t = u^2 + u^3").rates((u,), TORUS)[0].sum())
    np.testing.assert_array_equal(slope(jnp.zeros(SHAPE)), 0)
    assert jax.grad(lambda u: PDE("u_t = u^2").rates((u,), TORUS)[0].sum())(-U)[0, 0] < 0


def test_weights_of_a_module_are_parameters() -> None:
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self) -> None:
            self.layer = nnx.Linear(1, 1, rngs=nnx.Rngs(0), param_dtype=jnp.float64)

        def __call__(self, u: Any) -> Any:
            return self.layer(u[..., None])[..., 0]

    net = Net()
    by_partial = jax.tree_util.Partial(lambda w, u: w * u, jnp.asarray(2.0))
    for function, count in ((net, 2), (by_partial, 1), (lambda u: 2 * u, 0), (jnp.sin, 0)):
        model = PDE("u_t = f(u)", f=function)
        assert len(jax.tree.leaves(model)) == count
        np.testing.assert_allclose(model.rates((U,), TORUS)[0], function(U))
        grads = jax.grad(lambda m: m.rates((U,), TORUS)[0].sum())(model)
        assert all(jnp.all(leaf != 0) for leaf in jax.tree.leaves(grads))
    assert has_fixed_numbers(PDE("u_t = f(u)", f=jnp.sin), Grid(SHAPE))


def test_changing_a_number_compiles_nothing() -> None:
    traces = []

    @jax.jit
    def rate(model: PDE, u: Any) -> Any:
        traces.append(1)
        return model.rates((u,), TORUS)[0]

    for value in (0.1, 0.2):
        np.testing.assert_allclose(rate(PDE("u_t = D*u", D=value), U), value * u)
    rate(PDE("  u_t = D*u  # the same", D=0.3), U)
    assert len(traces) == 1
    np.testing.assert_allclose(rate(PDE("u_t = -D*u", D=0.3), U), -0.3 * u)
    assert len(traces) == 2
    many = jax.vmap(lambda d: PDE("u_t = D*u", D=d).rates((U,), TORUS)[0])(jnp.arange(3.0))
    np.testing.assert_allclose(many[2], 2 * u)


def test_it_is_a_dataclass_of_its_own_parameters() -> None:
    model = PDE("u_t = D*lap(u) + text*u^k + s", D=0.1, k=2, text=1.5, s="x")
    assert [one.name for one in dataclasses.fields(model)] == ["D", "text", "k", "s"]
    assert list(parameters_of(model)) == ["D", "text", "k", "s"]
    assert parameters_of(model)["D"].default == 0.1
    assert parameters_of(model)["s"].static
    assert parameters_of(GrayScottModel())["feed"].default == 0.04
    other = dataclasses.replace(model, D=2.0)
    assert (other.D, other.text, other.equation) == (2.0, 1.5, model.equation)
    assert other != model
    assert hash(other) != hash(model)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.D = 3
    with pytest.raises(AttributeError, match="no attribute 'E'"):
        _ = model.E
    leaves, structure = jax.tree.flatten(model)
    assert sorted(leaves) == [0.1, 1.5, 2]
    assert jax.tree.unflatten(structure, leaves) == model
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin == model
        assert hash(twin) == hash(model)
    assert PDE.from_dict(model.to_dict()) == model
    assert model.to_dict()["equation"] == ["u_t = D*lap(u) + text*u^k + s"]
    assert eval(repr(model), {"PDE": PDE}) == model
    assert has_fixed_numbers(model, Grid(SHAPE))
    with pytest.raises(ParameterError, match="'f' is a function, and cannot be written out"):
        PDE("u_t = f(u)", f=jnp.sin).to_dict()
    with pytest.raises(ParameterError, match="a PDE has the keys equation and parameters"):
        PDE.from_dict({"equations": "u_t = u"})
    field = PDE("u_t = D*u", D=v)
    np.testing.assert_array_equal(PDE.from_dict(field.to_dict()).D, v)


def test_it_shows_itself_as_latex() -> None:
    model = PDE(
        "u_t = D_u*lap(u)/2 - alpha*u^2 + noise(s)\nv1_t = -(u - 1)", D_u=1.0, alpha=1.0, s=1.0
    )
    assert model.latex == (
        "\\begin{aligned}\n"
        "\\partial_t u &= \\frac{D_{u} \\, \\nabla^2 u}{2} - \\alpha \\, u^{2} + s \\, \\xi \\\\\n"
        "\\partial_t v_{1} &= -u + 1\n"
        "\\end{aligned}"
    )
    assert model._repr_latex_().startswith("$\\displaystyle")


def test_starts() -> None:
    grid, key = Grid(SHAPE, H), jax.random.key(4)
    state = start_from_text(
        {"u": "(x > 2) + y/10", "v": "F*uniform() + 0*normal()", "w": 0.5}, ("u", "v", "w"), grid,
        parameters={"F": 2.0}, key=key,
    )  # fmt: skip
    np.testing.assert_allclose(state["u"], np.asarray(TORUS.x > 2) + np.asarray(TORUS.y) / 10)
    assert 0 < float(state["v"].min()) < 0.3 < 1.7 < float(state["v"].max()) < 2
    np.testing.assert_array_equal(state["w"], 0.5)
    drawn = partial(start_from_text, fields=("u", "v"), grid=Grid((64, 64)), key=key)
    one = drawn({"u": "normal()", "v": "normal()"})
    twice = drawn({"u": "normal() - normal()", "v": "uniform() - normal()"}, dtype=jnp.float32)
    assert abs(np.corrcoef(one["u"].ravel(), one["v"].ravel())[0, 1]) < 0.05
    assert float(twice["u"].std()) == pytest.approx(2**0.5, rel=0.05)
    assert twice["v"].dtype == jnp.float32
    np.testing.assert_array_equal(drawn({"u": "normal()", "v": "1"})["u"], one["u"])
    assert PDE("u_t = u\nv_t = 1").initial_state(grid, key=key)["v"].std() < 0.02


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"u": "1"}, "the start says nothing of vv"),
        ({"u": "1", "w": "1", "vv": "1"}, "the start names 'w'; the fields are u, vv"),
        ({"u": "1", "v": "1"}, "the start names 'v' (did you mean 'vv'?)"),
        ({"u": "noise(1)", "vv": 0}, "start of 'u', column 1: noise(s) is for equations"),
        ({"u": "1 + lap(x)", "vv": 0}, "start of 'u', column 5: lap(…) is for equations"),
        ({"u": "1 + vv", "vv": 0}, "start of 'u', column 5: unknown name 'vv'"),
        (
            {"u": np.ones(3), "vv": 0},
            "must be a text, a number or an array of the grid's shape (6, 8), got (3,)",
        ),
    ],
)
def test_starts_that_cannot_be(start: dict, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        start_from_text(start, ("u", "vv"), Grid(SHAPE), key=jax.random.key(0))
    assert message in str(caught.value)


def test_a_formula_is_a_function_of_the_place() -> None:
    wave = Formula("sin(2*pi*x)*exp(-t)")
    assert wave(SimpleNamespace(x=0.25, t=0.0)) == 1.0
    assert wave == pickle.loads(pickle.dumps(wave))
    with pytest.raises(ParameterError, match="formula, column 1: unknown name 'u'"):
        Formula("u")
