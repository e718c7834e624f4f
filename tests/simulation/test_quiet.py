"""Quiet stretches: the short cut gives the bits of the full step, and is taken only when it may."""

from __future__ import annotations

from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import Grid, MyceliumModel, simulate
from mfnjax.simulation import rollout

KEY = jax.random.key(5)
STEPS = 41
SHAPE = (9, 14)


def both_ways(function, *arguments):
    """Compile a function that runs the model with and without the short cut."""
    programs = []
    for quiet in (MyceliumModel.quiet, never):
        rollout._compiled_loop.clear_cache()
        with mock.patch.object(MyceliumModel, "quiet", quiet):
            programs.append(jax.jit(lambda *a: function(*a)).lower(*arguments).compile())
    rollout._compiled_loop.clear_cache()
    return programs


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
    ("shape", "boundary", "dtype", "turing"),
    [
        ((9, 14), "periodic", "float32", True),
        ((9, 14), "neumann", "float64", True),
        ((9, 14), "dirichlet", "float32", True),
        ((64, 64), "periodic", "float32", True),
        ((33, 3), "neumann", "float32", False),
    ],
)
def test_the_short_cut_gives_the_same_bits(shape, boundary, dtype, turing) -> None:
    """From quiet states, and from states that cross every threshold."""
    grid = Grid(shape, 1.25, boundary)
    model = MyceliumModel(spike_probability=0.25, turing_enabled=turing)
    quiet = model.initial_state(grid, dtype=dtype, key=jax.random.key(1)).values
    rng = np.random.default_rng(0)
    busy = tuple(
        jnp.asarray(rng.uniform(low, high, shape), dtype)
        for low, high in ((-0.12, 0.06), (0, 1.1), (-0.1, 1))
    )
    busy = (busy[0].at[:3].set(0.05).at[5:].set(-0.1), busy[1].at[4:8].set(1.0), busy[2])

    def loop(values):
        return simulate(model, values, grid=grid, steps=STEPS, key=KEY)

    cut, full = ([run(values) for values in (quiet, busy)] for run in both_ways(loop, quiet))
    for left, right in zip(cut, full, strict=True):
        assert_same(left, right)
    assert int(full[0].counts["clamping_events"]) == 0 < int(full[1].counts["clamping_events"])
    assert (int(full[1].counts["turing_activations"]) > 0) is turing


@pytest.mark.thorough
def test_derivatives_are_those_of_the_full_step() -> None:
    """In forward mode, also from fields on a limit of the clip: there the slope is 1 (inside)."""
    grid = Grid(SHAPE, boundary="neumann")
    zero, potential = jnp.zeros(SHAPE), jnp.full(SHAPE, -0.06)
    directions = jax.random.normal(jax.random.key(2), (2, 3, *SHAPE))

    def run(alpha, rate, mean, direction):
        def fields(alpha, rate, mean, size):
            model = MyceliumModel(alpha=alpha, r_inhibitor=rate, growth_mean=mean)
            start = (potential, zero, zero)
            start = tuple(u + size * d for u, d in zip(start, direction, strict=True))
            return simulate(model, start, grid=grid, steps=STEPS, key=KEY).state.values

        return jax.jacfwd(fields, argnums=(0, 1, 2, 3))(alpha, rate, mean, 0.0)

    def alone_and_in_batches(directions):
        batch = jax.vmap(run, (None, None, None, 0))
        nested = jax.vmap(
            lambda means: jax.vmap(run, (None, None, 0, None))(0.18, 0.02, means, directions[0])
        )
        return (
            run(0.18, 0.02, 0.02, directions[0]),
            batch(0.18, 0.02, 0.02, directions),
            nested(jnp.asarray([[0.02, 0.01], [0.03, 0.3]])),
        )

    cut, full = (program(directions) for program in both_ways(alone_and_in_batches, directions))
    for left, right in zip(jax.tree.leaves(cut), jax.tree.leaves(full), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-13)
    by_size = [np.asarray(field[3]) for field in full[0]]
    assert all(np.abs(slope).max() > 0.01 for slope in by_size)


@pytest.mark.thorough
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


@pytest.mark.parametrize(
    ("boundary", "stays"), [("periodic", 0.25), ("neumann", 0.5), ("dirichlet", 0.25)]
)
@pytest.mark.thorough
def test_the_bound_covers_an_event_in_a_corner(boundary: str, stays: float) -> None:
    """At no-flux sides more of it stays: 1 − 2α. The bound is right, and as sharp as can be."""
    model = MyceliumModel(spike_probability=1.0, alpha=0.25)
    grid, draws = Grid(SHAPE, 1.0, boundary), (jnp.zeros((1, 5)), None)  # m = 20 mV on cell (0, 0)
    for room in (0.9, 0.99, 1.01, 1.1):
        level = 0.04 - room * stays * 0.02
        values = (jnp.full(SHAPE, level), *(jnp.zeros(SHAPE),) * 2)
        clamped = int(model.advance(values, grid, draw=(draws[0][0], None)).counts[2])
        assert bool(clamped) is (room < 1 and boundary != "dirichlet")
        assert bool(model.quiet(values, grid, draws=draws, count=1).possible) is (room > 1)


def test_the_bound_allows_for_rounding() -> None:
    """In half precision an activator could cross θ by rounding alone: no claim is made."""
    for dtype, expected in (("float16", False), ("float32", True)):
        values = tuple(jnp.full(SHAPE, level, dtype) for level in (-0.06, 0.6, 0.0))
        model = MyceliumModel(spike_probability=0.0)
        assert bool(model.quiet(values, Grid(SHAPE), draws=None, count=32).possible) is expected


@pytest.mark.parametrize("place", [0, 7, 31])
@pytest.mark.thorough
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


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_a_member_has_its_bits_whatever_its_neighbours_do() -> None:
    """One program, one member calm, the other calm too or restless."""
    grid, model = Grid((16, 16)), MyceliumModel()
    calm = model.initial_state(grid, dtype="float32", key=jax.random.key(1)).values
    restless = (calm[0] + 0.11, *calm[1:])

    @jax.jit
    @jax.vmap
    def run(values):
        return simulate(model, values, grid=grid, steps=STEPS, key=KEY).state.values

    left, right = (
        run(tuple(jnp.stack(pair) for pair in zip(calm, other, strict=True)))
        for other in (calm, restless)
    )
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_jitter_and_thin_grids_have_none() -> None:
    assert MyceliumModel(quantum_jitter=True).quiet((), Grid(SHAPE), draws=None, count=1) is None
    for thin in ((1, 9), (9, 2)):
        assert MyceliumModel().quiet((), Grid(thin), draws=None, count=1) is None
