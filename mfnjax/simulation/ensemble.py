"""Many runs at once, in bounded memory, on all cores.

On a CPU a vectorised batch of these runs is no faster than the runs one after the other (the
arithmetic is the same and the conditional counts become unconditional). So short runs go through
one compiled loop, one after the other, in blocks, which saves a call a member; and the blocks go to
threads. A device of JAX runs one program at a time: for runs on two cores at the same time there
must be two devices, which `mfnjax.configure_cpu` makes.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, final

import jax
import numpy as np
from jax import lax

from mfnjax._checks import check_int
from mfnjax._cpu import cores
from mfnjax.core.state import State
from mfnjax.errors import ParameterError, StabilityError
from mfnjax.models.base import Values
from mfnjax.simulation.checks import check_last_step
from mfnjax.simulation.chunks import CHUNK_CELL_STEPS, Progress, run_chunk
from mfnjax.simulation.members import Members, rows
from mfnjax.simulation.problem import prepare_inputs
from mfnjax.simulation.rollout import run_inputs
from mfnjax.simulation.trajectory import Status, Trajectory

BLOCK = 16
"""Members of a block at most. A call costs a few per cent of that many short runs; with larger
blocks a thread that the system holds up keeps the other waiting for longer."""

_CODE = (np.floor_divide, np.remainder)
"""How the first bad step and field are read from the number that the loop carries."""


def run_members(
    simulation: Any, members: Members, threads: int | None, progress: Progress | None
) -> Trajectory:
    """Run the members of an ensemble of a `mfnjax.Simulation`; see `Simulation.ensemble`."""
    if threads is not None:
        threads = check_int("threads", threads, 1, 2**16)
    size = members.size
    threads = min(threads or cores(), size)
    share = -(-size // threads)
    is_single = simulation.save_every is not None or simulation.until is not None
    each = 1 if is_single else _block_size(simulation, share)
    starts, gathered, done = iter(range(0, size, each)), _Gathered(size), 0
    stop = threading.Event()
    settings = _settings()
    with ThreadPoolExecutor(threads, initializer=_take_a_device(threads)) as pool:
        running: list[tuple[Future[None], int]] = []
        try:
            while (start := next(starts, None)) is not None or running:
                if start is not None:
                    run = partial(_run_block, simulation, members, start, each, stop)
                    future = pool.submit(_gather_on_own_device, gathered, start, run, settings)
                    running.append((future, min(each, size - start)))
                if start is None or len(running) > 2 * threads:
                    future, count = running.pop(0)
                    future.result()
                    done += count
                    if progress is not None:
                        progress(done, size)
        except BaseException:
            stop.set()
            for future, _ in running:
                future.cancel()
            raise
    return gathered.whole


@final
class _Gathered:
    """The results of all members, in arrays that the first block to end makes.

    Each thread writes the rows of its own blocks, while others still run: nothing is held twice.
    """

    whole: Any = None

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()

    def put(self, at: int, part: Trajectory) -> None:
        """Write the members from number ``at`` on."""
        with self._lock:
            if self.whole is None:
                self.whole = jax.tree.map(self._room, part)
        for whole, some in zip(jax.tree.leaves(self.whole), jax.tree.leaves(part), strict=True):
            whole[at : at + len(some)] = some

    def _room(self, some: np.ndarray) -> np.ndarray:
        return np.empty((self._size, *some.shape[1:]), some.dtype)


def _block_size(simulation: Any, share: int) -> int:
    """Members in one call: a power of two, so that few sizes are compiled.

    No more than a thread's share, and than may be done between two looks for Ctrl-C.
    """
    work = simulation.grid.num_cells * max(simulation.steps, 1)
    most = max(min(BLOCK, share, CHUNK_CELL_STEPS // work), 1)
    return 1 << (most.bit_length() - 1)


def _take_a_device(threads: int) -> Callable[[], None]:
    """An initializer that gives each thread one of JAX's devices, in turn."""
    chosen = getattr(jax.config, "jax_default_device", None)
    devices = itertools.cycle([chosen] if chosen is not None else jax.local_devices())
    free = [next(devices) for _ in range(threads)]

    def take() -> None:
        _thread.device = free.pop()

    return take


_thread = threading.local()


def _settings() -> tuple[bool, bool]:
    """The caller's settings of JAX that numbers depend on: a new thread does not know them."""
    return jax.config.jax_enable_x64, jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]


def _gather_on_own_device(
    gathered: _Gathered, at: int, run: Callable[[], Trajectory], settings: tuple[bool, bool]
) -> None:
    x64, partitionable = settings
    with (
        jax.default_device(_thread.device),
        jax.enable_x64(x64),
        jax.threefry_partitionable(partitionable),
    ):
        gathered.put(at, run())


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Say in an error which member it is about; the first's may be about all."""
    try:
        yield
    except (ParameterError, StabilityError) as error:
        if not index:
            raise
        raise type(error)(f"member {index}: {error}") from error


