"""How an implicit stage is solved: Y − γh·F(t, Y) = y_p, without a matrix.

Where F is linear and has a symbol, it is a division in the modes of the grid. Elsewhere it is
Newton's method, each correction by GMRES, which meets the Jacobian as a product with a vector only.
Before GMRES stands what is cheap to invert: with J(x) the Jacobian of rates that look at no
neighbour, J̄ its mean and L the linear part, c = γh,

    (1 − cJ(x))⁻¹ · (1 − cJ̄) · (1 − c(L + J̄))⁻¹,

exact where nothing is transported, and where J is the same everywhere. The last factor is taken in
the modes; on a grid with a mask, in those of the box around it.

Source: D. A. Knoll, D. E. Keyes (2004), doi:10.1016/j.jcp.2003.08.010.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.sparse import linalg

from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.pytree import register_pytree
from mfnjax.core.spectral import from_modes, mode_eigenvalues, to_modes
from mfnjax.models.base import Equation, Values
from mfnjax.steppers.exponential import explicit_rates
from mfnjax.steppers.stepper import (
    inside,
    obstacle_of_modes,
    right_hand_side,
    transport_symbols,
    works_cell_by_cell,
)

Apply = Callable[[jax.Array], jax.Array]
Solve = Callable[[Any, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""(t, y_p, guess) → Y, and whether it was found; fields as one array (fields, *shape)."""

NEWTON_STEPS = 8
NEWTON_TOLERANCE = 0.02
"""How far Newton's method may be from the solution, in the tolerances of the step."""

GMRES_TOLERANCE = 1e-3
GMRES_RESTART = 20
GMRES_CYCLES = 5


@final
@register_pytree
@dataclass(frozen=True)
class Physics:
    """What rates need beside time and fields.

    Attributes:
        model: The model.
        grid: The grid.
        rtol: Relative tolerance of a step.
        atol: Absolute tolerance.
        symbols: The eigenvalues of L, (fields, modes…) on the grid or, beside a mask, on its box;
            None where L has none.
        modal: Whether L is what they say on this grid (static).
    """

    model: Any
    grid: Grid
    rtol: Any
    atol: Any
    symbols: Any
    modal: bool = field(metadata={"static": True})

    @classmethod
    def of(cls, model: Equation, grid: Grid, rtol: Any, atol: Any, dtype: Any) -> Physics:
        """With the symbols of the linear part, where it has some."""
        box = replace(grid, mask=None)
        symbols = None
        if obstacle_of_modes(model, box) is None:
            eigenvalues = mode_eigenvalues(box, dtype)
            symbols = jnp.stack(transport_symbols(model, box, eigenvalues))
        return cls(model, grid, rtol, atol, symbols, symbols is not None and grid.mask is None)

    def rates(self, t: Any, values: Values) -> Values:
        """u_t, all of it."""
        return _shaped(right_hand_side(self.model, self.grid, values, t), values)

    def linear(self, t: Any, values: Values) -> Values:
        """L u; in modes without what values at the sides add to it, which is in `rest` then."""
        if self.modal:
            modes = _scaled(self.symbols, to_modes(jnp.stack(values), self.grid))
            return tuple(from_modes(modes, self.grid))
        nabla = Nabla(self.grid, self.model.fields, values, t)
        found = self.model.linear_rates(nabla.fields, nabla)
        return _shaped(inside(self.grid, found), values)

    def rest(self, t: Any, values: Values) -> Values:
        """u_t − `linear`."""
        if self.modal:
            return _shaped(explicit_rates(self.model, self.grid, values, t), values)
        nabla = Nabla(self.grid, self.model.fields, values, t)
        return _shaped(inside(self.grid, self.model.rates(nabla.fields, nabla)), values)


def _shaped(rates: Values, values: Values) -> Values:
    return tuple(jnp.broadcast_to(r, u.shape) for r, u in zip(rates, values, strict=True))


def _scaled(factor: jax.Array, modes: jax.Array) -> jax.Array:
    if jnp.iscomplexobj(modes):
        return lax.complex(factor * modes.real, factor * modes.imag)
    return factor * modes


