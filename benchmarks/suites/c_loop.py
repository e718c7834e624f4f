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
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.harness.baselines import baseline
from benchmarks.harness.child import Child, available_cores
from benchmarks.harness.tables import Row, Table, judged, ratio, suite
from benchmarks.harness.timing import Call, Timing, interleaved
from mfnjax import Grid, MyceliumModel, configure_cpu, simulate
from mfnjax.errors import MfnError

SOURCE = Path(__file__).with_name("c_loop.c")
FLAGS = ("-O3", "-march=native", "-ffast-math")
CASES = {
    "64² × 100": (64, 100, "c_ratio_64", 15),
    "256² × 100, one core": (256, 100, "c_ratio_256", 5),
}


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
        raise MfnError(f"the counts differ: ours {ours.counts}, the C loop's {counts}")
    return float(np.max(np.abs(ours.state["potential"] - fields[0])) / np.max(np.abs(fields[0])))


def rivals(loop: ctypes.CDLL, size: int, steps: int) -> dict[str, Call]:
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


def row(name: str) -> Row:
    """Compare and time one case."""
    size, steps, key, repeats = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        loop = compile_loop(Path(folder))
        difference = compare(loop, size, steps)
        times = interleaved(rivals(loop, size, steps), repeats=repeats, burst=5)
    held = times["compiled"].median_ms / times["C"].median_ms
    return {
        "case": name,
        **{name: _told(timing) for name, timing in times.items()},
        "compiled / C: median (min)": ratio(times["compiled"], times["C"]),
        "full / C": ratio(times["full"], times["C"]),
        "rel. diff. of V": difference,
        **judged(held, baseline(f"targets.speed.{key}")),
    }


def _told(timing: Timing) -> str:
    return f"{timing.median_ms:.3f} ({timing.min_ms:.3f}) ± {timing.spread:.0%}"


def tables(_: Any) -> Iterator[Table]:
    """One table; none without a C compiler."""
    if compiler() is None:
        print("benchmarks.c_loop: no C compiler (gcc or cc) is on the path, nothing is compared")
        return
    configure_cpu()
    free, pinned = CASES
    rows = [row(free)]
    with Child(available_cores()[:1]) as child:
        rows.append(child.call(row, pinned))
    yield Table("Against a C loop (times in ms: median (min) ± spread)", rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit status is 1 if a target is missed."""
    return suite("c_loop", __doc__, tables, argv=argv)
