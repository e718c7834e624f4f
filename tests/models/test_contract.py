"""What every model must do, run over the registry and over a model that a user adds.

One compiled run serves as many checks as it can: compiling is what these tests spend time on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import GrayScottModel, Grid, State, get_model, model_names, register_model, simulate
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import NumericalInstabilityError, ParameterError
from mfnjax.models import IteratedMap, ReactionDiffusion, registry
from mfnjax.models.registry import parameter_names
from mfnjax.steppers import STEPPERS, boundaries_of, choose_stepper, steppers_of


@register_pytree
@dataclass(frozen=True)
class PreyAndPredator(ReactionDiffusion):
    """A user's own model: n_t = D∇²n + n(1 − n) − np, p_t = D∇²p + np − mp."""

    fields: ClassVar[tuple[str, ...]] = ("prey", "predator")
    reaction_fields: ClassVar[tuple[str, ...]] = ("prey", "predator")
    steppers: ClassVar[tuple[str, ...]] = ("euler", "rk4", "etdrk2", "etdrk4", "strang")
    symbols: ClassVar[dict[str, str]] = {"D": "diffusivity", "m": "mortality"}

    diffusivity: Any = 0.2
    mortality: Any = 0.3

    def reaction(self, values):
        n, p = values
        return n * (1 - n) - n * p, n * p - self.mortality * p

    def transport(self, values, laplacian):
        return tuple(self.diffusivity * laplacian(u) for u in values)

    def initial_state(self, grid, *, dtype=None, key):
        draw = jax.random.uniform(key, (2, *grid.shape), dtype or jnp.result_type(float))
        return State(self.fields, tuple(draw), jnp.int32(0))


USER = "prey-and-predator"
MODELS: dict[str, Any] = {name: get_model(name).model for name in model_names()}
MODELS[USER] = PreyAndPredator
DT = {name: min(p.dt for p in get_model(name).presets.values()) for name in model_names()}
DT[USER] = 0.5


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    register_model(USER, PreyAndPredator)
    yield
    del registry._REGISTRY[USER]


def supported(name: str) -> list[tuple[str, str, str]]:
    model = MODELS[name]()
    return [
        (name, stepper, boundary)
        for boundary in boundaries_of(model)
        for stepper in steppers_of(model, Grid((8, 8), boundary=boundary))
    ]


def usual_stepper(name: str) -> str:
    return choose_stepper(MODELS[name](), None).name


QUICK = {
    ("gray-scott", "strang", "neumann"),
    ("gray-scott", "euler", "dirichlet"),
    (USER, "strang", "periodic"),
}


def cases() -> list[Any]:
    """Every model with its own stepper, and a few more; all the others are slow tests."""
    found = []
    for name in MODELS:
        for case in supported(name):
            usual = case[1:] == (usual_stepper(name), "periodic")
            quick = usual or case in QUICK
            found.append(case if quick else pytest.param(*case, marks=pytest.mark.slow))
    return found


def setting(name: str, stepper: str, boundary: str, shape: tuple[int, int]) -> dict[str, Any]:
    """Keyword arguments of a run that is stable and, for a map, draws random numbers."""
    model = MODELS[name]()
    grid = Grid(shape, boundary=boundary)
    largest = STEPPERS[stepper].largest_stable_step(model, grid)
    dt = DT[name] if largest is None else min(DT[name], 0.5 * largest)
    key = jax.random.key(5) if isinstance(model, IteratedMap) else None
    return {"grid": grid, "dt": dt, "stepper": stepper, "key": key}


def start_of(name: str, grid: Grid, seed: int = 0) -> State:
    return MODELS[name]().initial_state(grid, key=jax.random.key(seed))


def with_arrays(model: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), model)


