"""All points of a run: measured in child processes, one for each number of cores, and kept."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

from benchmarks.harness.child import Child, available_cores
from benchmarks.harness.machine import fingerprint, machine
from benchmarks.harness.tables import read_format
from benchmarks.scaling.points import Point, Task
from benchmarks.scaling.work import measured, prepare
from mfnjax import __version__
from mfnjax._files import check_writable, write_text
from mfnjax._progress import ProgressBar
from mfnjax.errors import DataError, MfnError

FORMAT = "mfnjax-scaling-1"
_HEAD = ("complete", "quick", "version", "date", "seconds", "machine")


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


@final
@dataclass(frozen=True)
class Curves:
    """All points of a run, finished or not.

    Attributes:
        points: In the order of their tasks.
        complete: Whether every task has been measured.
        quick: Whether the sizes are those of a quick run.
        machine: Where it was measured.
        version: Of mfnjax.
        date: When it was begun.
        seconds: Time that it took.
    """

    points: tuple[Point, ...] = ()
    complete: bool = False
    quick: bool = False
    machine: dict[str, str] = field(default_factory=machine)
    version: str = __version__
    date: str = field(default_factory=_today)
    seconds: float = 0.0

    @property
    def cores(self) -> tuple[int, ...]:
        """The numbers of cores, rising."""
        return tuple(sorted({point.task.cores for point in self.points}))

    def curve(self, quantity: str, axis: str, cores: int) -> list[Point]:
        """The points of one curve that were measured, by rising x."""
        wanted = quantity, axis, cores
        found = [
            p
            for p in self.points
            if (p.task.quantity, p.task.axis, p.task.cores) == wanted and not p.left_out
        ]
        return sorted(found, key=lambda point: point.task.x)

    def continued(self, path: Path) -> Curves:
        """What an interrupted run of the same kind left in a file, or this."""
        try:
            old = Curves.load(path)
        except DataError:
            return self
        same = (self.version, self.quick) == (old.version, old.quick) and not old.complete
        return old if same and fingerprint(self.machine) == fingerprint(old.machine) else self

    def save(self, path: str | Path) -> Path:
        """Write as JSON, whole or not at all.

        Raises:
            DataError: The file cannot be written.
        """
        path = check_writable(path)
        head = {"format": FORMAT, **{name: getattr(self, name) for name in _HEAD}}
        points = ",\n".join("  " + json.dumps(point.to_dict()) for point in self.points)
        text = json.dumps(head, indent=1, ensure_ascii=False)
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
            return cls(points, **{name: data[name] for name in _HEAD})
        except (TypeError, KeyError) as error:
            raise DataError(f"{path}: damaged scaling curves ({error})") from error


def counts_of_cores() -> tuple[int, ...]:
    """The numbers of cores to measure on: 1, 2 and all; 1 where the system cannot pin."""
    available = len(available_cores()) or 1
    return tuple(sorted({1, min(2, available), available}))


def measure_all(curves: Curves, tasks: Sequence[Task], path: Path, seconds: float) -> Curves:
    """Measure what is left of the tasks; after each, all that there is stands in ``path``.

    Tasks that differ in their cores alone are compiled at the same time and measured in turn.

    Raises:
        MfnError: A measuring process failed, or Ctrl-C came.
    """
    started, before = time.monotonic(), curves.seconds
    known = {point.task: point for point in curves.points}
    rounds: dict[tuple[str, str, int], list[Task]] = {}
    for task in tasks:
        if task not in known:
            rounds.setdefault((task.quantity, task.axis, task.x), []).append(task)
    with ExitStack() as stack, ProgressBar("scaling") as progress:
        pinned = available_cores()
        counts = {task.cores for task in tasks}
        children = {n: stack.enter_context(Child(pinned[:n])) for n in counts}
        try:
            for together in rounds.values():
                progress(len(known), len(tasks))
                for task in together:
                    children[task.cores].ask(prepare, *vars(task).values())
                for task in together:
                    children[task.cores].answer()
                for task in together:
                    told = children[task.cores].call(measured, seconds)
                    known[task] = Point.from_dict(told)
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
