"""A map of the user's own is `advance` and `initial_state`, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import Grid, State, laplacian, register_pytree, simulate
from mfnjax._parameter import parameter
from mfnjax.errors import ParameterError
from mfnjax.models import IteratedMap
from mfnjax.stability import analyse


@register_pytree
@dataclass(frozen=True)
class Separation(IteratedMap):
    """c ← c + h∇²(c³ − c − ∇²c)."""

    fields = ("c",)
    step: Any = parameter(0.01, unit="time", low=0.0, text="Step")

    def advance(self, values: Any, grid: Grid, *, draw: Any) -> Any:
        (c,) = values
        return (c + self.step * laplacian(c**3 - c - laplacian(c, grid), grid),)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        return State.of(c=0.1 * jax.random.normal(key, grid.shape, dtype))


GRID = Grid((16, 20), boundary="neumann")
START = {"c": np.random.default_rng(0).normal(0, 0.1, GRID.shape)}


def _reference(c: np.ndarray, steps: int) -> np.ndarray:
    def lap(u: np.ndarray) -> np.ndarray:
        p = np.pad(u, 1, mode="edge")
        return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u

    for _ in range(steps):
        c = c + 0.01 * lap(c**3 - c - lap(c))
    return c


def test_it_runs_without_a_key_and_keeps_the_mean() -> None:
    run = simulate(Separation(), START, grid=GRID, steps=50)
    assert run.status.ok
    np.testing.assert_allclose(run.state["c"], _reference(START["c"], 50), atol=1e-14)
    assert abs(float(run.state["c"].mean()) - START["c"].mean()) < 1e-15


def test_its_gradient_is_the_difference_quotient() -> None:
    def loss(step: Any) -> Any:
        run = simulate(Separation(step), START, grid=GRID, steps=20, adjoint="direct")
        return jnp.sum(run.state["c"] ** 2)

    ahead, behind = loss(0.01 + 1e-6), loss(0.01 - 1e-6)
    assert float(jax.grad(loss)(0.01)) == pytest.approx(float(ahead - behind) / 2e-6, rel=1e-7)


def test_a_field_that_is_not_finite_is_reported() -> None:
    run = simulate(Separation(1e3), START, grid=GRID, steps=30)
    assert not run.status.ok
    assert run.status.first_bad_step > 0


@pytest.mark.parametrize("step", [-0.1, float("nan")])
def test_a_parameter_out_of_its_range_is_refused(step: float) -> None:
    with pytest.raises(ParameterError, match="step"):
        simulate(Separation(step), START, grid=GRID, steps=1)


def test_a_map_without_rates_has_no_stability() -> None:
    with pytest.raises(ParameterError, match="Separation is a map"):
        analyse(Separation())