def implicit_in_linear(physics: Physics, t: Any, values: Values, by: Any) -> Solve:
    """The solver of stages that are implicit in the linear part; ``by`` is γh."""
    if not physics.modal:
        inverse = _inverse(physics, by, None)
        return _newton_solver(physics, physics.linear, by, inverse)

    def solve(time: Any, known: jax.Array, guess: jax.Array) -> tuple[jax.Array, jax.Array]:
        modes = to_modes(known, physics.grid)
        return from_modes(_scaled(1 / (1 - by * physics.symbols), modes), physics.grid), jnp.bool(
            True
        )

    return solve


def implicit_in_all(physics: Physics, t: Any, values: Values, by: Any) -> Solve:
    """The solver of stages that are implicit in all of u_t; ``by`` is γh."""
    jacobian = _local_jacobian(lambda values: physics.rest(t, values), values)
    return _newton_solver(physics, physics.rates, by, _inverse(physics, by, jacobian))


def _newton_solver(
    physics: Physics, rates: Callable[[Any, Values], Values], by: Any, inverse: Apply
) -> Solve:
    def solve(time: Any, known: jax.Array, guess: jax.Array) -> tuple[jax.Array, jax.Array]:
        def residual(found: jax.Array) -> jax.Array:
            return found - by * jnp.stack(rates(time, tuple(found))) - known

        def newton(residual: Apply, guess: jax.Array) -> tuple[jax.Array, jax.Array]:
            found, is_found = _newton(residual, guess, inverse, physics)
            return found, is_found.astype(found.dtype)  # a boolean has no tangent there

        found, is_found = lax.custom_root(
            residual, guess, newton, lambda linear, b: _solved(linear, b, inverse), has_aux=True
        )
        return found, is_found > 0

    return solve


def _newton(
    residual: Apply, guess: jax.Array, inverse: Apply, physics: Physics
) -> tuple[jax.Array, jax.Array]:
    """The root of ``residual`` near a guess, and whether it was found."""

    def size_of(change: jax.Array, found: jax.Array) -> jax.Array:
        return jnp.max(jnp.abs(change) / (physics.atol + physics.rtol * jnp.abs(found)))

    def unfinished(carry: Any) -> jax.Array:
        _, _, count, done, failed = carry
        return (count < NEWTON_STEPS) & ~done & ~failed

    def correct(carry: Any) -> Any:
        found, before, count, _, _ = carry
        value, linear = jax.linearize(residual, found)
        change, solved = gmres(linear, -value, inverse, GMRES_TOLERANCE)
        size = size_of(change, found)
        rate = size / before
        is_small = (size < NEWTON_TOLERANCE) | (
            (rate < 1) & (size * rate < NEWTON_TOLERANCE * (1 - rate))
        )
        failed = ~jnp.isfinite(size) | ((count > 0) & (rate > 2))
        # What rounding leaves of a residual is no failure of GMRES.
        solved = solved | (size_of(value, found) < NEWTON_TOLERANCE * GMRES_TOLERANCE)
        return found + change, size, count + 1, is_small & solved, failed

    start = (guess, jnp.asarray(jnp.inf, guess.dtype), 0, jnp.bool(False), jnp.bool(False))
    found, _, _, done, failed = lax.while_loop(unfinished, correct, start)
    return found, done & ~failed


def _solved(linear: Apply, b: jax.Array, inverse: Apply) -> jax.Array:
    """A linear system to nearly rounding, for derivatives: they pass through it both ways."""
    tolerance = 50 * float(jnp.finfo(b.dtype).eps)

    def transposed(linear: Apply, b: jax.Array) -> jax.Array:
        adjoint = jax.linear_transpose(inverse, b)
        return gmres(linear, b, lambda x: adjoint(x)[0], tolerance)[0]

    found: jax.Array = lax.custom_linear_solve(
        linear,
        b,
        solve=lambda linear, b: gmres(linear, b, inverse, tolerance)[0],
        transpose_solve=transposed,
    )
    return found


