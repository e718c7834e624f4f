"""What is measured: every case names the documented number that it is held to.

A case is prepared once (data made, nothing timed) and gives a function of no arguments. Cases are
listed here and nowhere else: the scripts in ``benchmarks/``, ``mfn bench`` and the performance
tests all measure these.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.baselines import baseline
from benchmarks.harness.child import Child
from benchmarks.harness.memory import compiled_peak, growth_of, resident, traced_peak
from benchmarks.harness.timing import Call
from mfnjax import (
    SimulationConfig,
    compute_fractal_features,
    make_dataset_config_demo,
    make_feature_config_demo,
    make_simulation_config_default,
    make_simulation_config_demo,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
)
from mfnjax.simulation.start import start_of


@final
@dataclass(frozen=True)
class Case:
    """One row of a table.

    Attributes:
        key: The baseline that it is held to.
        label: What the table calls it.
        prepare: Makes the function that is measured.
        kind: "time" of a call; "rate", ``work`` a call over its time; or "memory": the function
            returns bytes.
        work: Samples or runs in a call.
        repeats: Turns of a timing.
        burst: Runs in a turn.
        steady: Whether its calibrated ratio says something of the code alone. Not so where it
            waits for the disk, or needs a second core that a busy machine does not have.
    """

    key: str
    label: str
    prepare: Callable[[], Call]
    kind: Literal["time", "rate", "memory"] = "time"
    work: float = 1.0
    repeats: int = 30
    burst: int = 3
    steady: bool = True


SHORT: dict[str, Any] = {"repeats": 40, "burst": 8}
"""How a call of less than a millisecond is timed."""

LONG: dict[str, Any] = {"repeats": 7, "burst": 2}


def whole(key: str) -> int:
    """A number of the documented set-up."""
    return int(baseline(f"documented.{key}").value)


# -------------------------------------------------------------- §§ 1–4: the key paths


def perf_cases() -> list[Case]:
    """§§ 1–4: simulation, features, dataset, pipeline."""
    demo, default = make_simulation_config_demo(), make_simulation_config_default()
    at = "documented."
    return [
        Case(at + "simulation.demo.time", "Simulation, demo", lambda: run_of(demo), **SHORT),
        Case(at + "simulation.default.time", "Simulation, default", lambda: run_of(default)),
        Case(at + "features.demo.time", "Features, demo", demo_features, **SHORT),
        Case(
            at + "dataset.demo.time",
            "Dataset, demo (5 samples)",
            demo_dataset,
            repeats=5,
            burst=2,
            steady=False,
        ),
        Case(at + "pipeline.demo.total", "Pipeline, demo", demo_pipeline, **SHORT),
    ]


def memory_cases() -> list[Case]:
    """§§ 1–3: the peak of a call by the larger account; § 9.3: the growth of a process."""
    peaks = [
        Case(
            case.key.removesuffix("time") + "memory",
            f"{case.label}: memory",
            partial(_peak, case.prepare),
            "memory",
        )
        for case in perf_cases()
        if case.key.endswith(".time")
    ]
    for size in ("small", "medium", "large", "xlarge"):
        grid = whole(f"memory.{size}_grid")
        label = f"Memory {grid}×{grid}, with history and features"
        peaks.append(Case(f"documented.memory.{size}", label, partial(_growth, grid), "memory"))
    return peaks


def _peak(prepare: Callable[[], Call]) -> Call:
    call = prepare()
    call()
    return lambda: max(traced_peak(call), compiled_peak(call))


def _growth(grid: int) -> Call:
    def run() -> int:
        with Child() as child:
            return child.call(grown_run, grid, 100, "history")["growth"]

    return run


def grown_run(grid: int, steps: int, keeping: str) -> dict[str, Any]:
    """How far a run and its features lift the memory of this process, after a warm-up run."""
    with_history = keeping == "history"
    run = run_mycelium_simulation_with_history if with_history else run_mycelium_simulation
    results: list[Any] = []

    def call(seed: int) -> None:
        results[:] = [run(SimulationConfig(grid_size=grid, steps=steps, seed=seed))]
        compute_fractal_features(results[0])

    call(0)
    growth = growth_of(lambda: call(42))
    field = results[0].field
    finite = bool(np.isfinite(field).all())
    return {"growth": growth, "held": resident(), "shape": field.shape, "finite": finite}


def inputs_of(config: SimulationConfig) -> tuple[Any, Any, Any, Any]:
    """Model, grid, start and key of a documented run."""
    run = config.simulation()
    start, key = start_of(run.model, run.grid, config.dtype, config.seed or 0)
    return run.model, run.grid, start, key


def run_of(config: SimulationConfig) -> Call:
    """A documented run."""
    return partial(run_mycelium_simulation, config)


def demo_features() -> Call:
    """The features of the demo run's history."""
    result = run_mycelium_simulation_with_history(make_simulation_config_demo())
    return partial(compute_fractal_features, result, make_feature_config_demo())


