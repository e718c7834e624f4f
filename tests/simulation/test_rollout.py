"""The driver: what a run is, whatever the way it is called."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import (
    FisherKPPModel,
    GrayScottModel,
    Grid,
    MyceliumModel,
    NumericalInstabilityError,
    ParameterError,
    State,
    simulate,
    simulate_ensemble,
)
from mfnjax.simulation import chunks

GRID = Grid((10, 12), 1.0, "neumann")
KEY = jax.random.key(11)
MODELS = {
    "mycelium": MyceliumModel(quantum_jitter=True),
    "gray-scott": GrayScottModel(),
    "fisher-kpp": FisherKPPModel(),
}


def key_of(name: str) -> Any:
    """A key for the model that draws numbers."""
    return KEY if MODELS[name].takes_key else None


def start_of(model, dtype: str = "float64") -> State:
    return model.initial_state(GRID, dtype=dtype, key=jax.random.key(0))


def assert_same_bits(left, right) -> None:
    assert jax.tree.structure(left) == jax.tree.structure(right)
    jax.tree.map(np.testing.assert_array_equal, left, right)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_of_a_plus_b_is_a_run_of_a_then_b(name: str, dtype: str) -> None:
    """Across the block in which random numbers are drawn, too (a = 19, 32 to a block)."""
    model = MODELS[name]
    start = start_of(model, dtype)
    whole = simulate(model, start, grid=GRID, steps=50, key=key_of(name))
    part = simulate(model, start, grid=GRID, steps=19, key=key_of(name))
    rest = simulate(model, part.state, grid=GRID, steps=31, key=key_of(name))
    assert_same_bits(whole.state, rest.state)
    assert whole.counts == {n: part.counts[n] + rest.counts[n] for n in whole.counts}
    assert whole.state["u" if "u" in model.fields else "potential"].dtype == dtype


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_every_way_through_gives_the_same_run(name: str) -> None:
    """Plain, jitted, with a history, and each static policy: the same bits."""
    model = MODELS[name]
    start = start_of(model)
    plain = simulate(model, start, grid=GRID, steps=23, key=key_of(name))

    @jax.jit
    def jitted(model, start):
        return simulate(model, start, grid=GRID, steps=23, key=key_of(name))

    others = {
        "jit": jitted(model, start),
        "history": simulate(model, start, grid=GRID, steps=23, key=key_of(name), save_every=5),
        **{
            policy: simulate(model, start, grid=GRID, steps=23, key=key_of(name), adjoint=policy)
            for policy in ("direct", "per_step", "nested", 50.0)
        },
    }
    for way, other in others.items():
        for field in model.fields:
            np.testing.assert_allclose(
                plain.state[field], other.state[field], rtol=1e-13, atol=1e-16, err_msg=way
            )
        assert {n: int(c) for n, c in other.counts.items()} == plain.counts, way


@pytest.mark.parametrize("every", [1, 4, 7])
@pytest.mark.parametrize("adjoint", [None, "direct"])
def test_history_holds_the_state_after_each_interval(every: int, adjoint) -> None:
    model, steps = MODELS["mycelium"], 22
    start = start_of(model)
    run = simulate(model, start, grid=GRID, steps=steps, save_every=every, adjoint=adjoint, key=KEY)
    assert run.history.step.tolist() == list(range(every, steps + 1, every))
    for frame, step in enumerate(run.history.step.tolist()):
        alone = simulate(model, start, grid=GRID, steps=step, key=KEY)
        for field in model.fields:
            np.testing.assert_allclose(
                run.history[field][frame], alone.state[field], rtol=1e-13, atol=1e-16
            )
    end = simulate(model, start, grid=GRID, steps=steps, key=KEY).state
    np.testing.assert_allclose(run.state["potential"], end["potential"], rtol=1e-13)


def test_history_of_one_field_inside_jit() -> None:
    model = MODELS["gray-scott"]
    start = start_of(model)
    inside = jax.jit(
        lambda s: simulate(model, s, grid=GRID, steps=11, save_every=3, save="v").history
    )(start)
    outside = simulate(model, start, grid=GRID, steps=11, save_every=3, save="v").history
    assert inside.shape == (3, 10, 12)
    np.testing.assert_allclose(inside, outside, rtol=1e-13)


@pytest.mark.parametrize("every", [2, 11])
def test_long_histories_are_gathered_over_chunks(
    every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interval of 11 steps is more than the 7 that one call may take: it goes in pieces."""
    model = MODELS["mycelium"]
    start = start_of(model)
    whole = simulate(model, start, grid=GRID, steps=45, save_every=every, key=KEY)
    monkeypatch.setattr(chunks, "CHUNK_HISTORY_CELLS", 5 * GRID.num_cells)
    monkeypatch.setattr(chunks, "CHUNK_CELL_STEPS", 7 * GRID.num_cells)
    told: list[tuple[int, int]] = []
    pieces = simulate(
        model,
        start,
        grid=GRID,
        steps=45,
        save_every=every,
        key=KEY,
        progress=lambda done, total: told.append((done, total)),
    )
    assert_same_bits(whole.state, pieces.state)
    assert_same_bits(whole.history, pieces.history)
    assert whole.counts == pieces.counts
    assert len(told) > 5
    assert told[-1] == (45, 45)


