"""The v4.1 step where it is quiet: no threshold crossed, no clamp reached, nothing to count.

A full step looks at every cell to count activations and clamps and to see a NaN before a clamp
hides it. Most steps of most runs have nothing to count, and that can be known in advance: explicit
diffusion with D ≤ ¼ replaces each cell by a weighted mean of cells, so it never widens the range
of a field; what events and reactions can add in n steps is bounded too. Where the bounds say that
nothing can happen in n steps, those n steps are run here, without looking, and to the same bits.

How it is laid out for speed on XLA's CPU backend (see docs/speed.md):

* The fields are one stack, so a step is a handful of kernels, not a handful for each field.
* The loop carries the stack and a buffer with room for a halo. A step writes the stack and its
  edges into the buffer, in place, and computes the next stack from the buffer. Both kernels are
  free of branches, and no array is copied or concatenated.
* The growth event is added by the kernel that fills the buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.core.sides import Ghost, Neumann, Periodic
from mfnjax.core.threefry import fold_in
from mfnjax.models._common import clip
from mfnjax.models.base import Values, all_cells

_MARGIN = 1e-5
"""Volts, and activator units: kept free below every threshold beside what rounding may add."""

_ROUNDING = 32
"""Units of the dtype's epsilon that one step may add by rounding: a step adds some ten rounded
numbers of magnitude 4 at most, each wrong by half an epsilon of itself, and weighs most by ¼."""


@final
@dataclass(frozen=True)
class Quiet:
    """A short cut through some steps.

    Attributes:
        possible: Whether it may be taken, a traced scalar.
        run: Returns the fields after the steps, and what they counted.
    """

    possible: jax.Array
    run: Callable[[], tuple[Values, jax.Array]]


@final
@dataclass(frozen=True)
class Events:
    """The growth events of some steps, one element a step.

    Attributes:
        happens: Whether there is one.
        magnitude: m, what it adds to its cell, V.
        cell: Row and column of that cell.
    """

    happens: jax.Array
    magnitude: jax.Array
    cell: tuple[jax.Array, ...]


def quiet_stretch(
    model: Any,
    values: Values,
    grid: Grid,
    *,
    events: Events | None,
    clamp: tuple[float, float],
    count: Any,
) -> Quiet | None:
    """The next ``count`` steps, if quiet; None where the kind of run has no such short cut.

    Args:
        model: The `MyceliumModel`.
        values: (V, a, i), each (H, W).
        grid: The grid.
        events: Those of at least ``count`` steps; None: none.
        clamp: Lowest and highest V of the clamp, V.
        count: Steps, traced.
    """
    known = isinstance(grid.boundary, (Periodic, Neumann, Ghost))
    if model.quantum_jitter or not known or min(grid.shape) < 3:
        return None
    growth, added = jnp.int32(0), None
    cells: Any = None
    if events is not None:
        happens = events.happens & (jnp.arange(len(events.happens), dtype=jnp.int32) < count)
        growth = jnp.sum(happens, dtype=jnp.int32)
        added, cells = jnp.where(happens, events.magnitude, 0), events.cell

    def run() -> tuple[Values, jax.Array]:
        after = _run(model, values, grid, added, cells, clamp, count)
        return after, jnp.stack([growth, jnp.int32(0), jnp.int32(0)])

    return Quiet(_is_quiet(model, values, grid, added, cells, clamp, count), run)


def _is_quiet(
    model: Any,
    values: Values,
    grid: Grid,
    added: jax.Array | None,
    cells: Any,
    clamp: tuple[float, float],
    count: Any,
) -> jax.Array:
    """Whether the bounds exclude a clamp, an activation and a non-finite cell in ``count`` steps.

    An event of m on one cell has spread to at most m·max(1 − nα, α) anywhere one step later, n
    being the neighbours that the cell shares with, and a' ≤ max a + r_a/4 since a(1 − a) ≤ ¼ and
    i ≥ 0. Each comparison is false for a NaN.
    """
    V, a, i = values
    low, high = clamp
    scale = 1 / (jnp.asarray(grid.spacing, V.dtype) ** 2)
    diffusivities = [model.alpha]
    steps = jnp.asarray(count, V.dtype)
    margin = _MARGIN + _ROUNDING * float(jnp.finfo(V.dtype).eps) * (steps + 1)
    highest, lowest = high - margin, low + margin
    if added is not None:
        share = model.alpha * scale
        spread = jnp.maximum(1 - jnp.asarray(_neighbours(grid, cells), V.dtype) * share, share)
        highest = highest - jnp.sum(spread * jnp.maximum(added, 0))
        lowest = lowest - jnp.sum(spread * jnp.minimum(added, 0))
    # Dirichlet sides are cells of 0 V.
    quiet = (lowest <= 0) & (highest >= 0) if isinstance(grid.boundary, Ghost) else True
    calm = (highest >= V) & (lowest <= V)
    if model.turing_enabled:
        diffusivities += [model.d_activator, model.d_inhibitor]
        rates = (model.r_activator, model.r_inhibitor)
        for rate in rates:
            quiet &= (rate >= 0) & (rate <= 1)
        ceiling = model.turing_threshold - margin - (steps / 4) * model.r_activator
        calm &= (a >= 0) & (a <= jnp.minimum(ceiling, 1)) & (i >= 0) & (i <= 1)
    for diffusivity in diffusivities:
        quiet &= (diffusivity >= 0) & (diffusivity * scale <= 0.25)
    return quiet & all_cells(calm)


def _neighbours(grid: Grid, cells: Any) -> Any:
    """How many neighbours each of these cells shares with: those outside a no-flux side are none.

    (A Dirichlet side takes its share like any cell.)
    """
    if not isinstance(grid.boundary, Neumann):
        return 4
    return 4 - sum(
        (at == 0).astype(jnp.int32) + (at == size - 1).astype(jnp.int32)
        for at, size in zip(cells, grid.shape, strict=True)
    )


def _run(
    model: Any,
    values: Values,
    grid: Grid,
    added: jax.Array | None,
    cells: Any,
    clamp: tuple[float, float],
    count: Any,
) -> Values:
    """``count`` steps without looking."""
    fields = values if model.turing_enabled else values[:1]
    stack = jnp.stack(fields)
    dtype, (_, height, width) = stack.dtype, stack.shape
    scale = 1 / (jnp.asarray(grid.spacing, dtype) ** 2)

    def column(*numbers: Any) -> jax.Array:
        """One number a field, (fields, 1, 1)."""
        return jnp.stack([jnp.asarray(x, dtype) for x in numbers[: len(fields)]])[:, None, None]

    diffusion = column(model.alpha * scale, model.d_activator * scale, model.d_inhibitor * scale)
    rate = column(0, model.r_activator, model.r_inhibitor)
    squared = column(0, 1, 0)
    low, high = column(clamp[0], 0, 0), column(clamp[1], 1, 1)

    def step(k: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        stack, padded = carry
        if added is not None:
            # Made here, the indices are computed; made before the loop, they would be stored.
            field, row, column = (lax.broadcasted_iota(jnp.int32, stack.shape, i) for i in range(3))
            here = (field == 0) & (row == cells[0][k]) & (column == cells[1][k])
            stack = stack + jnp.where(here, added[k], 0)
        padded = _fill(padded, stack, grid)
        centre = padded[:, 1:-1, 1:-1]
        vertical = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]
        horizontal = padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
        stack = centre + diffusion * (horizontal + (vertical + -4.0 * centre))
        if model.turing_enabled:
            a, i = centre[1:2], centre[2:3]
            stack = stack + rate * (a * (1 - squared * a) - i)
            stack = clip(stack, low, high)
        return stack, padded

    padded = jnp.zeros((len(fields), height + 2, width + 2), dtype)
    stack, _ = lax.fori_loop(0, count, step, (stack, padded))
    return tuple(stack) if model.turing_enabled else (stack[0], *values[1:])


def _fill(padded: jax.Array, stack: jax.Array, grid: Grid) -> jax.Array:
    """Write the stack and the halo of its boundary into ``padded``; the corners are not read."""
    height, width = grid.shape
    top, bottom = grid.boundary.ends(stack, 1)
    left, right = grid.boundary.ends(stack, 2)
    for piece, at in (
        (stack, (0, 1, 1)),
        (left, (0, 1, 0)),
        (right, (0, 1, width + 1)),
        (top, (0, 0, 1)),
        (bottom, (0, height + 1, 1)),
    ):
        padded = lax.dynamic_update_slice(padded, piece, at)
    return lax.optimization_barrier(padded)


DRAW_BLOCK = 32
"""Steps whose random numbers are drawn in one go."""


def take_in_blocks(
    model: Any, run: Any, count: Any, *, grid: Grid, key: Any, step: Callable[[Any, Any], Any]
) -> Any:
    """``count`` steps: the random numbers of a block at once, quiet blocks cut short.

    What need not be carried through a block, or be a result of it, is kept out: each would be a
    kernel more (see ``docs/speed.md``).

    Args:
        model: The `MyceliumModel`.
        run: The loop's `mfnjax.simulation.loop.Run`.
        count: Steps, traced.
        grid: The grid.
        key: Key of the run, or None.
        step: (run, draw) → run: one whole step.
    """
    start = run

    def block(index: jax.Array, carry: tuple[Values, Any, Any]) -> tuple[Values, Any, Any]:
        values, counts, first_bad = carry
        done = index * DRAW_BLOCK
        run = replace(
            start,
            values=values,
            step=start.step + done,
            counts=jnp.zeros_like(counts),
            first_bad=first_bad,
        )
        todo = jnp.minimum(DRAW_BLOCK, count - done)
        draws = None
        if key is not None:
            steps = run.step + jnp.arange(DRAW_BLOCK, dtype=jnp.int32)
            dtype = values[0].dtype
            draws = jax.vmap(lambda s: model.draw(dtype, key=fold_in(key, s)))(steps)

        def one(k: jax.Array, run: Any) -> Any:
            return step(run, jax.tree.map(lambda x: x[k], draws))

        def step_by_step(run: Any) -> tuple[Values, Any, Any]:
            run = lax.fori_loop(0, todo, one, run)
            return run.values, run.counts, run.first_bad

        def cut_short(run: Any) -> tuple[Values, Any, Any]:
            values, counts = quiet.run()
            return values, counts.astype(run.counts.dtype), run.first_bad

        quiet = model.quiet(values, grid, draws=draws, count=todo)
        if quiet is None:
            values, new, first_bad = step_by_step(run)
        else:
            possible = _unanimous(quiet.possible)
            values, new, first_bad = lax.cond(possible, cut_short, step_by_step, run)
        return values, counts + new, first_bad

    carry = (start.values, start.counts, start.first_bad)
    values, counts, first_bad = lax.fori_loop(0, -(-count // DRAW_BLOCK), block, carry)
    return replace(
        start, values=values, step=start.step + count, counts=counts, first_bad=first_bad
    )


@jax.custom_batching.custom_vmap
def _unanimous(flag: jax.Array) -> jax.Array:
    """The flag; in a batch, whether all agree: so that a `lax.cond` still runs one branch.

    A batch of batches asks again.
    """
    return flag


@_unanimous.def_vmap
def _unanimous_batch(size: int, is_batched: list[bool], flags: jax.Array) -> tuple[jax.Array, bool]:
    return _unanimous(jnp.all(flags)), False