def gmres(
    linear: Apply, b: jax.Array, inverse: Apply, tolerance: float
) -> tuple[jax.Array, jax.Array]:
    """Solve linear(x) = b to about ``tolerance``, relative; ``inverse`` is about linear⁻¹.

    JAX's own: that of lineax looks at the residual only after whole cycles, two at least.

    Returns:
        x, and whether it was found.
    """
    found, _ = linalg.gmres(
        linear,
        b,
        tol=tolerance,
        restart=GMRES_RESTART,
        maxiter=GMRES_CYCLES,
        M=inverse,
        solve_method="incremental",
    )
    left, scale = inverse(b - linear(found)), inverse(b)
    return found, jnp.linalg.norm(left) <= 10 * tolerance * jnp.linalg.norm(scale)


def _local_jacobian(rates: Callable[[Values], Values], values: Values) -> jax.Array:
    """∂rate_i/∂u_j in each cell, (i, j, *shape); 0 where rates look at a neighbour.

    Of rates that do not, the derivative along a field of ones is a column.
    """
    _, linear = jax.linearize(rates, values)
    ones, zeros = jnp.ones_like(values[0]), jnp.zeros_like(values[0])
    count = len(values)
    units = [tuple(ones if k == j else zeros for k in range(count)) for j in range(count)]
    jacobian = jnp.stack([jnp.stack(linear(unit)) for unit in units], axis=1)
    return lax.stop_gradient(jnp.where(works_cell_by_cell(linear, values), jacobian, 0))


def _inverse(physics: Physics, by: Any, jacobian: jax.Array | None) -> Apply:
    """About (1 − c(L + J))⁻¹, as the head of this file says."""
    steps: list[Apply] = []
    count = len(physics.model.fields)
    identity = jnp.eye(count, dtype=jnp.result_type(by))
    mean = jnp.zeros_like(identity)
    if jacobian is not None:
        mean = jnp.mean(jacobian, axis=tuple(range(2, jacobian.ndim)))
    if physics.symbols is not None:
        box, symbols = replace(physics.grid, mask=None), physics.symbols
        cells = (slice(None), slice(None), *([None] * (symbols.ndim - 1)))
        of_modes = _inverted(identity[cells] * (1 - by * symbols) - by * mean[cells])

        def in_modes(b: jax.Array) -> jax.Array:
            modes = to_modes(b, box)
            if jnp.iscomplexobj(modes):
                real, imaginary = _times(of_modes, modes.real), _times(of_modes, modes.imag)
                return from_modes(lax.complex(real, imaginary), box)
            return from_modes(_times(of_modes, modes), box)

        steps.append(in_modes)
        if jacobian is not None:
            back = lax.stop_gradient(identity - by * mean)
            steps.append(lambda b: jnp.tensordot(back, b, 1))
    if jacobian is not None:
        cells = (slice(None), slice(None), *([None] * (jacobian.ndim - 2)))
        of_cells = _inverted(identity[cells] - by * jacobian)
        steps.append(lambda b: _times(of_cells, b))

    def apply(b: jax.Array) -> jax.Array:
        for step in steps:
            b = step(b)
        return b

    return apply


def _times(matrices: jax.Array, vectors: jax.Array) -> jax.Array:
    """A matrix (i, j) times a vector (j) in each cell or mode."""
    return jnp.sum(matrices * vectors, axis=1)


def _inverted(matrices: jax.Array) -> jax.Array:
    """The inverses of small matrices (i, j, cells…), by Gauss and Jordan.

    In whole arrays: the LAPACK calls for many small matrices take longer, and two of them at the
    same time wait for each other for ever where XLA has two threads (jaxlib 0.10).
    """
    count = matrices.shape[0]
    rows, right = list(matrices), list(jnp.broadcast_to(_unit(matrices), matrices.shape))
    for k in range(count):
        pivot = 1 / rows[k][k]
        rows[k], right[k] = pivot * rows[k], pivot * right[k]
        for i in range(count):
            if i != k:
                factor = rows[i][k]
                rows[i], right[i] = rows[i] - factor * rows[k], right[i] - factor * right[k]
    return lax.stop_gradient(jnp.stack(right))


def _unit(matrices: jax.Array) -> jax.Array:
    eye = jnp.eye(matrices.shape[0], dtype=matrices.dtype)
    return eye.reshape(eye.shape + (1,) * (matrices.ndim - 2))
