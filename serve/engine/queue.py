"""Tickets, and the queue they wait in: bounded for each kind, fair between kinds.

*Fair* is start-time fair queueing on the measured cost: a lane takes from the kind that has had
the least lane time so far, and a kind that was idle starts level with the others instead of with
a credit. So a flood of large runs delays a small one by a turn, and a flood of small ones cannot
starve a large one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import Hashable
from typing import Any, final

from serve.engine.kind import Kind

MAX_WAITING = 10_000
"""Tickets of one kind, whatever they cost: a bound on memory."""

MAX_WAITING_COLD = 256
"""Tickets of one kind that wait for a compilation."""

SCAN = 64
"""Tickets looked at to fill a batch."""

MEMORY = 0.9
"""What a batch counts beside the one after it, in an estimate of the cost."""

OUTLIER = 4.0
"""A batch that took longer than so many times what was expected counts as if it had not."""


@final
class Cost:
    """Seconds of a batch as a + b·units, learned from the batches done so far.

    b is a weighted least-squares slope, drawn towards the first guess where all batches are of one
    size: from those alone, a and b could not be told apart, and work without a constant would make
    the cost of a unit that of a call.
    """

    PRIOR = 1e-3
    """Weight of the first guess of b, in squares of the mean size."""

    def __init__(self, seconds_per_unit: float) -> None:
        self._guess = seconds_per_unit
        self._count = self._u = self._s = self._uu = self._us = self._items = 0.0
        self.per_batch, self.per_unit = 0.0, seconds_per_unit

    def seconds(self, units: float, items: int) -> float:
        """What so much work will take, in batches of the usual number of items."""
        batches = items * self._count / self._items if self._items else float(bool(items))
        return self.per_batch * batches + self.per_unit * units

    def note(self, units: float, items: int, seconds: float) -> None:
        """A batch was done."""
        if self._count:
            expected = self.per_batch + self.per_unit * units
            seconds = min(seconds, OUTLIER * max(expected, self._s / self._count))
        self._count = 1 + MEMORY * self._count
        self._items = items + MEMORY * self._items
        self._u = units + MEMORY * self._u
        self._s = seconds + MEMORY * self._s
        self._uu = units**2 + MEMORY * self._uu
        self._us = units * seconds + MEMORY * self._us
        mean_u, mean_s = self._u / self._count, self._s / self._count
        prior = self.PRIOR * mean_u**2
        spread = self._uu / self._count - mean_u**2 + prior
        together = self._us / self._count - mean_u * mean_s + prior * self._guess
        self.per_unit = max(0.0, together / spread) if spread > 0 else self._guess
        self.per_unit = min(self.per_unit, mean_s / mean_u) if mean_u > 0 else self._guess
        self.per_batch = max(0.0, mean_s - self.per_unit * mean_u)


@final
@dataclasses.dataclass(slots=True, eq=False)
class Ticket:
    """One item of work and where its result goes."""

    item: Any
    key: Hashable
    group: Hashable
    units: float
    deadline: float
    future: asyncio.Future[Any]


@final
class Line:
    """The tickets of one kind, and what the kind has cost so far."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.tickets: deque[Ticket] = deque()
        self.units = 0.0
        self.cost = Cost(kind.seconds_per_unit)
        self.used = 0.0

    @property
    def seconds(self) -> float:
        """Estimated lane time of what waits."""
        return self.cost.seconds(self.units, len(self.tickets))

    def add(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)
        self.units += ticket.units

    def remove(self, ticket: Ticket) -> bool:
        try:
            self.tickets.remove(ticket)
        except ValueError:
            return False
        self._forget(ticket)
        return True

    def take_all(self, key: Hashable) -> list[Ticket]:
        """Every ticket that needs one program."""
        taken = [ticket for ticket in self.tickets if ticket.key == key]
        for ticket in taken:
            self.remove(ticket)
        return taken

    def take(self) -> list[Ticket]:
        """The oldest ticket, and others of its group up to the batch's bounds."""
        kind, first = self.kind, self.tickets.popleft()
        batch, units = [first], first.units
        if kind.batch_items > 1 and self.tickets:
            kept: list[Ticket] = []
            for _ in range(min(SCAN, len(self.tickets))):
                if len(batch) == kind.batch_items or units >= kind.batch_units:
                    break
                ticket = self.tickets.popleft()
                fits = ticket.group == first.group and units + ticket.units <= kind.batch_units
                if fits:
                    batch.append(ticket)
                    units += ticket.units
                else:
                    kept.append(ticket)
            self.tickets.extendleft(reversed(kept))
        for ticket in batch:
            self._forget(ticket)
        return batch

    def measured(self, batch: list[Ticket], seconds: float) -> None:
        """Account for a batch that was done."""
        self.used += seconds
        self.cost.note(sum(ticket.units for ticket in batch), len(batch), seconds)

    def _forget(self, ticket: Ticket) -> None:
        # Set to 0 when empty, so that rounding does not pile up.
        self.units = self.units - ticket.units if self.tickets else 0.0


@final
class FairQueue:
    """Lines of several kinds that share lanes. Not locked: the engine holds a lock around it."""

    def __init__(self, kinds: tuple[Kind, ...]) -> None:
        self.lines = {kind.name: Line(kind) for kind in kinds}

    def add(self, kind: Kind, ticket: Ticket) -> None:
        line = self.lines[kind.name]
        if not line.tickets:
            waiting = [other.used for other in self.lines.values() if other.tickets]
            line.used = max(line.used, min(waiting)) if waiting else line.used
        line.add(ticket)

    def expected_wait(self, kind: Kind, lanes: int) -> float:
        """Seconds until a new ticket of ``kind`` would get its turn."""
        line = self.lines[kind.name]
        rivals = sum(1 for other in self.lines.values() if other.tickets and other is not line)
        return line.seconds * (1 + rivals) / lanes

    def programs(self) -> int:
        """How many programs the waiting tickets need."""
        return len({(name, t.key) for name, line in self.lines.items() for t in line.tickets})

    def take(self, *, small_only: bool = False) -> tuple[Line, list[Ticket]] | None:
        """The next batch: from the line that has had the least, the small ones first on a tie."""
        waiting = [
            line
            for line in self.lines.values()
            if line.tickets and (line.kind.is_small or not small_only)
        ]
        if not waiting:
            return None
        line = min(waiting, key=lambda line: (line.used, not line.kind.is_small))
        return line, line.take()

    def expired(self) -> list[Ticket]:
        """Take out the tickets whose deadline has passed (the oldest are in front).

        One that has none, a piece of work that was admitted before, is taken by a lane in its turn.
        """
        now, gone = time.monotonic(), []
        for line in self.lines.values():
            while line.tickets and line.tickets[0].deadline < now:
                gone.append(line.tickets[0])
                line.remove(line.tickets[0])
        return gone

    def __len__(self) -> int:
        return sum(len(line.tickets) for line in self.lines.values())
