"""Where the time and the memory of a run go, as tables and as a trace to look into.

    make profile                                             # the default run
    python -m benchmarks.profiling --size 256 --steps 1000   # another size
    python -m benchmarks.profiling --config my.toml          # a configuration, TOML or JSON

It writes ``profile.json``, the numbers, and the trace of `jax.profiler` into ``out/profile/``
(``--output FOLDER``), to be opened at https://ui.perfetto.dev, which reads it on your machine. How
to read them: docs/scaling.md.

(The module is not called ``profile``: Python has one of that name, and scripts that are run from
this folder would find this one in its place.)
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness.cases import inputs_of
from benchmarks.harness.child import Child, import_ms
from benchmarks.harness.memory import account_of, growth_of, traced_peak
from benchmarks.harness.tables import Row, Table, parser_of, program, save_tables
from benchmarks.harness.timing import Call, interleaved, measure, once
from mfnjax import (
    SimulationConfig,
    compute_fractal_features,
    make_simulation_config_default,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
    simulate,
)
from mfnjax._files import check_writable
from mfnjax.features import feature_vector

MIB = 2**20
REPEATS, BURST = 9, 10
IMPORTS = ("jax", "mfnjax.simulation")


def compiled(name: str, function: Callable[..., Any], *inputs: Any) -> tuple[Any, list[Row]]:
    """A program, and what tracing, lowering and compiling it took."""
    made: list[Any] = [jax.jit(function)]
    rows: list[Row] = []
    for stage, make in (
        ("trace", lambda: made[-1].trace(*inputs)),
        ("lower", lambda: made[-1].lower()),
        ("compile", lambda: made[-1].compile()),
    ):
        rows.append({"stage": f"{name}: {stage}", "ms": once(partial(_append, made, make))})
    return made[-1], rows


def _append(made: list[Any], make: Call) -> None:
    made.append(make())


def split(public: Call, alone: Call, empty: Call) -> list[Row]:
    """One call of `simulate`, taken apart into parts that add up.

    The number of steps is traced, so the same program runs without steps, too: that is what the
    call costs.
    """
    calls = {"public": public, "program": alone, "empty": empty}
    times = interleaved(calls, repeats=REPEATS, burst=BURST)
    whole, ran, none = (times[name].median_ms for name in calls)
    parts = {
        "Python around the program": whole - ran,
        "calling the program": none,
        "the steps": ran - none,
        "simulate(), all in all": whole,
    }
    return [{"part": k, "ms": ms, "share": f"{ms / whole:.1%}"} for k, ms in parts.items()]


def memory_row(name: str, program: Any, call: Call) -> Row:
    """XLA's account of a program, and what a call needs."""
    sizes = {where: size / MIB for where, size in account_of(program).items()}
    costs = program.cost_analysis() or {}
    grown = {"resident growth": growth_of(call) / MIB, "Python": traced_peak(call) / MIB}
    counted = {"Mflop": costs.get("flops", 0.0) / 1e6}
    counted["MB accessed"] = costs.get("bytes accessed", 0.0) / 1e6
    return {"program, MiB": name, **sizes, **grown, **counted}


def tables_of(config: SimulationConfig, trace: Path) -> Iterator[Table]:
    """Measure; the trace shows each documented call under its name."""
    with Child() as child:
        imported = child.call(import_ms, *IMPORTS)
    once_rows = [
        {"stage": f"import {name}", "ms": ms} for name, ms in zip(IMPORTS, imported, strict=True)
    ]
    model, grid, state, key = inputs_of(config)
    plain, steps, title = partial(simulate, grid=grid), config.steps, f"{grid.shape[0]}² × "
    run, rows = compiled(
        "run", lambda m, s, k, n: plain(m, s, steps=n, key=k), model, state, key, jnp.int32(steps)
    )
    saving = partial(plain, steps=steps, save_every=1, save="potential")
    keep, more = compiled("with history", lambda m, s, k: saving(m, s, key=k), model, state, key)
    history = keep(model, state, key).history
    features, last = compiled("features", feature_vector, history)
    told = "Paid once a process and shape (no cache on disk)"
    yield Table(told, [*once_rows, *rows, *more, *last])

    call = lambda n=steps: run(model, state, key, jnp.int32(n))  # noqa: E731
    public = lambda: plain(model, state, steps=steps, key=key).state  # noqa: E731
    title += f"{steps}: medians"
    yield Table(f"One call of simulate(), {title}", split(public, call, lambda: call(0)))

    stages: dict[str, Call] = {
        "simulate": public,
        "run_mycelium_simulation": partial(run_mycelium_simulation, config),
        "with_history": partial(run_mycelium_simulation_with_history, config),
        "compute_features": partial(compute_fractal_features, history),
    }
    timings = {name: measure(stage, repeats=REPEATS) for name, stage in stages.items()}
    rows = [{"call": n, "ms": t.median_ms, "fastest ms": t.min_ms} for n, t in timings.items()]
    yield Table(f"The documented calls, {title}", rows)

    yield Table(
        "Memory in MiB, and what XLA counts (both branches of a choice, one turn of a loop)",
        [
            memory_row("run", run, call),
            memory_row("with history", keep, lambda: keep(model, state, key)),
            memory_row("features", features, lambda: features(history)),
        ],
    )
    with jax.profiler.trace(str(trace), create_perfetto_trace=True):
        for name, stage in stages.items():
            with jax.profiler.TraceAnnotation(name):
                jax.block_until_ready(stage())


def configuration(given: argparse.Namespace) -> SimulationConfig:
    """The run that the options name; raises ParameterError or DataError if there is none."""
    config = make_simulation_config_default()
    if given.config is not None:
        config = SimulationConfig.from_file(given.config)
    changes = {"grid_size": given.size, "steps": given.steps}
    return dataclasses.replace(config, **{k: v for k, v in changes.items() if v is not None})


def profile(given: argparse.Namespace) -> None:
    """Print the tables; write the trace and the numbers."""
    config, path = configuration(given), check_writable(given.output / "profile.json")
    jax.config.update("jax_enable_compilation_cache", False)
    tables = []
    for table in tables_of(config, given.output):
        table.print()
        tables.append(table)
    print(f"Wrote {save_tables(tables, path, config=config.to_dict())}")
    trace = max(given.output.rglob("perfetto_trace.json.gz"), key=lambda p: p.stat().st_mtime)
    print(f"Open {trace} at https://ui.perfetto.dev (it stays on your machine)")


def main(argv: list[str] | None = None) -> int:
    """Profile with the given arguments; None takes those of the process."""
    options = parser_of("benchmarks.profiling", __doc__)
    options.add_argument("--config", metavar="FILE", help="a configuration, TOML or JSON")
    options.add_argument("--size", type=int, metavar="N", help="side of the grid")
    options.add_argument("--steps", type=int, metavar="T", help="number of steps")
    options.add_argument("-o", "--output", type=Path, default=Path("out", "profile"))
    return program(options, profile, argv)


if __name__ == "__main__":
    sys.exit(main())
