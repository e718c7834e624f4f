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

from mfnjax.bench.baselines import baseline
from mfnjax.bench.memory import compiled_peak, resident, traced_peak
from mfnjax.dataset.config import make_dataset_config_demo
from mfnjax.features.config import make_feature_config_demo
from mfnjax.v41.config import (
    SimulationConfig,
    make_simulation_config_default,
    make_simulation_config_demo,
)
from mfnjax.v41.run import (
    compute_fractal_features,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
)

Call = Callable[[], Any]
Kind = Literal["time", "rate", "memory"]


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
    kind: Kind = "time"
    work: float = 1.0
    repeats: int = 30
    burst: int = 3
    steady: bool = True


SHORT: dict[str, Any] = {"repeats": 40, "burst": 8}
"""How a call of less than a millisecond is timed."""


def perf_cases() -> list[Case]:
    """§§ 1–4: simulation, features, dataset, pipeline."""
    demo, default = make_simulation_config_demo(), make_simulation_config_default()
    key = "documented"
    return [
        Case(
            f"{key}.simulation.demo.time",
            "Simulation, demo",
            lambda: partial(run_mycelium_simulation, demo),
            **SHORT,
        ),
        Case(
            f"{key}.simulation.default.time",
            "Simulation, default",
            lambda: partial(run_mycelium_simulation, default),
        ),
        Case(f"{key}.features.demo.time", "Features, demo", demo_features, **SHORT),
        Case(
            f"{key}.dataset.demo.time",
            "Dataset, demo (5 samples)",
            demo_dataset,
            repeats=5,
            burst=2,
            steady=False,
        ),
        Case(f"{key}.pipeline.demo.total", "Pipeline, demo", demo_pipeline, **SHORT),
    ]


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


def core_cases() -> list[Case]:
    """The eight rows of § 8."""
    at = "documented.core."
    batch = int(baseline(at + "batch").value)
    size, steps = (int(baseline(at + name).value) for name in ("grid_size", "steps"))
    config = SimulationConfig(grid_size=size, steps=steps, seed=42)
    run = partial(run_mycelium_simulation, config)
    name = f"({size}×{size}, {steps} steps)"
    return [
        Case(at + "forward", "Forward pass latency", partial(network_forward, 1), **SHORT),
        Case(
            at + "forward_batch",
            f"Forward pass (batch={batch})",
            partial(network_forward, batch),
            **SHORT,
        ),
        Case(at + "field_simulation", f"Field simulation {name}", lambda: run),
        Case(
            at + "fractal_dimension",
            "Fractal dimension estimation",
            partial(box_dimension, size),
            **SHORT,
        ),
        Case(at + "training_step", "Training step", training_step, **SHORT),
        Case(at + "peak_memory", "Peak memory usage", lambda: partial(honest_peak, run), "memory"),
        Case(
            at + "throughput",
            "Inference throughput",
            partial(network_forward, THROUGHPUT_BATCH),
            "rate",
            work=THROUGHPUT_BATCH,
        ),
        Case(at + "initialisation", "Model initialization", network_initialisation, **SHORT),
    ]


THROUGHPUT_BATCH = 4096


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


def training_step() -> Call:
    """One step of Adam on a batch of 32, plasticity off."""
    from mfnjax.network import NetworkConfig, init_network
    from mfnjax.network.step import init_state, train_step

    config = NetworkConfig(input_dim=128, hidden_dim=64)
    state = init_state(init_network(config, key=jax.random.key(0)), "float32")
    x = jax.random.normal(jax.random.key(1), (32, 128), "float32")
    step = jax.jit(train_step, static_argnums=0)
    rate, ones = jnp.float32(1e-3), jnp.ones(32, "float32")
    return partial(step, config, state, x, x[:, 0], ones, rate, None)


def box_dimension(size: int) -> Call:
    """Box counting of a run's field over its median."""
    from mfnjax.fractal import box_counting_dimension

    config = SimulationConfig(grid_size=size, steps=32, seed=42)
    field = run_mycelium_simulation(config).field
    mask = jnp.asarray(field > np.median(field))
    return lambda: box_counting_dimension(mask).dimension


def honest_peak(run: Call) -> int:
    """Python's peak and XLA's account of one call, together, in bytes."""
    jax.block_until_ready(run())
    return traced_peak(run) + compiled_peak(run)


def scalability_cases() -> list[Case]:
    """The seven rows of § 9.1."""
    at = "documented.scalability."
    cases = [
        Case(
            f"{at}{name}.time",
            f"{what} ({size}×{size}, {steps} steps)",
            partial(documented_run, size, steps),
            repeats=repeats,
            burst=2,
        )
        for name, what, repeats in (
            ("grid_128", "Large grid", 7),
            ("grid_256", "Large grid", 7),
            ("long", "Long simulation", 7),
        )
        for size, steps in [
            tuple(int(baseline(f"{at}{name}.{part}").value) for part in ("grid_size", "steps"))
        ]
    ]
    workers, tasks = (int(baseline(f"{at}concurrent.{n}").value) for n in ("workers", "tasks"))
    runs = int(baseline(at + "memory.runs").value)
    side = int(baseline(at + "fractal_256.grid_size").value)
    frames, cells = (int(baseline(f"{at}lyapunov.{n}").value) for n in ("frames", "grid_size"))
    return [
        *cases,
        Case(
            at + "concurrent.rate",
            f"Concurrent throughput ({workers} workers, {tasks} tasks)",
            partial(concurrent_runs, workers, tasks),
            "rate",
            work=tasks,
            repeats=7,
            burst=1,
        ),
        Case(
            at + "memory.growth",
            f"Memory efficiency ({runs} repeated runs)",
            lambda: partial(resident_growth, documented_run(64, 100), runs),
            "memory",
        ),
        Case(
            at + "fractal_256.time",
            f"Fractal dimension ({side}×{side})",
            partial(interval_dimension, side),
            repeats=7,
            burst=2,
        ),
        Case(
            at + "lyapunov.time",
            f"Lyapunov ({frames}×{cells}×{cells})",
            partial(lyapunov, frames, cells),
            repeats=9,
            burst=2,
        ),
    ]


def documented_run(size: int, steps: int) -> Call:
    """A documented run of this size."""
    return partial(run_mycelium_simulation, SimulationConfig(grid_size=size, steps=steps, seed=42))


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

    field = documented_run(size, 32)().field
    mask = field > np.median(field)
    return lambda: fractal_dimension(mask).dimension


def lyapunov(frames: int, size: int) -> Call:
    """The rate at which neighbouring frames of a run's history part."""
    from mfnjax.fractal import divergence_rate

    config = SimulationConfig(grid_size=size, steps=frames, seed=42)
    history = jnp.asarray(run_mycelium_simulation_with_history(config).history)
    return partial(divergence_rate, history)


SUITES: dict[str, Callable[[], list[Case]]] = {
    "perf": perf_cases,
    "core": core_cases,
    "scalability": scalability_cases,
}
"""Name → its cases, in the order of the document."""
