"""A light probe of latencies, to run beside a load: ``python -m load_tests.probe URL``.

A load generator on the same cores measures its own waiting too. The probe sends a few requests a
second on a schedule of its own, one connection to an endpoint, and measures each from the moment
it was due: a request that a slow answer held up counts with the time it was held up
(coordinated omission would hide it).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, final
from urllib.parse import urlsplit

from load_tests import workload
from load_tests.limits import PERCENTILES, Row, percentile
from load_tests.workload import Call


@final
@dataclass
class Latencies:
    """What the probe saw of one endpoint: latencies in milliseconds, and what went wrong."""

    times_ms: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """That percentile [ms]."""
        return percentile(self.times_ms, percent)

    def row(self, name: str) -> Row:
        """As a row of a table; failures count beside the requests that were answered."""
        percentiles = {percent: self.percentile(percent) for percent in PERCENTILES}
        return Row(name, len(self.times_ms), len(self.problems), percentiles)


def connect(base_url: str, timeout_s: float = 60) -> http.client.HTTPConnection:
    """A keep-alive connection to the server."""
    address = urlsplit(base_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    return kind(address.hostname or "localhost", address.port, timeout=timeout_s)


def send(
    connection: http.client.HTTPConnection, call: Call, api_key: str | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    """Send one call; returns status, body and headers."""
    headers = {"Content-Type": "application/json"} if call.body is not None else {}
    if api_key:
        headers["X-API-Key"] = api_key
    connection.request(call.method, call.path, call.content, headers)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def probe_one(
    url: str, call: Call, *, every_s: float, running: Callable[[], bool], key: str | None = None
) -> Latencies:
    """Send ``call`` every ``every_s`` seconds while ``running()``."""
    seen, connection = Latencies(), connect(url)
    due = time.perf_counter()
    while running():
        time.sleep(max(0.0, due - time.perf_counter()))
        try:
            status, content, _ = send(connection, call, key)
            problem = call.problem(status, content)
        except (OSError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"
            connection.close()
        if problem:
            seen.problems.append(problem)
        seen.times_ms.append(1e3 * (time.perf_counter() - due))
        due += every_s
    connection.close()
    return seen


def probe(
    url: str, calls: Sequence[tuple[Call, float]], *, running: Callable[[], bool], **how: Any
) -> dict[str, Latencies]:
    """Probe several (call, seconds between two) at once, a thread and connection each.

    A call that is named more than once is probed from as many connections, and its latencies are
    put together: one connection can only wait for one slow answer at a time.
    """

    def one(at: int) -> tuple[str, Latencies]:
        call, every_s = calls[at]
        time.sleep(at * every_s / len(calls))
        return call.name, probe_one(url, call, every_s=every_s, running=running, **how)

    seen = {call.name: Latencies() for call, _ in calls}
    with ThreadPoolExecutor(len(calls)) as pool:
        for name, found in pool.map(one, range(len(calls))):
            seen[name].times_ms += found.times_ms
            seen[name].problems += found.problems
    return seen


EVERY_S = {"/health": 0.05, "/metrics": 0.25, "/nernst": 0.05, "/simulate (32x32)": 0.1}
"""Seconds between two probes of an endpoint; `/validate` computes for long, so it comes rarely."""


def main() -> int:
    """Probe every row of the documented endpoint table for some seconds; prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    end = time.perf_counter() + options.seconds
    calls = [(call, EVERY_S.get(call.name, 2.0)) for call in (make() for make in workload.TABLE)]
    key = os.environ.get("MFN_LOADTEST_API_KEY")
    running = lambda: time.perf_counter() < end  # noqa: E731
    seen = probe(options.url, calls, running=running, key=key)
    json.dump({name: asdict(latencies) for name, latencies in seen.items()}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
