"""The v4.1 run against a straightforward C loop of the same work.

    python -m benchmarks.c_loop

The loop (``c_loop.c``) is compiled at run time with ``gcc -O3 -march=native -ffast-math``. It runs
on one core, double-buffered, with growth events and both counts, as our side does. The results of
a run without events are compared first; then both are timed in one run, five runs a turn. JAX is
set up by `mfnjax.configure_cpu`.

The loop looks at every cell in every step. Ours does so only where something could happen (see
docs/speed.md), which with the default parameters is never. The column 'full' is the same run with
θ = 0.11, just over the activator of the start: nothing crosses it, but every step has to look.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from mfnjax import Grid, MyceliumModel, configure_cpu, simulate
from mfnjax.bench import interleaved, pin_to_one_core
from mfnjax.bench.baselines import baseline

SOURCE = Path(__file__).with_name("c_loop.c")
FLAGS = ("-O3", "-march=native", "-ffast-math")
CASES = {
    "64² × 100": (64, 100, "c_ratio_64", 15),
    "256² × 100, one core": (256, 100, "c_ratio_256", 5),
}
PINNED = "256² × 100, one core"


def compiler() -> str | None:
    """The C compiler on the path; None if there is none."""
    return shutil.which("gcc") or shutil.which("cc")


def compile_loop(folder: Path) -> ctypes.CDLL:
    """Compile the loop into ``folder`` and load it."""
    library = folder / "c_loop.so"
    subprocess.run(
        [str(compiler()), *FLAGS, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-lm"],
        check=True,
    )
    return ctypes.CDLL(str(library))


def c_run(
    loop: ctypes.CDLL, start: list[np.ndarray], steps: int, probability: float
) -> tuple[list[np.ndarray], list[int]]:
    """Run the C loop with the default parameters; returns the fields and the three counts."""
    fields = [np.array(field, np.float32) for field in start]
    counts = np.zeros(3, np.int64)
    pointers = [field.ctypes.data_as(ctypes.c_void_p) for field in fields]
    loop.run(
        *pointers,
        ctypes.c_int(fields[0].shape[0]),
        ctypes.c_int(steps),
        ctypes.c_float(probability),
        counts.ctypes.data_as(ctypes.c_void_p),
    )
    return fields, counts.tolist()


def compare(loop: ctypes.CDLL, size: int, steps: int) -> float:
    """Largest difference of V between the two, no events, over the largest |V|.

    From the start that is timed, and for three steps from one that crosses θ and both limits.
    """
    grid, model = Grid((size, size)), MyceliumModel(spike_probability=0.0)
    calm = model.initial_state(grid, dtype="float32", key=jax.random.key(0)).values
    rng = np.random.default_rng(0)
    extremes = ((-0.3, 0.2), (0.5, 1.0), (0.0, 1.0))
    busy = tuple(rng.uniform(*ends, grid.shape).astype(np.float32) for ends in extremes)
    return max(_difference(loop, model, grid, calm, steps), _difference(loop, model, grid, busy, 3))


def _difference(
    loop: ctypes.CDLL, model: MyceliumModel, grid: Grid, start: tuple[Any, ...], steps: int
) -> float:
    ours = simulate(model, start, grid=grid, steps=steps)
    fields, counts = c_run(loop, [np.asarray(u) for u in start], steps, 0.0)
    if list(ours.counts.values()) != counts:
        sys.exit(f"the counts differ: ours {ours.counts}, the C loop's {counts}")
    return float(np.max(np.abs(ours.state["potential"] - fields[0])) / np.max(np.abs(fields[0])))


def rivals(loop: ctypes.CDLL, size: int, steps: int) -> dict[str, Callable[[], Any]]:
    """The same run on both sides."""
    grid, model = Grid((size, size)), MyceliumModel()
    state = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    start, key = [np.asarray(value) for value in state.values], jax.random.key(1)
    compiled = jax.jit(partial(simulate, grid=grid, steps=steps))
    watchful = MyceliumModel(turing_threshold=0.11)
    return {
        "C": lambda: c_run(loop, start, steps, 0.25),
        "compiled": lambda: compiled(model, state, key=key),
        "full": lambda: compiled(watchful, state, key=key),
    }


def row(name: str) -> list[str]:
    """Compare and time one case; the row of the table."""
    size, steps, key, repeats = CASES[name]
    limit = baseline(f"targets.speed.{key}")
    with tempfile.TemporaryDirectory() as folder:
        loop = compile_loop(Path(folder))
        difference = compare(loop, size, steps)
        times = interleaved(rivals(loop, size, steps), repeats=repeats, burst=5)
    ratio = times["compiled"].median_ms / times["C"].median_ms
    least = times["compiled"].min_ms / times["C"].min_ms
    told = [f"{t.median_ms:.3f} ({t.min_ms:.3f}) ± {t.spread:.0%}" for t in times.values()]
    verdict = "pass" if limit.meets(ratio) else "MISS"
    full = times["full"].median_ms / times["C"].median_ms
    ratios = f"{ratio:.2f} × ({least:.2f} ×)", f"{full:.2f} ×"
    return [name, *told, *ratios, str(limit), verdict, f"{difference:.1e}"]


def main() -> int:
    """Print the table; the exit status is 1 if a target is missed."""
    if "--pinned-child" in sys.argv:
        pin_to_one_core()
        json.dump(row(PINNED), sys.stdout)
        return 0
    if compiler() is None:
        print("benchmarks.c_loop: no C compiler (gcc or cc) is on the path, nothing is compared")
        return 0
    configure_cpu()
    rows = [row(name) for name in CASES if name != PINNED]
    child = [sys.executable, "-m", "benchmarks.c_loop", "--pinned-child"]
    done = subprocess.run(child, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    rows.append(json.loads(done.stdout))
    table = Table(title="Against a C loop (times in ms: median (min) ± spread)")
    for column in (
        "case",
        "C",
        "compiled",
        "full",
        "compiled / C: median (min)",
        "full / C",
        "target",
        "",
        "rel. diff. of V",
    ):
        table.add_column(column)
    for cells in rows:
        table.add_row(*cells)
    Console(width=170).print(table)
    return int(any("MISS" in cells for cells in rows))


if __name__ == "__main__":
    sys.exit(main())
