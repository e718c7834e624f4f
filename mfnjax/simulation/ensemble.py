"""Many runs at once, in bounded memory, on all cores.

On a CPU a vectorised batch of these runs is no faster than the runs one after the other (the
arithmetic is the same and the conditional counts become unconditional), but two runs on two
threads are. So the members go through one compiled loop, one after the other, in blocks; the
blocks go to as many threads as there are cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.state import State, StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model
from mfnjax.simulation.rollout import Progress, simulate
from mfnjax.simulation.steppers import Stepper
from mfnjax.simulation.trajectory import Status, Trajectory


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
        threads: Runs at a time; None takes one for each core. Memory grows with it.
        progress: Called with (members done, members in all).
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
    state = state if isinstance(state, State) else _named(model, state)
    axes, size = _member_axes(model, state, key)
    run = partial(
        simulate,
        grid=grid,
        steps=steps,
        dt=dt,
        stepper=stepper,
        save_every=save_every,
        save=save,
    )
    threads = threads or os.cpu_count() or 1
    results: list[Trajectory] = []
    with ThreadPoolExecutor(threads) as pool:
        running: list[Future[Trajectory]] = []
        try:
            for member_model, member_state, member_key in _members((model, state, key), axes, size):
                running.append(pool.submit(run, member_model, member_state, key=member_key))
                if len(running) - len(results) > 2 * threads:
                    _collect(running, results, size, progress)
            while len(results) < size:
                _collect(running, results, size, progress)
        except BaseException:
            for future in running:
                future.cancel()
            raise
    return _stack(results)


def _collect(
    running: list[Future[Trajectory]],
    results: list[Trajectory],
    size: int,
    progress: Progress | None,
) -> None:
    results.append(running[len(results)].result())
    running[len(results) - 1] = Future()
    if progress is not None:
        progress(len(results), size)


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
    if len(sizes) != 1:
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
    # Sliced on the host: a slice on the device would compile a gather a shape. Keys come apart in
    # one go.
    rows = [
        (list(leaf) if _is_key(leaf) else np.asarray(leaf)) if on else leaf
        for leaf, on in zip(leaves, flags, strict=True)
    ]
    for member in range(size):
        cut = [row[member] if on else row for row, on in zip(rows, flags, strict=True)]
        yield jax.tree.unflatten(structure, cut)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


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