def _run_block(
    simulation: Any, members: Members, start: int, each: int, stop: threading.Event
) -> Trajectory:
    """Run some members: a whole block of them in one call, else one by one.

    Between two chunks of a run it looks whether to stop: Ctrl-C does not wait for a long run's end.
    """

    def look(done: int, steps: int) -> None:
        if stop.is_set():
            raise CancelledError

    end = min(start + each, members.size)
    if each == 1 or end < start + each:
        alone = []
        for index in range(start, end):
            model, state, key = members.one(index)
            with _naming(index):
                inputs = prepare_inputs(simulation.replace(model=model), state, key)
                alone.append(run_inputs(inputs, progress=look))
        return _stack(alone)
    shared, own, structure, integers = _block_inputs(simulation, members, slice(start, end))
    impl = members.keys and members.keys.impl
    values, seen = _compiled_block(shared, own, integers, structure=structure, impl=impl)
    step, first_bad, *counts = np.asarray(seen).T.astype(np.int64)
    fields, counters = members.model.fields, members.model.counters
    bad = (np.where(first_bad < 0, -1, part(first_bad, len(fields))) for part in _CODE)
    return Trajectory(
        state=State(fields, tuple(map(np.asarray, values)), step.astype(np.int32)),
        history=None,
        counts=dict(zip(counters, counts, strict=True)),
        status=Status(fields, *bad),
    )


def _block_inputs(
    simulation: Any, members: Members, block: slice
) -> tuple[list[Any], list[Any], Any, np.ndarray]:
    """What a block is called with.

    All rows of an array have one shape and dtype, so the first member stands for all, unless they
    differ in parameters: then each set is checked.

    Returns:
        The leaves that all share, those that are the members' own (each list has None where the
        other has a leaf), the structure of a member, and the integers of `run_chunk` (n, 4).
    """
    model_axes, state_axes, own_key = members.axes
    checks = range(block.start, block.stop if any(model_axes) else block.start + 1)
    checked, given = [], members.keys and members.keys.given
    for index in checks:
        model, state = members.model_and_state(index)
        with _naming(index):
            checked.append(prepare_inputs(simulation.replace(model=model), state, given))
    first = checked[0]
    problems = [jax.tree.flatten(replace(one.problem, key=None)) for one in checked]
    columns = list(zip(*(leaves for leaves, _ in problems), strict=True))
    # A problem's first leaves are its model's.
    own = model_axes + [False] * (len(columns) - len(model_axes))
    leaves = [
        np.stack(column) if mine else column[0] for column, mine in zip(columns, own, strict=True)
    ]

    start, own_fields = rows(members.state, state_axes, block), state_axes.asdict()
    for name, value in zip(members.model.fields, first.values, strict=True):
        own.append(own_fields[name])
        leaves.append(np.asarray(start[name], value.dtype) if own_fields[name] else value)
    if members.keys is not None:
        own.append(own_key)
        leaves.append(rows(members.keys.data, own_key, block))

    if state_axes.step:
        for index, step in enumerate(start.step, block.start):
            with _naming(index):
                check_last_step(members.model, step, first.steps)
    integers = np.empty((block.stop - block.start, 4), np.int64)
    integers[:] = 0, -1, first.steps, max(first.steps, 1)
    integers[:, 0] = start.step
    leaves = [np.asarray(leaf) for leaf in leaves]
    shared = [None if mine else leaf for leaf, mine in zip(leaves, own, strict=True)]
    each = [leaf if mine else None for leaf, mine in zip(leaves, own, strict=True)]
    return shared, each, problems[0][1], integers


@partial(jax.jit, static_argnames=("structure", "impl"))
def _compiled_block(
    shared: list[Any], own: list[Any], integers: Any, *, structure: Any, impl: str | None
) -> tuple[Values, jax.Array]:
    """`run_chunk` for one member after the other."""

    def one(member: tuple[list[Any], Any]) -> tuple[Values, jax.Array]:
        own, integers = member
        leaves = [mine if ours is None else ours for mine, ours in zip(own, shared, strict=True)]
        key = None if impl is None else jax.random.wrap_key_data(leaves.pop(), impl=impl)
        physics, fields = leaves[: structure.num_leaves], leaves[structure.num_leaves :]
        problem = replace(jax.tree.unflatten(structure, physics), key=key)
        return run_chunk(problem, tuple(fields), integers, capacity=0)[:2]

    return lax.map(one, (own, integers))


def _stack(results: list[Trajectory]) -> Trajectory:
    def stack(*leaves: Any) -> Any:
        return np.stack([np.asarray(leaf) for leaf in leaves])

    first = results[0]
    history = None
    if len({tuple(np.shape(leaf) for leaf in jax.tree.leaves(r.history)) for r in results}) > 1:
        raise ParameterError("members that stop at rest at other times have not the same frames")
    if first.history is not None:
        history = jax.tree.map(stack, *[result.history for result in results])
    return Trajectory(
        state=jax.tree.map(stack, *[result.state for result in results]),
        history=history,
        counts={name: np.array([r.counts[name] for r in results]) for name in first.counts},
        status=Status(
            first.status.names,
            np.array([r.status.first_bad_step for r in results]),
            np.array([r.status.bad_field for r in results]),
            _numbers([r.status.cause for r in results]),
        ),
        steps_taken=_numbers([r.steps_taken for r in results]),
        steps_refused=_numbers([r.steps_refused for r in results]),
        stopped_at=_numbers([r.stopped_at for r in results], np.nan),
    )


def _numbers(values: list[Any], missing: Any = None) -> np.ndarray | None:
    """Of all members; None where none has one."""
    if all(value is None for value in values):
        return None
    return np.array([missing if value is None else value for value in values])
