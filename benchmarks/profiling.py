"""Where the time and the memory of a run go, as tables and as a trace to look into.

    make profile                                             # the default run
    python -m benchmarks.profiling --size 256 --steps 1000   # another size
    python -m benchmarks.profiling --config my.toml          # a configuration, TOML or JSON
    python -m benchmarks.profiling --output FOLDER           # where the files go (out/profile)

It writes ``trace.json.gz``, to be opened at https://ui.perfetto.dev (which reads it on your
machine) or at ``chrome://tracing``, and ``profile.json``, the numbers of the tables. How to read
them: docs/scaling.md.

(The module is not called ``profile``: Python has one of that name, and scripts that are run from
this folder would find this one in its place.)
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.hlo import Cost, Program
from benchmarks.tables import Table, console
from benchmarks.trace import Operation, operations, record, save
from mfnjax import (
    FeatureConfig,
    SimulationConfig,
    make_simulation_config_default,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
    simulate,
)
from mfnjax._files import check_writable, write_text
from mfnjax.bench.machine import machine, machine_text
from mfnjax.bench.memory import peak_resident, reset_peak, resident, traced_peak
from mfnjax.bench.timing import interleaved, measure
from mfnjax.errors import MfnError
from mfnjax.features import (
    compute_features,
    feature_vector,
    field_statistics,
    temporal_features,
)
from mfnjax.features.clusters import cluster_statistics
from mfnjax.fractal import box_counting_dimension
from mfnjax.v41.run import mycelium_inputs

REPEATS, BURST = 9, 10
SHOWN = 12
"""Operations that the table names; the others are one row."""

KIB, MIB = 2**10, 2**20
IMPORTS = """
import time
start = time.perf_counter()
import jax
middle = time.perf_counter()
import mfnjax
from mfnjax import simulate
print(middle - start, time.perf_counter() - middle)
"""

Call = Callable[[], Any]
Row = tuple[str, float, str]


@final
@dataclass(frozen=True)
class Compiled:
    """A program, with what making it took."""

    program: Any
    stages: tuple[Row, ...]

    @property
    def memory(self) -> tuple[float, ...]:
        """Arguments, outputs and temporaries by XLA's account, in MiB."""
        stats = self.program.memory_analysis()
        sizes = stats.argument_size_in_bytes, stats.output_size_in_bytes, stats.temp_size_in_bytes
        return tuple(size / MIB for size in sizes)


def timed(function: Call) -> tuple[Any, float]:
    """The result of one call, waited for, and its time in ms."""
    start = time.perf_counter()
    result = jax.block_until_ready(function())
    return result, 1e3 * (time.perf_counter() - start)


def compiled(name: str, function: Callable[..., Any], *inputs: Any) -> Compiled:
    """Trace, lower and compile a function, each stage timed."""
    traced, trace_ms = timed(lambda: jax.jit(function).trace(*inputs))
    lowered, lower_ms = timed(traced.lower)
    program, compile_ms = timed(lowered.compile)
    lines = len(program.as_text().splitlines())
    stages = (
        (f"{name}: trace", trace_ms, "Python, once for each shape"),
        (f"{name}: lower", lower_ms, "to StableHLO"),
        (f"{name}: compile", compile_ms, f"{lines} lines of optimised HLO"),
    )
    return Compiled(program, stages)


