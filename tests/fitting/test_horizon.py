"""The horizon against exponents known in closed form."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import FisherKPPModel, Grid, MyceliumModel, ParameterError, SwiftHohenbergModel
from mfnjax.core.pytree import register_pytree
from mfnjax.core.spectral import laplacian_eigenvalues
from mfnjax.errors import NumericalInstabilityError
from mfnjax.fitting import GradientNoiseWarning, gradient_horizon
from mfnjax.models.base import Advanced, IteratedMap


@register_pytree
@dataclass(frozen=True)
class Logistic(IteratedMap):
    """u ← r·u(1 − u) in every cell: λ = ln 2 at r = 4."""

    fields: ClassVar[tuple[str, ...]] = ("u",)
    reaction_fields: ClassVar[tuple[str, ...]] = ("u",)
    r: Any = 4.0

    def reaction(self, values):
        return values

    def transport(self, values, laplacian):
        return values

    def initial_state(self, grid, *, dtype=None, key):
        raise NotImplementedError

    def check(self, grid, dt):
        pass

    def advance(self, values, grid, *, draw):
        (u,) = values
        return Advanced((self.r * u * (1 - u),), (jnp.all(jnp.isfinite(u)),))


def test_a_chaotic_map_has_the_exponent_ln_2() -> None:
    with pytest.warns(GradientNoiseWarning, match=r"over 4000 they are noise"):
        found = gradient_horizon(
            Logistic(), {"u": jnp.full((1, 1), 0.3)}, grid=Grid((1, 1)), steps=4000
        )
    assert found.exponent == pytest.approx(math.log(2), abs=max(4 * found.standard_error, 0.01))
    assert found.recommended_steps == pytest.approx(math.log(1000) / math.log(2), abs=1)
    assert found.growth == pytest.approx(4000 * math.log(2), rel=0.02)


@pytest.mark.thorough
def test_an_unstable_rest_state_grows_as_its_dispersion_relation_says() -> None:
    """Swift–Hohenberg about u = 0: λ = max over the grid's modes of r − (1 + ∇²)²."""
    model, grid = SwiftHohenbergModel(), Grid((1, 16), 0.7)
    eigenvalues = np.asarray(laplacian_eigenvalues(grid, "float64"))
    expected = float(np.max(model.transport((1.0,), lambda u: eigenvalues * u)[0])) + float(
        jax.grad(lambda u: model.reaction((u,))[0])(0.0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradientNoiseWarning)
        found = gradient_horizon(
            model, {"u": jnp.zeros(grid.shape)}, grid=grid, steps=1200, dt=0.1, stepper="etdrk4"
        )
    assert expected > 0
    assert found.exponent == pytest.approx(expected, rel=1e-3)
    assert found.lyapunov_time == pytest.approx(1 / expected, rel=1e-3)


def test_euler_growth_of_fisher_kpp_is_exact() -> None:
    """About u = 0 the uniform mode grows by 1 + λ·dt in each step of Euler's method."""
    model, grid = FisherKPPModel(diffusivity=0.2, growth_rate=0.1), Grid((4, 5))
    found = gradient_horizon(
        model, {"u": jnp.zeros((4, 5))}, grid=grid, steps=64, dt=0.5, stepper="euler"
    )
    assert found.exponent == pytest.approx(math.log(1.05) / 0.5, rel=1e-3)
    assert not found.is_noise
    assert found.recommended_steps == math.floor(math.log(1000) / found.exponent / 0.5)
    finer = gradient_horizon(
        model,
        {"u": jnp.zeros((4, 5))},
        grid=grid,
        steps=64,
        dt=0.5,
        stepper="euler",
        perturbation=1e-6,
    )
    assert finer.recommended_steps == pytest.approx(2 * found.recommended_steps, abs=1)


def test_what_decays_has_no_horizon() -> None:
    model, grid = FisherKPPModel(diffusivity=0.2, growth_rate=0.1), Grid((4, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gradient_horizon(
            model, {"u": jnp.ones((4, 5))}, grid=grid, steps=400, dt=0.5, stepper="euler"
        )
    assert found.exponent == pytest.approx(math.log(0.95) / 0.5, rel=1e-3)
    assert found.lyapunov_time == found.recommended_steps == math.inf
    assert "no growth" in str(found)
    read = json.loads(found.to_json())
    assert read["recommended_steps"] is None
    assert read["is_noise"] is False


@pytest.mark.thorough
def test_the_v41_model_at_its_defaults_has_none_either(tmp_path) -> None:
    """Its pair is marginal: sensitivities grow by a power of time at most, events or not."""
    grid, key = Grid((6, 7)), jax.random.key(0)
    model = MyceliumModel()
    start = model.initial_state(grid, dtype="float32", key=key)
    found = gradient_horizon(model, start, grid=grid, steps=400, key=key)
    assert not found.is_noise
    found.to_json(tmp_path / "horizon.json")
    assert json.loads((tmp_path / "horizon.json").read_text())["steps"] == 400


def test_wrong_arguments_and_broken_runs_are_named() -> None:
    model, grid = FisherKPPModel(), Grid((4, 4))
    start = {"u": jnp.full((4, 4), 0.5)}
    with pytest.raises(ParameterError, match="steps"):
        gradient_horizon(model, start, grid=grid, steps=3)
    with pytest.raises(ParameterError, match=r"perturbation must lie in \(0, 1\), got 2"):
        gradient_horizon(model, start, grid=grid, steps=20, perturbation=2.0)
    wild, below = FisherKPPModel(diffusivity=0.0, growth_rate=5.0), {"u": jnp.full((4, 4), -1.0)}
    with pytest.raises(NumericalInstabilityError, match="'u'"):
        gradient_horizon(wild, below, grid=grid, steps=32, stepper="euler")
