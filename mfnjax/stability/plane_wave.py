"""∇ of a plane wave: what a model's operators do to a small wave on a homogeneous state.

A model's rates are given the fields at two phases of the wave, u* + Re(v·e^{iφ}) at φ = 0 and π/2:
all that works cell by cell works on real numbers, and what turns the phase, as a first derivative
does, mixes the two. To first order in v, every operator acts on what the wave adds to its argument;
of what is the same everywhere a derivative is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax

from mfnjax.core.flux import Flux, Piece
from mfnjax.core.grid import Grid
from mfnjax.core.nabla import SCHEMES, total_of
from mfnjax.core.operator import IDENTITY, Operator
from mfnjax.errors import ParameterError


@final
@dataclass(frozen=True)
class Waves:
    """The waves of one direction.

    Attributes:
        axes: The directions of space, ``"x"`` first.
        direction: A unit vector along the wave, in the order of ``axes``.
        spacings: Of the grid along each of the axes [length]; None is the continuum.
    """

    axes: tuple[str, ...]
    direction: tuple[float, ...]
    spacings: tuple[float, ...] | None = None

    @property
    def shortest(self) -> float | None:
        """q of the waves of two cells [1/length]; None in the continuum."""
        if self.spacings is None:
            return None
        pairs = zip(self.direction, self.spacings, strict=True)
        return math.pi / max(abs(part) * spacing for part, spacing in pairs)


def waves_along(direction: Any, axes: tuple[str, ...], grid: Grid | None = None) -> Waves:
    """The waves along a direction; None is along x.

    Raises:
        ParameterError: The direction is not one number for each of ``axes``, or is 0.
    """
    try:
        vector = [1.0] + [0.0] * (len(axes) - 1) if direction is None else [*map(float, direction)]
    except (TypeError, ValueError):
        vector = []
    length = math.hypot(*vector)
    if len(vector) != len(axes) or not 0 < length < math.inf:
        raise ParameterError(
            f"direction must be one number for each direction of space ({', '.join(axes)}), not "
            f"all 0; got {direction!r}"
        )
    spacings = None
    if grid is not None:
        spacings = tuple(float(grid.spacings[grid.axis(name)]) for name in axes)
    return Waves(axes, tuple(part / length for part in vector), spacings)


class PlaneWave:
    """∇ at a homogeneous state with a wave of wavenumber q on it: for `Nabla` in a model's rates.

    Its fields are arrays (2,), the two phases. Between cells it has the symbols of the grid's
    stencils: i(2/h)·sin(qh/2) from cells to faces and back, the mean cos(qh/2) of two cells, and so
    i·sin(qh)/h for central differences and limited advection (whose limiter has no derivative at
    a state without slope: the second-order scheme of smooth waves is taken).

    Args:
        wavenumber: q [1/length]; or a wavevector, one number for each direction of space.
        waves: Which waves.

    Attributes:
        grid: None: there is none.
        axes: The directions of space.

    Examples:
        A derivative turns the phase by a quarter of a period:

        >>> import jax
        >>> import jax.numpy as jnp
        >>> from mfnjax.stability.plane_wave import PlaneWave, waves_along
        >>> nabla = PlaneWave(3.0, waves_along(None, ("x",)))
        >>> wave, state = jnp.array([1.0, 0.0]), jnp.ones(2)
        >>> print(jax.jvp(nabla.laplacian, (state,), (wave,))[1])
        [-9. -0.]
        >>> print(jax.jvp(lambda u: nabla.derivative(u, "x"), (state,), (wave,))[1])
        [ 0. -3.]
    """

    identity = IDENTITY
    grid = None

    def __init__(self, wavenumber: Any, waves: Waves) -> None:
        self.axes = waves.axes
        self._slopes, self._halves = {}, {}
        for number, part in enumerate(waves.direction):
            along = wavenumber[number] if jnp.ndim(wavenumber) else part * wavenumber
            spacing = None if waves.spacings is None else waves.spacings[number]
            half = 0.0 * along if spacing is None else along * spacing / 2
            self._halves[number] = half
            self._slopes[number] = along if spacing is None else 2 / spacing * jnp.sin(half)

    # Place and time.

    def _refuse(self, name: str) -> Any:
        what = "the time" if name == "t" else "the place"
        raise ParameterError(
            f"a homogeneous state's stability needs rates that do not depend on {what}, and these "
            f"depend on {name}"
        )

    x = property(lambda self: self._refuse("x"), doc="Refused: a wave has no place.")
    y = property(lambda self: self._refuse("y"), doc="Refused: a wave has no place.")
    z = property(lambda self: self._refuse("z"), doc="Refused: a wave has no place.")
    t = property(lambda self: self._refuse("t"), doc="Refused: a state at rest has no time.")

    def local(self, function: Callable[..., Any], *arrays: Any) -> Any:
        """``function(*arrays)``."""
        return function(*arrays)

    # Operators.

    @property
    def laplacian(self) -> Operator:
        """∇²."""
        total = sum(-(slope**2) for slope in self._slopes.values())
        return Operator(lambda u: total * _added(u), total_of)

    def diffusion(self, diffusivity: Any) -> Operator:
        """∇·(D∇·): D a number, a field, or one an axis."""
        if not isinstance(diffusivity, (tuple, list)) and not getattr(diffusivity, "ndim", 0):
            return diffusivity * self.laplacian
        return Operator(lambda u: self.divergence(self.flux(diffusivity, u)))

    def flux(self, diffusivity: Any, u: Any) -> Flux:
        """D∇u on the faces."""
        turned = _turned(_added(u))
        is_vector = isinstance(diffusivity, (tuple, list))
        each = self._checked(diffusivity) if is_vector else (diffusivity,) * len(self.axes)
        return _flux({k: each[k] * (slope * turned) for k, slope in self._slopes.items()})

    def advective_flux(self, velocity: Any, u: Any, scheme: str = "limited") -> Flux:
        """c·u on the faces."""
        if scheme not in SCHEMES:
            raise ParameterError(f"scheme must be one of {', '.join(SCHEMES)}; got {scheme!r}")
        faces = {}
        for number, speed in enumerate(self._checked(velocity)):
            value = self._on_faces(u, number)
            if scheme == "upwind":  # e^{∓iqh/2}: the cell that the flow comes from
                behind = jnp.sign(lax.stop_gradient(jnp.asarray(speed)))
                value = value - behind * jnp.sin(self._halves[number]) * _turned(_added(u))
            faces[number] = self._on_faces(speed, number) * value
        return _flux(faces)

    def carried(self, vector: Any) -> Flux:
        """A vector that is given at the cell centres, on the faces."""
        return _flux({k: self._on_faces(part, k) for k, part in enumerate(self._checked(vector))})

    def divergence(self, flux: Flux) -> Any:
        """∇·F."""
        parts = [self._slopes[k] * _turned(_added(face)) for k, face in flux.faces.items()]
        return sum(parts[1:], parts[0])

    def derivative(self, u: Any, axis: str) -> Any:
        """∂u/∂x, of a grid by central differences."""
        if axis not in self.axes:
            known = ", ".join(self.axes)
            raise ParameterError(f"there is no direction {axis} here (directions: {known})")
        number = self.axes.index(axis)
        return self._slopes[number] * (jnp.cos(self._halves[number]) * _turned(_added(u)))

    def gradient(self, u: Any) -> tuple[Any, ...]:
        """∂u/∂x, ∂u/∂y, ∂u/∂z."""
        return tuple(self.derivative(u, axis) for axis in self.axes)

    def _on_faces(self, value: Any, number: int) -> Any:
        """The mean of two neighbouring cells."""
        return value + (jnp.cos(self._halves[number]) - 1) * _added(value)

    def _checked(self, vector: Any) -> tuple[Any, ...]:
        if not isinstance(vector, (tuple, list)) or len(vector) != len(self.axes):
            raise ParameterError(
                f"a vector has one entry for each direction of space ({', '.join(self.axes)})"
            )
        return tuple(vector)


def _added(u: Any) -> jax.Array:
    """What the wave adds: 0, with the derivative of u."""
    u = jnp.asarray(u)
    return jnp.broadcast_to(u - lax.stop_gradient(u), (2,))


def _turned(wave: jax.Array) -> jax.Array:
    """i times a wave: at the phases 0 and π/2 what it is at π/2 and π."""
    return jnp.stack([wave[1], -wave[0]])


def _flux(faces: dict[int, Any]) -> Flux:
    """A flux that has one value along each direction."""

    def piece(value: Any) -> Piece:
        return lambda start, stop: value

    return Flux({k: (0, piece(value)) for k, value in faces.items()})
