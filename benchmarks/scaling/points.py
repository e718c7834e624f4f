"""What is measured: every point of every curve, and what a measurement of it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, final

QUANTITIES = ("forward", "gradient", "features")
AXES = ("cells", "steps", "members")
SIDE, STEPS = 64, 32
"""Side of the curves against steps and members; steps of those against cells and members."""


@final
@dataclass(frozen=True)
class Plan:
    """The sizes of a full or a quick run, and how long a point may take."""

    sides: tuple[int, ...]
    steps: dict[str, tuple[int, ...]]
    members: tuple[int, ...]
    seconds: float


FULL = Plan(
    sides=(32, 64, 128, 256, 512, 1024, 2048),
    steps={
        "forward": (10, 32, 100, 316, 1000, 3162, 10_000),
        "gradient": (10, 32, 100, 316, 1000),
        "features": (2, 8, 32, 128, 512, 2048),
    },
    members=(1, 4, 16, 64, 256),
    seconds=0.3,
)
QUICK = Plan(
    sides=(16, 32, 64),
    steps={"forward": (10, 32, 100), "gradient": (8,), "features": (8,)},
    members=(2,),
    seconds=0.02,
)


@final
@dataclass(frozen=True, order=True)
class Task:
    """One thing to measure: a quantity at ``x`` of an axis, on so many cores."""

    quantity: str
    axis: str
    x: int
    cores: int


@final
@dataclass(frozen=True)
class Point:
    """What was measured of a task.

    Attributes:
        task: What.
        median_ms: Median time of a call, its result waited for.
        min_ms: Fastest call.
        spread: Interquartile range over median.
        more: ``compile_s``; XLA's account of the program, ``arguments``, ``outputs`` and
            ``temporaries`` in bytes; ``resident``, the growth of the process's peak resident
            memory by a call, in bytes.
        left_out: Why it was not measured; empty if it was.
    """

    task: Task
    median_ms: float = 0.0
    min_ms: float = 0.0
    spread: float = 0.0
    more: dict[str, float] = field(default_factory=dict)
    left_out: str = ""

    @property
    def memory(self) -> float | None:
        """Arguments, outputs and temporaries by XLA's account, in bytes."""
        if "temporaries" not in self.more:
            return None
        return sum(self.more[name] for name in ("arguments", "outputs", "temporaries"))

    def to_dict(self) -> dict[str, Any]:
        """As a flat dictionary for JSON."""
        told = {**vars(self.task), **{k: v for k, v in vars(self).items() if k != "task"}}
        more = told.pop("more")
        return {name: value for name, value in (told | more).items() if value != ""}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Point:
        """What `to_dict` gave."""
        left = dict(data)
        task = Task(*(left.pop(name) for name in ("quantity", "axis", "x", "cores")))
        times = [left.pop(name, 0.0) for name in ("median_ms", "min_ms", "spread")]
        return cls(task, *times, left_out=left.pop("left_out", ""), more=left)


def tasks_of(plan: Plan, cores: Iterable[int]) -> list[Task]:
    """All tasks of a plan; the counts of cores take turns, so that a drift hits them alike."""
    cores = tuple(cores)
    across = [(q, "cells", s * s) for s in plan.sides for q in QUANTITIES]
    across += [(q, "steps", x) for q in QUANTITIES for x in plan.steps[q]]
    across += [(q, "members", x) for x in plan.members for q in QUANTITIES]
    return [Task(*one, count) for one in across for count in cores]
