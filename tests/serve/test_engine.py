"""The queue is bounded and fair; a poisoned item fails alone; batches change nothing."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, final

import pytest

from serve.engine import Engine, Kind
from serve.engine.queue import Cost, FairQueue, Ticket
from serve.http.errors import ApiError


@final
class Quick(Kind):
    """Doubles a number; 13 is poison, and spoils the batch that it is in."""

    name: ClassVar[str] = "quick"
    seconds_per_unit: ClassVar[float] = 1e-4
    is_small: ClassVar[bool] = True
    batch_units: ClassVar[float] = 8.0
    batch_items: ClassVar[int] = 8

    def key(self, item: int) -> Hashable:
        return "one"

    def units(self, item: int) -> float:
        return 1.0

    def run(self, key: Hashable, items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("poison")
        return [2 * item for item in items]


@final
class Slow(Kind):
    """Sleeps."""

    name: ClassVar[str] = "slow"
    seconds_per_unit: ClassVar[float] = 1.0

    def key(self, item: float) -> Hashable:
        return "one"

    def units(self, item: float) -> float:
        return item

    def run(self, key: Hashable, items: Sequence[float]) -> list[float]:
        for item in items:
            time.sleep(item)
        return list(items)


@final
class Compiled(Kind):
    """Names the thread that does it; the first of a key takes a while, as if it compiled."""

    name: ClassVar[str] = "compiled"
    seconds_per_unit: ClassVar[float] = 1e-4
    is_small: ClassVar[bool] = True

    def key(self, item: int) -> Hashable:
        return item // 100

    def units(self, item: int) -> float:
        return 1.0

    def run(self, key: Hashable, items: Sequence[int]) -> list[str]:
        role = threading.current_thread().name.partition("-")[0]
        if role == "cold":
            time.sleep(0.3)
        return [role] * len(items)


QUICK, SLOW, COMPILED = Quick(), Slow(), Compiled()


def engine(**options: Any) -> Engine:
    made = Engine((QUICK, SLOW, COMPILED), lanes=2, **options)
    made.run_now(QUICK, 0)
    made.run_now(SLOW, 0.0)
    made.start()
    return made


def test_a_poisoned_item_fails_alone() -> None:
    async def ask() -> list[Any]:
        made = engine()
        work = [made.submit(QUICK, item) for item in range(20)]
        return await asyncio.gather(*work, return_exceptions=True)

    answers = asyncio.run(ask())
    assert isinstance(answers.pop(13), ValueError)
    assert answers == [2 * item for item in range(20) if item != 13]


def test_small_work_gets_through_a_flood_of_large() -> None:
    async def ask() -> list[bool]:
        made = engine()
        flood = [asyncio.ensure_future(made.submit(SLOW, 0.3)) for _ in range(6)]
        await asyncio.sleep(0.05)
        assert await made.submit(QUICK, 4) == 8
        finished = [work.done() for work in flood]
        await asyncio.gather(*flood)
        return finished

    assert not any(asyncio.run(ask()))  # both lanes were busy still: the express lane did it


def test_a_full_queue_is_a_503_and_a_cancelled_item_leaves_it() -> None:
    async def ask() -> None:
        made = engine(queue_seconds=1.0)
        work = [asyncio.ensure_future(made.submit(SLOW, 0.4)) for _ in range(2)]
        await asyncio.sleep(0.1)
        waiting = [asyncio.ensure_future(made.submit(SLOW, 3.0)) for _ in range(1)]
        await asyncio.sleep(0.05)
        with pytest.raises(ApiError) as caught:
            await made.submit(SLOW, 0.1)
        assert caught.value.status == 503
        assert int(caught.value.headers["Retry-After"]) >= 1
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert made.waiting()["slow"] == 0
        await made.submit(SLOW, 0.01)
        await asyncio.gather(*work)

    asyncio.run(ask())


def test_what_is_late_is_a_503_and_closing_finishes_the_rest() -> None:
    async def ask() -> None:
        made = engine()
        work = [asyncio.ensure_future(made.submit(SLOW, 0.4)) for _ in range(2)]
        await asyncio.sleep(0.1)
        late = asyncio.ensure_future(made.submit(SLOW, 0.01, deadline_seconds=0.1))
        rest = [asyncio.ensure_future(made.submit(QUICK, k)) for k in range(5)]
        await asyncio.sleep(0)
        await asyncio.to_thread(made.close)
        assert await asyncio.gather(*rest) == [0, 2, 4, 6, 8]
        await asyncio.gather(*work)
        with pytest.raises(ApiError):
            await late
        with pytest.raises(ApiError):
            await made.submit(QUICK, 1)

    asyncio.run(ask())


def test_a_kind_that_was_idle_starts_level_with_the_others() -> None:
    loop = asyncio.new_event_loop()

    def ticket(units: float) -> Ticket:
        return Ticket(0, "k", "k", units, time.monotonic() + 9, loop.create_future())

    queue = FairQueue((QUICK, SLOW))
    for _ in range(6):
        queue.add(SLOW, ticket(1.0))
    queue.lines["slow"].measured([ticket(10.0)], 10.0)
    for _ in range(20):
        queue.add(QUICK, ticket(1.0))
    order = []
    while (work := queue.take()) is not None:
        line, batch = work
        line.measured(batch, 1.0)
        order.append(line.kind.name)
    loop.close()
    # Batches of eight against single ones, a second each: they take turns, the small one first.
    assert order[:6] == ["quick", "slow", "quick", "slow", "quick", "slow"]


def test_a_piece_of_what_was_admitted_is_done_however_full_the_queue_is() -> None:
    async def ask() -> list[Any]:
        made = engine(queue_seconds=0.3)
        flood = [asyncio.ensure_future(made.submit(SLOW, 0.1)) for _ in range(40)]
        await asyncio.sleep(0)
        pieces = [made.submit(SLOW, 0.11, is_admitted=True) for _ in range(8)]
        answers = await asyncio.gather(*pieces)
        refused = await asyncio.gather(*flood, return_exceptions=True)
        assert any(isinstance(answer, ApiError) for answer in refused)
        return answers

    assert asyncio.run(ask()) == [0.11] * 8


def test_tiny_work_does_not_make_large_work_look_endless() -> None:
    """A call of 2 ms for 10 cell-steps is no 0.2 ms a cell-step."""
    cost = Cost(1e-8)
    for _ in range(200):
        cost.note(10, 1, 2e-3)
    assert cost.seconds(1e7, 1) == pytest.approx(2e-3 + 0.1, rel=0.05)
    assert cost.seconds(50, 5) == pytest.approx(1e-2, rel=0.05)


def test_a_cost_is_learned_from_a_mixture_and_one_outlier_does_not_unlearn_it() -> None:
    cost, choose = Cost(1e-6), random.Random(1)
    for _ in range(300):
        units = choose.choice((10, 1e4, 1e6))
        cost.note(units, 1, (3e-3 + 5e-9 * units) * choose.uniform(0.8, 1.2))
    assert cost.per_unit == pytest.approx(5e-9, rel=0.3)
    assert cost.per_batch == pytest.approx(3e-3, rel=0.3)
    cost.note(10, 1, 60.0)
    assert cost.seconds(10, 1) < 0.03


def test_what_waits_for_a_program_is_done_by_the_lanes_once_it_is_compiled() -> None:
    async def ask() -> list[str]:
        made = engine()
        work = [made.submit(COMPILED, item) for item in (100, 101, 102, 200)]
        return await asyncio.gather(*work)

    assert asyncio.run(ask()) == ["cold", "lane", "lane", "cold"]


@pytest.mark.thorough
def test_a_scan_of_new_programs_is_refused_at_once_and_holds_up_nothing() -> None:
    async def ask() -> tuple[list[Any], list[Any]]:
        made = engine(queue_seconds=4.0)
        scan = [asyncio.ensure_future(made.submit(COMPILED, 100 * k)) for k in range(1, 60)]
        await asyncio.sleep(0.05)
        assert await made.submit(QUICK, 4) == 8
        ended = [task.exception() for task in scan if task.done()]
        await asyncio.gather(*scan, return_exceptions=True)
        return [error for error in ended if error], [error for error in ended if not error]

    refused, compiled = asyncio.run(ask())
    assert len(refused) > 50
    assert all(isinstance(error, ApiError) and error.status == 503 for error in refused)
    assert compiled == []  # the first takes 0.3 s: the small one did not wait for it


def test_closing_finishes_what_waits_for_a_compilation() -> None:
    async def ask() -> list[str]:
        made = engine()
        work = [asyncio.ensure_future(made.submit(COMPILED, item)) for item in (100, 101)]
        await asyncio.sleep(0.05)
        await asyncio.to_thread(made.close)
        return await asyncio.gather(*work)

    assert asyncio.run(ask()) == ["cold", "lane"]


def test_an_overload_is_over_within_the_queue_time() -> None:
    async def ask() -> float:
        made = engine(queue_seconds=1.0)
        flood = [asyncio.ensure_future(made.submit(SLOW, 0.1)) for _ in range(60)]
        await asyncio.sleep(0)
        began = time.perf_counter()
        answers = await asyncio.gather(*flood, return_exceptions=True)
        assert 10 <= sum(answer == 0.1 for answer in answers) <= 20
        return time.perf_counter() - began

    assert asyncio.run(ask()) < 1.5  # two lanes need 3 s for all of it
