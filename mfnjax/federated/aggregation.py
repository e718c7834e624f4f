"""What every rule shares: pytrees in and out, quarantine, and the contract.

Updates come as one pytree whose leaves have a leading client axis (`stack_updates` makes one
from a list), are ravelled to an (n, d) matrix inside jit, and the answer is put back.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mfnjax.core.pytree import register_pytree
from mfnjax.errors import DataError, ParameterError

PyTree = Any


class ContractWarning(UserWarning):
    """A rule is used where its guarantee does not hold (``strict=False``)."""


@register_pytree
@dataclasses.dataclass(frozen=True)
class Aggregation:
    """The answer of a rule, and what it did with each client.

    Attributes:
        update: Pytree like one client's update (no client axis).
        quarantined: (n,) bool, clients whose update held a NaN or an infinity. They have no
            say, and count as known Byzantine ones.
        selected: (n,) bool, clients whose vectors entered the answer.
        scores: (n,) Krum scores in squared units of the updates (+inf if quarantined), or None
            for a rule that has none.
    """

    update: PyTree
    quarantined: Array
    selected: Array
    scores: Array | None = None

    @property
    def num_quarantined(self) -> Array:
        """Number of clients left out because their update was not finite."""
        return jnp.sum(self.quarantined, dtype=jnp.int32)

    @property
    def index(self) -> Array:
        """The first selected client: for Krum, *the* selected one."""
        return jnp.argmax(self.selected).astype(jnp.int32)


def stack_updates(updates: Sequence[PyTree]) -> PyTree:
    """Stack a list of equal pytrees into one with a leading client axis.

    Raises:
        DataError: The list is empty, or the updates differ in structure, shape or dtype.

    Examples:
        >>> import jax.numpy as jnp
        >>> stack_updates([{"w": jnp.zeros(3)}, {"w": jnp.ones(3)}])["w"].shape
        (2, 3)
    """
    updates = list(updates)
    if not updates:
        raise DataError("updates: no client sent one; at least one was expected")
    first: Any = jax.tree.structure(updates[0])
    leaves = [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(updates[0])]
    for client, update in enumerate(updates[1:], start=1):
        if jax.tree.structure(update) != first:
            raise DataError(
                f"update of client {client} has another structure than that of client 0"
            )
        own = [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(update)]
        if own != leaves:
            raise DataError(
                f"update of client {client} has leaves {own}, that of client 0 has {leaves}"
            )
    return jax.tree.map(lambda *parts: jnp.stack(parts), *updates)


def num_clients(updates: PyTree) -> int:
    """Length of the client axis, the same on every leaf.

    Raises:
        DataError: No leaf, a leaf without the axis or of another length, or not of floats.
    """
    leaves = jax.tree.leaves(updates)
    if not leaves:
        raise DataError("updates: an empty pytree; arrays with a leading client axis were expected")
    for leaf in leaves:
        if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
            raise DataError(
                f"updates: a leaf is {leaf!r}; arrays with a leading client axis were expected "
                "(stack_updates makes them from a list)"
            )
        if len(leaf.shape) == 0:
            raise DataError("updates: a leaf is a scalar; a leading client axis was expected")
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise DataError(f"updates: a leaf has dtype {leaf.dtype}; floats were expected")
    lengths = sorted({leaf.shape[0] for leaf in leaves})
    if len(lengths) > 1:
        raise DataError(f"updates: leaves have client axes of lengths {lengths}; one was expected")
    if lengths[0] == 0:
        raise DataError("updates: no client sent one; at least one was expected")
    if sum(int(np.prod(leaf.shape[1:])) for leaf in leaves) == 0:
        raise DataError("updates: they hold no numbers at all")
    return int(lengths[0])


def ravel_clients(updates: PyTree) -> tuple[Array, Callable[[Array], PyTree]]:
    """The (n, d) matrix of a stacked pytree, and the way back for one (d,) vector.

    The matrix has the widest dtype of the leaves, at least float32.
    """
    leaves, structure = jax.tree.flatten(updates)
    wide = any(jnp.dtype(leaf.dtype).itemsize == 8 for leaf in leaves)
    dtype = jnp.float64 if wide else jnp.float32
    shapes = [leaf.shape[1:] for leaf in leaves]
    sizes = [int(np.prod(shape)) for shape in shapes]
    flat = [jnp.reshape(leaf, (leaf.shape[0], -1)).astype(dtype) for leaf in leaves]
    matrix = flat[0] if len(flat) == 1 else jnp.concatenate(flat, axis=1)
    stops = np.cumsum(sizes)

    def back(vector: Array) -> PyTree:
        parts = [
            jnp.reshape(vector[stop - size : stop], shape).astype(leaf.dtype)
            for leaf, shape, size, stop in zip(leaves, shapes, sizes, stops, strict=True)
        ]
        return jax.tree.unflatten(structure, parts)

    return matrix, back


def check_contract(rule: str, condition: str, holds: bool, n: int, f: int, strict: bool) -> None:
    """Refuse (or with ``strict=False`` warn) where a rule guarantees nothing.

    Raises:
        ParameterError: The contract is broken and ``strict`` is True.
    """
    if holds:
        return
    message = (
        f"{rule} guarantees nothing unless {condition}; got n = {n} clients with "
        f"num_byzantine f = {f}"
    )
    if strict:
        raise ParameterError(message + " (strict=False warns instead)")
    warnings.warn(message, ContractWarning, stacklevel=4)


def check_quarantine(rule: str, result: Aggregation, f: int, strict: bool) -> None:
    """Say so where more clients sent non-finite updates than the rule allows for.

    Runs only on concrete values: under ``jit`` the report is in ``result.quarantined``.

    Raises:
        DataError: No finite update is left; or more than f are not finite and ``strict``.
    """
    if isinstance(result.quarantined, jax.core.Tracer):
        return
    mask = np.asarray(result.quarantined)
    if mask.ndim != 1:  # inside vmap with concrete batches: the caller sees the report
        return
    count = int(mask.sum())
    if count == mask.size:
        raise DataError(f"{rule}: none of the {count} updates is finite; there is no answer")
    if count > f:
        message = (
            f"{rule}: {count} of {mask.size} updates hold a NaN or an infinity, more than "
            f"num_byzantine f = {f} allows for"
        )
        if strict:
            raise DataError(message + " (strict=False warns instead)")
        warnings.warn(message, ContractWarning, stacklevel=4)


@partial(jax.jit, static_argnames=("kernel", "options"))
def run_kernel(
    kernel: Callable[..., tuple[Array, Array, Array | None]],
    options: tuple[tuple[str, Any], ...],
    updates: PyTree,
) -> Aggregation:
    """Ravel, quarantine, aggregate, put back: one compilation per rule, shape and options.

    ``kernel(x, keep, **options)`` returns (vector (d,), selected (n,), scores (n,) or None) and
    never looks at rows outside ``keep``. With no finite row at all the answer is NaN: under
    jit nothing can be raised, and a made-up zero would pass for an answer.
    """
    from mfnjax.federated.distances import finite_rows

    x, back = ravel_clients(updates)
    keep = finite_rows(x)
    vector, selected, scores = kernel(x, keep, **dict(options))
    vector = jnp.where(jnp.any(keep), vector, jnp.nan)
    return Aggregation(back(vector), ~keep, selected & keep, scores)
