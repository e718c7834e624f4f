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
from jax import lax

from mfnjax.core.boundary import each_side
from mfnjax.core.flux import Flux, Piece, difference, mean, part, upwind_faces
from mfnjax.core.grid import Grid, check_one_spacing
from mfnjax.core.operator import IDENTITY, Eigenvalues, Operator
from mfnjax.core.operators import fastest_decay, inner, pad, with_difference_sum
from mfnjax.core.sides import Dirichlet, Neumann, Periodic, Place
from mfnjax.errors import ParameterError

SCHEMES = ("limited", "upwind")


@dataclass
class _Known:
    """An array that the nabla has met: where its halo comes from, and what was made of it.

    ``torus`` holds the axes whose two ends are one face; ``source`` is the array that ``array``
    was read from by way of a padded buffer: padded again, it is the same buffer to XLA.
    """

    array: jax.Array
    torus: frozenset[int]
    boundary: Any = None
    padded: jax.Array | None = None
    difference_sum: jax.Array | None = None
    source: jax.Array | None = None


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
            centre, padded, total = value, None, None
            if grid.mask is None and grid.is_isotropic and not lazy:
                centre, total = with_difference_sum(value, grid, boundary, t)
            elif not lazy:
                padded = pad(value, grid, boundary, t)
                centre = inner(padded, grid.shape)
            self._know(centre, boundary, padded, total, value)
            fields.append(centre)
        self.fields = tuple(fields)

    def _know(self, array: jax.Array, boundary: Any, *made: Any) -> _Known:
        known = _Known(array, self._torus(boundary), boundary, *made)
        self._known.append(known)
        return known

    def _torus(self, boundary: Any) -> frozenset[int]:
        names = {self.grid.axis(name): name for name in self.axes}
        return frozenset(k for k, n in names.items() if isinstance(boundary.along(n), Periodic))

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
            known = self._know(array, self._mirror())
        if known.padded is None:
            source = known.array if known.source is None else known.source
            known.padded = pad(source, self.grid, known.boundary, self.t)
        return known.padded

    def _mirror(self) -> Any:
        """The sides of an expression: those of the fields, where they only wrap or mirror.

        Or where a missing neighbour is 0, whatever it is a neighbour of.
        """
        sides = [known.boundary for known in self._known if known.boundary is not None]
        is_plain = all(side.is_plain and type(side) is type(sides[0]) for side in sides)
        one_rule = sides and is_plain and all(side == sides[0] for side in sides)
        if one_rule and not any(isinstance(one, Dirichlet) for one in each_side(sides[0])):
            return sides[0]
        raise ParameterError(
            f"∇ of an expression needs sides that wrap or mirror, not {self.grid.boundary!r}: give "
            "the expression as nabla.local(f, u, …), which says what it is outside as well"
        )

    def _extended(self, array: Any, torus: frozenset[int]) -> Any:
        """An argument of `local` on the padded grid."""
        if not getattr(array, "ndim", 0):
            return array
        if self._look_up(array) is not None:
            return self._padded(array)
        place = self._cells()
        for name in self.axes:
            if array is getattr(place, name):
                axis = self.grid.axis(name)
                cells = np.arange(-1, self.grid.shape[axis] + 1) + 0.5
                if axis in torus:
                    cells[[0, -1]] = cells[[-2, 1]]
                return jnp.broadcast_to(
                    self.grid.position(name, cells, self.dtype), self._padded_shape()
                )
        return self._with_own_values(array, torus)

    def _padded_shape(self) -> tuple[int, ...]:
        return tuple(size + 2 * (size > 1) for size in self.grid.shape)

    def _with_own_values(self, array: jax.Array, torus: frozenset[int]) -> jax.Array:
        """A coefficient with a halo: on an outer face a cell's own value counts."""
        for axis, size in enumerate(self.grid.shape):
            if size > 1:
                array = _with_ends(array, axis, torus)
        return array

    def local(self, function: Callable[..., Any], *arrays: Any) -> jax.Array:
        """``function(*arrays)``, of a function that works cell by cell.

        Its ghost cells are the function of the arguments' ghost cells, so that the result may be
        given to any operator whatever the sides are.
        """
        array = function(*arrays)
        if not getattr(array, "ndim", 0) or self._look_up(array) is not None:
            return array
        fields = [known for one in arrays if (known := self._look_up(one)) is not None]
        torus = [known.torus for known in fields] or [self._torus(self.grid.boundary)]
        shared = frozenset.intersection(*torus)
        padded = function(*[self._extended(one, shared) for one in arrays])
        padded = jnp.broadcast_to(padded, self._padded_shape())
        self._known.append(_Known(array, shared, None, padded))
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
        spacing = jnp.asarray(self.grid.spacings[-1], self.dtype)
        if self.grid.mask is not None and self.grid.is_isotropic:
            total = self._exchange(u)
            image = total * (1 / (spacing * spacing) * self._inverse_fraction)
            return image if known is None else self._linear_image(image, known)
        if not self.grid.is_isotropic:
            image = self.divergence(self.flux(1.0, u))
            return image if known is None else self._linear_image(image, known)
        if known is None:
            array = jnp.broadcast_to(jnp.asarray(u, self.dtype), self.grid.shape)
            total = with_difference_sum(array, self.grid, self._mirror(), self.t)[1]
            return total / (spacing * spacing)
        if known.difference_sum is None:
            if known.boundary is None:  # of `local`: its halo is known, its sides are not
                return self.divergence(self.flux(1.0, u))
            args = known.array, self.grid, known.boundary, self.t
            known.difference_sum = with_difference_sum(*args)[1]
        return self._linear_image(1 / (spacing * spacing) * known.difference_sum, known)

    def _exchange(self, u: Any) -> jax.Array:
        """The sum of u_n − u over the neighbours, each times the open part of the face."""
        padded, torus, total = self._padded(u), self._torus_of(u), jnp.zeros((), self.dtype)
        for name in self.axes:
            axis = self.grid.axis(name)
            along, is_open = self._only_along(padded, axis), self._open(axis, torus)
            here, before, after = (
                part(along, axis, 1, -1),
                part(along, axis, 0, -2),
                part(along, axis, 2, 0),
            )
            gain = part(is_open, axis, 1, 0) * (after - here)
            loss = part(is_open, axis, 0, -1) * (here - before)
            total = total + (gain - loss)
        return total

    def _linear_image(self, array: jax.Array, known: _Known) -> jax.Array:
        """∇² of a field between walls of the value 0 is 0 there too."""
        if known.boundary is not None and known.boundary.is_plain:
            self._know(array, known.boundary)
        return array

    def flux(self, diffusivity: Any, u: Any) -> Flux:
        """D∇u on the faces: D the arithmetic mean of both cells, on an outer face a cell's own.

        Args:
            diffusivity: A number, a field, or one an axis in the order x, y, z.
            u: A field, or what `local` gave.
        """
        padded, torus, pieces = self._padded(u), self._torus_of(u), {}
        for number, name in enumerate(self.axes):
            axis = self.grid.axis(name)
            one = diffusivity[number] if isinstance(diffusivity, (tuple, list)) else diffusivity
            piece = self._diffusive_piece(self._only_along(padded, axis), one, axis, torus)
            pieces[axis] = self.grid.shape[axis], piece
        return Flux(pieces)

    def _diffusive_piece(
        self, along: jax.Array, diffusivity: Any, axis: int, torus: frozenset[int]
    ) -> Piece:
        coefficient, per_length = self._on_faces(diffusivity, axis, torus), self._per_length(axis)
        is_open = None if self.grid.mask is None else self._open(axis, torus)

        def piece(start: int, stop: int) -> jax.Array:
            slope = per_length * difference(part(along, axis, start, stop + 1), axis)
            flux = coefficient(start, stop) * slope
            return flux if is_open is None else part(is_open, axis, start, stop) * flux

        return piece

    def _per_length(self, axis: int) -> jax.Array:
        """1/h: a product with it takes half of the time of a quotient."""
        return 1 / jnp.asarray(self.grid.spacings[axis], self.dtype)

    def _torus_of(self, padded: Any) -> frozenset[int]:
        known = self._look_up(padded)
        return self._torus(self.grid.boundary) if known is None else known.torus

    def _on_faces(self, coefficient: Any, axis: int, torus: frozenset[int]) -> Piece:
        """A coefficient of the cells on the faces along an axis."""
        if not getattr(coefficient, "ndim", 0):
            return lambda start, stop: jnp.asarray(coefficient, self.dtype)
        array = jnp.broadcast_to(coefficient, self.grid.shape).astype(self.dtype)
        means = lax.optimization_barrier(mean(_with_ends(array, axis, torus), axis))
        return lambda start, stop: part(means, axis, start, stop)

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
        padded, torus, pieces = self._padded(u), self._torus_of(u), {}
        for number, name in enumerate(self._checked_vector(velocity)):
            axis = self.grid.axis(name)
            along = self._only_along(padded, axis)
            speed = self._over_faces(velocity[number], axis, torus)
            steps = None
            if scheme == "limited":
                steps = difference(along, axis)
                if self.grid.mask is not None:  # nothing is known of what lies behind a closed face
                    steps = jnp.where(self._open(axis, torus) > 0, steps, 0)
            carried = upwind_faces(along, speed, axis, is_torus=axis in torus, steps=steps)
            pieces[axis] = self._pieces(speed * carried, axis, torus)
        return Flux(pieces)

    def _pieces(self, face: jax.Array, axis: int, torus: frozenset[int]) -> tuple[int, Piece]:
        """Of a flux on all the faces, through what is open of them."""
        if self.grid.mask is not None:
            face = self._open(axis, torus) * face
        return self.grid.shape[axis], lambda start, stop: part(face, axis, start, stop)

    def _over_faces(self, coefficient: Any, axis: int, torus: frozenset[int]) -> jax.Array:
        shape = tuple(n + (k == axis) for k, n in enumerate(self.grid.shape))
        on_faces = self._on_faces(coefficient, axis, torus)(0, shape[axis])
        return jnp.broadcast_to(on_faces, shape)

    def _checked_vector(self, vector: Any) -> tuple[str, ...]:
        if not isinstance(vector, (tuple, list)) or len(vector) != len(self.axes):
            raise ParameterError(
                f"a vector has one entry for each direction of space ({', '.join(self.axes)})"
            )
        return self.axes

    def carried(self, vector: Any) -> Flux:
        """A vector that is given at the cell centres, on the faces by the mean of both cells."""
        torus, pieces = self._torus(self.grid.boundary), {}
        for number, name in enumerate(self._checked_vector(vector)):
            axis = self.grid.axis(name)
            pieces[axis] = self._pieces(self._over_faces(vector[number], axis, torus), axis, torus)
        return Flux(pieces)

    def divergence(self, flux: Flux) -> jax.Array:
        """∇·F of a flux on the faces, conservative: what leaves a cell enters its neighbour."""
        total: Any = 0.0
        for axis in flux.pieces:
            total = total + self._per_length(axis) * flux.change_across(axis)
        if not flux.pieces:
            return jnp.zeros(self.grid.shape, self.dtype)
        return self._per_fraction(total)

    @functools.cached_property
    def _fraction(self) -> jax.Array:
        return _differentiable_inside(jnp.asarray(self.grid.mask, self.dtype))

    def _open(self, axis: int, torus: frozenset[int]) -> jax.Array:
        """The part of each face that is open: the smaller φ of its two cells."""
        wide = _with_ends(self._fraction, axis, torus)
        is_open = jnp.minimum(part(wide, axis, 1, 0), part(wide, axis, 0, -1))
        return lax.optimization_barrier(is_open)

    def _per_fraction(self, total: jax.Array) -> jax.Array:
        if self.grid.mask is None:
            return total
        return total * self._inverse_fraction

    @functools.cached_property
    def _inverse_fraction(self) -> jax.Array:
        """1/φ, and 0 in the cells that take no part."""
        mask = self._fraction
        inside = mask > 0
        return lax.optimization_barrier(jnp.where(inside, 1 / jnp.where(inside, mask, 1), 0))

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
        slope = jnp.where(self._open(along, self._torus_of(u)) > 0, slope, 0)
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


def _with_ends(array: jax.Array, axis: int, torus: frozenset[int]) -> jax.Array:
    """An array with a layer at both ends of an axis: of the other end, or once more its own."""
    before, after = (Periodic() if axis in torus else Neumann()).ends(array, axis)
    # Behind a barrier: fused into what reads it, a concatenation is a branch for every element.
    return lax.optimization_barrier(jnp.concatenate([before, array, after], axis))


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
