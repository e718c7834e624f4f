"""A run in pieces, frame by frame: each piece is an item of work of its own.

So a long stream takes its turn with everything else, and stops when nobody asks for more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, final

import numpy as np

from mfnjax.simulation import Simulation
from mfnjax.simulation.start import start_of
from serve.engine.kind import Kind
from serve.engine.simulations import Run


@final
@dataclasses.dataclass
class Stream:
    """A run that is on its way.

    Attributes:
        simulation: What is run; its ``steps`` are the whole run's.
        seed: Of its start and its chance.
        state: Where it stands; None before the first piece.
        key: The run's key.
        counts: Events so far.
    """

    simulation: Simulation
    seed: int
    state: Any = None
    key: Any = None
    counts: dict[str, int] = dataclasses.field(default_factory=dict)


@final
class Pieces(Kind):
    """An item is (stream, steps): take the stream on by so many steps."""

    name: ClassVar[str] = "stream"
    seconds_per_unit: ClassVar[float] = 2e-8
    uses_library_caches: ClassVar[bool] = True

    def key(self, item: tuple[Stream, int]) -> Hashable:
        return Run.of(item[0].simulation, 0).program

    def units(self, item: tuple[Stream, int]) -> float:
        return item[0].simulation.grid.num_cells * max(item[1], 1)

    def run(self, key: Hashable, items: Sequence[tuple[Stream, int]]) -> list[Any]:
        return [_advance(stream, steps) for stream, steps in items]


def _advance(stream: Stream, steps: int) -> dict[str, np.ndarray]:
    """Take the stream on; returns its fields."""
    import jax

    simulation = stream.simulation
    model = simulation.model
    if stream.state is None:
        start_key, stream.key = jax.random.split(jax.random.key(np.uint32(stream.seed)))
        if simulation.start is None:
            stream.state = model.initial_state(simulation.grid, dtype="float32", key=start_key)
        else:
            seed, name = np.uint32(stream.seed), simulation.start
            stream.state, _ = start_of(model, simulation.grid, "float32", seed, name)
    if steps:
        key = stream.key if model.takes_key else None
        end = simulation.replace(steps=steps).run(stream.state, key=key)
        end.status.raise_if_bad()
        stream.state = end.state
        for name, count in end.counts.items():
            stream.counts[name] = stream.counts.get(name, 0) + int(count)
    return {name: np.asarray(field) for name, field in stream.state.asdict().items()}


PIECES = Pieces()
