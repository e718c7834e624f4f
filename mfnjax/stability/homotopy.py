"""All roots of a system of polynomials, by following them from those of a system that is solved.

Total-degree homotopy with a random complex factor, in projective coordinates, all paths at once:
A. J. Sommese and C. W. Wampler (2005), The numerical solution of systems of polynomials arising in
engineering and science, doi:10.1142/5763.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from mfnjax.stability.terms import Polynomial

_MOST_PATHS = 400
_STEPS = 3000
_CLOSE = 1e-8


class _System:
    """Homogeneous polynomials of n + 1 unknowns, the first of which is 0 at infinity."""

    def __init__(self, equations: list[Polynomial]) -> None:
        self.degrees = [int(max(sum(powers) for powers in one)) for one in equations]
        count = len(equations)
        powers, factors, places = [], [], []
        for row, (degree, one) in enumerate(zip(self.degrees, equations, strict=True)):
            for each, factor in one.items():
                whole = np.array([degree - sum(each), *each], int)
                powers.append(whole)
                factors.append(factor)
                places.append((row, count + 1))
                for k in map(int, np.flatnonzero(whole)):
                    powers.append(whole - np.eye(count + 1, dtype=int)[k])
                    factors.append(factor * whole[k])
                    places.append((row, k))
        self._powers = np.array(powers)
        self._sums = np.zeros((len(powers), count, count + 2))
        for number, (row, column) in enumerate(places):
            self._sums[number, row, column] = factors[number]

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values (p, n) and derivatives (p, n, n + 1) at p points."""
        each = (x[:, None, :] ** self._powers).prod(2)
        found = np.tensordot(each, self._sums, 1)
        return found[..., -1], found[..., :-1]


def all_roots(equations: list[Polynomial]) -> np.ndarray:
    """Where n polynomials of n unknowns are 0: near each isolated real root a point, shape (m, n).

    They are starts for Newton's method: a path may end at a root that is not real after all, or
    at one of several that are alike.

    Args:
        equations: The polynomials, with factors and roots of about the size 1.

    Returns:
        The points; none where there are too many paths to follow, or an equation is 0 = 0.

    Examples:
        >>> from mfnjax.stability.homotopy import all_roots
        >>> found = all_roots([{(3,): 1.0, (1,): -1.0}])
        >>> print(sorted((found.round(6) + 0.0).ravel().tolist()))
        [-1.0, 0.0, 1.0]
    """
    count = len(equations)
    if not all(equations):
        return np.zeros((0, count))
    system = _System(equations)
    if not all(system.degrees) or np.prod(system.degrees) > _MOST_PATHS:
        return np.zeros((0, count))
    ends = _follow(system, count)
    ends = ends[np.isfinite(ends).all(1) & (np.abs(ends[:, 0]) > 1e-14)]
    affine = ends[:, 1:] / ends[:, :1]
    size = np.maximum(np.abs(affine), 1e-12)
    is_real = np.isfinite(size).all(1) & (np.abs(affine.imag) <= 0.05 * size + 1e-6).all(1)
    real: np.ndarray = affine[is_real].real
    return real


def _follow(system: _System, count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    gamma, *patch = np.exp(2j * np.pi * rng.random(count + 2))
    degrees = np.array(system.degrees)
    roots = [np.exp(2j * np.pi * np.arange(d) / d) for d in degrees]
    x = np.array([(1.0, *each) for each in itertools.product(*roots)], complex)
    weights = np.array(patch)
    x /= (x @ weights)[:, None]

    def start(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = x[:, 1:] ** degrees - x[:, :1] ** degrees
        slopes = np.zeros((len(x), count, count + 1), complex)
        index = np.arange(count)
        slopes[:, index, index + 1] = degrees * x[:, 1:] ** (degrees - 1)
        slopes[:, :, 0] = -degrees * x[:, :1] ** (degrees - 1)
        return gamma * values, gamma * slopes

    def matrices(x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        (f, fx), (g, gx) = system(x), start(x)
        t = t[:, None]
        h = np.c_[(1 - t) * g + t * f, x @ weights - 1]
        hx = (1 - t[..., None]) * gx + t[..., None] * fx
        last = np.broadcast_to(weights, (len(x), 1, count + 1))
        return h, np.concatenate([hx, last], 1), np.c_[f - g, np.zeros(len(x))]

    t, step = np.zeros(len(x)), np.full(len(x), 0.05)
    for _ in range(_STEPS):
        live = np.flatnonzero((t < 1) & (step > _CLOSE))
        if not live.size:
            break
        here, now = x[live], t[live]
        then = np.minimum(now + step[live], 1.0)
        _, slope, along = matrices(here, now)
        moved = here - (then - now)[:, None] * _solved(slope, along)
        size = np.abs(here).max(1)
        for _ in range(3):
            off, slope, _ = matrices(moved, then)
            change = _solved(slope, off)
            moved = moved - change
        good = np.abs(change).max(1) <= 1e-6 * size
        good &= np.abs(moved - here).max(1) <= 0.3 * size
        x[live[good]], t[live[good]] = moved[good], then[good]
        step[live] = np.where(good, np.minimum(step[live] * 2, 0.2), step[live] / 3)
    return x


def _solved(matrix: np.ndarray, right: np.ndarray) -> Any:
    """Solutions, far off where there is none."""
    try:
        return np.linalg.solve(matrix, right[..., None])[..., 0]
    except np.linalg.LinAlgError:
        return np.einsum("pij,pj->pi", np.linalg.pinv(matrix), right)
