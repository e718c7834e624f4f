"""A run's random numbers are those of its key and its steps, whatever the kind of the key."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfnjax import PDE, Grid, MyceliumModel, simulate, simulate_ensemble
from mfnjax._checks import counted_key
from mfnjax.core.rng import normal_field, uniform_field

KINDS = ("threefry2x32", "rbg", "unsafe_rbg")
GRID = Grid((16, 16))
MODELS = (
    (MyceliumModel(), 1.0),
    (MyceliumModel(quantum_jitter=True, jitter_var=1e-4), 1.0),
    (PDE("u_t = lap(u) + u*(1 - u) + noise(0.1)"), 0.05),
)


def options(model, dt: float, key: jax.Array) -> dict:
    return {"grid": GRID, "key": key} | ({"dt": dt} if isinstance(model, PDE) else {})


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["rbg", pytest.param("unsafe_rbg", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("model", "dt"), [MODELS[0], pytest.param(*MODELS[1], marks=pytest.mark.slow), MODELS[2]]
)
def test_a_run_does_not_depend_on_how_it_is_cut(model, dt: float, kind: str) -> None:
    given = options(model, dt, jax.random.key(0, impl=kind))
    start = model.initial_state(GRID, key=jax.random.key(1, impl=kind))
    whole = simulate(model, start, steps=50, **given).state
    part = simulate(model, start, steps=20, **given).state
    cut = simulate(model, part, steps=30, save_every=7, **given).state
    both = simulate_ensemble(
        model,
        start,
        steps=50,
        **given | {"key": jax.random.wrap_key_data(np.stack([words(given["key"])] * 2), impl=kind)},
    ).state
    for one, other, member in zip(whole.values, cut.values, both.values, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, member[1])


def words(key: jax.Array) -> np.ndarray:
    return np.asarray(jax.random.key_data(key))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draw", [normal_field, uniform_field])
def test_a_field_does_not_depend_on_the_size_of_the_grid(draw, kind: str) -> None:
    key = jax.random.key(3, impl=kind)
    small, large = (draw(shape, "float32", key=key) for shape in ((5, 7), (9, 16)))
    np.testing.assert_array_equal(small, large[:5, :7])


@pytest.mark.parametrize("kind", KINDS)
def test_other_keys_give_other_numbers(kind: str) -> None:
    keys = jax.random.split(jax.random.key(0, impl=kind), 50)
    made = counted_key(keys)
    assert made.shape == (50,)
    assert len(np.unique(words(made), axis=0)) == 50
    np.testing.assert_array_equal(words(made[7]), words(counted_key(keys[7])))
    if kind == "threefry2x32":
        assert made is keys
