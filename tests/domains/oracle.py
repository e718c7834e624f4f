"""The same semi-discrete systems in plain NumPy, one axis at a time, and SciPy to integrate them.

Written from the contract of sides, masks and fluxes, not from the package: ghost cells by their
formulas, fluxes on faces, the smaller fraction of two cells on the face between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

Sides = dict[str, Any]
"""Axis → "periodic", or the rule of either side: a function (u inside, h, t, place) → ghost."""


@dataclass
class Space:
    """A grid in NumPy: arrays [z, y, x], h and the rules of the sides by the name of an axis."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    sides: Sides
    mask: np.ndarray | None = None
    t: float = 0.0

    def __post_init__(self) -> None:
        self.names = "xyz"[: len(self.shape)]

    def axis(self, name: str) -> int:
        return len(self.shape) - 1 - "xyz".index(name)

    def h(self, name: str) -> float:
        return self.spacing[self.axis(name)]

    def at(self, name: str) -> np.ndarray:
        """Coordinates of the cell centres."""
        axis = self.axis(name)
        along = (np.arange(self.shape[axis]) + 0.5) * self.spacing[axis]
        shape = [-1 if k == axis else 1 for k in range(len(self.shape))]
        return np.broadcast_to(along.reshape(shape), self.shape)

    def wide(self, u: np.ndarray, name: str) -> np.ndarray:
        """A field with its two ghost layers, the axis first."""
        u, rule = np.moveaxis(u, self.axis(name), 0), self.sides[name]
        if rule == "periodic":
            return np.concatenate([u[-1:], u, u[:1]])
        layers = []
        for inside, side, edge in ((u[0], rule[0], 0.0), (u[-1], rule[1], 1.0)):
            place = {n: np.moveaxis(self.at(n), self.axis(name), 0)[0] for n in self.names}
            place[name] = edge * self.h(name) * self.shape[self.axis(name)]
            layers.append(np.broadcast_to(side(inside, self.h(name), self.t, place), inside.shape))
        return np.concatenate([layers[0][None], u, layers[1][None]])

    def coefficient(self, d: Any, name: str) -> np.ndarray:
        """On the faces: the mean of two cells; on an outer face, the cell's own."""
        d = np.moveaxis(np.broadcast_to(d, self.shape), self.axis(name), 0)
        ends = (d[-1:], d[:1]) if self.sides[name] == "periodic" else (d[:1], d[-1:])
        wide = np.concatenate([ends[0], d, ends[1]])
        return (wide[1:] + wide[:-1]) / 2

    def div(self, faces: Callable[[str], np.ndarray]) -> np.ndarray:
        total = np.zeros(self.shape)
        for name in self.names:
            flux = faces(name)
            if self.mask is not None:
                phi = np.moveaxis(self.mask, self.axis(name), 0)
                ends = (
                    (phi[-1:], phi[:1]) if self.sides[name] == "periodic" else (phi[:1], phi[-1:])
                )
                wide = np.concatenate([ends[0], phi, ends[1]])
                flux = flux * np.minimum(wide[1:], wide[:-1])
            total += np.moveaxis(flux[1:] - flux[:-1], 0, self.axis(name)) / self.h(name)
        if self.mask is None:
            return total
        return np.where(self.mask > 0, total / np.where(self.mask > 0, self.mask, 1), 0)

    def diffusion(self, d: Any, u: np.ndarray) -> np.ndarray:
        """∇·(D∇u)."""
        return self.div(
            lambda n: self.coefficient(d, n) * np.diff(self.wide(u, n), axis=0) / self.h(n)
        )

    def diffusion_of(self, f: Callable[[np.ndarray], np.ndarray], u: np.ndarray) -> np.ndarray:
        """∇²f(u), with f of the ghost cells outside."""
        return self.div(lambda n: np.diff(f(self.wide(u, n)), axis=0) / self.h(n))

    def advection(self, c: dict[str, Any], u: np.ndarray) -> np.ndarray:
        """∇·(c u), van Leer's slopes, u at an outer face where the flow comes in."""

        def faces(name: str) -> np.ndarray:
            wide, speed = self.wide(u, name), self.coefficient(c[name], name)
            steps = np.diff(wide, axis=0)
            if self.mask is not None:
                phi = np.moveaxis(self.mask, self.axis(name), 0)
                ends = (
                    (phi[-1:], phi[:1]) if self.sides[name] == "periodic" else (phi[:1], phi[-1:])
                )
                around = np.concatenate([ends[0], phi, ends[1]])
                steps = np.where(np.minimum(around[1:], around[:-1]) > 0, steps, 0)
            a, b = steps[:-1], steps[1:]
            slope = np.where(a * b > 0, 2 * a * b / np.where(a * b > 0, a + b, 1), 0)
            low, high = wide[1:-1] - slope / 2, wide[1:-1] + slope / 2
            if self.sides[name] == "periodic":
                first, last = high[-1:], low[:1]
            else:
                first, last = (wide[:1] + wide[1:2]) / 2, (wide[-1:] + wide[-2:-1]) / 2
            before, after = np.concatenate([first, high]), np.concatenate([low, last])
            return speed * np.where(speed > 0, before, after)

        return self.div(faces)

    def slope(self, u: np.ndarray, name: str) -> np.ndarray:
        """∂u/∂x by central differences, without a mask."""
        wide = self.wide(u, name)
        return np.moveaxis((wide[2:] - wide[:-2]) / (2 * self.h(name)), 0, self.axis(name))


Rates = Callable[[Space, tuple[np.ndarray, ...], float], tuple[Any, ...]]


def integrate(space: Space, rates: Rates, start: Any, time: float) -> np.ndarray:
    """The fields at a time, by DOP853 with rtol 1e-10."""
    start = np.stack([np.asarray(u, float) for u in start])

    def rhs(t: float, flat: np.ndarray) -> np.ndarray:
        space.t = t
        found = rates(space, tuple(flat.reshape(start.shape)), t)
        found = [np.broadcast_to(one, space.shape) for one in found]
        if space.mask is not None:
            found = [np.where(space.mask > 0, one, 0) for one in found]
        return np.stack(found).ravel()

    solved = solve_ivp(rhs, (0, time), start.ravel(), method="DOP853", rtol=1e-10, atol=1e-12)
    assert solved.success
    return solved.y[:, -1].reshape(start.shape)
