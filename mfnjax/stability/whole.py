"""The whole of a model about a homogeneous state: its rates, and what becomes of a wave.

M(q) of σv = M(q)v is the derivative of all rates, local or not, with respect to the fields (see
`mfnjax.stability.plane_wave`); M(0) is the Jacobian of what becomes of homogeneous states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.errors import MfnError, ParameterError
from mfnjax.models.base import Equation, Model, Values
from mfnjax.stability.plane_wave import PlaneWave, Waves, waves_along
from mfnjax.stability.terms import Terms, terms_of

_KEPT = 1e-12
"""A total that changes by less than this fraction of what its terms change it by is conserved."""
_TOGETHER = 64
"""States are evaluated by this many: one array shape, compiled for once a class."""


def all_rates(model: Any, values: Values, nabla: Any) -> Values:
    """u_t of the ``reaction_fields`` but for noise; of a map, of the equations it steps through."""
    if isinstance(model, Equation):
        parts = model.linear_rates(values, nabla), model.rates(values, nabla)
    else:
        parts = model.transport(values, nabla.laplacian), model.reaction(values)
    if any(len(part) != len(values) for part in parts):
        raise ParameterError(f"{type(model).__name__} must give one rate for each of its fields")
    return tuple(one + other for one, other in zip(*parts, strict=True))


def directions_of(
    model: Model, choices: Sequence[tuple[str, ...]] = (("x", "y"), ("x",), ("x", "y", "z"))
) -> tuple[str, ...]:
    """The first of ``choices`` of directions of space that the model can live in.

    Raises:
        ParameterError: There is none: its rates ask for the place, say.
    """
    obstacles: list[Exception] = []
    for axes in choices:
        try:
            _waving(model, waves_along(None, axes), np.ones(len(model.reaction_fields)), 0.0, 0.0)
        except Exception as error:  # whatever a user's rates raise
            obstacles.append(error)
        else:
            return axes
    first = obstacles[0]
    if isinstance(first, MfnError):
        raise first
    raise ParameterError(
        f"{type(model).__name__} has no rates on a plane wave, where there is no grid: {first}"
    ) from first


def _waving(model: Model, waves: Waves, state: Any, wave: Any, wavenumber: Any) -> jax.Array:
    """Rates (n, 2) at the two phases of a wave of the amplitudes ``wave`` (n,) on a state (n,)."""
    state = jnp.asarray(state)
    phases = jnp.broadcast_to(wave, state.shape)[:, None] * jnp.array([1.0, 0.0], state.dtype)
    values = tuple(state[:, None] + phases)
    rates = all_rates(model, values, PlaneWave(wavenumber, waves))
    return jnp.stack([jnp.broadcast_to(jnp.asarray(r, state.dtype), (2,)) for r in rates])


def rates_at_rest(model: Model, waves: Waves) -> Callable[[Values], Values]:
    """The rates of homogeneous states, n numbers each."""

    def rates(values: Values) -> Values:
        return tuple(_waving(model, waves, jnp.stack(values), 0.0, 0.0)[:, 0])

    return rates


def rates_and_jacobians(
    model: Model, waves: Waves, states: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rates (p, n) of homogeneous states (p, n) and their M(0) (p, n, n)."""
    # A user's own class, registered by JAX, is told apart by its kind (see `mfnjax.core.pytree`).
    more = -len(states) % _TOGETHER
    padded = np.concatenate([states, np.ones((more, states.shape[1]))])
    found = _compiled(model, padded, waves=waves, kind=type(model))
    rates, slopes = (np.asarray(part)[: len(states)] for part in found)
    return rates, slopes


@partial(jax.jit, static_argnames=("waves", "kind"))
def _compiled(model: Any, states: jax.Array, *, waves: Waves, kind: type) -> Any:
    # The model is a pytree: a new value of a parameter compiles nothing.
    def rates(u: jax.Array) -> jax.Array:
        return _waving(model, waves, u, 0.0, 0.0)[:, 0]

    return jax.vmap(lambda u: (rates(u), jax.jacfwd(rates)(u)))(states)