def test_new_numbers_compile_nothing() -> None:
    """100 parameter sets, 20 lengths, keys, spacings: one compilation for each kind of call."""
    model, start = MODELS["mycelium"], start_of(MODELS["mycelium"])
    simulate(model, start, grid=GRID, steps=3, key=KEY)
    simulate(model, start, grid=GRID, steps=3, save_every=1, key=KEY)
    before = chunks._compiled_chunk._cache_size()
    rng = np.random.default_rng(0)
    for index in range(100):
        other = MyceliumModel(
            alpha=rng.uniform(0.1, 0.2), turing_threshold=rng.uniform(), quantum_jitter=True
        )
        simulate(other, start, grid=GRID, steps=1 + index % 20, key=jax.random.key(index))
    for steps in (1, 5, 40):
        simulate(model, start, grid=GRID, steps=steps, save_every=1, key=KEY)
        simulate(model, start, grid=GRID, steps=steps, save_every=3, key=KEY)
    simulate(model, start, grid=Grid(GRID.shape, 1.5, "neumann"), steps=3, key=KEY)
    assert chunks._compiled_chunk._cache_size() == before


def test_a_traced_number_of_steps() -> None:
    model, start = MODELS["gray-scott"], start_of(MODELS["gray-scott"])
    run = jax.jit(lambda n: simulate(model, start, grid=GRID, steps=n).state["v"])
    for steps in (0, 3, 9):
        expected = simulate(model, start, grid=GRID, steps=steps).state["v"]
        np.testing.assert_allclose(run(jnp.int32(steps)), expected, rtol=1e-13)
    assert run._cache_size() == 1


