"""The HTTP server under load: ``python -m benchmarks.serve``.

Starts `mfn-api` with one worker and measures it from the same machine, load generator included:

* ``table``: every row of the documented endpoint table, driven by wrk from 10 connections;
* ``saturated``: `/simulate` at 256² × 1000 from 50 connections, while `/health` and a small
  `/simulate` are probed;
* ``overload``: ten times what the server can do, offered in an open loop; then the time until it
  answers as before;
* ``soak``: at capacity for a long time, and the server's memory (``--soak 600``: ten minutes).

Targets are those of ``benchmarks/baselines.toml``. Prints the table, writes ``out/serve/serve.md``
and ``serve.json``, exits 1 if a target is missed. Needs wrk (the script says how to install it).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from rich.console import Console
from rich.table import Table

from benchmarks import wrk
from benchmarks.open_loop import offer
from load_tests import workload
from load_tests.limits import ENDPOINTS, PERCENTILES
from load_tests.probe import connect, probe, send
from load_tests.running import Server, in_one_line, running_server
from mfnjax._files import write_text
from benchmarks.harness.baselines import Baseline, baseline, baselines_under

TARGETS = "targets.serve"


@final
@dataclass(frozen=True)
class Measured:
    """A line of the table."""

    part: str
    what: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None

    @classmethod
    def against(cls, part: str, what: str, value: float, target: Baseline) -> Measured:
        """A value that is held to a target."""
        return cls(part, what, value, target.unit, str(target), target.meets(value))


def endpoint_rows(server: Server, seconds: float) -> Iterator[Measured]:
    """Rates and percentiles of the documented endpoints."""
    connections = int(baseline(f"{TARGETS}.connections").value)
    for make in workload.TABLE:
        call = make()
        name = ENDPOINTS[call.name]
        load = wrk.drive(server.url, call, connections=connections, seconds=seconds)
        part = f"{call.method} {call.name}"
        yield Measured.against(part, "rate", load.rate, baseline(f"{TARGETS}.{name}"))
        documented = baselines_under(f"documented.api.{name}")
        for percent in PERCENTILES:
            measured = getattr(load, f"p{percent}_ms")
            yield Measured.against(part, f"p{percent}", measured, documented[f"p{percent}"])
        if name == "simulate":
            target = baseline(f"{TARGETS}.simulate_p99")
            yield Measured.against(part, "p99, own target", load.p99_ms, target)
        yield Measured(part, "failed", load.failures, "requests", "0", load.failures == 0)


def saturated_rows(server: Server, seconds: float) -> Iterator[Measured]:
    """Small requests while the largest ones fill the queue."""
    targets = baselines_under(f"{TARGETS}.saturated")
    size, steps = int(targets["grid_size"].value), int(targets["steps"].value)
    large, small, health = workload.simulate(size, steps), workload.simulate(), workload.health()
    connections = int(targets["connections"].value)
    how = {"connections": connections, "seconds": seconds + 1, "refusals": True}
    with wrk.started(server.url, large, **how) as load:
        time.sleep(1)  # the queue fills first
        end = time.monotonic() + seconds - 1
        calls = [(health, 0.01), *[(small, 0.4)] * 4]
        seen = probe(server.url, calls, running=lambda: time.monotonic() < end)
        told = wrk.result(load, within_s=120)
    part = f"{connections} × /simulate {size}² × {steps}"
    for call, name in ((health, "health_p99"), (small, "small_simulate_p99")):
        latencies = seen[call.name]
        what = f"{call.name} p99 of {len(latencies.times_ms)}"
        yield Measured.against(part, what, latencies.percentile(99), targets[name])
        problems = len(latencies.problems)
        yield Measured(part, f"{call.name} failed", problems, "requests", "0", problems == 0)
    yield Measured(part, "large ones done", told.rate, "requests/s")
    yield Measured(part, "large ones refused (503)", told.refused, "requests")
    broken = told.wrong + told.broken
    yield Measured(part, "large ones failed", broken, "requests", "0", broken == 0)


def overload_rows(server: Server, seconds: float) -> Iterator[Measured]:
    """Ten times the capacity, then the recovery."""
    targets = baselines_under(f"{TARGETS}.overload")
    factor, call = targets["factor"].value, workload.simulate(128, 1000)
    capacity = wrk.drive(server.url, call, connections=8, seconds=max(2.0, seconds / 3)).rate
    before = server.memory_mb()
    with _sampled(server.memory_mb, every_s=0.2) as memory:
        offered = offer(server.url, call, rate=factor * capacity, seconds=seconds)
    stopped = time.monotonic()
    recovered = _recovered(server, call, 20 * 1e3 / capacity)
    waited = offered.drained_s + time.monotonic() - stopped
    recovery = waited if recovered else math.inf
    whole = offered.seconds + offered.drained_s
    part = f"{factor:g} × capacity, /simulate 128² × 1000"
    yield Measured(part, "capacity", capacity, "requests/s")
    yield Measured(part, "offered", offered.requests / offered.seconds, "requests/s")
    yield Measured(part, "answered (200)", offered.count(200) / whole, "requests/s")
    yield Measured(part, "refused (503)", offered.count(503), "requests")
    yield Measured(part, "memory before", before, "MB")
    yield Measured(part, "503 p99", offered.percentile(503, 99), "ms")
    yield Measured(part, "503 p50", offered.percentile(503, 50), "ms")
    lacking = offered.without_retry_after
    yield Measured(part, "503 without Retry-After", lacking, "requests", "0", lacking == 0)
    others = offered.requests - offered.count(200) - offered.count(503)
    yield Measured(part, "anything else", others, "requests", "0", others == 0)
    growth = max(memory) / before - 1
    yield Measured.against(part, "memory growth", growth, targets["rss_growth"])
    yield Measured.against(part, "recovery", recovery, targets["recovery"])


def _recovered(server: Server, call: workload.Call, usual_ms: float) -> bool:
    """Wait, at most 30 s, until a request is answered as fast as on an idle server."""
    connection = connect(server.url)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        started = time.perf_counter()
        status, content, _ = send(connection, call)
        took = 1e3 * (time.perf_counter() - started)
        if call.problem(status, content) is None and took <= usual_ms:
            return True
        time.sleep(0.05)
    return False


def soak_rows(server: Server, seconds: float) -> Iterator[Measured]:
    """Memory at capacity over a long time, after its first tenth."""
    with _sampled(server.memory_mb, every_s=max(0.2, seconds / 600)) as samples:
        load = wrk.drive(server.url, workload.simulate(), connections=10, seconds=seconds)
    tenth = max(1, len(samples) // 10)
    first, last = samples[tenth : 2 * tenth] or samples, samples[-tenth:]
    start, end = sum(first) / len(first), sum(last) / len(last)
    part = f"{seconds:g} s at capacity, /simulate 32² × 32"
    yield Measured(part, "rate", load.rate, "requests/s")
    yield Measured(part, "p99", load.p99_ms, "ms")
    yield Measured(part, "failed", load.failures, "requests", "0", load.failures == 0)
    yield Measured(part, "memory after a tenth", start, "MB")
    yield Measured(part, "memory at the end", end, "MB")
    yield Measured(part, "largest memory", max(samples), "MB")
    target = baseline(f"{TARGETS}.overload.rss_growth")
    yield Measured.against(part, "memory growth", end / start - 1, target)


@contextmanager
def _sampled(measure: Callable[[], float], *, every_s: float) -> Iterator[list[float]]:
    """Collect samples in a thread while the block runs."""
    samples, over = [measure()], threading.Event()

    def sample() -> None:
        while not over.wait(every_s):
            samples.append(measure())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


PARTS = {"table": endpoint_rows, "saturated": saturated_rows, "overload": overload_rows}


def shown(row: Measured) -> list[str]:
    """The cells of a line."""
    verdict = {None: "", True: "pass", False: "MISS"}[row.met]
    value = f"{row.value:.0f}" if abs(row.value) >= 100 or row.value == 0 else f"{row.value:.3g}"
    return [row.part, row.what, f"{value} {row.unit}", row.target, verdict]


COLUMNS = ("load", "what", "measured", "limit", "")


def markdown(rows: Sequence[Measured]) -> str:
    """The table as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(shown(row)) + " |" for row in rows]
    return "\n".join(
        [f"One worker on {os.cpu_count()} cores, load generator included.", "", *lines, ""]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 if every target is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8, help="length of each run (8)")
    parser.add_argument("--part", choices=(*PARTS, "soak"), action="append", help="only this one")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="soak for so long, too")
    parser.add_argument("--output", type=Path, default=Path("out/serve"))
    options = parser.parse_args(arguments)
    if not wrk.installed():
        print(wrk.INSTALL, file=sys.stderr)
        return 2
    chosen = options.part or list(PARTS)
    rows: list[Measured] = []
    with running_server() as server, Console(stderr=True).status("measuring") as status:
        for name, part in PARTS.items():
            if name in chosen:
                status.update(name)
                rows += part(server, options.seconds)
        if options.soak or "soak" in chosen:
            status.update("soak")
            rows += soak_rows(server, options.soak or 600)
    table = Table(*COLUMNS, title=f"mfn-api, one worker, {os.cpu_count()} cores")
    for row in rows:
        table.add_row(*shown(row))
    Console(width=130).print(table)
    options.output.mkdir(parents=True, exist_ok=True)
    write_text(options.output / "serve.md", markdown(rows))
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    result = {"machine": machine, "rows": [asdict(row) for row in rows]}
    write_text(options.output / "serve.json", json.dumps(result, indent=2, ensure_ascii=False))
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(in_one_line(main))