def wave_matrices(model: Model, waves: Waves, state: np.ndarray) -> Callable[[Any], Any]:
    """q (m,) ↦ M(q) [1/time] as its real and its imaginary part, each (m, n, n)."""
    return partial(_matrices, model, jnp.asarray(state), waves=waves, kind=type(model))


@partial(jax.jit, static_argnames=("waves", "kind"))
def _matrices(model: Any, state: jax.Array, wavenumbers: Any, *, waves: Waves, kind: type) -> Any:
    def matrix(wavenumber: Any) -> tuple[jax.Array, jax.Array]:
        def rates(wave: jax.Array) -> jax.Array:
            return _waving(model, waves, state, wave, wavenumber)

        both = jax.jacfwd(rates)(jnp.zeros(len(state)))
        return both[:, 0], -both[:, 1]  # Re(M) at the phase 0, Re(iM) at π/2

    return jax.vmap(matrix)(wavenumbers)


def terms_of_waves(model: Model, axes: tuple[str, ...]) -> Terms | None:
    """The terms of the rates in the fields and, last, the wavenumber q [1/length]."""
    waves = waves_along(None, axes)

    def rates(values: Values) -> Values:
        *fields, wavenumber = values
        return tuple(_waving(model, waves, jnp.stack(fields), 0.0, wavenumber)[:, 0])

    return terms_of(rates, len(model.reaction_fields) + 1, about_zero=True)


def conserved_totals(
    model: Model, axes: tuple[str, ...], scales: np.ndarray | None = None, length: float = 1.0
) -> np.ndarray:
    """Combinations of the fields whose totals never change on a closed domain, shape (r, n).

    Tried out on generic fields of a small torus: those that sum to no change in every case.

    Args:
        model: The model.
        axes: The directions of space.
        scales: The size of each field, shape (n,); None is 1.
        length: The length over which transport counts as much as reaction [length].
    """
    count, rng = len(model.reaction_fields), np.random.default_rng(0)
    sizes_of = np.ones(count) if scales is None else scales
    # Coarse, so that transport drowns no slow reaction.
    grid = Grid((5,) * len(axes), 10.0 * length)
    sums, sizes = [], []
    for number in range(2 * count + 3):
        low = 0.5 if number % 2 else -1.0  # a root or a logarithm wants positive fields
        fields = (rng.uniform(low, 1.5, (*grid.shape, count)) * sizes_of).T
        each = np.asarray(rates_on(model, fields, grid, kind=type(model)))
        if np.isfinite(each).all():
            sums.append(each.reshape(count, -1).sum(1))
            sizes.append(np.abs(each).reshape(count, -1).sum(1))
    if not sums:
        return np.zeros((0, count))
    size = np.max(sizes, axis=0)
    size[size == 0] = 1.0
    left, values, _ = np.linalg.svd(np.array(sums).T / size[:, None])
    kept = left[:, (values <= _KEPT) | np.zeros(count, bool)].T / size
    tidied = _tidied(kept * sizes_of) / sizes_of
    first = [row[np.flatnonzero(row)[0]] for row in tidied]
    return tidied / np.reshape(first, (-1, 1))


@partial(jax.jit, static_argnames="kind")
def rates_on(model: Any, fields: jax.Array, grid: Grid, *, kind: type) -> jax.Array:
    """The rates of fields (n, …) on a grid."""
    nabla = Nabla(grid, tuple(model.reaction_fields), tuple(fields))
    rates = all_rates(model, nabla.fields, nabla)
    return jnp.stack([jnp.broadcast_to(rate, grid.shape) for rate in rates])


def _tidied(rows: np.ndarray) -> np.ndarray:
    """The same combinations as simply as may be said: each begins with 1 of a field of its own."""
    rows = rows.copy()
    for number in range(len(rows)):
        row = rows[number:] / np.abs(rows[number:]).max(1, keepdims=True)
        first = int(np.argmax((np.abs(row) > 1e-9).any(0)))
        best = number + int(np.argmax(np.abs(row[:, first])))
        rows[[number, best]] = rows[[best, number]]
        rows[number] /= rows[number, first]
        for other in range(len(rows)):
            if other != number:
                rows[other] -= rows[other, first] * rows[number]
    return np.where(np.abs(rows) > 1e-9, rows, 0.0)
