"""The HTTP server under load: ``python -m benchmarks.serve``.

Starts `mfn-api` with one worker and measures it from the same machine, load generator included:

* ``table``: every row of the documented endpoint table, driven by wrk from 10 connections;
* ``saturated``: `/simulate` at 256² × 1000 from 50 connections, while `/health` and a small
  `/simulate` are probed;
* ``overload``: ten times what the server can do, offered in an open loop; then the time until it
  answers as before;
* ``soak``: at capacity for a long time, and the server's memory (``--soak 600``: ten minutes).

Targets are those of ``benchmarks/baselines.toml``. Prints the table, writes it to ``out/serve/``
(``serve.json``, ``serve.md``), exits 1 if a target is missed. Needs wrk, and says how to get it.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.baselines import Baseline, baseline, baselines_under
from benchmarks.harness.tables import Row, Table, judged, suite
from load_tests import workload, wrk
from load_tests.limits import ENDPOINTS, PERCENTILES
from load_tests.open_loop import offer
from load_tests.probe import connect, probe, send
from load_tests.running import Server, in_one_line, running_server

TARGETS = "targets.serve"


def plain(part: str, what: str, value: float, unit: str) -> Row:
    """A value that is held to nothing."""
    shown = f"{value:.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"
    return {"load": part, "what": what, "measured": f"{shown} {unit}"}


def against(part: str, what: str, value: float, limit: Baseline) -> Row:
    """A value that is held to a limit."""
    return {**plain(part, what, value, limit.unit), **judged(value, limit)}


def none(part: str, what: str, count: int) -> Row:
    """A number of requests that must be 0."""
    verdict = "pass" if count == 0 else "MISS"
    return {**plain(part, what, count, "requests"), "target": "0", "verdict": verdict}


def endpoint_rows(server: Server, seconds: float) -> Iterator[Row]:
    """Rates and percentiles of the documented endpoints."""
    connections = int(baseline(f"{TARGETS}.connections").value)
    for make in workload.TABLE:
        call = make()
        name = ENDPOINTS[call.name]
        load = wrk.drive(server.url, call, connections=connections, seconds=seconds)
        part = f"{call.method} {call.name}"
        rate = against(part, "rate", load.rate, baseline(f"{TARGETS}.{name}"))
        yield {**rate, "_key": f"documented.api.{name}.rate"}
        documented = baselines_under(f"documented.api.{name}")
        for percent in PERCENTILES:
            measured = getattr(load, f"p{percent}_ms")
            yield against(part, f"p{percent}", measured, documented[f"p{percent}"])
        if name == "simulate":
            target = baseline(f"{TARGETS}.simulate_p99")
            yield against(part, "p99, own target", load.p99_ms, target)
        yield none(part, "failed", load.failures)


def saturated_rows(server: Server, seconds: float) -> Iterator[Row]:
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
        yield against(part, what, latencies.percentile(99), targets[name])
        problems = len(latencies.problems)
        yield none(part, f"{call.name} failed", problems)
    yield plain(part, "large ones done", told.rate, "requests/s")
    yield plain(part, "large ones refused (503)", told.refused, "requests")
    broken = told.wrong + told.broken
    yield none(part, "large ones failed", broken)


def overload_rows(server: Server, seconds: float) -> Iterator[Row]:
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
    yield plain(part, "capacity", capacity, "requests/s")
    yield plain(part, "offered", offered.requests / offered.seconds, "requests/s")
    yield plain(part, "answered (200)", offered.count(200) / whole, "requests/s")
    yield plain(part, "refused (503)", offered.count(503), "requests")
    yield plain(part, "memory before", before, "MB")
    yield plain(part, "503 p99", offered.percentile(503, 99), "ms")
    yield plain(part, "503 p50", offered.percentile(503, 50), "ms")
    lacking = offered.without_retry_after
    yield none(part, "503 without Retry-After", lacking)
    others = offered.requests - offered.count(200) - offered.count(503)
    yield none(part, "anything else", others)
    growth = max(memory) / before - 1
    yield against(part, "memory growth", growth, targets["rss_growth"])
    yield against(part, "recovery", recovery, targets["recovery"])


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


def soak_rows(server: Server, seconds: float) -> Iterator[Row]:
    """Memory at capacity over a long time, after its first tenth."""
    with _sampled(server.memory_mb, every_s=max(0.2, seconds / 600)) as samples:
        load = wrk.drive(server.url, workload.simulate(), connections=10, seconds=seconds)
    tenth = max(1, len(samples) // 10)
    first, last = samples[tenth : 2 * tenth] or samples, samples[-tenth:]
    start, end = sum(first) / len(first), sum(last) / len(last)
    part = f"{seconds:g} s at capacity, /simulate 32² × 32"
    yield plain(part, "rate", load.rate, "requests/s")
    yield plain(part, "p99", load.p99_ms, "ms")
    yield none(part, "failed", load.failures)
    yield plain(part, "memory after a tenth", start, "MB")
    yield plain(part, "memory at the end", end, "MB")
    yield plain(part, "largest memory", max(samples), "MB")
    target = baseline(f"{TARGETS}.overload.rss_growth")
    yield against(part, "memory growth", end / start - 1, target)


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


def tables(options: argparse.Namespace) -> Iterator[Table]:
    """One table."""
    chosen, rows = options.part or list(PARTS), []
    with running_server() as server:
        for name, part in PARTS.items():
            if name in chosen:
                rows += part(server, options.seconds)
        if options.soak or "soak" in chosen:
            rows += soak_rows(server, options.soak or 600)
    where = f"{os.cpu_count()} cores, load generator included"
    yield Table(f"mfn-api, one worker, {where}", rows)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=8, help="length of each run (8)")
    parser.add_argument("--part", choices=(*PARTS, "soak"), action="append", help="only this one")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="soak for so long, too")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 if every target is met, 2 without wrk or a server."""
    if not wrk.installed() and "--help" not in (arguments or sys.argv):
        print(wrk.INSTALL, file=sys.stderr)
        return 2
    path = Path("out", "serve", "serve.json")
    how = {"options": _options, "output": path, "argv": arguments}
    return in_one_line(lambda: suite("serve", __doc__, tables, **how))  # type: ignore[arg-type]
