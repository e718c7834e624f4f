"""∇ on a grid: the operators that a model's rates are written in.

A `Nabla` is made anew for every evaluation of the rates: it holds the fields, each with the halo
that its sides give it, so that an operator knows what lies outside the array it is applied to.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.flux import Flux, difference, mean, part, upwind_faces
from mfnjax.core.grid import Grid, check_one_spacing
from mfnjax.core.operator import IDENTITY, Eigenvalues, Operator
from mfnjax.core.operators import fastest_decay, inner, pad, with_difference_sum
from mfnjax.core.sides import AXES, Neumann, Periodic, Place
from mfnjax.errors import ParameterError

SCHEMES = ("limited", "upwind")


@dataclass
class _Known:
    """An array that the nabla has met: where its halo comes from, and what was made of it."""

    array: jax.Array
    boundary: Any = None
    padded: jax.Array | None = None
    difference_sum: jax.Array | None = None


class Nabla:
    """∇ on a grid at one moment.

    Args:
        grid: The grid.
        names: Name of each field, which says its sides.
        values: The fields.
        t: Time.
        lazy: Leave the fields as they are: for rates that may look at no neighbour.

    Attributes:
        fields: The fields to go on with: read from their padded buffers, which is faster.
        axes: The directions of space, ``"x"`` first.
        t: Time.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import Grid
        >>> from mfnjax.core import Nabla
        >>> grid = Grid(4, boundary="neumann")
        >>> nabla = Nabla(grid, ("u",), (jnp.arange(4.0) ** 2,))
        >>> (u,) = nabla.fields
        >>> print(nabla.laplacian(u), nabla.divergence(nabla.flux(2.0, u)))
        [ 1.  2.  2. -5.] [  2.   4.   4. -10.]
    """

    def __init__(
        self,
        grid: Grid,
        names: tuple[str | None, ...],
        values: tuple[jax.Array, ...],
        t: Any = 0.0,
        *,
        lazy: bool = False,
    ) -> None:
        self.grid, self.axes, self.t = grid, grid.axes, t
        self._known: list[_Known] = []
        self.dtype = values[0].dtype if values else jnp.result_type(float)
        self._place: Place | None = None
        fields = []
        for name, value in zip(names, values, strict=True):
            boundary = grid.boundary.of(name)
            if grid.mask is None and grid.is_isotropic and not lazy:
                centre, total = with_difference_sum(value, grid, boundary, t)
                self._known.append(_Known(centre, boundary, None, total))
            else:
                centre = value
                self._known.append(_Known(centre, boundary))
            fields.append(centre)
        self.fields = tuple(fields)

    # Place.

    def _cells(self) -> Place:
        if self._place is None:
            self._place = self.grid.place(self.t, self.dtype)
        return self._place

    @property
    def x(self) -> jax.Array:
        """x of the cell centres, of the grid's shape."""
        return self._coordinate("x")

    @property
    def y(self) -> jax.Array:
        """y of the cell centres."""
        return self._coordinate("y")

    @property
    def z(self) -> jax.Array:
        """z of the cell centres."""
        return self._coordinate("z")

    def _coordinate(self, name: str) -> jax.Array:
        if name not in self.axes:
            known = ", ".join(self.axes) or "none"
            raise ParameterError(f"the grid has no direction {name} (directions: {known})")
        array: jax.Array = getattr(self._cells(), name)
        return array

    # Halos.

    def _look_up(self, array: Any) -> _Known | None:
        return next((known for known in self._known if known.array is array), None)

    def _padded(self, array: Any) -> jax.Array:
        """The array with a halo: a field's own, or of an expression where the sides allow it."""
        known = self._look_up(array)
        if known is None:
            array = jnp.broadcast_to(jnp.asarray(array, self.dtype), self.grid.shape)
            known = _Known(array, self._mirror())
            self._known.append(known)
        if known.padded is None:
            known.padded = pad(known.array, self.grid, known.boundary, self.t)
        return known.padded

    def _mirror(self) -> Any:
        """The sides of an expression: those of the fields, where they only wrap or mirror."""
        sides = [known.boundary for known in self._known if known.boundary is not None]
        is_plain = all(side.is_plain and type(side) is type(sides[0]) for side in sides)
        if sides and is_plain and all(side == sides[0] for side in sides):
            return sides[0]
        raise ParameterError(
            f"∇ of an expression needs sides that wrap or mirror, not {self.grid.boundary!r}: give "
            "the expression as nabla.local(f, u, …), which says what it is outside as well"
        )

    def _extended(self, array: Any) -> Any:
        """An argument of `local` on the padded grid."""
        if not getattr(array, "ndim", 0):
            return array
        if self._look_up(array) is not None:
            return self._padded(array)
        place = self._cells()
        for name in self.axes:
            if array is getattr(place, name):
                cells = np.arange(-1, self.grid.shape[self.grid.axis(name)] + 1) + 0.5
                return jnp.broadcast_to(
                    self.grid.position(name, cells, self.dtype), self._padded_shape()
                )
        return self._with_own_values(array)

    def _padded_shape(self) -> tuple[int, ...]:
        return tuple(size + 2 * (size > 1) for size in self.grid.shape)

    def _with_own_values(self, array: jax.Array) -> jax.Array:
        """A coefficient with a halo: on an outer face a cell's own value counts."""
        boundary = self.grid.boundary
        for axis, size in enumerate(self.grid.shape):
            if size > 1:
                torus = self._is_torus(axis, boundary.of(None))
                side: Any = Periodic() if torus else Neumann()
                array = jnp.concatenate([*_around(array, side, axis)], axis)
        return array

    def _is_torus(self, axis: int, boundary: Any) -> bool:
        name = AXES[len(self.grid.shape) - 1 - axis]
        return isinstance(boundary.along(name), Periodic)

    def local(self, function: Callable[..., Any], *arrays: Any) -> jax.Array:
        """``function(*arrays)``, of a function that works cell by cell.

        Its ghost cells are the function of the arguments' ghost cells, so that the result may be
        given to any operator whatever the sides are.
        """
        array = function(*arrays)
        if not getattr(array, "ndim", 0) or self._look_up(array) is not None:
            return array
        padded = function(*[self._extended(one) for one in arrays])
        padded = jnp.broadcast_to(padded, self._padded_shape())
        self._known.append(_Known(array, None, padded))
        return array

    # Operators.

    identity = IDENTITY

    @property
    def laplacian(self) -> Operator:
        """∇²."""
        return Operator(self._apply_laplacian, total_of)

    def diffusion(self, diffusivity: Any) -> Operator:
        """∇·(D∇·): D a number, a field, or one an axis in the order x, y, z."""
        if isinstance(diffusivity, (tuple, list)):
            return self._by_axis(tuple(diffusivity))
        if not getattr(diffusivity, "ndim", 0):
            return diffusivity * self.laplacian

        def apply(u: jax.Array) -> jax.Array:
            return self.divergence(self.flux(diffusivity, u))

        return Operator(apply, None, self._decays(diffusivity), "varies in space")

    def _decays(self, *diffusivities: Any) -> tuple[float, float] | None:
        if any(isinstance(n, jax.core.Tracer) for n in (*diffusivities, *self.grid.spacings)):
            return None
        least = min(float(np.min(np.asarray(d))) for d in diffusivities)
        largest = max(float(np.max(np.asarray(d))) for d in diffusivities)
        return least, largest * fastest_decay(self.grid)

    def _by_axis(self, diffusivities: tuple[Any, ...]) -> Operator:
        axes = self._checked_vector(diffusivities)

        def apply(u: jax.Array) -> jax.Array:
            return self.divergence(self.flux(diffusivities, u))

        if any(getattr(d, "ndim", 0) for d in diffusivities):
            return Operator(apply, None, self._decays(*diffusivities), "varies in space")

        def symbol(e: Eigenvalues) -> Any:
            return sum(d * e.axes[name] for d, name in zip(diffusivities, axes, strict=True))

        return Operator(apply, symbol)

    def _apply_laplacian(self, u: Any) -> jax.Array:
        known = self._look_up(u)
        if self.grid.mask is not None or not self.grid.is_isotropic:
            return self.divergence(self.flux(1.0, u))
        spacing = jnp.asarray(self.grid.spacing, self.dtype)
        if known is None:
            array = jnp.broadcast_to(jnp.asarray(u, self.dtype), self.grid.shape)
            total = with_difference_sum(array, self.grid, self._mirror(), self.t)[1]
            return total / (spacing * spacing)
        if known.difference_sum is None:
            if known.boundary is None:  # of `local`: its halo is known, its sides are not
                return self.divergence(self.flux(1.0, u))
            args = known.array, self.grid, known.boundary, self.t
            known.difference_sum = with_difference_sum(*args)[1]
        return 1 / (spacing * spacing) * known.difference_sum

    def flux(self, diffusivity: Any, u: Any) -> Flux:
        """D∇u on the faces: D the arithmetic mean of both cells, on an outer face a cell's own.

        Args:
            diffusivity: A number, a field, or one an axis in the order x, y, z.
            u: A field, or what `local` gave.
        """
        padded, faces = self._padded(u), {}
        for number, name in enumerate(self.axes):
            axis = self.grid.axis(name)
            one = diffusivity[number] if isinstance(diffusivity, (tuple, list)) else diffusivity
            spacing = jnp.asarray(self.grid.spacings[axis], self.dtype)
            slope = difference(self._only_along(padded, axis), axis) / spacing
            faces[axis] = self._on_faces(one, axis) * slope
        return Flux(faces)

    def _on_faces(self, coefficient: Any, axis: int) -> Any:
        """A coefficient of the cells on the faces along an axis."""
        if not getattr(coefficient, "ndim", 0):
            return jnp.asarray(coefficient, self.dtype)
        array = jnp.broadcast_to(coefficient, self.grid.shape).astype(self.dtype)
        torus = self._is_torus(axis, self.grid.boundary.of(None))
        side: Any = Periodic() if torus else Neumann()
        return mean(jnp.concatenate([*_around(array, side, axis)], axis), axis)

    def _only_along(self, padded: jax.Array, axis: int) -> jax.Array:
        """The padded array without its halo along the other axes."""
        index = [
            slice(None) if k == axis or size == 1 else slice(1, -1)
            for k, size in enumerate(self.grid.shape)
        ]
        return padded[tuple(index)]

    def advective_flux(self, velocity: Any, u: Any, scheme: str = "limited") -> Flux:
        """c·u on the faces, u from the side that the flow comes from.

        Under explicit Euler and a Courant number of at most ½ over the number of directions no new
        extremum appears, if the velocity on the faces has no divergence.

        Args:
            velocity: c, one number or field a direction, in the order x, y, z.
            u: A field, or what `local` gave.
            scheme: ``"limited"`` (second order, van Leer's limiter) or ``"upwind"``.
        """
        if scheme not in SCHEMES:
            raise ParameterError(f"scheme must be one of {', '.join(SCHEMES)}; got {scheme!r}")
        padded, faces = self._padded(u), {}
        for number, name in enumerate(self._checked_vector(velocity)):
            axis = self.grid.axis(name)
            along = self._only_along(padded, axis)
            speed = jnp.asarray(self._on_faces(velocity[number], axis), self.dtype)
            shape = tuple(n + (k == axis) for k, n in enumerate(self.grid.shape))
            speed = jnp.broadcast_to(speed, shape)
            torus = self._is_torus(axis, self._look_up(u).boundary or self.grid.boundary.of(None))  # type: ignore[union-attr]
            limited = scheme == "limited"
            faces[axis] = speed * upwind_faces(along, speed, axis, is_torus=torus, limited=limited)
        return Flux(faces)

    def _checked_vector(self, vector: Any) -> tuple[str, ...]:
        if not isinstance(vector, (tuple, list)) or len(vector) != len(self.axes):
            raise ParameterError(
                f"a vector has one entry for each direction of space ({', '.join(self.axes)})"
            )
        return self.axes

    def carried(self, vector: Any) -> Flux:
        """A vector that is given at the cell centres, on the faces by the mean of both cells."""
        faces = {}
        for number, name in enumerate(self._checked_vector(vector)):
            axis = self.grid.axis(name)
            shape = tuple(n + (k == axis) for k, n in enumerate(self.grid.shape))
            faces[axis] = jnp.broadcast_to(self._on_faces(vector[number], axis), shape)
        return Flux(faces)

    def divergence(self, flux: Flux) -> jax.Array:
        """∇·F of a flux on the faces, conservative: what leaves a cell enters its neighbour."""
        total: Any = 0.0
        for axis, face in flux.faces.items():
            spacing = jnp.asarray(self.grid.spacings[axis], self.dtype)
            total = total + difference(self._through_mask(face, axis), axis) / spacing
        if not flux.faces:
            return jnp.zeros(self.grid.shape, self.dtype)
        return self._per_fraction(total)

    @functools.cached_property
    def _fraction(self) -> jax.Array:
        return _differentiable_inside(jnp.asarray(self.grid.mask, self.dtype))

    def _through_mask(self, face: jax.Array, axis: int) -> jax.Array:
        """A flux through the part of a face that is open: the smaller φ of its two cells."""
        if self.grid.mask is None:
            return face
        torus = self._is_torus(axis, self.grid.boundary.of(None))
        mask = self._fraction
        wide = jnp.concatenate([*_around(mask, Periodic() if torus else Neumann(), axis)], axis)
        return jnp.minimum(part(wide, axis, 1, 0), part(wide, axis, 0, -1)) * face

    def _per_fraction(self, total: jax.Array) -> jax.Array:
        if self.grid.mask is None:
            return total
        mask = self._fraction
        inside = mask > 0
        return jnp.where(inside, total / jnp.where(inside, mask, 1), 0)

    def derivative(self, u: Any, axis: str) -> jax.Array:
        """The central difference (u_{j+1} − u_{j−1})/2h along ``"x"``, ``"y"`` or ``"z"``.

        Beside the outline of a mask it is the mean of the slopes on the faces, 0 on a closed one.
        """
        along = self.grid.axis(axis)
        padded = self._padded(u)
        spacing = jnp.asarray(self.grid.spacings[along], self.dtype)
        if self.grid.mask is None:
            shape = self.grid.shape
            ahead, behind = inner(padded, shape, {along: 1}), inner(padded, shape, {along: -1})
            return (ahead - behind) / (2 * spacing)
        slope = difference(self._only_along(padded, along), along) / spacing
        is_open = self._through_mask(jnp.ones_like(slope), along) > 0
        slope = jnp.where(is_open, slope, 0)
        return jnp.where(self.grid.mask > 0, mean(slope, along), 0)

    def gradient(self, u: Any) -> tuple[jax.Array, ...]:
        """The central differences of u along x, y, z."""
        return tuple(self.derivative(u, axis) for axis in self.axes)