@pytest.mark.parametrize("adjoint", [None, "direct"])
def test_zero_steps_change_nothing(adjoint) -> None:
    model, start = MODELS["mycelium"], start_of(MODELS["mycelium"])
    run = simulate(model, start, grid=GRID, steps=0, save_every=2, adjoint=adjoint, key=KEY)
    assert_same_bits(run.state.values, start.values)
    assert run.history["potential"].shape == (0, 10, 12)
    assert [int(count) for count in run.counts.values()] == [0, 0, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", MODELS)
def test_a_bad_start_is_noticed_with_its_field(name: str, bad: float) -> None:
    model = MODELS[name]
    last = model.fields[-1]
    start = start_of(model)
    start = start.replace(**{last: start[last].at[3, 4].set(bad)})
    run = simulate(model, start, grid=GRID, steps=5, key=key_of(name))
    assert int(run.status.first_bad_step) == 0
    assert run.status.field_name == last
    with pytest.raises(NumericalInstabilityError, match=f"'{last}' .* in the initial state"):
        run.status.raise_if_bad()


def test_an_overflow_is_noticed_before_the_clamp_hides_it() -> None:
    """In float32 a traced α of 3e38 makes V infinite in the first step; the clamp would hide it."""
    model = MyceliumModel(spike_probability=0.0)
    values = start_of(model, "float32").values
    start = State(model.fields, values, jnp.int32(6))

    @jax.jit
    def run(alpha):
        wild = MyceliumModel(alpha=alpha, spike_probability=0.0)
        return simulate(wild, start, grid=GRID, steps=4)

    bad = run(jnp.float32(3e38) * 1e3)
    assert int(bad.status.first_bad_step) == 7
    assert int(bad.status.bad_field) == 0
    assert bool(run(jnp.float32(0.1)).status.ok)


@pytest.mark.parametrize("adjoint", [None, "direct"])
def test_the_first_bad_step_of_a_blow_up(adjoint) -> None:
    """u' = λu(1 − u/K) from u < 0 runs to −∞; the step is the oracle's own."""
    model = FisherKPPModel(diffusivity=0.0, growth_rate=5.0, capacity=1.0)
    u, step = np.float64(-1.0), 0
    with np.errstate(over="ignore", invalid="ignore"):
        while np.isfinite(u):
            u, step = u + 5.0 * u * (1 - u), step + 1
    run = simulate(model, {"u": np.full((10, 12), -1.0)}, grid=GRID, steps=40, adjoint=adjoint)
    assert int(run.status.first_bad_step) == step
    with pytest.raises(NumericalInstabilityError, match=f"'u' .* after step {step}"):
        run.status.raise_if_bad()


def test_reverse_mode_without_adjoint_names_the_way_out() -> None:
    start = start_of(MODELS["gray-scott"])

    def loss(model):
        return simulate(model, start, grid=GRID, steps=5).state["v"].sum()

    with pytest.raises(ParameterError, match="needs adjoint="):
        jax.grad(loss)(MODELS["gray-scott"])


@pytest.mark.parametrize("adjoint", ["direct", "per_step", "nested", 20])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.thorough
def test_reverse_equals_forward_and_finite_differences(name: str, adjoint) -> None:
    model, start = MODELS[name], start_of(MODELS[name])
    leaves, tree = jax.tree.flatten(model)
    point = jnp.asarray(leaves, jnp.float64)

    def loss(point, adjoint):
        parameters = jax.tree.unflatten(tree, list(point))
        end = simulate(
            parameters, start, grid=GRID, steps=12, adjoint=adjoint, key=key_of(name)
        ).state
        return sum(jnp.sum(jnp.sin(3 * u)) for u in end.values)

    reverse = jax.grad(loss)(point, adjoint)
    forward = jax.jacfwd(loss)(point, None)
    np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-12)
    for index in range(len(leaves)):
        h = 1e-6 * max(abs(float(point[index])), 1e-3)
        up, down = (loss(point.at[index].add(s * h), "direct") for s in (1, -1))
        slope = float(up - down) / (2 * h)
        assert float(forward[index]) == pytest.approx(slope, rel=1e-5, abs=1e-5), index


def test_vmap_equals_a_loop() -> None:
    model, start = MODELS["mycelium"], start_of(MODELS["mycelium"])
    alphas, keys = jnp.asarray([0.05, 0.15, 0.2]), jax.random.split(KEY, 3)

    def run(alpha, key):
        member = MyceliumModel(alpha=alpha, quantum_jitter=True)
        return simulate(member, start, grid=GRID, steps=20, key=key)

    batched = jax.vmap(run)(alphas, keys)
    for index in range(3):
        alone = simulate(
            MyceliumModel(alpha=float(alphas[index]), quantum_jitter=True),
            start,
            grid=GRID,
            steps=20,
            key=keys[index],
        )
        for field in model.fields:
            np.testing.assert_allclose(
                batched.state[field][index], alone.state[field], rtol=1e-12, atol=1e-15
            )
        assert {n: int(c[index]) for n, c in batched.counts.items()} == alone.counts


