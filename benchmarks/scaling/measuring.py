"""Measuring all tasks in child processes: one for each number of cores, one at a time."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, final

from benchmarks.scaling.points import Point, Task
from benchmarks.scaling.roofline import cache_sizes
from mfnjax import __version__
from mfnjax._files import check_writable, write_text
from mfnjax._progress import ProgressBar
from mfnjax.bench.machine import fingerprint, machine
from mfnjax.bench.results import read_format
from mfnjax.errors import DataError, MfnError

FORMAT = "mfnjax-scaling-1"
ROOT = Path(__file__).parents[2]


@final
@dataclass(frozen=True)
class Curves:
    """All points of a run, finished or not.

    Attributes:
        points: In the order of their tasks.
        complete: Whether every task has been measured.
        quick: Whether the sizes are those of a quick run.
        machine: Where it was measured.
        caches: Level → bytes of its data caches.
        version: Of mfnjax.
        date: When it was begun.
        seconds: Time that it took.
    """

    points: tuple[Point, ...] = ()
    complete: bool = False
    quick: bool = False
    machine: dict[str, str] = field(default_factory=machine)
    caches: dict[str, int] = field(default_factory=cache_sizes)
    version: str = __version__
    date: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).date().isoformat()
    )
    seconds: float = 0.0

    @property
    def cores(self) -> tuple[int, ...]:
        """The numbers of cores, rising."""
        return tuple(sorted({point.task.cores for point in self.points}))

    def curve(self, quantity: str, axis: str, cores: int) -> list[Point]:
        """The points of one curve that were measured, by rising x."""
        found = [
            point
            for point in self.points
            if (point.task.quantity, point.task.axis, point.task.cores) == (quantity, axis, cores)
            and not point.left_out
        ]
        return sorted(found, key=lambda point: point.task.x)

    def continues(self, other: Curves) -> bool:
        """Whether a run that was left at ``other`` may go on as this one."""
        same = self.version == other.version and self.quick == other.quick
        return same and fingerprint(self.machine) == fingerprint(other.machine)

    def save(self, path: str | Path) -> Path:
        """Write as JSON, whole or not at all.

        Raises:
            DataError: The file cannot be written.
        """
        path = check_writable(path)
        head = {name: getattr(self, name) for name in _HEAD}
        points = ",\n".join("  " + json.dumps(point.to_dict()) for point in self.points)
        text = json.dumps({"format": FORMAT, **head}, indent=1, ensure_ascii=False)
        write_text(path, f'{text[:-2]},\n "points": [\n{points}\n ]\n}}\n')
        return path

    @classmethod
    def load(cls, path: str | Path) -> Curves:
        """Read what `save` wrote.

        Raises:
            DataError: There is no such file, or it holds no curves.
        """
        data = read_format(path, FORMAT, "scaling curves")
        try:
            points = tuple(Point.from_dict(point) for point in data["points"])
            head = {name: data[name] for name in _HEAD}
        except (TypeError, KeyError) as error:
            raise DataError(f"{path}: damaged scaling curves ({error})") from error
        return cls(points, **head)


_HEAD = ("complete", "quick", "version", "date", "seconds", "machine", "caches")


@final
class Worker:
    """A child process pinned to some cores, from ``first`` on; answers one task at a time."""

    def __init__(self, cores: int, seconds: float, *, first: int = 0) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scaling.worker", *map(str, (cores, seconds, first))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            # Ctrl-C is for the parent, which lets its children go in order.
            start_new_session=True,
        )

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def send(self, line: Any) -> None:
        """Send a task, or "go"."""
        try:
            stream = _open(self._process.stdin)
            stream.write(json.dumps(line) + "\n")
            stream.flush()
        except OSError:
            raise self._failure() from None

    def receive(self) -> Any:
        """What it answers.

        Raises:
            MfnError: The process has ended.
        """
        line = _open(self._process.stdout).readline()
        if not line:
            raise self._failure()
        return json.loads(line)

    def _failure(self) -> MfnError:
        self._process.wait()
        self._errors.seek(0)
        last = (self._errors.read().strip().splitlines() or ["it was killed: out of memory?"])[-1]
        return MfnError(f"a measuring process failed: {last}")


def _open(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise MfnError("a measuring process has no pipe")
    return stream


def counts_of_cores() -> tuple[int, ...]:
    """The numbers of cores to measure on: 1, 2 and all."""
    if not hasattr(os, "sched_setaffinity"):
        return (1,)
    available = len(os.sched_getaffinity(0))
    return tuple(sorted({1, min(2, available), available}))


@final
class Machine:
    """The processes that measure; each is started when it is first asked, and all are ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._workers: dict[tuple[int, int], Worker] = {}

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.close()

    def measure(self, together: Sequence[Task]) -> list[Point]:
        """Tasks that differ in their cores alone: compiled at the same time, measured in turn."""
        if together[0].quantity in COPIED and len(together) > 1:
            # They ask the same processes, so each is done before the next begins.
            return [point for task in together for point in self.measure([task])]
        asked = [self._asked(task) for task in together]
        for pieces in asked:
            for worker, task in pieces:
                worker.send([task.quantity, task.axis, task.x, task.cores])
        for pieces in asked:
            for worker, _ in pieces:
                worker.receive()
        points = []
        for task, pieces in zip(together, asked, strict=True):
            for worker, _ in pieces:
                worker.send("go")
            points.append(merged(task, [Point.from_dict(w.receive()) for w, _ in pieces]))
        return points

    def _asked(self, task: Task) -> list[tuple[Worker, Task]]:
        """Who measures a task. What the cores can do is asked of one process on each of them."""
        if task.quantity not in COPIED or task.cores == 1:
            return [(self._worker(task.cores), task)]
        piece = replace(task, x=max(task.x // task.cores, 1), cores=1)
        return [(self._worker(1, core), piece) for core in range(task.cores)]

    def _worker(self, cores: int, first: int = 0) -> Worker:
        name = cores, first
        if name not in self._workers:
            self._workers[name] = Worker(cores, self._seconds, first=first)
        return self._workers[name]


COPIED = ("bandwidth", "arithmetic")
"""Measured on several cores by a pinned process each: XLA's own threads are no part of the roof."""


def merged(task: Task, points: Sequence[Point]) -> Point:
    """What processes that worked at the same time measured, as one: their rates add up."""
    if len(points) == 1:
        return replace(points[0], task=task)
    slowest = max(points, key=lambda point: point.min_ms)
    more = {name: sum(point.more[name] for point in points) for name in slowest.more}
    return replace(slowest, task=task, more=more)


def measure_all(curves: Curves, tasks: Sequence[Task], path: Path, seconds: float) -> Curves:
    """Measure what is left of the tasks; after each, all that there is stands in ``path``.

    Raises:
        MfnError: A measuring process failed.
    """
    started, before = time.monotonic(), curves.seconds
    measured = {point.task: point for point in curves.points}
    rounds: dict[tuple[str, str, int], list[Task]] = {}
    for task in tasks:
        if task not in measured:
            rounds.setdefault((task.quantity, task.axis, task.x), []).append(task)
    cores = Machine(seconds)
    with ProgressBar("scaling") as progress:
        try:
            for together in rounds.values():
                progress(len(measured), len(tasks))
                measured |= zip(together, cores.measure(together), strict=True)
                points = tuple(measured[task] for task in tasks if task in measured)
                took = before + time.monotonic() - started
                curves = replace(curves, points=points, seconds=round(took, 1))
                curves.save(path)
        finally:
            cores.close()
    curves = replace(curves, complete=True)
    curves.save(path)
    return curves