def total_of(eigenvalues: Eigenvalues) -> Any:
    """The symbol of ∇²."""
    return eigenvalues.total


@jax.custom_jvp
def _differentiable_inside(mask: jax.Array) -> jax.Array:
    """φ, with no derivative (NaN) by that of a cell that takes no part."""
    return mask


@_differentiable_inside.defjvp
def _differentiable_inside_jvp(primals: Any, tangents: Any) -> Any:
    (mask,), (tangent,) = primals, tangents
    return mask, tangent * jnp.where(mask > 0, 1.0, jnp.nan).astype(mask.dtype)


def _around(array: jax.Array, side: Any, axis: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    before, after = side.ends(array, axis)
    return before, array, after


def laplacian(field: jax.Array, grid: Grid) -> jax.Array:
    """Second-order Laplacian ∇²u = Σ_axes (u_{j+1} − 2u_j + u_{j−1}) / h² (five points in 2-D).

    The neighbours outside the grid are the boundary's business; through the outline of a mask
    nothing passes.

    Args:
        field: u, of the grid's shape.
        grid: Its grid.

    Returns:
        ∇²u, of the shape of u, in the unit of u over the square of the unit of length.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax import Grid, laplacian
        >>> u = jnp.zeros((3, 3)).at[1, 1].set(1.0)
        >>> print(laplacian(u, Grid((3, 3), boundary="dirichlet")).astype(int))
        [[ 0  1  0]
         [ 1 -4  1]
         [ 0  1  0]]
    """
    check_one_spacing(grid)
    nabla = Nabla(grid, (None,), (field,))
    return nabla.laplacian(nabla.fields[0])
