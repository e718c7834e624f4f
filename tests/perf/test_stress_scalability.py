"""§ 9.2 of the documented baselines: seven kinds of stress, with the memory limits of § 9.3.

Limits on memory are limits on the growth of a child process over the same child after its imports
and a warm-up run: JAX alone holds some 180 MB.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks.harness.baselines import baseline
from benchmarks.harness.cases import Case, grown_run, scalability_cases
from benchmarks.harness.child import Child
from benchmarks.harness.memory import resident
from benchmarks.harness.run import measure_case
from mfnjax import (
    FeatureConfig,
    Grid,
    MyceliumModel,
    SimulationConfig,
    compute_fractal_features,
    generate_dataset,
    make_dataset_config_demo,
    make_simulation_config_default,
    make_simulation_config_demo,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
    simulate,
)
from mfnjax.dataset import inspect_dataset
from mfnjax.federated import coordinate_median, hierarchical_krum, krum, trimmed_mean
from mfnjax.fractal import divergence_rate, fractal_dimension
from mfnjax.models.mycelium.model import CLAMP_HIGH_V, CLAMP_LOW_V

MEGABYTE = 1e6
REPEATS = int(baseline("targets.stress.repeats").value)
LEAK = baseline("targets.stress.leak_per_run")
SIZES = ("small", "medium", "large", "xlarge")

Report = Callable[[str, str], None]


# ------------------------------------------------------------------------- large grids


def grid_of(size: str) -> int:
    return int(baseline(f"documented.memory.{size}_grid").value)


@cache
def child_run(grid: int, steps: int, keeping: str) -> dict[str, Any]:
    with Child() as child:
        return child.call(grown_run, grid, steps, keeping)


@pytest.mark.parametrize("size", SIZES)
def test_memory_of_a_run_with_history_and_features(size: str, report: Report) -> None:
    grid, limit = grid_of(size), baseline(f"documented.memory.{size}")
    told = child_run(grid, 100, "history")
    growth = told["growth"] / MEGABYTE
    report(
        f"{grid}² × 100 with history, growth",
        f"{growth:.0f} MB ({limit}; the process {told['held'] / MEGABYTE:.0f} MB)",
    )
    assert told["shape"] == [grid, grid]
    assert told["finite"]
    assert limit.meets(growth)


@pytest.mark.parametrize("size", ["large", "xlarge"])
def test_a_large_run_keeps_the_physics(size: str) -> None:
    """Without events, threshold and clamp the map is diffusion: it conserves the mean of V."""
    grid = grid_of(size)
    model = MyceliumModel(spike_probability=0.0, turing_enabled=False)
    state = model.initial_state(Grid((grid, grid)), key=jax.random.key(0))
    run = simulate(model, state, grid=Grid((grid, grid)), steps=200)
    before, after = (np.asarray(s["potential"]) for s in (state, run.state))
    assert abs(after.mean() / before.mean() - 1) < np.finfo(np.float64).eps * grid
    assert after.std() < before.std()
    assert run.counts["clamping_events"] == 0


# -------------------------------------------------------------------- long simulations


@pytest.mark.parametrize("multiple", [1, 10])
def test_a_long_run_stays_within_the_clamp_and_counts_on(multiple: int) -> None:
    steps = multiple * int(baseline("documented.stress.long_steps").value)
    config = dataclasses.replace(make_simulation_config_default(), steps=steps)
    result = run_mycelium_simulation(config)
    assert np.isfinite(result.field).all()
    assert result.field.min() >= np.float32(CLAMP_LOW_V)
    assert result.field.max() <= np.float32(CLAMP_HIGH_V)
    # Events are Bernoulli trials, one a step: five standard deviations.
    mean = config.spike_probability * steps
    spread = np.sqrt(mean * (1 - config.spike_probability))
    five = 5 * spread
    assert abs(result.growth_events - mean) < five


def test_a_long_run_in_pieces_is_the_run_in_one() -> None:
    steps = int(baseline("documented.stress.long_steps").value)
    model, grid, key = MyceliumModel(), Grid((64, 64)), jax.random.key(1)
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    whole = simulate(model, start, grid=grid, steps=steps, key=key)
    state = start
    for piece in (1, steps // 3, steps - 1 - steps // 3):
        state = simulate(model, state, grid=grid, steps=piece, key=key).state
    for name in model.fields:
        assert np.array_equal(state[name], whole.state[name])


def test_memory_does_not_grow_with_the_number_of_steps(report: Report) -> None:
    grid = grid_of("medium")
    short, long = (child_run(grid, steps, "final")["growth"] for steps in (100, 10_000))
    report(f"{grid}² × 10 000 over × 100, growth", f"{(long - short) / MEGABYTE:+.1f} MB")
    history_of_all_steps = 10_000 * 3 * grid * grid * 4
    assert long < history_of_all_steps
    assert baseline("documented.memory.medium").meets(long / MEGABYTE)


# ----------------------------------------------------------------------- memory stress


def grown_per_run(call: Callable[[int], Any]) -> float:
    """Growth of the resident memory, in MB a run, after a tenth of the runs to settle."""
    for k in range(REPEATS // 10):
        call(k)
    before = resident()
    for k in range(REPEATS):
        call(k)
    return (resident() - before) / MEGABYTE / REPEATS


def check_leak(call: Callable[[int], Any], what: str, report: Report) -> None:
    grown = grown_per_run(call)
    report(f"{REPEATS} × {what}, growth", f"{1e3 * grown:+.1f} kB/run ({LEAK})")
    assert LEAK.meets(grown), f"{what}: {grown:.3f} MB/run kept, {LEAK}"


def test_repeated_runs_keep_no_memory(report: Report) -> None:
    config = make_simulation_config_demo()
    check_leak(
        lambda k: run_mycelium_simulation(dataclasses.replace(config, seed=k)), "demo run", report
    )


def test_repeated_histories_and_features_keep_no_memory(report: Report) -> None:
    config = make_simulation_config_demo()

    def call(k: int) -> None:
        result = run_mycelium_simulation_with_history(dataclasses.replace(config, seed=k))
        compute_fractal_features(result)

    check_leak(call, "history and features", report)


def test_new_parameters_and_lengths_compile_nothing_and_keep_nothing(report: Report) -> None:
    config = make_simulation_config_demo()
    client = jax.devices()[0].client

    def call(k: int) -> None:
        alpha = 0.1 + 0.1 * k / REPEATS
        run_mycelium_simulation(dataclasses.replace(config, seed=k, alpha=alpha, steps=1 + k % 40))

    call(0)
    programs, arrays = len(client.live_executables()), len(jax.live_arrays())
    check_leak(call, "run with new parameters", report)
    assert len(client.live_executables()) == programs
    assert len(jax.live_arrays()) == arrays


def test_repeated_datasets_keep_no_memory(report: Report) -> None:
    config = dataclasses.replace(make_dataset_config_demo(), num_samples=2, output_path=None)
    check_leak(
        lambda k: generate_dataset(dataclasses.replace(config, base_seed=k), workers=1),
        "dataset",
        report,
    )


# --------------------------------------------------------------- concurrent processing


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make calls on as many threads, all let go at the same moment."""
    barrier = threading.Barrier(len(calls))

    def wait_and_call(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(wait_and_call, c) for c in calls]]


