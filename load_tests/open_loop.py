"""Send requests at a fixed rate, whatever the answers do: an open loop.

A closed loop (wrk, Locust) waits for an answer before it sends the next request, so it cannot
offer more than the server takes for long. Overload needs requests that come regardless.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import final
from urllib.parse import urlsplit

from load_tests.limits import percentile
from load_tests.workload import Call

Pool = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@final
@dataclass
class Offered:
    """What came of the requests.

    Attributes:
        by_status: Latencies in milliseconds by status; status 0 is a connection that broke.
        without_retry_after: Refusals that did not say when to come back.
        seconds: How long requests were sent.
        drained_s: From the last request to the last answer.
    """

    by_status: dict[int, list[float]] = field(default_factory=dict)
    without_retry_after: int = 0
    seconds: float = 0.0
    drained_s: float = 0.0

    def count(self, status: int) -> int:
        """Answers of that status."""
        return len(self.by_status.get(status, ()))

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(map(len, self.by_status.values()))

    def percentile(self, status: int, percent: float) -> float:
        """Latency percentile of the answers of one status [ms]; NaN if there is none."""
        return percentile(self.by_status.get(status, ()), percent)


def offer(url: str, call: Call, *, rate: float, seconds: float, patience_s: float = 60) -> Offered:
    """Send ``call`` ``rate`` times a second for some seconds, and wait for all answers."""
    return asyncio.run(_offer(url, call, rate, seconds, patience_s))


async def _offer(url: str, call: Call, rate: float, seconds: float, patience_s: float) -> Offered:
    address = urlsplit(url)
    host, port = address.hostname or "localhost", address.port or 80
    content = call.content or b""
    head = (
        f"{call.method} {call.path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    request, pool, seen, tasks = head.encode() + content, Pool(), Offered(), set()
    started = time.perf_counter()
    for k in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, started + k / rate - time.perf_counter()))
        task = asyncio.create_task(_one(host, port, request, pool, seen, patience_s))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    seen.seconds = time.perf_counter() - started
    await asyncio.gather(*tasks)
    seen.drained_s = time.perf_counter() - started - seen.seconds
    for _, writer in pool:
        writer.close()
    return seen


async def _one(
    host: str, port: int, request: bytes, pool: Pool, seen: Offered, patience_s: float
) -> None:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = pool.pop() if pool else await asyncio.open_connection(host, port)
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            status = int(head.split(" ", 2)[1])
            length = head.split("content-length:", 1)[1].split("\r\n", 1)[0]
            await reader.readexactly(int(length))
            pool.append((reader, writer))
            seen.without_retry_after += status == 503 and "retry-after:" not in head
    except (OSError, TimeoutError, asyncio.IncompleteReadError, IndexError, ValueError):
        status = 0
    seen.by_status.setdefault(status, []).append(1e3 * (time.perf_counter() - started))
