"""The waves that fit a grid: its own modes, sides included."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.spectral import transforms_of

_MOST = 2**17


class Modes:
    """The modes of a grid whose sides have them: products of waves along each direction.

    Args:
        tables: For each direction of space the wavenumbers that fit [1/length], rising.
    """

    def __init__(self, tables: Sequence[np.ndarray]) -> None:
        self._tables = tuple(tables)

    def vectors(self, largest: float | None = None) -> np.ndarray:
        """The wavevectors [1/length], shape (m, axes), no longer than ``largest``.

        Of a grid with more than 131 072 of them an even selection: see `fastest`.
        """
        thinned = list(self._tables)
        while np.prod([len(table) for table in thinned]) > _MOST:
            longest = int(np.argmax([len(table) for table in thinned]))
            thinned[longest] = thinned[longest][::2]
        return _within(thinned, largest)

    def fastest(
        self, growth: Callable[[np.ndarray], np.ndarray], largest: float | None = None
    ) -> np.ndarray:
        """The wavevector of the largest growth rate; between selected ones all are tried."""
        vectors = self.vectors(largest)
        best = vectors[int(np.argmax(growth(vectors)))]
        steps = [len(table) for table in self._tables]
        if np.prod(steps) <= _MOST:
            return best
        near = []
        for table, part in zip(self._tables, best, strict=True):
            place = int(np.argmin(np.abs(table - part)))
            near.append(table[max(place - 16, 0) : place + 17])
        vectors = _within(near, largest)
        return vectors[int(np.argmax(growth(vectors)))]

    def is_last(self, vector: np.ndarray) -> bool:
        """Whether a wave is the shortest that fits along a direction."""
        pairs = zip(self._tables, vector, strict=True)
        return any(len(table) > 1 and part == table[-1] for table, part in pairs)


def modes_of(grid: Grid, names: Sequence[str], *, both_ways: bool) -> Modes | None:
    """The modes of a grid; None where the sides, or a mask, have none in common for all fields.

    Args:
        grid: The grid.
        names: The fields.
        both_ways: Whether a wave along (1, 1) may differ from one along (1, −1).
    """
    kinds = {transforms_of(grid, grid.boundary.of(name)) for name in names}
    if len(kinds) != 1:
        return None
    (transforms,) = kinds
    if transforms is None:
        return None
    tables = []
    for number, name in enumerate(grid.axes):
        axis = grid.axis(name)
        size, kind = grid.shape[axis], transforms[axis]
        length = size * float(grid.spacings[axis])
        if kind == "fourier":
            modes = np.arange(-((size - 1) // 2) if both_ways and number else 0, size // 2 + 1)
            tables.append(2 * np.pi * modes / length)
        else:
            tables.append(np.pi * (np.arange(size) + (kind == "sine")) / length)
    return Modes(tables)


def _within(tables: Sequence[np.ndarray], largest: float | None) -> np.ndarray:
    vectors = np.array(list(itertools.product(*tables)))
    if largest is not None:
        vectors = vectors[np.hypot.reduce(vectors, axis=1) <= largest * (1 + 1e-12)]
    return vectors
