"""Functions that are called in a process of their own, pinned to some cores.

A process is pinned before JAX is there: XLA sizes its thread pool when it starts, and with one core
it does not split small loops over threads. A pinned process takes no program from JAX's cache on
disk, whose key does not know for how many cores it was compiled.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast, final

from mfnjax.errors import MfnError

THREADS = "NPROC"
GIVEN = {name: value for name, value in os.environ.items() if name == THREADS}
"""What XLA takes its number of threads from: `configure_cpu` sets it, a child starts without."""


def available_cores() -> list[int]:
    """The cores that this process may be pinned to; none where the system cannot pin."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


@final
class Child:
    """A process that calls functions of this project; arguments and results go as JSON.

    Args:
        cores: The cores that it is pinned to, with a device of JAX each; none pins it to none.
    """

    def __init__(self, cores: Collection[int] = ()) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.child", *map(str, cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=Path(__file__).parents[2],
            env={name: v for name, v in os.environ.items() if name != THREADS} | GIVEN,
            # Ctrl-C is for the parent, which lets its children go in order.
            start_new_session=True,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(OSError):
                cast(IO[str], stream).close()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Let it call a function of a module; `answer` waits for the result."""
        stream = cast(IO[str], self._process.stdin)
        asked = [function.__module__, function.__name__, arguments]
        try:
            stream.write(json.dumps(asked) + "\n")
            stream.flush()
        except OSError:
            raise self._failure() from None

    def answer(self) -> Any:
        """The result of what was asked.

        Raises:
            MfnError: The process has ended; the message has its last line.
        """
        line = cast(IO[str], self._process.stdout).readline()
        if not line:
            raise self._failure()
        return json.loads(line)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Ask, and wait for the answer."""
        self.ask(function, *arguments)
        return self.answer()

    def _failure(self) -> MfnError:
        self._process.wait()
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or ["it was killed: out of memory?"])[-1]
        return MfnError(f"a measuring process failed: {last}")


def together(children: Collection[Child], function: Callable[..., Any], *arguments: Any) -> list:
    """Have several processes do the same at the same time; their answers."""
    for child in children:
        child.ask(function, *arguments)
    return [child.answer() for child in children]


def import_ms(*modules: str) -> list[float]:
    """What importing takes, one module after the other, in a process that has done nothing yet."""
    times = []
    for module in modules:
        start = time.perf_counter()
        importlib.import_module(module)
        times.append(1e3 * (time.perf_counter() - start))
    return times


def main(cores: list[int]) -> None:
    """Pin this process, then answer every line; ends with its input."""
    if cores:
        os.sched_setaffinity(0, cores)
        import jax

        jax.config.update("jax_enable_compilation_cache", False)
        jax.config.update("jax_num_cpu_devices", len(cores))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what anything else prints is no answer
    for line in sys.stdin:
        module, name, arguments = json.loads(line)
        result = getattr(importlib.import_module(module), name)(*arguments)
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main([int(core) for core in sys.argv[1:]])
