"""Quiet stretches: the short cut gives the bits of the full step, and is taken only when it may."""

from __future__ import annotations

from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import Grid, MyceliumModel, simulate
from mfnjax.models.base import IteratedMap
from mfnjax.simulation import rollout

KEY = jax.random.key(5)
STEPS = 41
SHAPE = (9, 14)


def compiled(model: MyceliumModel, values, grid: Grid, *, short_cut: bool):
    """A run of its own compilation, with or without the short cut."""

    def loop(values):
        return simulate(model, values, grid=grid, steps=STEPS, key=KEY)

    rollout._compiled_loop.clear_cache()
    with mock.patch.object(MyceliumModel, "quiet", MyceliumModel.quiet if short_cut else never):
        return jax.jit(loop).lower(values).compile()


def never(*_, **__):
    return None


def assert_same(left, right) -> None:
    for name in MyceliumModel.fields:
        np.testing.assert_array_equal(left.state[name], right.state[name], err_msg=name)
    assert {n: int(c) for n, c in left.counts.items()} == {
        n: int(c) for n, c in right.counts.items()
    }
    assert int(left.status.first_bad_step) == int(right.status.first_bad_step)


@pytest.mark.parametrize(
    ("boundary", "dtype"),
    [("periodic", "float32"), ("neumann", "float64"), ("dirichlet", "float32")],
)
def test_the_short_cut_gives_the_same_bits(boundary: str, dtype: str) -> None:
    """From quiet states, and from states that cross every threshold."""
    grid = Grid(SHAPE, 1.0, boundary)
    model = MyceliumModel(spike_probability=0.5)
    quiet = model.initial_state(grid, dtype=dtype, key=jax.random.key(1)).values
    rng = np.random.default_rng(0)
    busy = tuple(
        jnp.asarray(rng.uniform(low, high, SHAPE), dtype)
        for low, high in ((-0.12, 0.06), (0, 1.1), (-0.1, 1))
    )
    busy = (busy[0].at[:3].set(0.05).at[5:].set(-0.1), busy[1].at[:, 4:8].set(1.0), busy[2])
    cut, full = (
        [loop(values) for values in (quiet, busy)]
        for loop in (compiled(model, quiet, grid, short_cut=on) for on in (True, False))
    )
    for left, right in zip(cut, full, strict=True):
        assert_same(left, right)
    assert int(full[0].counts["clamping_events"]) == 0 < int(full[1].counts["clamping_events"])
    assert int(full[1].counts["turing_activations"]) > 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"V": 0.0399999}, False),
        ({"V": -0.0949999}, False),
        ({"V": np.nan}, False),
        ({"a": 0.7499}, False),
        ({"a": -1e-6}, False),
        ({"a": np.inf}, False),
        ({"i": 1.0001}, False),
        ({"i": np.nan}, False),
        ({"alpha": 0.2501}, False),
        ({"r_activator": float("nan")}, False),
        ({"growth_mean": 0.5}, False),
    ],
)
def test_it_is_taken_only_where_the_bounds_allow(change: dict, expected: bool) -> None:
    """One cell or one parameter decides."""
    fields = {"V": np.full(SHAPE, -0.06), "a": np.full(SHAPE, 0.3), "i": np.full(SHAPE, 0.1)}
    for name in fields.keys() & change.keys():
        fields[name][2, 3] = change[name]
    parameters = {name: value for name, value in change.items() if name not in fields}
    model = MyceliumModel(spike_probability=1.0, **parameters)
    draws = jax.vmap(lambda key: model.draw(jnp.float64, key=key))(jax.random.split(KEY, 4))
    values = tuple(jnp.asarray(field) for field in fields.values())
    quiet = model.quiet(values, Grid(SHAPE), draws=draws, count=4)
    assert bool(quiet.possible) is expected


@pytest.mark.parametrize("place", [0, 7, 31])
def test_the_bound_covers_the_largest_event(place: int) -> None:
    """Wherever it claims quiet, no cell of the full run ever leaves the clamp."""
    values = (jnp.full(SHAPE, 0.02 + 1e-3 * place / 31), *(jnp.zeros(SHAPE),) * 2)
    model = MyceliumModel(spike_probability=1.0, alpha=0.05)
    draws = jax.vmap(lambda key: model.draw(jnp.float64, key=key))(
        jax.random.split(jax.random.key(place), 8)
    )
    grid, seen = Grid(SHAPE), []
    for count in range(1, 9):
        claimed = bool(model.quiet(values, grid, draws=draws, count=count).possible)
        after, clamped = values, 0
        for k in range(count):
            step = model.advance(after, grid, draw=jax.tree.map(lambda x, k=k: x[k], draws))
            after, clamped = step.values, clamped + int(step.counts[2])
        seen.append(claimed)
        assert not (claimed and clamped)
    assert seen == sorted(seen, reverse=True)


def test_a_batch_takes_it_only_together() -> None:
    """In a vmap one restless member sends all the long way, and each gets its own result."""
    grid, model = Grid(SHAPE), MyceliumModel()
    calm = model.initial_state(grid, dtype="float64", key=jax.random.key(1)).values
    restless = (calm[0] + 0.11, *calm[1:])

    def one(values):
        return simulate(model, values, grid=grid, steps=STEPS, key=KEY)

    batch = jax.vmap(one)(tuple(jnp.stack(pair) for pair in zip(calm, restless, strict=True)))
    for index, values in enumerate((calm, restless)):
        alone = one(values)
        for name in model.fields:
            np.testing.assert_allclose(
                batch.state[name][index], alone.state[name], rtol=1e-12, atol=1e-15
            )
        counts = {n: int(c[index]) for n, c in batch.counts.items()}
        assert counts == {n: int(c) for n, c in alone.counts.items()}


def test_other_maps_have_none() -> None:
    assert IteratedMap.quiet(MyceliumModel(), (), Grid(SHAPE), draws=None, count=1) is None
    assert MyceliumModel(quantum_jitter=True).quiet((), Grid(SHAPE), draws=None, count=1) is None
    assert MyceliumModel().quiet((), Grid((1, 9)), draws=None, count=1) is None
