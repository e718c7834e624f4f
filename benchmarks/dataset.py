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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from mfnjax import DatasetConfig, make_dataset_config_demo
from mfnjax.bench.baselines import baselines_under
from mfnjax.bench.numpy_mycelium import run_numpy_mycelium
from mfnjax.dataset import generate_dataset
from mfnjax.dataset.sampling import sample_rows

MEBIBYTE = 2**20
TARGETS = baselines_under("targets.dataset")


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


def seconds(function: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def resident_mib() -> float:
    """Memory that this process holds now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def against_numpy(config: DatasetConfig, repeats: int = 5) -> list[list[str]]:
    """Rows/s of the loop and of one and two workers, in turn; the medians of the ratios."""
    count = 40
    many = dataclasses.replace(config, num_samples=512, output_path=None)
    generate_dataset(many)
    rates: dict[str, list[float]] = {"NumPy loop": [], "1 worker": [], "all workers": []}
    for _ in range(repeats):
        rates["NumPy loop"].append(count / seconds(lambda: numpy_rows(many, count)))
        rates["1 worker"].append(512 / seconds(lambda: generate_dataset(many, workers=1)))
        rates["all workers"].append(512 / seconds(lambda: generate_dataset(many)))
    rows = []
    for name, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(found, rates["NumPy loop"], strict=True))
        target = TARGETS["speedup"]
        verdict = _verdict(target.meets(ratio)) if name == "all workers" else ""
        goal = str(target) if verdict else ""
        said = f"{statistics.median(found):,.0f} rows/s ({ratio:.1f} × NumPy)"
        rows.append([f"default sweep, {name}", said, goal, verdict])
    return rows


PINNED = """
import dataclasses, os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
from mfnjax import DatasetConfig
from mfnjax.dataset import generate_dataset
config = DatasetConfig(num_samples=int(sys.argv[2]), output_path=None)
generate_dataset(config, workers=1)
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    generate_dataset(config, workers=1)
    print(time.perf_counter() - start, flush=True)
"""


def scaling(config: DatasetConfig, repeats: int = 5) -> list[list[str]]:
    """What two workers gain over one, against what two pinned processes gain over one."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        return [["two workers / one", "one core only", "", ""]]
    rows = 1024
    many = dataclasses.replace(config, num_samples=rows, output_path=None)
    command = [sys.executable, "-c", PINNED]
    copies = [
        subprocess.Popen(
            [*command, str(core), str(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores
    ]
    gains: dict[str, list[float]] = {"threads": [], "copies": []}
    try:
        for copy in copies:
            copy.stdout.readline()  # type: ignore[union-attr]
        for _ in range(repeats):
            alone = _ask(copies[:1])
            gains["copies"].append(2 * alone / _ask(copies))
            one = seconds(lambda: generate_dataset(many, workers=1))
            gains["threads"].append(one / seconds(lambda: generate_dataset(many, workers=2)))
    finally:
        for copy in copies:
            copy.stdin.close()  # type: ignore[union-attr]
            copy.wait()
    threads, pinned = (statistics.median(gains[name]) for name in ("threads", "copies"))
    said = f"{threads:.2f} × (two pinned processes: {pinned:.2f} ×)"
    share, target = threads / pinned, TARGETS["scaling"]
    return [["two workers / one", said, f"{target}: {share:.2f}", _verdict(target.meets(share))]]


def _ask(copies: list[subprocess.Popen[str]]) -> float:
    """Have processes do their work at the same time; the time of the slowest."""
    for copy in copies:
        copy.stdin.write("go\n")  # type: ignore[union-attr]
        copy.stdin.flush()  # type: ignore[union-attr]
    return max(float(copy.stdout.readline()) for copy in copies)  # type: ignore[union-attr]


def memory(config: DatasetConfig, rows: int, folder: str) -> list[list[str]]:
    """Growth of the resident memory between row 1000 and the last."""
    seen: dict[int, float] = {}
    many = dataclasses.replace(config, num_samples=rows, output_path=f"{folder}/many.parquet")
    summary = generate_dataset(many, progress=lambda done, _: seen.update({done: resident_mib()}))
    settled = [held for done, held in seen.items() if done >= TARGETS["settled"].value]
    base, growth = settled[0], max(settled) - settled[0]
    size = Path(many.output_path or "").stat().st_size / MEBIBYTE
    said = f"+{growth:.0f} MiB over {base:.0f} MiB ({summary.rows_per_second:,.0f} rows/s"
    said += f", file {size:.1f} MiB)"
    target = TARGETS["growth"]
    verdict = _verdict(target.meets(growth))
    return [[f"memory, row 1000 → {rows}", said, str(target), verdict]]


def demo(folder: str) -> list[list[str]]:
    """The demo dataset: compiled, and the first call in a fresh process with a warm cache."""
    config = dataclasses.replace(make_dataset_config_demo(), output_path=f"{folder}/demo.parquet")
    generate_dataset(config)
    times = [1e3 * seconds(lambda: generate_dataset(config, overwrite=True)) for _ in range(41)]
    median, best = statistics.median(times), min(times)
    code = (
        "from mfnjax._cache import enable_compilation_cache; enable_compilation_cache();"
        "from mfnjax import DatasetConfig; from mfnjax.dataset import generate_dataset;"
        f"generate_dataset(DatasetConfig(**{config.to_dict()!r}), overwrite=True)"
    )
    environment = {**os.environ, "MFNJAX_CACHE": f"{folder}/cache"}

    def fresh() -> None:
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)

    cold, *warm = (seconds(fresh) for _ in range(4))
    return [
        [
            "demo, 5 rows, compiled",
            f"{median:.1f} ms (min {best:.1f})",
            str(TARGETS["demo"]),
            _verdict(TARGETS["demo"].meets(median)),
        ],
        [
            "demo, fresh process, warm cache",
            f"{statistics.median(warm):.1f} s (min {min(warm):.1f}; cold {cold:.1f})",
            str(TARGETS["demo_process"]),
            _verdict(TARGETS["demo_process"].meets(statistics.median(warm))),
        ],
    ]


def _verdict(met: bool) -> str:
    return "pass" if met else "MISS"


def main() -> int:
    """Print the table; the exit status is 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the memory test")
    options = parser.parse_args()
    config = DatasetConfig()
    table = Table("what", "measured", "target", "", title="Datasets")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows += demo(folder)
        rows += against_numpy(config)
        rows += scaling(config)
        rows += memory(config, options.rows, folder)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)
    return int(any("MISS" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