def import_rows() -> list[Row]:
    """What importing takes, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    if done.returncode:
        raise MfnError(f"importing failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    first, second = (1e3 * float(word) for word in done.stdout.split())
    return [("import jax", first, ""), ("import mfnjax, simulate", second, "beside jax")]


@final
@dataclass(frozen=True)
class Split:
    """One call of `simulate`, taken apart; times in ms.

    The number of steps is traced, so the same program runs without steps, too: that is what the
    call costs. The time of the steps goes to the operations in the shares that a trace gives them.

    Attributes:
        public: The public call.
        program: The compiled program alone, result waited for.
        empty: The same with no steps.
        ran: The operations of a traced call.
        costs: What one run of each moves.
        places: Where each comes from.
    """

    public: float
    program: float
    empty: float
    ran: tuple[Operation, ...]
    costs: dict[str, Cost]
    places: dict[str, str]

    @property
    def scale(self) -> float:
        """ms of the untraced steps for a µs of the trace."""
        return (self.program - self.empty) / max(sum(one.self_us for one in self.ran), 1e-9)

    def parts(self) -> list[tuple[str, float]]:
        """Rows that add up to the public call."""
        control = sum(o.self_us for o in self.ran if not self._moves(o))
        kernels = sum(o.self_us for o in self.ran if self._moves(o))
        return [
            ("Python around the program", self.public - self.program),
            ("calling the program", self.empty),
            ("steps: kernels", self.scale * kernels),
            ("steps: loops, branches, waiting", self.scale * control),
        ]

    def operation_rows(self) -> list[tuple[str, ...]]:
        """The slowest operations, and the rest in one row; they add up to the steps."""
        total = sum(one.self_us for one in self.ran)
        rows = []
        for one in self.ran[:SHOWN]:
            ms, moved = self.scale * one.self_us, self._moves(one)
            is_telling = moved >= KIB and ms > 0
            rows.append(
                (
                    one.name,
                    f"{one.calls}",
                    f"{ms:.4f}",
                    f"{one.self_us / total:.1%}",
                    f"{moved / KIB:.1f}" if is_telling else "–",
                    f"{one.calls * moved / (1e6 * ms):.1f}" if is_telling else "–",
                    short_place(self.places.get(one.name, "")),
                )
            )
        rest = self.ran[SHOWN:]
        if rest:
            left = sum(one.self_us for one in rest)
            count = str(sum(one.calls for one in rest))
            cells = count, f"{self.scale * left:.4f}", f"{left / total:.1%}", "–", "–"
            rows.append((f"{len(rest)} others", *cells, ""))
        return rows

    def _moves(self, one: Operation) -> int:
        return self.costs[one.name].num_bytes if one.name in self.costs else 0


def short_place(place: str) -> str:
    """The last words of where an operation comes from: its loop and its JAX primitive.

    Examples:
        >>> short_place("jit(run)/jit(dynamic_loop)/while/body/cond/branch_1_fun/add")
        'while/body/cond/branch_1_fun/add'
    """
    words = [word for word in place.split("/") if not word.startswith("jit(")]
    return "/".join(words[-5:])


@final
class Subject:
    """The run that is profiled: its inputs, its programs, and its public calls."""

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        self.model, self.grid, self.state, self.key = mycelium_inputs(config, config.seed or 0)
        plain = partial(simulate, grid=self.grid)
        self.steps = jnp.int32(config.steps)
        inputs = self.model, self.state, self.key
        self.run = compiled(
            "run", lambda m, s, k, n: plain(m, s, steps=n, key=k), *inputs, self.steps
        )
        saving = partial(plain, steps=config.steps, save_every=1, save="potential")
        self.saving = compiled("run with history", lambda m, s, k: saving(m, s, key=k), *inputs)
        self.history = self.saving.program(*inputs).history
        self.features = compiled("features", feature_vector, self.history)

    def call(self, steps: Any = None) -> Any:
        """The compiled run, of so many steps."""
        steps = self.steps if steps is None else steps
        return self.run.program(self.model, self.state, self.key, steps)

    def public(self) -> Any:
        """The public call."""
        steps = self.config.steps
        return simulate(self.model, self.state, grid=self.grid, steps=steps, key=self.key).state

    def split(self) -> Split:
        """Take one call apart."""
        none = jnp.int32(0)
        calls = {"public": self.public, "program": self.call, "empty": partial(self.call, none)}
        times = interleaved(calls, repeats=REPEATS, burst=BURST)
        text = Program(self.run.program.as_text())
        ran = tuple(operations(record(self.call)))
        medians = (times[name].median_ms for name in ("public", "program", "empty"))
        return Split(*medians, ran, text.costs, text.places)

    def stage_rows(self) -> list[Row]:
        """The stages of the documented calls, each by itself: medians in ms."""
        config, final_frame = self.config, self.history[-1]
        threshold = 1e-3 * FeatureConfig().threshold_low_mv
        mask = final_frame > threshold
        frames = f"{self.history.nbytes / MIB:.2f} MiB of frames"
        stages: dict[str, tuple[Call, str]] = {
            "run": (partial(run_mycelium_simulation, config), "documented call, to NumPy arrays"),
            "run with history": (partial(run_mycelium_simulation_with_history, config), frames),
            "history to the host": (lambda: np.array(self.history), "a copy"),
            "features, all 18": (partial(compute_features, self.history), "documented call"),
            "· statistics": (partial(jax.jit(field_statistics), final_frame), "of the last frame"),
            "· box counting": (
                partial(box_counting_dimension, mask),
                "of the last frame over the low threshold",
            ),
            "· clusters": (partial(cluster_statistics, mask), "of the same mask"),
            "· in time": (
                partial(jax.jit(temporal_features), self.history, len(self.history)),
                "over all frames",
            ),
        }
        rows = []
        for name, (call, told) in stages.items():
            timing = measure(call, repeats=REPEATS)
            rows.append((name, timing.median_ms, f"fastest {timing.min_ms:.3f}; {told}"))
        return rows

    def memory_rows(self) -> list[tuple[str, ...]]:
        """XLA's account of each program, what the process grew by, and Python's own peak."""
        calls: dict[str, tuple[Compiled, Call]] = {
            "run": (self.run, self.call),
            "run with history": (
                self.saving,
                lambda: self.saving.program(self.model, self.state, self.key),
            ),
            "features": (self.features, lambda: self.features.program(self.history)),
        }
        rows = []
        for name, (program, call) in calls.items():
            reset_peak()
            before = resident()
            jax.block_until_ready(call())
            grown = max(peak_resident() - before, 0) / MIB
            told = [f"{size:.3f}" for size in (*program.memory, grown, traced_peak(call) / MIB)]
            rows.append((name, *told))
        return rows

    def all_calls(self) -> Any:
        """What the trace shows: each call under its name."""
        for name, call in (
            ("simulate", self.public),
            ("run_mycelium_simulation", partial(run_mycelium_simulation, self.config)),
            ("with_history", partial(run_mycelium_simulation_with_history, self.config)),
            ("compute_features", partial(compute_features, self.history)),
        ):
            with jax.profiler.TraceAnnotation(name):
                jax.block_until_ready(call())


def row_table(title: str, what: str, rows: list[Row]) -> Table:
    """A table of times with notes."""
    shown = tuple((name, f"{ms:.3f}", told) for name, ms, told in rows)
    return Table(title, (what, "ms", ""), shown)


def split_table(title: str, split: Split) -> Table:
    """The parts of one call, and their sum."""
    rows = [(*part, part[1] / split.public) for part in split.parts()]
    rows.append(("simulate(), all in all", split.public, 1.0))
    shown = tuple((name, f"{ms:.4f}", f"{share:.1%}") for name, ms, share in rows)
    return Table(title, ("part", "ms", "share"), shown)


def tables_of(subject: Subject) -> list[Table]:
    """Measure, and show all of it."""
    once = [*import_rows()]
    for program in (subject.run, subject.saving, subject.features):
        once += program.stages
    split = subject.split()
    title = f"{subject.config.grid_size}² × {subject.config.steps}"
    heading = ("operation", "runs", "ms", "share", "KiB a run", "GB/s", "from")
    memory = ("program", "arguments", "outputs", "temporaries", "resident growth", "Python")
    return [
        row_table("Paid once a process and shape (no cache on disk)", "stage", once),
        split_table(f"One call of simulate(), {title}: medians", split),
        Table("Its steps by operation, as traced", heading, tuple(split.operation_rows())),
        row_table(
            f"Stages of the documented calls, {title}: medians", "stage", subject.stage_rows()
        ),
        Table("Memory, MiB", memory, tuple(subject.memory_rows())),
    ]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.profiling", description=(__doc__ or "").splitlines()[0]
    )
    options.add_argument("--config", metavar="FILE", help="a configuration, TOML or JSON")
    options.add_argument("--size", type=int, metavar="N", help="side of the grid")
    options.add_argument("--steps", type=int, metavar="T", help="number of steps")
    options.add_argument(
        "-o", "--output", type=Path, default=Path("out", "profile"), metavar="FOLDER",
        help="where trace.json.gz, profile.json and run.hlo.txt go (out/profile)",
    )  # fmt: skip
    return options


def configuration(given: argparse.Namespace) -> SimulationConfig:
    """The run that the options name; raises ParameterError or DataError if there is none."""
    config = make_simulation_config_default()
    if given.config is not None:
        config = SimulationConfig.from_file(given.config)
    changes = {"grid_size": given.size, "steps": given.steps}
    return dataclasses.replace(config, **{k: v for k, v in changes.items() if v is not None})


def profile(config: SimulationConfig, folder: Path) -> list[Path]:
    """Print the tables; write the trace and the numbers.

    Raises:
        MfnError: A file cannot be written.
    """
    trace = check_writable(folder / "trace.json.gz")
    jax.config.update("jax_enable_compilation_cache", False)
    subject = Subject(config)
    tables = tables_of(subject)
    terminal = console()
    for table in tables:
        table.print(terminal)
    terminal.print(f"On {machine_text(machine())}.")
    save(record(subject.all_calls, python=True), trace)
    told = [{"title": t.title, "head": t.head, "rows": t.rows} for t in tables]
    data = {"config": config.to_dict(), "machine": machine(), "tables": told}
    numbers = folder / "profile.json"
    write_text(numbers, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    program = folder / "run.hlo.txt"
    write_text(program, subject.run.program.as_text())
    return [trace, numbers, program]


def main(argv: list[str] | None = None) -> int:
    """Profile with the given arguments; None takes those of the process."""
    options = parser()
    given = options.parse_args(argv)
    try:
        trace, numbers, program = profile(configuration(given), given.output)
    except MfnError as error:
        options.exit(1, f"{options.prog}: {error}\n")
    print(f"Wrote {numbers}, {trace} and {program} (the run as XLA compiled it).")
    print(f"Open {trace} at https://ui.perfetto.dev (it stays on your machine) or chrome://tracing")
    return 0


if __name__ == "__main__":
    sys.exit(main())