def demo_dataset() -> Call:
    """The demo dataset, each time to a new file in a folder that goes with the function."""
    from mfnjax.dataset import generate_dataset

    folder, number = tempfile.TemporaryDirectory(), itertools.count()

    def run() -> Any:
        path = Path(folder.name) / f"{next(number)}.parquet"
        return generate_dataset(
            dataclasses.replace(make_dataset_config_demo(), output_path=str(path))
        )

    return run


def demo_pipeline() -> Call:
    """Configuration → result → features."""
    config, features = make_simulation_config_demo(), make_feature_config_demo()
    return lambda: compute_fractal_features(run_mycelium_simulation(config), features)


# ------------------------------------------------------------------- § 8: core benchmarks

THROUGHPUT_BATCH = 4096


def core_cases() -> list[Case]:
    """The eight rows of § 8."""
    at = "documented.core."
    batch, size, steps = (whole(f"core.{name}") for name in ("batch", "grid_size", "steps"))
    run, name = sized_run(size, steps), f"Field simulation ({size}×{size}, {steps} steps)"
    many, rate = partial(network_forward, batch), partial(network_forward, THROUGHPUT_BATCH)
    dimension = "Fractal dimension estimation"
    return [
        Case(at + "forward", "Forward pass latency", partial(network_forward, 1), **SHORT),
        Case(at + "forward_batch", f"Forward pass (batch={batch})", many, **SHORT),
        Case(at + "field_simulation", name, lambda: run),
        Case(at + "fractal_dimension", dimension, partial(box_dimension, size), **SHORT),
        Case(at + "training_step", "Training step", training_step, **SHORT),
        Case(at + "peak_memory", "Peak memory usage", lambda: partial(honest_peak, run), "memory"),
        Case(at + "throughput", "Inference throughput", rate, "rate", work=THROUGHPUT_BATCH),
        Case(at + "initialisation", "Model initialization", network_initialisation, **SHORT),
    ]


def network_forward(batch: int) -> Call:
    """A forward pass of the benchmark's network (input 128, hidden 64)."""
    from mfnjax.network import NetworkConfig, forward, init_network

    config = NetworkConfig(input_dim=128, hidden_dim=64)
    params = init_network(config, key=jax.random.key(0))
    return partial(forward, config, params, jax.random.normal(jax.random.key(1), (batch, 128)))


def network_initialisation() -> Call:
    """Drawing the network's weights."""
    from mfnjax.network import NetworkConfig, init_network

    config = NetworkConfig(input_dim=128, hidden_dim=64)
    return partial(init_network, config, key=jax.random.key(0))


def training_step(rule: Any = None) -> Call:
    """One step of Adam on a batch of 32; plasticity is off without a rule."""
    from mfnjax.network.step import init_state, train_step

    config = network_forward(1).args[0]  # type: ignore[attr-defined]
    state = init_state(network_initialisation()(), "float32")
    x = jax.random.normal(jax.random.key(1), (32, 128), "float32")
    step = jax.jit(train_step, static_argnums=0)
    rate, ones = jnp.float32(1e-3), jnp.ones(32, "float32")
    return partial(step, config, state, x, x[:, 0], ones, rate, rule)


