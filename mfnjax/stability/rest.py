"""Where a model is at rest: its homogeneous states, in units of its own.

Every search and every tolerance is in units in which the terms of the rates balance (see
`mfnjax.stability.terms`), and each rate counts in units of its own derivatives: a change of the
units of fields, time or space changes nothing. Of quotients of polynomials all states are found
(`mfnjax.stability.homotopy`); of other rates, those that Newton's method finds from many starts.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from mfnjax.errors import ParameterError
from mfnjax.models.base import Model
from mfnjax.stability.homotopy import all_roots
from mfnjax.stability.plane_wave import Waves
from mfnjax.stability.roots import as_guesses, distinct, homogeneous_states, states_from
from mfnjax.stability.terms import Polynomial, terms_of
from mfnjax.stability.whole import (
    conserved_totals,
    rates_and_jacobians,
    rates_at_rest,
    terms_of_waves,
)

_STARTS = 96
_LARGEST_STATE = 1e4
_TRIALS = 64


class Rest:
    """The homogeneous states of a model. Use it under float64.

    Args:
        model: The model, with plain numbers for parameters.
        waves: Its directions of space.

    Attributes:
        scales: The size of each field, shape (n,).
        length: Over which transport counts as much as reaction [length].
    """

    def __init__(self, model: Model, waves: Waves) -> None:
        self.model, self.waves = jax.tree.map(np.float64, model), waves
        self.names = tuple(model.reaction_fields)
        self._reaction = rates_at_rest(model, waves)
        self._terms = terms_of(self._reaction, len(self.names))
        moving = terms_of_waves(model, waves.axes)
        if moving is not None:
            *sizes, wavenumber = moving.scales
            self.scales, self.length = np.array(sizes), float(1 / wavenumber)
        else:
            ones = np.ones(len(self.names))
            self.scales, self.length = ones if self._terms is None else self._terms.scales, 1.0
        self._totals: tuple[np.ndarray, np.ndarray] | None = None

    def of(self, model: Model) -> Rest:
        """The same in the same units, of a model of the same kind."""
        other = copy.copy(self)
        other.model = jax.tree.map(np.float64, model)
        return other

    def conserved(self) -> np.ndarray:
        """The totals that no closed domain lets change, shape (r, n)."""
        return conserved_totals(self.model, self.waves.axes, self.scales, self.length)

    def fix(self, rows: np.ndarray, total: Any) -> None:
        """Look only for states with these means of the conserved totals.

        Raises:
            ParameterError: Not one finite number for each of them, or nothing is conserved.
        """
        try:
            values = np.atleast_1d(np.asarray(total, np.float64))
        except (TypeError, ValueError):
            values = np.array([np.nan])
        if not len(rows):
            raise ParameterError(f"total is of no use: {type(self.model).__name__} conserves none")
        if values.shape != (len(rows),) or not np.isfinite(values).all():
            raise ParameterError(
                f"total must be one finite number for each of {', '.join(self.words(rows))} (the "
                f"mean over the domain), got {total!r}"
            )
        self._totals = rows, values

    def words(self, rows: np.ndarray) -> tuple[str, ...]:
        """Each total in words: u + 2 v."""
        return tuple(_combination(row, self.names) for row in rows)

    def states(
        self, guesses: Any, bounds: Sequence[tuple[float, float]] | None
    ) -> tuple[np.ndarray, bool]:
        """The states, shape (k, n), and whether they are a continuum.

        Raises:
            ParameterError: ``guesses`` or ``bounds`` are not of a state's shape.
        """
        count = len(self.names)
        own = None if guesses is None else as_guesses(guesses)
        if own is not None and own.shape[1:] != (count,):
            raise ParameterError(
                f"guesses must have {count} numbers a state, got shape {own.shape}"
            )
        usual = np.stack([np.zeros(count), self.scales])
        is_known = self._terms is not None and self._terms.is_exact
        many = _STARTS // 4 if is_known else _STARTS
        starts = [usual, self._roots(), _spread_starts(count, many) * self.scales]
        box = None
        if bounds is not None:
            if len(bounds) != count:
                raise ParameterError(
                    f"bounds must be one (low, high) for each of {', '.join(self.names)}, "
                    f"got {bounds!r}"
                )
            # Checks them, and covers them evenly.
            starts = [homogeneous_states(self._reaction, bounds=bounds), *starts]
            box = np.asarray(bounds, np.float64)
            usual = box.mean(1)[None]
        if own is not None:
            starts = [own, *starts]
        found = states_from(
            self._evaluate, np.concatenate(starts), self.scales, box=box, totals=self._totals
        )
        # A reaction that fades at infinity has spurious states there, and one that divides by a
        # field may have them on the way to 0/0.
        largest = 1e12 if is_known or own is not None else _LARGEST_STATE
        regular = [self._is_regular(state) for state in found]
        states = found[np.array(regular, bool) & (np.abs(found) <= largest * self.scales).all(1)]
        alone = np.array([not self._has_neighbours(state) for state in states], bool)
        if alone.all():
            return states, False
        # Of a continuum any number of states may be found: those next to given ones stand for it.
        near = [self.nearest(guess) for guess in (usual if own is None else own)]
        chosen = [state for state in near if state is not None and self._is_regular(state)]
        both = np.concatenate([states[alone], np.reshape(chosen, (-1, count))]) / self.scales
        return distinct(both, np.full(both.shape, 1e-9)) * self.scales, True

    def nearest(self, start: np.ndarray) -> np.ndarray | None:
        """The state near ``start``; None where Newton's method finds none."""
        state = start.astype(np.float64) / self.scales
        for _ in range(60):
            rates, slope = self._at(state * self.scales)
            if not (np.isfinite(rates).all() and np.isfinite(slope).all()):
                return None
            # Along a continuum of states, where the slope is 0 but for rounding, it stays put.
            step = np.linalg.lstsq(slope, rates, rcond=1e-12)[0]
            state = state - step
            if np.abs(step).max() <= 1e-14 * max(float(np.abs(state).max()), 1e-300):
                break
        is_one = np.abs(step).max() <= 1e-14 or np.abs(rates).max() <= 1e-10
        return self._snapped(state) * self.scales if is_one else None

    def lacks_rank(self, state: np.ndarray) -> bool:
        """Whether det J = 0 there: where a total is conserved, it is."""
        slope = self._at(state)[1]
        return int(np.linalg.matrix_rank(slope, rtol=1e-9)) < len(self.names)

    @property
    def stays_positive(self) -> bool:
        """Whether fields that begin ≥ 0 stay so, as concentrations do."""
        rng, count = np.random.default_rng(1), len(self.names)
        trials = 10.0 ** rng.uniform(-3.0, 3.0, (_TRIALS, count)) * self.scales
        for number in range(count):
            trials[number::count, number] = 0.0
        rates, slopes = self._evaluate(trials)
        noise = 1e-12 * (np.abs(slopes) @ trials[..., None])[..., 0]
        emptied = trials == 0.0
        return not bool((rates < -noise)[emptied].any())

    def _evaluate(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return rates_and_jacobians(self.model, self.waves, states)

    def _roots(self) -> np.ndarray:
        """Near each isolated state a point, where the rates are quotients of polynomials."""
        count = len(self.names)
        if self._terms is None or not self._terms.is_exact:
            return np.zeros((0, count))
        equations = self._terms.equations()
        ratio = self._terms.scales
        if self._totals is not None:
            rows, values = self._totals
            for row, value in zip(rows, values, strict=True):
                # The rate of a total's own field follows from the others.
                linear: Polynomial = {
                    tuple(unit.tolist()): float(factor * size)
                    for unit, factor, size in zip(np.eye(count), row, ratio, strict=True)
                    if factor
                }
                if value:
                    linear[(0.0,) * count] = -float(value)
                largest = max(map(abs, linear.values()))
                equations[int(np.flatnonzero(row)[0])] = {
                    powers: factor / largest for powers, factor in linear.items()
                }
        return all_roots(equations) * ratio

    def _at(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rates and J, the fields in units of their scales and each rate in units of its J."""
        (rates,), (slope,) = self._evaluate(state[None])
        if self._totals is not None:
            rows, values = self._totals
            rates = np.concatenate([rates, rows @ state - values])
            slope = np.concatenate([slope, rows])
        size = np.abs(slope) @ np.maximum(np.abs(state), self.scales)
        unit = np.where((size > 0) & np.isfinite(size), size, 1.0)
        return rates / unit, slope * self.scales / unit[:, None]

    def _has_neighbours(self, state: np.ndarray) -> bool:
        """Whether there are other states as near as one likes: det J = 0, and no double root."""
        _, sizes, right = np.linalg.svd(self._at(state)[1], full_matrices=False)
        if sizes[-1] > 1e-6 * sizes[0]:
            return False
        step = 1e-3 * max(1.0, float(np.abs(state / self.scales).max()))
        other = self.nearest(state + step * right[-1] * self.scales)
        if other is None:
            return False
        return 0.5 < float(np.linalg.norm((other - state) / self.scales)) / step < 2.0

    def _is_regular(self, state: np.ndarray) -> bool:
        tidy = self._snapped(state / self.scales) * self.scales
        return all(bool(np.isfinite(x).all()) for x in self._evaluate(tidy[None]))

    @staticmethod
    def _snapped(state: np.ndarray) -> np.ndarray:
        """0 for what is 0 but for rounding, in units of the scales."""
        return np.where(np.abs(state) <= 1e-13, 0.0, state)


def _spread_starts(count: int, starts: int) -> np.ndarray:
    """Starts of all magnitudes; positive first, because concentrations are."""
    rng = np.random.default_rng(0)
    magnitudes = 10.0 ** rng.uniform(-3.0, 2.0, (starts, count))
    signs = rng.choice([-1.0, 1.0], (starts, count))
    signs[: starts // 2] = 1.0
    spread: np.ndarray = signs * magnitudes
    return spread


def _combination(row: np.ndarray, names: Sequence[str]) -> str:
    """u + 2 v, of the numbers that are not 0."""
    words = ""
    for factor, name in zip(row, names, strict=True):
        if factor:
            size = "" if abs(abs(factor) - 1) < 1e-9 else f"{abs(factor):.6g} "
            sign = ("-" if factor < 0 else "") if not words else (" - " if factor < 0 else " + ")
            words += f"{sign}{size}{name}"
    return words