def test_threads_that_race_to_compile_give_the_results_of_one_thread() -> None:
    """Eight threads, three shapes, nothing compiled yet: each first call is a race."""
    configs = [SimulationConfig(grid_size=24 + 8 * (k % 3), steps=20 + k, seed=k) for k in range(8)]
    jax.clear_caches()
    racing = together([partial(run_mycelium_simulation_with_history, c) for c in configs])
    alone = [run_mycelium_simulation_with_history(config) for config in configs]
    assert racing == alone


def test_threads_share_the_compiled_run_without_mixing_results(report: Report) -> None:
    workers = int(baseline("documented.scalability.concurrent.workers").value)
    rounds = REPEATS // workers
    config = make_simulation_config_demo()
    alone = [run_mycelium_simulation(dataclasses.replace(config, seed=s)) for s in range(workers)]

    def repeat(seed: int) -> int:
        own = dataclasses.replace(config, seed=seed)
        return sum(run_mycelium_simulation(own) != alone[seed] for _ in range(rounds))

    wrong = together([partial(repeat, seed) for seed in range(workers)])
    assert sum(wrong) == 0


def test_threads_measure_features_and_write_datasets_at_once(tmp_path: Path) -> None:
    result = run_mycelium_simulation_with_history(make_simulation_config_demo())
    expected = compute_fractal_features(result)
    config = dataclasses.replace(make_dataset_config_demo(), num_samples=3)
    paths = [tmp_path / f"{k}.parquet" for k in range(3)]
    writing = [
        partial(generate_dataset, dataclasses.replace(config, output_path=str(path)))
        for path in paths
    ]
    measuring = [partial(compute_fractal_features, result) for _ in range(5)]
    done = together([*writing, *measuring])
    assert [summary.written for summary in done[: len(paths)]] == [config.num_samples] * len(paths)
    assert len({inspect_dataset(path).content_hash for path in paths}) == 1
    for features in done[len(paths) :]:
        assert np.array_equal(features.to_array(), expected.to_array(), equal_nan=True)