def test_an_ensemble_member_is_the_run_alone_bit_for_bit() -> None:
    start = start_of(MODELS["mycelium"], "float32")
    models = MyceliumModel(alpha=np.linspace(0.05, 0.2, 5))
    keys = jax.random.split(KEY, 5)
    told: list[int] = []
    many = simulate_ensemble(
        models,
        start,
        grid=GRID,
        steps=30,
        save_every=10,
        key=keys,
        threads=2,
        progress=lambda done, total: told.append(done),
    )
    for index, alpha in enumerate(np.linspace(0.05, 0.2, 5)):
        model = MyceliumModel(alpha=alpha)
        alone = simulate(model, start, grid=GRID, steps=30, save_every=10, key=keys[index])
        member = jax.tree.map(lambda leaf, i=index: leaf[i], many)
        assert_same_bits(member.state, alone.state)
        assert_same_bits(member.history, alone.history)
        assert {n: int(c) for n, c in member.counts.items()} == alone.counts
    assert told == [1, 2, 3, 4, 5]
    assert many.status.ok.tolist() == [True] * 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.thorough
def test_members_of_a_block_are_the_runs_alone_bit_for_bit(dtype: str) -> None:
    """Two blocks of eight, each in one call, and three that are left over."""
    count = 19
    start = start_of(MODELS["mycelium"], dtype)
    lifted = {
        name: np.stack([np.asarray(value) * (1 + member / 100) for member in range(count)])
        for name, value in start.asdict().items()
    }
    alphas = np.linspace(0.05, 0.2, count)
    keys = jax.random.split(KEY, count)
    many = simulate_ensemble(
        MyceliumModel(alpha=alphas), lifted, grid=GRID, steps=70, key=keys, threads=2
    )
    for index, alpha in enumerate(alphas):
        fields = {name: value[index] for name, value in lifted.items()}
        alone = simulate(MyceliumModel(alpha=alpha), fields, grid=GRID, steps=70, key=keys[index])
        member = jax.tree.map(lambda leaf, i=index: leaf[i], many)
        assert_same_bits(member.state, alone.state)
        assert {n: int(c) for n, c in member.counts.items()} == alone.counts
    assert many.status.ok.tolist() == [True] * count


@pytest.mark.thorough
def test_members_of_a_block_share_what_is_the_same() -> None:
    """Eight keys and one start: a block in which only the keys are the members' own."""
    start, keys = start_of(MODELS["mycelium"], "float32"), jax.random.split(KEY, 9)
    many = simulate_ensemble(MODELS["mycelium"], start, grid=GRID, steps=70, key=keys, threads=1)
    for index in range(9):
        alone = simulate(MODELS["mycelium"], start, grid=GRID, steps=70, key=keys[index])
        assert_same_bits(jax.tree.map(lambda leaf, i=index: leaf[i], many.state), alone.state)
    integers = [*many.counts.values(), many.status.first_bad_step, many.status.bad_field]
    assert {leaf.dtype for leaf in integers} == {np.dtype("int64")}


def test_a_bad_member_of_a_block_is_named_alone() -> None:
    fields = np.random.default_rng(0).uniform(size=(8, 10, 12))
    fields[5, 3, 4] = np.nan
    many = simulate_ensemble(MODELS["fisher-kpp"], {"u": fields}, grid=GRID, steps=4)
    assert many.status.ok.tolist() == [index != 5 for index in range(8)]
    assert many.status.first_bad_step[5] == 0


