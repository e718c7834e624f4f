"""Speed and memory of datasets, as ratios in one run.

    python -m benchmarks.dataset [--rows 10000]

The yardstick is a plain NumPy and SciPy loop over the same rows: the float64 model, then the 18
features of its history. Both sides make rows of the default sweep; rivals run in turn, so that a
drift of the machine hits all of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.harness.baselines import Baseline, baselines_under
from benchmarks.harness.child import Child, available_cores, together
from benchmarks.harness.memory import resident
from benchmarks.harness.numpy_mycelium import run_numpy_mycelium
from benchmarks.harness.tables import Row, Table, judged, suite
from benchmarks.harness.timing import Call, measure, once
from mfnjax import DatasetConfig, make_dataset_config_demo
from mfnjax.dataset import generate_dataset
from mfnjax.dataset.sampling import sample_rows

MEBIBYTE = 2**20
TARGETS = baselines_under("targets.dataset")
REPEATS, COUNT, MANY, PINNED = 5, 40, 512, 1024
"""Turns; rows of a turn of the NumPy loop, of ours, and of a pinned process."""


def numpy_rows(config: DatasetConfig, count: int) -> list[list[float]]:
    """The first rows of a sweep in plain NumPy."""
    columns = sample_rows(config, 0, count)
    return [numpy_row({name: c[k].item() for name, c in columns.items()}) for k in range(count)]


def numpy_row(row: dict[str, Any]) -> list[float]:
    """One run, its history kept, and its features."""
    rng = np.random.default_rng(row["random_seed"])
    shape = (row["grid_size"], row["grid_size"])
    potential = rng.normal(-0.070, 0.005, shape)
    activator, inhibitor = rng.uniform(0.0, 0.1, shape), rng.uniform(0.0, 0.1, shape)
    history = np.empty((row["steps"], *shape))
    names = ("alpha", "spike_probability", "turing_threshold", "turing_enabled")
    for step in range(row["steps"]):
        run = run_numpy_mycelium(
            potential, activator, inhibitor, 1, **{name: row[name] for name in names}, rng=rng
        )
        potential, activator, inhibitor = run.potential, run.activator, run.inhibitor
        history[step] = potential
    return numpy_features(1e3 * history)


def numpy_features(history_mv: np.ndarray) -> list[float]:
    """The 18 features as one would write them without thinking of speed."""
    V = history_mv[-1]
    mask = V > -60.0
    sizes = [s for s in (2, 4, 8, 16, 32) if s <= V.shape[0] // 2]
    counts = [mask.reshape(len(V) // s, s, -1, s).any(axis=(1, 3)).sum() for s in sizes]
    used = [(s, n) for s, n in zip(sizes, counts, strict=True) if n]
    slope = r_squared = 0.0
    if len(used) > 1:
        x, y = -np.log([s for s, _ in used]), np.log([n for _, n in used])
        slope = float(np.polyfit(x, y, 1)[0])
        r_squared = float(np.corrcoef(x, y)[0, 1] ** 2) if y.std() else 0.0
    sigma = V.std()
    z = (V - V.mean()) / sigma
    change = np.abs(np.diff(history_mv, axis=0))
    calm = change.std(axis=(1, 2)) < 0.001
    runs = np.convolve(calm, np.ones(10), "valid") == 10
    stable = int(runs.argmax()) + 1 if runs.any() else len(history_mv)
    energy = (history_mv**2).sum(axis=(1, 2))
    trend = float(np.polyfit(np.arange(len(energy)), energy, 1)[0])
    labels, low = ndimage.label(mask)
    areas = np.bincount(labels.ravel())[1:]
    med, high = (ndimage.label(level < V)[1] for level in (-50.0, -40.0))
    return [
        *(slope, r_squared, V.min(), V.max(), V.mean(), sigma, (z**3).mean(), (z**4).mean() - 3),
        *(change.mean(), change.max(), stable, trend, mask.mean(), low, med, high),
        *(areas.max() if low else 0, areas.std() if low > 1 else 0.0),
    ]


def seconds(function: Call) -> float:
    """How long one call takes."""
    return 1e-3 * once(function)


def row(what: str, measured: str, value: float = 0.0, limit: Baseline | None = None) -> Row:
    """A line of the table."""
    return {"what": what, "measured": measured, **judged(value, limit)}


def many(rows: int, **changes: Any) -> Call:
    """A call that makes so many rows of the default sweep and keeps none."""
    return partial(generate_dataset, DatasetConfig(num_samples=rows, output_path=None), **changes)


def against_numpy() -> Iterator[Row]:
    """Rows/s of the loop and of one and all workers, in turn; the medians of the ratios."""
    config, ours = DatasetConfig(num_samples=MANY, output_path=None), many(MANY)
    ours()
    calls = {
        "NumPy loop": (COUNT, partial(numpy_rows, config, COUNT)),
        "1 worker": (MANY, many(MANY, workers=1)),
        "all workers": (MANY, ours),
    }
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, (count, call) in calls.items():
            rates[name].append(count / seconds(call))
    for name, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(found, rates["NumPy loop"], strict=True))
        said = f"{statistics.median(found):,.0f} rows/s ({ratio:.1f} × NumPy)"
        limit = TARGETS["speedup"] if name == "all workers" else None
        yield row(f"default sweep, {name}", said, ratio, limit)


def pinned() -> float:
    """What a pinned process needs for its rows, in s."""
    return seconds(many(PINNED, workers=1))


def scaling() -> Row:
    """What two workers gain over one, against what two pinned processes gain over one."""
    cores = available_cores()[:2]
    if len(cores) < 2:
        return row("two workers / one", "one core only")
    threads, copies = [], []
    with ExitStack() as stack:
        children = [stack.enter_context(Child([core])) for core in cores]
        together(children, pinned)  # compiles
        for _ in range(REPEATS):
            alone = children[0].call(pinned)
            copies.append(2 * alone / max(together(children, pinned)))
            one = seconds(many(PINNED, workers=1))
            threads.append(one / seconds(many(PINNED, workers=2)))
    gain, theirs = statistics.median(threads), statistics.median(copies)
    said = f"{gain:.2f} × (two pinned processes: {theirs:.2f} ×), {gain / theirs:.2f} of them"
    return row("two workers / one", said, gain / theirs, TARGETS["scaling"])


def memory(rows: int, folder: str) -> Row:
    """Growth of the resident memory between row 1000 and the last."""
    seen: dict[int, float] = {}
    config = DatasetConfig(num_samples=rows, output_path=f"{folder}/many.parquet")
    held = lambda done, _: seen.update({done: resident() / MEBIBYTE})  # noqa: E731
    summary = generate_dataset(config, progress=held)
    settled = [held for done, held in seen.items() if done >= TARGETS["settled"].value]
    base, growth = settled[0], max(settled) - settled[0]
    size = Path(f"{folder}/many.parquet").stat().st_size / MEBIBYTE
    said = f"+{growth:.0f} MiB over {base:.0f} MiB ({summary.rows_per_second:,.0f} rows/s"
    said += f", file {size:.1f} MiB)"
    return row(f"memory, row 1000 → {rows}", said, growth, TARGETS["growth"])


def demo(folder: str) -> Iterator[Row]:
    """The demo dataset: compiled, and the first call in a fresh process with a warm cache."""
    config = dataclasses.replace(make_dataset_config_demo(), output_path=f"{folder}/demo.parquet")
    timing = measure(partial(generate_dataset, config, overwrite=True), repeats=41)
    said = f"{timing.median_ms:.1f} ms (min {timing.min_ms:.1f})"
    yield row("demo, 5 rows, compiled", said, timing.median_ms, TARGETS["demo"])
    code = (
        "from mfnjax._cache import enable_compilation_cache; enable_compilation_cache();"
        "from mfnjax import DatasetConfig; from mfnjax.dataset import generate_dataset;"
        f"generate_dataset(DatasetConfig(**{config.to_dict()!r}), overwrite=True)"
    )
    environment = {**os.environ, "MFNJAX_CACHE": f"{folder}/cache"}
    command = [sys.executable, "-c", code]
    fresh = partial(subprocess.run, command, env=environment, check=True)
    cold, *warm = (seconds(fresh) for _ in range(4))
    middle = statistics.median(warm)
    said = f"{middle:.1f} s (min {min(warm):.1f}; cold {cold:.1f})"
    yield row("demo, fresh process, warm cache", said, middle, TARGETS["demo_process"])


def tables(options: argparse.Namespace) -> Iterator[Table]:
    """One table."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [*demo(folder), *against_numpy(), scaling(), memory(options.rows, folder)]
    yield Table("Datasets", rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit status is 1 if a target is missed."""
    rows = {"type": int, "default": 10_000, "help": "rows of the memory test"}
    return suite(
        "dataset", __doc__, tables, options=lambda p: p.add_argument("--rows", **rows), argv=argv
    )
