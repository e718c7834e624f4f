"""A field of a wanted dimension: the hard mask has it, on every scale."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax import FisherKPPModel, Grid, ParameterError, simulate
from mfnjax.fitting.dimension import dimension_loss, fit_dimension, local_slopes, pink
from mfnjax.fractal import box_counting_dimension


@pytest.mark.parametrize("target", [1.3, 1.6, 1.8])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.thorough
def test_hard_dimension_and_local_slopes(target, seed):
    found = fit_dimension(target, key=jax.random.key(seed))
    assert found.dimension == pytest.approx(target, abs=0.02)
    assert np.abs(found.local_slopes - target).max() < 0.2
    # The package's own estimator, on the mask alone.
    assert box_counting_dimension(found.mask, sizes=found.sizes).dimension == pytest.approx(
        found.dimension, abs=1e-3
    )


GRID, SPREAD = Grid((128, 128)), FisherKPPModel(diffusivity=0.02, growth_rate=0.02)


def rollout(field):
    start = {"u": jax.nn.sigmoid(field)}
    return simulate(SPREAD, start, grid=GRID, steps=100, adjoint="direct").state["u"]


@pytest.mark.parametrize(("target", "seed"), [(1.3, 0), (1.8, 1)])
@pytest.mark.thorough
def test_through_a_rollout(target, seed):
    found = fit_dimension(target, rollout=rollout, key=jax.random.key(seed))
    assert found.dimension == pytest.approx(target, abs=0.05)
    assert np.abs(found.local_slopes - target).max() < 0.2
    np.testing.assert_allclose(found.field, rollout(jnp.asarray(found.start)), rtol=1e-12)


def test_slopes_of_a_power_law():
    sizes = np.array([1, 2, 3, 8])
    np.testing.assert_allclose(local_slopes(jnp.asarray(5.0 * sizes**-1.7), sizes), 1.7, rtol=1e-12)


@pytest.mark.thorough
def test_gradient_of_the_loss():
    field = jax.random.normal(jax.random.key(1), (8, 8))
    check_grads(
        lambda f: dimension_loss(f, 1.5, 0.4, 0.2, sizes=(1, 2, 4)), (field,), 1, ("fwd", "rev")
    )


def test_pink_field_has_its_spectrum():
    power = np.abs(np.fft.rfft2(pink(jax.random.normal(jax.random.key(0), (64, 64))))) ** 2
    q = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64)[None, :])
    slope = np.polyfit(np.log(q[q > 0]), np.log(power[q > 0]), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": 2.5}, "target must"),
        ({"sizes": (1, 2)}, "sizes must"),
        ({"sizes": (1, 2, 400)}, "does not fit"),
        ({"steps": 0}, "steps must"),
        ({"widths": (0.5, 0.0)}, "widths must"),
    ],
)
def test_bad_input_is_named(settings, words):
    with pytest.raises(ParameterError, match=words):
        fit_dimension(**({"target": 1.5} | settings), key=jax.random.key(0))