@pytest.mark.parametrize("name", MODELS)
def test_is_a_pytree_of_its_parameters(name: str) -> None:
    model = MODELS[name]()
    leaves, structure = jax.tree.flatten(model)
    assert structure.unflatten(leaves) == model
    names = parameter_names(type(model))
    assert leaves == [getattr(model, parameter) for parameter in names]
    hash(structure)
    assert set(model.symbols.values()) <= {f.name for f in dataclasses.fields(model)}
    assert set(model.reaction_fields) <= set(model.fields)
    assert usual_stepper(name) in steppers_of(model, Grid((8, 8)))


@pytest.mark.parametrize("name", MODELS)
def test_starts_in_the_dtype_and_shape_asked_for(name: str) -> None:
    for shape, dtype in (((5, 9), "float32"), ((1, 12), "float64")):
        state = MODELS[name]().initial_state(Grid(shape), dtype=dtype, key=jax.random.key(0))
        assert state.names == MODELS[name].fields
        assert {u.shape for u in state.values} == {shape}
        assert {u.dtype for u in state.values} == {jnp.dtype(dtype)}
        again = MODELS[name]().initial_state(Grid(shape), dtype=dtype, key=jax.random.key(0))
        for one, other in zip(state.values, again.values, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", MODELS)
def test_a_parameter_that_is_not_finite_is_named(name: str) -> None:
    first = parameter_names(MODELS[name])[0]
    model = dataclasses.replace(MODELS[name](), **{first: float("nan")})
    options = setting(name, usual_stepper(name), "periodic", (4, 4))
    with pytest.raises(ParameterError, match=first):
        simulate(model, start_of(name, options["grid"]), steps=1, **options)


@pytest.mark.parametrize("name", MODELS)
def test_new_numbers_compile_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 parameter sets, steps, dt and spacings run through one trace of the model."""
    kind, traces = MODELS[name], []
    rates = "reaction" if hasattr(kind, "reaction") else "rates"
    original = getattr(kind, rates)

    def counted(self, *arguments):
        traces.append(1)
        return original(self, *arguments)

    monkeypatch.setattr(kind, rates, counted)
    options = setting(name, usual_stepper(name), "periodic", (5, 7))
    start = start_of(name, options["grid"])
    is_map = isinstance(kind(), IteratedMap)
    results, after_first = set(), 0
    for number in range(100):
        factor = 1 - number / 1000
        model = jax.tree.map(lambda leaf, by=factor: leaf * by, kind())
        if not is_map:
            options["dt"] *= 0.999
            options["grid"] = Grid((5, 7), 1 + number / 500)
        run = simulate(model, start, steps=2 + number % 3, **options)
        results.add(float(np.asarray(run.state.values[0])[1, 2]))
        after_first = after_first or len(traces)
    assert after_first > 0
    assert len(traces) == after_first
    assert len(results) > 90


@pytest.mark.parametrize(("name", "stepper", "boundary"), cases())
def test_runs_compose_and_batches_and_transformations_agree(name, stepper, boundary) -> None:
    options = setting(name, stepper, boundary, (4, 6))
    model = with_arrays(MODELS[name]())
    start = start_of(name, options["grid"])
    whole = simulate(model, start, steps=7, **options)
    assert bool(whole.status.ok)
    # a + b = a then b, bit for bit, key and all.
    part = simulate(model, start, steps=3, **options)
    rest = simulate(model, part.state, steps=4, **options)
    assert int(rest.state.step) == int(whole.state.step) == 7
    for one, other in zip(rest.state.values, whole.state.values, strict=True):
        np.testing.assert_array_equal(one, other)
    for counter in whole.counts:
        assert whole.counts[counter] == part.counts[counter] + rest.counts[counter]
    # Inside jit and vmap: a batch of models and states, member by member.
    models = jax.tree.map(lambda leaf: leaf * jnp.array([1.0, 0.97]), model)
    starts = start_of(name, options["grid"], 1), start
    fields = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[s.values for s in starts])

    @jax.jit
    @jax.vmap
    def batch(model, values):
        return simulate(model, values, steps=7, **options).state.values

    batched = batch(models, fields)
    for member in range(2):
        alone = simulate(
            jax.tree.map(lambda leaf, k=member: leaf[k], models),
            tuple(u[member] for u in fields),
            steps=7,
            **options,
        )
        for one, other in zip(batched, alone.state.values, strict=True):
            np.testing.assert_allclose(one[member], other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "name",
    [n if n in ("gray-scott", USER) else pytest.param(n, marks=pytest.mark.slow) for n in MODELS],
)
def test_compiled_equals_uncompiled(name: str) -> None:
    model = MODELS[name]()
    options = setting(name, usual_stepper(name), "periodic", (3, 4))
    start = start_of(name, options["grid"])
    compiled = simulate(model, start, steps=2, **options).state
    with jax.disable_jit():
        plain = simulate(model, start, steps=2, **options).state
    for one, other in zip(compiled.values, plain.values, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", MODELS)
def test_a_nan_is_noticed_with_field_and_step(name: str) -> None:
    model = MODELS[name]()
    options = setting(name, usual_stepper(name), "periodic", (4, 6))
    start = start_of(name, options["grid"])
    for field in model.fields:
        broken = start.replace(**{field: start[field].at[2, 3].set(jnp.nan)})
        status = simulate(model, broken, steps=2, **options).status
        assert not bool(status.ok)
        assert int(status.first_bad_step) == 0
        assert status.field_name == field
        with pytest.raises(NumericalInstabilityError, match=f"'{field}'.*initial state"):
            status.raise_if_bad()


def test_a_blow_up_is_dated() -> None:
    """A step far too long for u' = u − u³: all is finite up to the step before the one named."""
    kind = MODELS["allen-cahn"]
    grid = Grid((4, 6))
    start = start_of("allen-cahn", grid).replace(u=jnp.full((4, 6), 30.0))
    run = simulate(kind(0.01, 1.0), start, grid=grid, steps=20, dt=1.0)
    bad = int(run.status.first_bad_step)
    assert 2 < bad < 12
    before = simulate(kind(0.01, 1.0), start, grid=grid, steps=bad - 1, dt=1.0)
    assert bool(before.status.ok)


def test_a_model_can_be_added_once_and_described() -> None:
    assert USER in model_names()
    built = registry.build_model(USER, {"D": 0.1, "mortality": 0.4})
    assert built == PreyAndPredator(0.1, 0.4)
    with pytest.raises(ParameterError, match="registered already"):
        register_model("gray-scott", PreyAndPredator)
    with pytest.raises(ParameterError, match="not a Model class"):
        register_model("nothing", dict)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="given twice"):
        registry.build_model(USER, {"D": 0.1, "diffusivity": 0.1})
    with pytest.raises(ParameterError, match="no preset 'x'; presets: none"):
        registry.build_model(USER, {}, preset="x")
    with pytest.raises(ParameterError, match="did you mean 'gray-scott'"):
        get_model("grayscott")
    with pytest.raises(ParameterError, match="no parameter 'z'"):
        registry.build_model(USER, {"z": 1})


@pytest.mark.parametrize("diffusivity", [-1e-3, np.float32(-1), np.array([0.1, -0.1])])
def test_a_negative_diffusivity_is_refused_with_its_field(diffusivity) -> None:
    grid = Grid((4, 4))
    with pytest.raises(ParameterError, match="GrayScottModel: the transport of 'v' amplifies"):
        GrayScottModel(d_v=diffusivity).check(grid, 1.0)
    GrayScottModel(d_v=0.0).check(grid, 1.0)
    jax.eval_shape(lambda d: GrayScottModel(d_v=d).check(grid, 1.0), diffusivity)  # not known yet


@pytest.mark.parametrize("name", ["", "two words", 3])
def test_a_name_of_a_model_is_a_word(name) -> None:
    with pytest.raises(ParameterError, match="name must be a word"):
        register_model(name, GrayScottModel)