# --------------------------------------------------------------- large data processing

SCALABILITY = {case.key: case for case in scalability_cases()}


@pytest.mark.parametrize("key", SCALABILITY)
def test_a_scalability_target_is_met(key: str, report: Report) -> None:
    case: Case = dataclasses.replace(SCALABILITY[key], repeats=3, burst=1)
    row, limit = measure_case(case), baseline(key)
    report(row.label, f"{row.value:.4g} {row.unit} ({limit})")
    assert limit.meets(row.value)


def test_the_dimension_of_a_large_field_is_known() -> None:
    """A filled square has dimension 2, its edge 1: on 2048², to the estimator's own interval."""
    size = 2048
    filled = np.ones((size, size), bool)
    edge = np.zeros((size, size), bool)
    edge[size // 2] = True
    for mask, expected in ((filled, 2.0), (edge, 1.0)):
        low, high = fractal_dimension(mask).interval
        assert low <= expected <= high


def test_the_divergence_of_a_long_history_is_known() -> None:
    """Frames one length apart have the logarithm of that length as their rate."""
    frames = int(baseline("documented.scalability.lyapunov.frames").value)
    size = int(baseline("documented.scalability.lyapunov.grid_size").value)
    field = np.random.default_rng(0).normal(size=(size, size))
    apart = 0.3
    steps = apart * np.arange(frames)[:, None, None]
    found = float(divergence_rate(jax.numpy.asarray(steps * field / np.linalg.norm(field))))
    assert found == pytest.approx(np.log(apart), rel=np.sqrt(np.finfo(np.float64).eps))


def test_features_of_a_large_history_match_those_of_its_last_frame() -> None:
    rng = np.random.default_rng(0)
    history = (-0.06 + 0.02 * rng.standard_normal((64, 256, 256))).astype(np.float32)
    whole = compute_fractal_features(history, FeatureConfig())
    last = compute_fractal_features(history[-1], FeatureConfig())
    for name in ("V_mean", "V_std", "f_active", "N_clusters_low", "max_cluster_size"):
        assert getattr(whole, name) == getattr(last, name)


# --------------------------------------------------------------- federated scalability


def clients(n: int, d: int, hostile: int) -> tuple[np.ndarray, np.ndarray]:
    """Honest updates about a common one, and hostile ones far away: (updates, the common one)."""
    rng = np.random.default_rng(n)
    common = rng.normal(size=d).astype(np.float32)
    updates = common + 0.1 * rng.standard_normal((n, d), dtype=np.float32)
    updates[:hostile] = -100 * common
    return updates, common


@pytest.mark.parametrize(("n", "d"), [(1000, 100), (100, 10_000), (20, 100_000)])
@pytest.mark.parametrize("rule", [krum, coordinate_median, trimmed_mean])
def test_robust_rules_hold_with_many_clients_and_large_updates(
    rule: Callable[..., Any], n: int, d: int
) -> None:
    hostile = n // 5
    updates, common = clients(n, d, hostile)
    value = np.asarray(rule(updates, hostile).update)
    honest = np.linalg.norm(updates[hostile:] - common, axis=1).max()
    assert np.isfinite(value).all()
    assert np.linalg.norm(value - common) <= honest
    assert np.linalg.norm(updates.mean(axis=0) - common) > honest


def test_hierarchical_krum_holds_with_ten_thousand_clients() -> None:
    updates, common = clients(10_000, 20, 500)
    value = np.asarray(hierarchical_krum(updates, key=jax.random.key(0)).update)
    honest = np.linalg.norm(updates[500:] - common, axis=1).max()
    assert np.linalg.norm(value - common) <= honest


# ----------------------------------------------------------------- numerical stability

EDGES = {
    "largest diffusivities": {"alpha": 0.25, "d_activator": 0.2499, "d_inhibitor": 0.2499},
    "smallest diffusivities": {"alpha": 1e-6, "d_activator": 0.01, "d_inhibitor": 0.01},
    "fastest reaction": {"r_activator": 0.1, "r_inhibitor": 0.1},
    "threshold zero": {"turing_threshold": 0.0},
    "threshold one": {"turing_threshold": 1.0},
    "an event every step": {"spike_probability": 1.0},
    "no event": {"spike_probability": 0.0},
    "largest jitter": {"quantum_jitter": True, "jitter_var": 0.01},
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("boundary", ["periodic", "dirichlet"])
def test_edge_parameters_stay_finite_and_clamped(boundary: str, edge: str) -> None:
    steps = int(baseline("documented.stress.long_steps").value)
    config = SimulationConfig(grid_size=32, steps=steps, seed=1, boundary=boundary, **EDGES[edge])
    result = run_mycelium_simulation(config)
    features = compute_fractal_features(result)
    assert np.isfinite(result.field).all()
    assert result.field.min() >= np.float32(CLAMP_LOW_V)
    assert result.field.max() <= np.float32(CLAMP_HIGH_V)
    # One field says nothing of time; all else is finite.
    unknown = {name for name, value in features.to_dict().items() if not np.isfinite(value)}
    assert unknown == {"dV_mean", "dV_max", "T_stable", "E_trend"}
    if edge == "an event every step":
        assert result.growth_events == steps
    if edge == "no event":
        assert result.growth_events == 0
    if edge == "threshold zero":
        # a' is not negative and hardly ever 0 at first: nearly every cell is shifted, and clamped.
        assert result.turing_activations > result.field.size
    if edge == "threshold one":
        assert result.turing_activations == 0


@pytest.mark.parametrize("potential", [-1e30, 1e30, np.inf, -np.inf, np.nan])
def test_an_extreme_start_is_clamped_or_named(potential: float) -> None:
    model, grid = MyceliumModel(spike_probability=0.0), Grid((32, 32))
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    fields = {name: np.array(start[name]) for name in model.fields}
    fields["potential"][3, 4] = potential
    run = simulate(model, fields, grid=grid, steps=10)
    if np.isfinite(potential):
        assert bool(run.status.ok)
        assert np.isfinite(np.asarray(run.state["potential"])).all()
    else:
        assert not bool(run.status.ok)
        assert int(run.status.first_bad_step) == 0
