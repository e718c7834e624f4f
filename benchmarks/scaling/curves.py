"""The points of all curves: which there are, measuring them in child processes, and their file."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, final

from benchmarks.harness.child import Child, available_cores
from benchmarks.harness.machine import fingerprint, machine
from benchmarks.harness.tables import read_format
from benchmarks.scaling.work import measured, prepare
from mfnjax import __version__
from mfnjax._files import check_writable, write_text
from mfnjax._progress import ProgressBar
from mfnjax.errors import DataError, MfnError

FORMAT = "mfnjax-scaling-1"
QUANTITIES, AXES = ("forward", "gradient", "features"), ("cells", "steps", "members")
FULL = {
    "sides": (32, 64, 128, 256, 512, 1024, 2048),
    "forward": (10, 32, 100, 316, 1000, 3162, 10_000),
    "gradient": (10, 32, 100, 316, 1000),
    "features": (2, 8, 32, 128, 512, 2048),
    "members": (1, 4, 16, 64, 256),
}
"""Sides, numbers of steps (or frames) by quantity, and members of a full run."""

QUICK = {"sides": (16, 32, 64), "forward": (10, 32, 100), "gradient": (8,), "features": (8,)}
QUICK["members"] = (2,)
SECONDS = {False: 0.3, True: 0.02}
"""How long a point of a full or a quick run takes."""

Point = Mapping[str, Any]
"""What was measured: the fields of its task; ``median_ms``, ``min_ms``, ``spread`` (interquartile
range over median), ``compile_s``; XLA's account of the program in bytes, ``arguments``, ``outputs``
and ``temporaries``; ``resident``, what a call lifts the peak resident memory by; or ``left_out``:
why it was not measured."""


class Task(NamedTuple):
    """One thing to measure: a quantity at ``x`` of an axis, on so many cores."""

    quantity: str
    axis: str
    x: int
    cores: int


def task_of(point: Point) -> Task:
    """What a point was measured for."""
    return Task(*(point[name] for name in Task._fields))


def memory_of(point: Point) -> float | None:
    """Arguments, outputs and temporaries by XLA's account, in bytes; None where there is none."""
    names = ("arguments", "outputs", "temporaries")
    return sum(point[name] for name in names) if "temporaries" in point else None


def tasks_of(plan: Mapping[str, Iterable[int]], cores: Iterable[int]) -> list[Task]:
    """All tasks of a plan; the counts of cores take turns, so that a drift hits them alike."""
    across = [(q, "cells", s * s) for s in plan["sides"] for q in QUANTITIES]
    across += [(q, "steps", x) for q in QUANTITIES for x in plan[q]]
    across += [(q, "members", x) for x in plan["members"] for q in QUANTITIES]
    cores = tuple(cores)
    return [Task(*one, count) for one in across for count in cores]


@final
@dataclass(frozen=True)
class Curves:
    """All points of a run, in the order of their tasks, whether finished or not, and where."""

    points: tuple[Point, ...] = ()
    complete: bool = False
    quick: bool = False
    version: str = __version__
    date: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).date().isoformat()
    )
    seconds: float = 0.0
    machine: dict[str, str] = field(default_factory=machine)

    @property
    def cores(self) -> tuple[int, ...]:
        """The numbers of cores, rising."""
        return tuple(sorted({point["cores"] for point in self.points}))

    def curve(self, quantity: str, axis: str, cores: int) -> list[Point]:
        """The points of one curve that were measured, by rising x."""
        found = [p for p in self.points if "left_out" not in p]
        found = [
            p for p in found if (p["quantity"], p["axis"], p["cores"]) == (quantity, axis, cores)
        ]
        return sorted(found, key=lambda point: point["x"])

    def continued(self, path: Path) -> Curves:
        """What an interrupted run of the same kind left in a file, or this."""
        try:
            old = Curves.load(path)
        except DataError:
            return self
        same = (self.version, self.quick) == (old.version, old.quick) and not old.complete
        return old if same and fingerprint(self.machine) == fingerprint(old.machine) else self

    def save(self, path: str | Path) -> Path:
        """Write as JSON, a point a line, whole or not at all.

        Raises:
            DataError: The file cannot be written.
        """
        path = check_writable(path)
        head = {"format": FORMAT, **{k: v for k, v in vars(self).items() if k != "points"}}
        text = json.dumps(head, indent=1, ensure_ascii=False)
        points = ",\n".join("  " + json.dumps(point) for point in self.points)
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
            points = tuple(data.pop("points"))
            [task_of(point) for point in points]
            return cls(points, **{name: data[name] for name in vars(cls()) if name != "points"})
        except (TypeError, KeyError) as error:
            raise DataError(f"{path}: damaged scaling curves ({error})") from error


def counts_of_cores() -> tuple[int, ...]:
    """The numbers of cores to measure on: 1, 2 and all; 1 where the system cannot pin."""
    available = len(available_cores()) or 1
    return tuple(sorted({1, min(2, available), available}))


def measure_all(curves: Curves, tasks: list[Task], path: Path) -> Curves:
    """Measure what is left of the tasks; after each, all that there is stands in ``path``.

    Tasks that differ in their cores alone are compiled at the same time and measured in turn.

    Raises:
        MfnError: A measuring process failed, or Ctrl-C came.
    """
    started, before = time.monotonic(), curves.seconds
    known = {task_of(point): point for point in curves.points}
    rounds: dict[tuple[Any, ...], list[Task]] = {}
    for task in tasks:
        if task not in known:
            rounds.setdefault(task[:3], []).append(task)
    with ExitStack() as stack, ProgressBar("scaling") as progress:
        counts = {task.cores for task in tasks}
        children = {n: stack.enter_context(Child(available_cores()[:n])) for n in counts}
        try:
            for together in rounds.values():
                progress(len(known), len(tasks))
                for task in together:
                    children[task.cores].ask(prepare, *task)
                for task in together:
                    children[task.cores].answer()
                for task in together:
                    told = children[task.cores].call(measured, SECONDS[curves.quick])
                    known[task] = task._asdict() | told
                points = tuple(known[task] for task in tasks if task in known)
                took = round(before + time.monotonic() - started, 1)
                curves = replace(curves, points=points, seconds=took)
                curves.save(path)
        except KeyboardInterrupt:
            kept = f"what has been measured is in {path}" if path.exists() else "nothing measured"
            raise MfnError(f"interrupted; {kept}; the same command goes on") from None
    curves = replace(curves, complete=True)
    curves.save(path)
    return curves