def box_dimension(size: int) -> Call:
    """Box counting of a run's field over its median."""
    from mfnjax.fractal import box_counting_dimension

    field = sized_run(size, 32)().field
    mask = jnp.asarray(field > np.median(field))
    return lambda: box_counting_dimension(mask).dimension


def honest_peak(run: Call) -> int:
    """Python's peak and XLA's account of one call, together, in bytes."""
    jax.block_until_ready(run())
    return traced_peak(run) + compiled_peak(run)


# --------------------------------------------------------------------- § 9.1: scalability


def scalability_cases() -> list[Case]:
    """The seven rows of § 9.1."""
    at = "documented.scalability."
    cases = []
    for name, what in (("grid_128", "Large grid"), ("grid_256", "Large grid"),
                       ("long", "Long simulation")):  # fmt: skip
        size, steps = (whole(f"scalability.{name}.{part}") for part in ("grid_size", "steps"))
        label = f"{what} ({size}×{size}, {steps} steps)"
        cases.append(Case(f"{at}{name}.time", label, partial(sized_run, size, steps), **LONG))
    workers, tasks = (whole(f"scalability.concurrent.{n}") for n in ("workers", "tasks"))
    runs, side = whole("scalability.memory.runs"), whole("scalability.fractal_256.grid_size")
    frames, cells = (whole(f"scalability.lyapunov.{n}") for n in ("frames", "grid_size"))
    pool = partial(concurrent_runs, workers, tasks)
    label = f"Concurrent throughput ({workers} workers, {tasks} tasks)"
    return [
        *cases,
        Case(at + "concurrent.rate", label, pool, "rate", work=tasks, repeats=7, burst=1),
        Case(
            at + "memory.growth",
            f"Memory efficiency ({runs} repeated runs)",
            lambda: partial(resident_growth, sized_run(64, 100), runs),
            "memory",
        ),
        Case(
            at + "fractal_256.time",
            f"Fractal dimension ({side}×{side})",
            partial(interval_dimension, side),
            **LONG,
        ),
        Case(
            at + "lyapunov.time",
            f"Lyapunov ({frames}×{cells}×{cells})",
            partial(lyapunov, frames, cells),
            repeats=9,
            burst=2,
        ),
    ]


def sized_run(size: int, steps: int) -> Call:
    """A documented run of this size."""
    return run_of(SimulationConfig(grid_size=size, steps=steps, seed=42))


def concurrent_runs(workers: int, tasks: int) -> Call:
    """Default runs with seeds 0, 1, … on a pool of threads."""
    default = make_simulation_config_default()
    configs = [dataclasses.replace(default, seed=seed) for seed in range(tasks)]

    def run() -> list[Any]:
        with ThreadPoolExecutor(workers) as pool:
            return [result.field for result in pool.map(run_mycelium_simulation, configs)]

    return run


def resident_growth(run: Call, runs: int) -> int:
    """Growth of the resident memory over a number of runs after a first one, in bytes."""
    jax.block_until_ready(run())
    before = resident()
    for _ in range(runs):
        jax.block_until_ready(run())
    return max(resident() - before, 0)


def interval_dimension(size: int) -> Call:
    """The dimension of a run's field over its median, with its interval."""
    from mfnjax.fractal import fractal_dimension

    field = sized_run(size, 32)().field
    mask = field > np.median(field)
    return lambda: fractal_dimension(mask).dimension


def lyapunov(frames: int, size: int) -> Call:
    """The rate at which neighbouring frames of a run's history part."""
    from mfnjax.fractal import divergence_rate

    config = SimulationConfig(grid_size=size, steps=frames, seed=42)
    return partial(
        divergence_rate, jnp.asarray(run_mycelium_simulation_with_history(config).history)
    )


SUITES: dict[str, Callable[[], list[Case]]] = {
    "perf": perf_cases,
    "core": core_cases,
    "scalability": scalability_cases,
    "memory": memory_cases,
}
"""Name → its cases, in the order of the document."""
