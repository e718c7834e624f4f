"""What a kind of work is: how it is grouped, what it costs, and how it is done."""

from __future__ import annotations

import abc
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar


class Kind(abc.ABC):
    """One kind of work. It has no state of its own.

    Class attributes:
        name: Its name in the metrics.
        seconds_per_unit: A first guess of the cost of a unit; the engine measures the rest.
        is_small: Whether an item is done within some milliseconds, so that the express lane
            may take it.
        batch_units: Items are taken together up to this many units.
        batch_items: And up to this many items.
        uses_library_caches: Whether its programs are in the library's caches, which the engine
            has to bound.
    """

    name: ClassVar[str]
    seconds_per_unit: ClassVar[float]
    is_small: ClassVar[bool] = False
    batch_units: ClassVar[float] = 0.0
    batch_items: ClassVar[int] = 1
    uses_library_caches: ClassVar[bool] = False

    @abc.abstractmethod
    def key(self, item: Any) -> Hashable:
        """What decides the compiled program: items with one key can share a batch."""

    def group(self, item: Any) -> Hashable:
        """Items that may share a batch; they have one key, too."""
        return self.key(item)

    @abc.abstractmethod
    def units(self, item: Any) -> float:
        """How much work an item is (cell-steps, say)."""

    @abc.abstractmethod
    def run(self, key: Hashable, items: Sequence[Any]) -> Sequence[Any]:
        """Do a batch in the calling thread; one result an item, an exception where it failed."""
