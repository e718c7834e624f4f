"""The methods of diffrax by name, their implicit stages solved without a matrix.

diffrax's own implicit stages factorise a dense Jacobian, as do the derivatives through them: 19 GB
for three fields of 128². The tableaus are diffrax's, as are controllers, events and adjoints; a
stage is solved by `mfnjax.steppers.stage`.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, final

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax.models.base import Values
from mfnjax.steppers.stage import Physics, implicit_in_all, implicit_in_linear


@final
class Staged(diffrax.AbstractAdaptiveSolver):
    """A Runge–Kutta method with equal implicit stages and an explicit first one.

    A stage solves Y − γh·F(t_i, Y) = y_p for what is implicit, F; what it hands to the next ones is
    k = (Y − y_p)/γ, not h·F(Y), which would multiply what is left of an error by the stiffness.

    Attributes:
        method: diffrax's class of the method.
        structure: That of `Physics`, of which diffrax is given the leaves: it takes arguments apart
            in a way that a grid's class does not bear.
    """

    term_structure: ClassVar[Any] = diffrax.AbstractTerm
    interpolation_cls: ClassVar[Any] = diffrax.LocalLinearInterpolation
    method: Any = eqx.field(static=True)
    structure: Any = eqx.field(static=True)

    @property
    def _tableaus(self) -> tuple[Any, Any]:
        """(implicit, explicit); the second is None where all is implicit."""
        tableau = self.method.tableau
        if isinstance(tableau, diffrax.MultiButcherTableau):
            explicit, implicit = tableau.tableaus
            return implicit, explicit
        return tableau, None

    def order(self, terms: Any) -> int:
        order: int = self.method().order(terms)
        return order

    def func(self, terms: Any, t0: Any, y0: Values, args: list[Any]) -> Values:
        return physics_of(self.structure, args).rates(t0, y0)

    def init(self, terms: Any, t0: Any, t1: Any, y0: Values, args: list[Any]) -> Any:
        """Where all is implicit, u_t at the start of the step."""
        return self.func(terms, t0, y0, args) if self._tableaus[1] is None else None

    def step(
        self,
        terms: Any,
        t0: Any,
        t1: Any,
        y0: Values,
        args: list[Any],
        solver_state: Any,
        made_jump: Any,
    ) -> tuple[Any, ...]:
        physics = physics_of(self.structure, args)
        implicit, explicit = self._tableaus
        count, dtype, h = implicit.num_stages, y0[0].dtype, t1 - t0
        gamma = jnp.asarray(implicit.a_diagonal[1], dtype)
        prepare = implicit_in_all if explicit is None else implicit_in_linear
        solve = prepare(physics, t0, y0, h * gamma)
        start = jnp.stack(y0)
        first = solver_state if explicit is None else physics.linear(t0, y0)
        # Increments: of what is implicit, and of the rest.
        ks = jnp.zeros((count, *start.shape), dtype).at[0].set(h * jnp.stack(first))
        es = ks[:0]
        if explicit is not None:
            es = jnp.zeros_like(ks).at[0].set(h * jnp.stack(physics.rest(t0, y0)))

        def stage(carry: Any, row: Any) -> Any:
            ks, es, good, _ = carry
            index, lower, others, predictor, fraction = row
            time = jnp.where(fraction == 1, t1, t0 + fraction * h)
            known = start + jnp.tensordot(lower, ks, 1)
            if explicit is not None:
                known = known + jnp.tensordot(others, es, 1)
            guess = known + gamma * jnp.tensordot(predictor, ks, 1)
            found, solved = solve(time, known, guess)
            ks = ks.at[index].set((found - known) / gamma)
            if explicit is not None:
                es = es.at[index].set(h * jnp.stack(physics.rest(time, tuple(found))))
            return (ks, es, good & solved, found), None

        rows = tuple(jnp.asarray(part, dtype) for part in _rows(implicit, explicit))
        carry = (ks, es, jnp.bool(True), start)
        (ks, es, good, last), _ = lax.scan(stage, carry, (np.arange(1, count), *rows))

        def weighed(name: str) -> jax.Array:
            total = jnp.tensordot(jnp.asarray(getattr(implicit, name), dtype), ks, 1)
            if explicit is None:
                return total
            return total + jnp.tensordot(jnp.asarray(getattr(explicit, name), dtype), es, 1)

        is_last = explicit is None and implicit.ssal
        after = tuple(last if is_last else start + weighed("b_sol"))
        error = tuple(jnp.where(good, weighed("b_error"), jnp.inf))
        state = tuple(ks[-1] / h) if explicit is None else None
        return after, error, {"y0": y0, "y1": after}, state, diffrax.RESULTS.successful


def _rows(implicit: Any, explicit: Any) -> tuple[np.ndarray, ...]:
    """Of the stages but the first: both methods' coefficients, the predictor's, and c."""

    def square(rows: Any) -> np.ndarray:
        full = np.zeros((implicit.num_stages - 1, implicit.num_stages))
        for index, row in enumerate(rows):
            full[index, : len(row)] = row
        return full

    others = () if explicit is None else explicit.a_lower
    return square(implicit.a_lower), square(others), square(implicit.a_predictor), implicit.c


def _is_staged(method: Any) -> bool:
    tableau = method.tableau
    parts = getattr(tableau, "tableaus", (tableau,))
    implicit = [part for part in parts if part.implicit]
    diagonal = implicit[0].a_diagonal if implicit else np.zeros(1)
    return len(parts) <= 2 and diagonal[0] == 0 and len(set(diagonal[1:])) == 1


def _known() -> dict[str, Any]:
    """diffrax's methods of Runge–Kutta kind for equations without noise, by lower-case name."""
    found = {}
    for name, kind in vars(diffrax).items():
        is_method = inspect.isclass(kind) and issubclass(kind, diffrax.AbstractRungeKutta)
        if not is_method or inspect.isabstract(kind) or not hasattr(kind, "tableau"):
            continue
        if issubclass(kind, diffrax.AbstractERK) or _is_staged(kind):
            found[name.lower()] = kind
    return found


METHODS: dict[str, Any] = _known()


def solver_of(name: str, structure: Any) -> Any:
    """The solver of a name of `METHODS`, for physics of a structure."""
    method = METHODS[name]
    return method() if issubclass(method, diffrax.AbstractERK) else Staged(method, structure)


def term(structure: Any) -> Any:
    """u_t, for diffrax; the leaves of `Physics` are its ``args``."""
    return diffrax.ODETerm(lambda t, y, leaves: physics_of(structure, leaves).rates(t, y))


def physics_of(structure: Any, leaves: list[Any]) -> Physics:
    """The physics of a structure and its leaves."""
    physics: Physics = jax.tree.unflatten(structure, leaves)
    return physics
