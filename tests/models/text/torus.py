"""A small ∇ on a torus of equal spacing, in the terms that a model speaks in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from mfnjax.core.operator import Operator


@dataclass(frozen=True)
class Flux:
    """Fluxes through the upper faces, in the order x, y, z."""

    faces: tuple[Any, ...]

    def __rmul__(self, factor: Any) -> Flux:
        return Flux(tuple(factor * face for face in self.faces))

    def __add__(self, other: Flux) -> Flux:
        return Flux(tuple(a + b for a, b in zip(self.faces, other.faces, strict=True)))


class Torus:
    """∇ on a torus."""

    grid = None

    def __init__(self, shape: tuple[int, ...], spacing: float = 1.0, t: float = 0.0) -> None:
        self.shape, self.spacing, self.t = shape, spacing, t
        self.axes = ("x", "y", "z")[: len(shape)]
        centres = np.meshgrid(*[(np.arange(n) + 0.5) * spacing for n in shape], indexing="ij")
        self.x, self.y, self.z = [*map(jnp.asarray, reversed(centres)), 0.0, 0.0][:3]
        self.laplacian = Operator(lambda u: self.divergence(self.flux(1.0, u)))
        self.calls: list[str] = []

    def diffusion(self, d: Any) -> Operator:
        return Operator(lambda u: self.divergence(self.flux(d, u)))

    def _upper(self, u: Any, axis: str) -> Any:
        return jnp.roll(u, -1, -1 - self.axes.index(axis))

    def derivative(self, u: Any, axis: str) -> Any:
        lower = jnp.roll(u, 1, -1 - self.axes.index(axis))
        return (self._upper(u, axis) - lower) / (2 * self.spacing)

    def gradient(self, u: Any) -> tuple[Any, ...]:
        return tuple(self.derivative(u, axis) for axis in self.axes)

    def _mean(self, u: Any, axis: str) -> Any:
        return (u + self._upper(u, axis)) / 2 if jnp.ndim(u) else u

    def flux(self, d: Any, u: Any) -> Flux:
        each = d if isinstance(d, tuple) else (d,) * len(self.axes)
        return Flux(
            tuple(
                self._mean(one, axis) * (self._upper(u, axis) - u) / self.spacing
                for one, axis in zip(each, self.axes, strict=True)
            )
        )

    def advective_flux(self, c: tuple[Any, ...], u: Any, scheme: str = "limited") -> Flux:
        self.calls.append("advective_flux")
        return self.carried(tuple(one * u for one in c))

    def carried(self, v: tuple[Any, ...]) -> Flux:
        self.calls.append("carried")
        return Flux(tuple(self._mean(a, axis) for a, axis in zip(v, self.axes, strict=True)))

    def divergence(self, flux: Flux) -> Any:
        return sum(
            (f - jnp.roll(f, 1, -1 - self.axes.index(axis))) / self.spacing
            for f, axis in zip(flux.faces, self.axes, strict=True)
        )

    def local(self, f: Callable[..., Any], *arrays: Any) -> Any:
        self.calls.append("local")
        return f(*arrays)


def whole_rate(model: Any, values: tuple[Any, ...], nabla: Any) -> tuple[Any, ...]:
    """u_t: both parts together, without noise."""
    linear = model.linear(nabla)
    return tuple(
        rate + linear[name](u) if name in linear else rate
        for name, u, rate in zip(model.fields, values, model.rates(values, nabla), strict=True)
    )
