"""Many runs at once, in bounded memory, on all cores.

On a CPU a vectorised batch of these runs is no faster than the runs one after the other (the
arithmetic is the same and the conditional counts become unconditional). So short runs go through
one compiled loop, one after the other, in blocks, which saves a call a member; and the blocks go to
threads. A device of JAX runs one program at a time: for runs on two cores at the same time there
must be two devices, which `mfnjax.configure_cpu` makes.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax._checks import check_key
from mfnjax.core.grid import Grid
from mfnjax.core.state import State, StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model
from mfnjax.simulation.inputs import Inputs, Layout, pack, prepare_inputs
from mfnjax.simulation.rollout import CHUNK_CELL_STEPS, Progress, run_chunk, simulate
from mfnjax.simulation.steppers import Stepper
from mfnjax.simulation.trajectory import Status, Trajectory

BLOCK = 32
"""Members of a block at most: what a call costs is a few per cent of that many short runs."""

_CODE = (np.floor_divide, np.remainder)
"""How the first bad step and field are read from the number that the loop carries."""

Member = tuple[Model, State, Any]


def simulate_ensemble(
    model: Model,
    state: StateLike,
    *,
    grid: Grid,
    steps: int,
    dt: Any = 1.0,
    stepper: str | Stepper | None = None,
    save_every: int | None = None,
    save: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    key: jax.Array | None = None,
) -> Trajectory:
    """Run many members of an ensemble; each equals `simulate` alone, bit for bit.

    A member is what differs: parameters of shape (n,), fields of shape (n, H, W), or keys (n,).
    What has no leading axis is shared.

    Args:
        model: The model; any of its parameters may be an array (n,).
        state: As for `simulate`; any field may be (n, H, W).
        grid: The grid, shared.
        steps: Number of steps, shared.
        dt: Time step, shared.
        stepper: As for `simulate`.
        save_every: As for `simulate`.
        save: As for `simulate`.
        threads: Blocks of runs at a time; None takes one for each core. Memory grows with it. On
            a CPU they run at the same time only if JAX has a device for each: `configure_cpu`.
        progress: Called with (members done, members in all) after each block.
        key: A key, shared by all members, or keys (n,).

    Returns:
        A `Trajectory` with a leading axis of n members on every leaf; counts are int64 arrays.

    Raises:
        ParameterError: Nothing has a leading axis, or two disagree; or as for `simulate`.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax import GrayScottModel, Grid, simulate_ensemble
        >>> grid = Grid((16, 16))
        >>> start = GrayScottModel().initial_state(grid, key=jax.random.key(0))
        >>> models = GrayScottModel(feed=jnp.linspace(0.03, 0.06, 5))
        >>> simulate_ensemble(models, start, grid=grid, steps=10).state["v"].shape
        (5, 16, 16)
    """
    if not isinstance(grid, Grid):
        raise ParameterError(f"grid must be a Grid, got {grid!r}")
    state = state if isinstance(state, State) else _named(model, state)
    axes, size = _member_axes(model, state, key)
    keys = _HostKeys.of(key)
    options = {
        "grid": grid,
        "steps": steps,
        "dt": dt,
        "stepper": stepper,
        "save_every": save_every,
        "save": save,
    }
    threads = threads or os.cpu_count() or 1
    each = 1 if save_every is not None else _block_size(grid, steps, -(-size // threads))
    gathered = _Gathered(size)
    with ThreadPoolExecutor(threads, initializer=_take_a_device(threads)) as pool:
        running: list[tuple[Future[None], int]] = []
        begun, done = 0, 0
        try:
            members = _members((model, state, keys and keys.data), axes, size)
            while (block := list(itertools.islice(members, each))) or running:
                if block:
                    run = partial(_run_members, block, each, keys, options)
                    future = pool.submit(_gather_on_own_device, gathered, begun, run)
                    running.append((future, len(block)))
                    begun += len(block)
                if not block or len(running) > 2 * threads:
                    future, count = running.pop(0)
                    future.result()
                    done += count
                    if progress is not None:
                        progress(done, size)
        except BaseException:
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
        for whole, rows in zip(jax.tree.leaves(self.whole), jax.tree.leaves(part), strict=True):
            whole[at : at + len(rows)] = rows

    def _room(self, rows: np.ndarray) -> np.ndarray:
        return np.empty((self._size, *rows.shape[1:]), rows.dtype)


def _block_size(grid: Grid, steps: Any, share: int) -> int:
    """Members in one call: a power of two, so that few sizes are compiled.

    No more than a thread's share, and than may be done between two looks for Ctrl-C.
    """
    work = grid.num_cells * max(steps, 1) if isinstance(steps, int) else CHUNK_CELL_STEPS
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


def _gather_on_own_device(gathered: _Gathered, at: int, run: Callable[[], Trajectory]) -> None:
    with jax.default_device(_thread.device):
        gathered.put(at, run())


@final
@dataclass(frozen=True)
class _HostKeys:
    """Keys as numbers on the host: to take one from a typed array is a program of JAX."""

    given: jax.Array
    data: np.ndarray
    impl: str

    @classmethod
    def of(cls, key: Any) -> _HostKeys | None:
        """The key or keys of a call, checked."""
        if key is None:
            return None
        check_key(key)
        return cls(key, np.asarray(jax.random.key_data(key)), str(jax.random.key_impl(key)))

    def typed(self, data: np.ndarray) -> jax.Array:
        """The key of one member."""
        return jax.random.wrap_key_data(jnp.asarray(data), impl=self.impl)


def _run_members(
    block: list[Member], size: int, keys: _HostKeys | None, options: dict[str, Any]
) -> Trajectory:
    """Run some members: in one call where they are many and short, else one by one."""
    if len(block) < size or size == 1:
        return _stack(
            [
                simulate(model, state, key=keys and keys.typed(data), **options)
                for model, state, data in block
            ]
        )
    inputs: list[Inputs] = []
    before: Any = None
    key = keys and keys.given
    for model, state, _ in block:
        if before is None or model is not before[0] or state is not before[1]:
            prepared = prepare_inputs(model, state, key=key, static_steps=False, **options)
        before = model, state
        inputs.append(prepared)
    packed = [each.packed or pack(each.problem) for each in inputs]
    members = [
        (each.numbers, each.others, one.values, data)
        for each, one, (_, _, data) in zip(packed, inputs, block, strict=True)
    ]
    integers = np.array([[int(one.step), -1, one.steps, max(one.steps, 1)] for one in inputs])
    values, seen = _compiled_block(
        *_shared_and_own(members), integers, layout=packed[0].layout, impl=keys and keys.impl
    )
    step, first_bad, *counts = np.asarray(seen).T.astype(np.int64)
    fields, counters = block[0][0].fields, block[0][0].counters
    bad = (np.where(first_bad < 0, -1, part(first_bad, len(fields))) for part in _CODE)
    return Trajectory(
        state=State(fields, tuple(map(np.asarray, values)), step.astype(np.int32)),
        history=None,
        counts=dict(zip(counters, (count.astype(np.int64) for count in counts), strict=True)),
        status=Status(fields, *bad),
    )


@partial(jax.jit, static_argnames=("layout", "impl"))
def _compiled_block(
    shared: Any, own: Any, integers: Any, *, layout: Layout, impl: str | None
) -> tuple[Any, jax.Array]:
    """`run_chunk` for one member after the other."""

    def one(member: Any) -> Any:
        own, integers = member
        numbers, others, values, data = jax.tree.map(_the_one_given, own, shared, is_leaf=_is_none)
        key = None if data is None else jax.random.wrap_key_data(data, impl=impl)
        return run_chunk(numbers, others, values, integers, key, layout=layout, capacity=0)[:2]

    return lax.map(one, (own, integers))


def _shared_and_own(members: Sequence[Any]) -> tuple[Any, Any]:
    """The members' leaves in two trees: those that all share, and stacks of those that differ.

    Each tree has None where the other has a leaf, so that what is shared is neither copied nor cut.
    """

    def shared(*leaves: Any) -> Any:
        return np.asarray(leaves[0]) if _all_same(leaves) else None

    def own(*leaves: Any) -> Any:
        return None if _all_same(leaves) else np.stack([np.asarray(leaf) for leaf in leaves])

    return jax.tree.map(shared, *members), jax.tree.map(own, *members)


def _all_same(leaves: Sequence[Any]) -> bool:
    return all(leaf is leaves[0] for leaf in leaves)


def _the_one_given(own: Any, shared: Any) -> Any:
    return shared if own is None else own


def _is_none(leaf: Any) -> bool:
    return leaf is None


def _named(model: Model, state: Any) -> State:
    if isinstance(state, dict):
        return State(tuple(state), tuple(state.values()))
    return State(model.fields, tuple(state))


def _member_axes(model: Model, state: State, key: Any) -> tuple[Any, int]:
    """For each leaf whether it has a member axis, and the number of members."""
    axes = (
        jax.tree.map(lambda leaf: np.ndim(leaf) > 0, model),
        State(
            state.names,
            tuple(np.ndim(value) > 2 for value in state.values),
            np.ndim(state.step) > 0,
        ),
        None if key is None else np.ndim(key) > 0,
    )
    leaves = jax.tree.leaves((model, state, key))
    sizes = {
        np.shape(leaf)[0]
        for leaf, batched in zip(leaves, jax.tree.leaves(axes), strict=True)
        if batched
    }
    if len(sizes) != 1 or sizes == {0}:
        raise ParameterError(
            "an ensemble needs a leading axis of members on a parameter, a field or the key, "
            f"and one size for all; got {sorted(sizes) or 'none'}"
        )
    return axes, sizes.pop()


def _members(tree: Any, axes: Any, size: int) -> Iterator[Any]:
    parts = [_rows(part, on, size) for part, on in zip(tree, axes, strict=True)]
    yield from zip(*parts, strict=True)


def _rows(part: Any, axes: Any, size: int) -> Iterator[Any]:
    """A part of each member; what all share is handed on as it is (`simulate` knows it again)."""
    if not any(jax.tree.leaves(axes)):
        yield from [part] * size
        return
    leaves, structure = jax.tree.flatten(part)
    flags = jax.tree.leaves(axes)
    # Sliced on the host: a slice on the device would compile a gather a shape.
    rows = [np.asarray(leaf) if on else leaf for leaf, on in zip(leaves, flags, strict=True)]
    for member in range(size):
        cut = [row[member] if on else row for row, on in zip(rows, flags, strict=True)]
        yield jax.tree.unflatten(structure, cut)


def _stack(results: list[Trajectory]) -> Trajectory:
    def stack(*leaves: Any) -> Any:
        return np.stack([np.asarray(leaf) for leaf in leaves])

    first = results[0]
    history = None
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
        ),
    )