def test_an_ensemble_over_fields_alone() -> None:
    model = MODELS["fisher-kpp"]
    fields = np.random.default_rng(0).uniform(size=(3, 10, 12))
    many = simulate_ensemble(model, {"u": fields}, grid=GRID, steps=4)
    alone = simulate(model, {"u": fields[2]}, grid=GRID, steps=4)
    np.testing.assert_array_equal(many.state["u"][2], alone.state["u"])
    with pytest.raises(ParameterError, match="leading axis of members"):
        simulate_ensemble(model, {"u": fields[0]}, grid=GRID, steps=4)
    with pytest.raises(ParameterError, match="leading axis of members"):
        simulate_ensemble(model, {"u": fields[:0]}, grid=GRID, steps=4)
    with pytest.raises(ParameterError, match="grid must be a Grid"):
        simulate_ensemble(model, {"u": fields}, grid=(10, 12), steps=4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "gray-scott"}, "model must be a Model, got 'gray-scott'"),
        ({"grid": (10, 12)}, "grid must be a Grid"),
        (
            {"state": {"u": np.zeros((10, 12))}},
            "must hold the fields u, v of GrayScottModel; got u",
        ),
        ({"state": np.zeros((10, 12))}, "must hold the fields u, v"),
        ({"state": (np.zeros((10, 12)), np.zeros((12, 10)))}, r"'v' .* \(10, 12\), got \(12, 10\)"),
        ({"state": (np.zeros((10, 12)), np.zeros((10, 12), int))}, "'v' must be real floating"),
        ({"state": (np.zeros((10, 12)), np.zeros((10, 12), "f4"))}, "one dtype"),
        ({"state": ("ab", np.zeros((10, 12)))}, "'u' must be an array"),
        ({"steps": -1}, "steps must be an integer from 0"),
        ({"steps": 2.5}, "steps must be an integer from 0"),
        ({"steps": True}, "steps must be an integer from 0"),
        ({"dt": 0.0}, "dt must be a positive finite number"),
        ({"dt": float("nan")}, "dt must be a positive finite number"),
        ({"save_every": 0}, "save_every must be an integer"),
        ({"save_every": 2**31}, "save_every must be an integer from 1 to"),
        ({"dt": "fast"}, "dt must be a positive finite number"),
        ({"model": GrayScottModel(feed=1j)}, "feed must be a finite number, got 1j"),
        ({"save": "v"}, "needs save_every="),
        ({"save": "w", "save_every": 1}, "save must be one of u, v; got 'w'"),
        ({"stepper": "leapfrog"}, "got 'leapfrog'"),
        ({"stepper": "map"}, "cannot serve GrayScottModel here: it has no step of its own"),
        ({"adjoint": "sideways"}, "adjoint must be None, 'direct'"),
        ({"adjoint": -3}, "adjoint as a memory in MiB must be positive"),
        ({"adjoint": 1e-6}, "is too small for 2 steps"),
        ({"key": 42}, "key must be a typed key"),
    ],
)
def test_a_wrong_argument_is_named(change: dict, message: str) -> None:
    model = MODELS["gray-scott"]
    arguments = {"model": model, "state": start_of(model), "grid": GRID, "steps": 2, **change}
    model, state = arguments.pop("model"), arguments.pop("state")
    with pytest.raises(ParameterError, match=message):
        simulate(model, state, **arguments)


def test_traced_steps_cannot_size_a_history() -> None:
    model, start = MODELS["gray-scott"], start_of(MODELS["gray-scott"])
    with pytest.raises(ParameterError, match="plain integer where save_every or adjoint"):
        jax.jit(lambda n: simulate(model, start, grid=GRID, steps=n, save_every=1).history)(3)


def test_a_traced_dt_leaves_the_other_checks_on() -> None:
    start = start_of(MODELS["gray-scott"])

    def run(dt):
        bad = GrayScottModel(feed=float("nan"))
        return simulate(bad, start, grid=GRID, steps=2, dt=dt).state["v"]

    with pytest.raises(ParameterError, match="feed must be a finite number, got nan"):
        jax.jvp(run, (0.5,), (1.0,))


@pytest.mark.thorough
def test_the_memory_budget_picks_the_cheapest_policy_that_fits() -> None:
    from mfnjax.simulation.adjoint import choose_policy

    state = 3 * 64 * 64 * 4
    assert choose_policy(100.0, 100, state) == "direct"
    assert choose_policy(6.0, 100, state) == "per_step"
    assert choose_policy(2.0, 100, state) == "nested"


@pytest.mark.thorough
def test_nested_checkpoints_need_less_memory() -> None:
    """XLA's own account of the temporaries of a reverse gradient."""
    model = GrayScottModel()
    start = start_of(model)

    def temporaries(adjoint: str) -> int:
        def loss(feed):
            run = simulate(GrayScottModel(feed=feed), start, grid=GRID, steps=400, adjoint=adjoint)
            return run.state["v"].sum()

        compiled = jax.jit(jax.grad(loss)).lower(0.04).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    direct, per_step, nested = map(temporaries, ("direct", "per_step", "nested"))
    assert nested < per_step / 5
    assert per_step < direct / 1.5
