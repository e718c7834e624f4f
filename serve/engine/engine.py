"""The engine: admits work, lets lanes do it, and gives the results back to the event loop."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, final

from mfnjax._cpu import cores
from serve.engine.kind import Kind
from serve.engine.queue import MAX_WAITING, MAX_WAITING_COLD, FairQueue, Line, Ticket
from serve.http.errors import overloaded

log = logging.getLogger("serve")

LANE_NICENESS = 5
"""Lanes yield to the event loop where all want the processor (Linux)."""

MAX_LIBRARY_KEYS = 64
"""Programs that are traced before JAX's own caches are dropped."""

ROLES = ("lane", "express", "cold")

MAX_WARM_KEYS = 96
"""Programs known to be compiled; the one used longest ago is forgotten first."""

ADMITTED = 0.8
"""Part of the longest wait up to which a request is taken: the estimate may be off by a quarter."""

COMPILE_SECONDS = 1.0
"""A first guess of what a program takes to compile; the engine measures the rest."""


@final
class Engine:
    """Lanes, one per core, over a fair queue.

    Two more threads stand beside the lanes. The *express* lane takes small work, and only while
    all the others are busy with large work. The *cold* lane takes what needs a program that is not
    compiled yet, so that a compilation holds up nobody else: what waits for the program it has
    just compiled goes to the lanes.
    """

    def __init__(
        self,
        kinds: tuple[Kind, ...],
        *,
        lanes: int | None = None,
        queue_seconds: float = 5.0,
        deadline_seconds: float = 30.0,
    ) -> None:
        self.lanes = lanes or cores()
        self.queue_seconds = queue_seconds
        self.deadline_seconds = deadline_seconds
        self._warm: OrderedDict[tuple[str, Hashable], None] = OrderedDict()
        self._hot, self._cold = FairQueue(kinds), FairQueue(kinds)
        self._lock = threading.Lock()
        self._wake = {role: threading.Condition(self._lock) for role in ROLES}
        self._traced = 0
        self._large_running = 0
        self._compiling = False
        self._compile_seconds = COMPILE_SECONDS
        self._closing = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        roles = [("lane", self._hot)] * self.lanes + [("express", self._hot), ("cold", self._cold)]
        for index, (role, queue) in enumerate(roles):
            thread = threading.Thread(
                target=self._serve, args=(role, queue), name=f"{role}-{index}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def close(self, timeout: float = 10.0) -> None:
        """Finish what waits, then stop the threads."""
        with self._lock:
            self._closing = True
            for condition in self._wake.values():
                condition.notify_all()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    async def submit(
        self,
        kind: Kind,
        item: Any,
        *,
        deadline_seconds: float | None = None,
        is_admitted: bool = False,
    ) -> Any:
        """Wait for ``item`` to be done and return its result, or raise what it raised.

        Cancelling the caller takes a waiting item out of the queue. What is a piece of work that
        was admitted before is admitted itself, however long it has to wait for its turn.

        Raises:
            ApiError: 503, the queue is full or the deadline cannot be met.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        limit = self.deadline_seconds if deadline_seconds is None else deadline_seconds
        ticket = Ticket(
            item,
            kind.key(item),
            kind.group(item),
            kind.units(item),
            math.inf if is_admitted else time.monotonic() + min(limit, self.queue_seconds),
            future,
        )
        with self._lock:
            queue = self._queue_for(kind, ticket.key)
            if not is_admitted or self._closing:
                self._admit(kind, queue, limit)
            queue.add(kind, ticket)
            if queue is self._cold:
                self._wake["cold"].notify()
            elif self._large_running >= self.lanes and kind.is_small:
                self._wake["express"].notify()
            else:
                self._wake["lane"].notify()
        try:
            return await future
        except asyncio.CancelledError:
            with self._lock:
                for waiting in (self._hot, self._cold):
                    waiting.lines[kind.name].remove(ticket)
            raise

    def waiting(self) -> dict[str, int]:
        """Tickets that wait, by kind."""
        with self._lock:
            return {
                name: len(self._hot.lines[name].tickets) + len(self._cold.lines[name].tickets)
                for name in self._hot.lines
            }

    def run_now(self, kind: Kind, item: Any) -> Any:
        """Do ``item`` in the calling thread: for warming up."""
        key = kind.key(item)
        (result,) = kind.run(key, [item])
        with self._lock:
            self._note_warm(kind, key)
        if isinstance(result, Exception):
            raise result
        return result

    def _queue_for(self, kind: Kind, key: Hashable) -> FairQueue:
        if (kind.name, key) in self._warm:
            self._warm.move_to_end((kind.name, key))
            return self._hot
        return self._cold

    def _admit(self, kind: Kind, queue: FairQueue, limit: float) -> None:
        if self._closing:
            raise overloaded("The server is shutting down.", 1)
        if queue is self._cold:
            wait = (queue.programs() + self._compiling) * self._compile_seconds
            full = len(queue.lines[kind.name].tickets) >= MAX_WAITING_COLD
        else:
            wait = queue.expected_wait(kind, self.lanes)
            full = len(queue.lines[kind.name].tickets) >= MAX_WAITING
        if wait > ADMITTED * self.queue_seconds or full:
            raise overloaded(f"The queue is full: the wait would be {wait:.1f} s.", wait)
        if wait > limit:
            raise overloaded(f"The deadline of {limit:g} s cannot be met.", wait)

    def _note_warm(self, kind: Kind, key: Hashable) -> None:
        self._traced += (kind.name, key) not in self._warm
        self._warm[kind.name, key] = None
        self._warm.move_to_end((kind.name, key))
        while len(self._warm) > MAX_WARM_KEYS:
            self._warm.popitem(last=False)
        if self._traced > MAX_LIBRARY_KEYS:
            self._drop_library_caches()

    def _compiled(self, line: Line, key: Hashable, elapsed: float) -> None:
        """Note what the cold lane has done; others that waited for the same go to the lanes."""
        self._compiling = False
        line.used += elapsed
        # Up at once, down slowly: programs read from the cache on disk say little of the next.
        slower = self._compile_seconds + 0.2 * (elapsed - self._compile_seconds)
        self._compile_seconds = max(elapsed, slower)
        self._note_warm(line.kind, key)
        for ticket in line.take_all(key):
            self._hot.add(line.kind, ticket)
            self._wake["lane"].notify()
        if self._closing:
            for condition in self._wake.values():
                condition.notify_all()

    def _is_done(self, role: str) -> bool:
        """Whether nothing is left for a thread, now or once a program is compiled."""
        if role == "cold":
            return not len(self._cold)
        return not len(self._hot) and not len(self._cold) and not self._compiling

    def _drop_library_caches(self) -> None:
        """Drop what JAX keeps for ever: programs of the library, and what was traced of all."""
        import jax

        self._traced = 0
        for name, key in list(self._warm):
            if self._hot.lines[name].kind.uses_library_caches:
                del self._warm[name, key]
        jax.clear_caches()

    # -- in the threads -------------------------------------------------------------------------

    def _serve(self, role: str, queue: FairQueue) -> None:
        if role != "cold":
            _be_nice()
        while (work := self._next(role, queue)) is not None:
            line, batch = work
            large = role == "lane" and not line.kind.is_small
            began = time.perf_counter()
            results = _run(line.kind, batch)
            elapsed = time.perf_counter() - began
            with self._lock:
                self._large_running -= large
                if role == "cold":
                    self._compiled(line, batch[0].key, elapsed)
                else:
                    line.measured(batch, elapsed)
            _deliver(batch, results)

    def _next(self, role: str, queue: FairQueue) -> tuple[Line, list[Ticket]] | None:
        """Wait for work; None when the engine closes and nothing is left."""
        with self._lock:
            while True:
                late = queue.expired()
                if late:
                    error = overloaded("The request waited for its turn for too long.", 1)
                    _deliver(late, [error] * len(late))
                express = role == "express"
                if not express or self._large_running >= self.lanes:
                    work = queue.take(small_only=express)
                    if work is not None:
                        self._large_running += role == "lane" and not work[0].kind.is_small
                        self._compiling |= role == "cold"
                        if self._large_running >= self.lanes:
                            self._wake["express"].notify()
                        return work
                if self._closing and self._is_done(role):
                    return None
                self._wake[role].wait(1.0)


def _be_nice() -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LANE_NICENESS)
    except (OSError, AttributeError):
        log.debug("the lanes run at the priority of the event loop")


def _run(kind: Kind, batch: list[Ticket]) -> list[Any]:
    """Results of a batch. If the batch as a whole fails, each item is tried alone."""
    try:
        return list(kind.run(batch[0].key, [ticket.item for ticket in batch]))
    except Exception as error:
        if len(batch) == 1:
            return [error]
        return [_run(kind, [ticket])[0] for ticket in batch]


def _deliver(batch: list[Ticket], results: list[Any]) -> None:
    """Hand results to their event loops, one wake-up a loop."""

    def settle(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
        for future, result in pairs:
            if future.done():  # cancelled: nobody waits
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for ticket, result in zip(batch, results, strict=True):
        by_loop.setdefault(ticket.future.get_loop(), []).append((ticket.future, result))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(settle, pairs)
        except RuntimeError:
            log.warning("the event loop is gone; %d results are dropped", len(pairs))
