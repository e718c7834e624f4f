"""Drive wrk (https://github.com/wg/wrk): many connections at full speed, with little overhead."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

from load_tests.workload import Call

INSTALL = (
    "wrk is not installed. Debian and Ubuntu: sudo apt-get install wrk; macOS: brew install wrk; "
    "Fedora: sudo dnf install wrk; elsewhere: build https://github.com/wg/wrk with make"
)

REQUEST = """
wrk.method = {method}
wrk.headers["Content-Type"] = "application/json"
wrk.body = {body}
"""

# A look at every answer costs the generator, and so the server beside it, a share of the speed:
# only where refusals are to be told from errors. Each thread counts in a Lua state of its own.
COUNT = """
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(arguments) refused = 0 end
function response(status, headers, body)
  if status == 503 then refused = refused + 1 end
end
function refusals()
  local sum = 0
  for _, thread in ipairs(threads) do sum = sum + thread:get("refused") end
  return sum
end
"""

DONE = """
function done(summary, latency, requests)
  local errors = summary.errors
  local refused = refusals and refusals() or 0
  io.write(string.format(
    '\\nJSON {"requests": %d, "seconds": %.6f, "refused": %d, "wrong": %d, "broken": %d, ' ..
    '"p50_ms": %.4f, "p95_ms": %.4f, "p99_ms": %.4f, "max_ms": %.4f}\\n',
    summary.requests, summary.duration / 1e6, refused, errors.status - refused,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3))
end
"""


@final
@dataclass(frozen=True)
class Load:
    """What wrk measured.

    Attributes:
        requests: Answers, of any status.
        seconds: Length of the run.
        refused: Answers with status 503, where they are counted.
        wrong: Other answers with a status over 399.
        broken: Connections that failed, or answers that did not come in time.
        p50_ms: Median latency; likewise `p95_ms`, `p99_ms` and `max_ms`.
    """

    requests: int
    seconds: float
    refused: int
    wrong: int
    broken: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return (self.requests - self.refused - self.wrong) / self.seconds

    @property
    def failures(self) -> int:
        """Everything that was not a good answer."""
        return self.refused + self.wrong + self.broken


def installed() -> bool:
    """Whether wrk is there."""
    return shutil.which("wrk") is not None


def script(call: Call, *, refusals: bool = False) -> str:
    """The Lua script that makes wrk send ``call``, and count refusals apart if asked to."""
    body = "nil" if call.content is None else _lua(call.content.decode())
    request = REQUEST.format(method=_lua(call.method), body=body)
    return request + (COUNT if refusals else "") + DONE


def _lua(text: str) -> str:
    """A Lua string literal; JSON's escapes are Lua's for what the calls hold."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@contextmanager
def started(
    url: str, call: Call, *, connections: int, seconds: float, refusals: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Start wrk on ``call``; it is ended with the block."""
    how = [f"-c{connections}", "-t1", f"-d{max(1, round(seconds))}s", "--timeout=60s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as file:
        file.write(script(call, refusals=refusals))
        file.flush()
        command = ["wrk", *how, "-s", file.name, url + call.path]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, text=True, **pipes)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def result(process: subprocess.Popen[str], *, within_s: float) -> Load:
    """Wait for wrk and read what it measured.

    Raises:
        RuntimeError: It did not measure anything; the message has what it said.
    """
    told, _ = process.communicate(timeout=within_s)
    lines = [line for line in told.splitlines() if line.startswith("JSON ")]
    if process.returncode or not lines:
        raise RuntimeError(f"wrk ended with {process.returncode}: {told.strip()[-500:]}")
    return Load(**json.loads(lines[-1].removeprefix("JSON ")))


def drive(url: str, call: Call, *, seconds: float, **how: Any) -> Load:
    """Send ``call`` as fast as so many ``connections`` allow for some seconds."""
    with started(url, call, seconds=seconds, **how) as process:
        return result(process, within_s=seconds + 90)
