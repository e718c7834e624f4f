"""The operations of a run as XLA's profiler saw them: times by operation, and a file to look at.

Needs nothing but JAX. The file is in the format of Chrome's traces: open it at
https://ui.perfetto.dev (it stays on your machine) or at ``chrome://tracing``.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import jax

from mfnjax._files import check_writable, replacing

Event = dict[str, Any]


@final
@dataclass(frozen=True)
class Operation:
    """All runs of one operation in a trace.

    Attributes:
        name: Its name in the optimised HLO.
        calls: How often it ran.
        self_us: Time in it, without the operations that ran inside of it, in µs.
    """

    name: str
    calls: int
    self_us: float


def record(function: Callable[[], Any], *, python: bool = False) -> list[Event]:
    """The events of one call, its result waited for. ``python``: also every Python function."""
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = int(python)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, create_perfetto_trace=True, profiler_options=options):
            jax.block_until_ready(function())
        (path,) = Path(folder).rglob("perfetto_trace.json.gz")
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [event for event in json.load(file)["traceEvents"] if "ph" in event]


def save(events: Iterable[Event], path: str | Path) -> Path:
    """Write events as a trace file (``.json.gz``), whole or not at all.

    Raises:
        DataError: The file cannot be written.
    """
    path = check_writable(path)
    text = json.dumps({"displayTimeUnit": "ns", "traceEvents": list(events)})
    with replacing(path) as beside:
        beside.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def operations(events: Iterable[Event], module: str | None = None) -> list[Operation]:
    """The operations of compiled programs, slowest first.

    Args:
        events: Of a trace.
        module: Only those of this HLO module; None takes all.
    """
    by_thread: dict[Any, list[Event]] = defaultdict(list)
    for event in events:
        told = event.get("args") or {}
        is_wanted = module is None or told.get("hlo_module") == module
        if event.get("ph") == "X" and "hlo_op" in told and is_wanted:
            by_thread[event.get("pid"), event["tid"]].append(event)
    calls: dict[str, int] = defaultdict(int)
    times: dict[str, float] = defaultdict(float)
    for thread in by_thread.values():
        for event, self_us in _self_times(thread):
            name = event["args"]["hlo_op"]
            calls[name] += 1
            times[name] += self_us
    found = [Operation(name, calls[name], times[name]) for name in calls]
    return sorted(found, key=lambda operation: -operation.self_us)


def _self_times(events: list[Event]) -> list[tuple[Event, float]]:
    """Each event of one thread with its time less that of the events directly inside of it."""
    inner: list[float] = []
    open_: list[int] = []
    events = sorted(events, key=lambda event: (event["ts"], -event["dur"]))
    for at, event in enumerate(events):
        while open_ and _end(events[open_[-1]]) <= event["ts"]:
            open_.pop()
        if open_:
            inner[open_[-1]] += event["dur"]
        inner.append(0.0)
        open_.append(at)
    return [(e, max(e["dur"] - inside, 0.0)) for e, inside in zip(events, inner, strict=True)]


def _end(event: Event) -> float:
    return event["ts"] + event["dur"]
