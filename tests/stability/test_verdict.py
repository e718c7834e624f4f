"""Closed forms of Turing's theory, fastest modes, and every verdict with its sentence."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from kinetics import brusselator, diffusion, schnakenberg, v41_pair

from mfnjax import stability
from mfnjax.errors import ParameterError
from mfnjax.stability import Verdict

SCHNAKENBERG = (schnakenberg(0.1, 0.9), [1.0, 0.9])
CRITICAL = 8.567627457812106


@pytest.mark.thorough
def test_fastest_mode_equals_the_closed_form() -> None:
    reaction, state = SCHNAKENBERG
    j = stability.jacobian(reaction, state)
    for d1, d2 in ((1.0, 17.0), (0.01, 0.4), (3.0, 3000.0)):
        mode = stability.fastest_mode(reaction, diffusion(d1, d2), state)
        expected = float(stability.turing_fastest_wavenumber(j, (d1, d2)))
        assert mode.wavenumber == pytest.approx(expected, rel=1e-6)
        assert mode.wavelength == pytest.approx(2 * math.pi / expected, rel=1e-6)
        peak = stability.growth_rate(j, -(expected**2) * jnp.diag(jnp.array([d1, d2])))
        assert mode.growth == pytest.approx(float(peak), rel=1e-12)
        assert mode.frequency == 0.0


def test_closed_forms_do_not_care_which_field_diffuses_faster_comes_second() -> None:
    j = stability.jacobian(*SCHNAKENBERG)
    flipped = j[::-1, ::-1]
    forward = stability.turing_fastest_wavenumber(j, (1.0, 17.0))
    backward = stability.turing_fastest_wavenumber(flipped, (17.0, 1.0))
    assert float(forward) == pytest.approx(float(backward), rel=1e-13)
    falling = jnp.array([[5.0, 1.0], [-0.1, -5.0]])  # σ(q) has no peak but at q = 0
    assert float(stability.turing_fastest_wavenumber(falling, (1.0, 2.0))) == 0.0


def test_at_threshold_the_growth_rate_touches_zero_at_the_critical_wavenumber() -> None:
    j = stability.jacobian(*SCHNAKENBERG)
    ratio = stability.turing_critical_ratio(j)
    q_c = stability.turing_critical_wavenumber(j, (1.0, ratio))

    def sigma(q: jax.Array) -> jax.Array:
        return stability.growth_rate(j, -(q**2) * jnp.diag(jnp.array([1.0, ratio])))

    assert abs(float(sigma(q_c))) < 1e-14
    assert abs(float(jax.grad(sigma)(q_c))) < 1e-13


def test_no_turing_ratio_without_an_activator() -> None:
    assert jnp.isnan(stability.turing_critical_ratio(jnp.array([[-1.0, 1.0], [-1.0, -1.0]])))


@pytest.mark.thorough
def test_the_critical_ratio_is_differentiable_in_the_kinetics() -> None:
    """Through the state, the Jacobian and the closed form at once; checked by the theorem too."""

    def ratio(a: jax.Array, b: jax.Array) -> jax.Array:
        reaction = schnakenberg(a, b)
        state = stability.steady_state(reaction, [1.0, 0.9])
        return stability.turing_critical_ratio(stability.jacobian(reaction, state))

    a, b = jnp.array(0.1), jnp.array(0.9)
    assert float(ratio(a, b)) == pytest.approx(CRITICAL, rel=1e-12)
    check_grads(jax.jit(ratio), (a, b), order=1, modes=["fwd", "rev"])

    def sigma(b: jax.Array, d: jax.Array, q: jax.Array) -> jax.Array:
        reaction = schnakenberg(a, b)
        state = stability.steady_state(reaction, [1.0, 0.9])
        return stability.growth_rate(
            stability.jacobian(reaction, state), -(q**2) * jnp.diag(jnp.stack([jnp.ones(()), d]))
        )

    d = ratio(a, b)
    q_c = stability.turing_critical_wavenumber(stability.jacobian(*SCHNAKENBERG), (1.0, d))
    by_b, by_d = jax.grad(sigma, argnums=(0, 1))(b, d, q_c)
    assert float(-by_b / by_d) == pytest.approx(float(jax.grad(ratio, argnums=1)(a, b)), rel=1e-9)


def test_fastest_wavenumber_gradient() -> None:
    j = stability.jacobian(*SCHNAKENBERG)
    check_grads(
        lambda m, d: stability.turing_fastest_wavenumber(m, (1.0, d)),
        (j, jnp.array(17.0)),
        order=1,
        modes=["fwd", "rev"],
    )


def _v41() -> stability.StabilityReport:
    return stability.classify(v41_pair(), diffusion(0.1, 0.05), [0.0, 0.0])


def test_v41_is_marginal_at_zero_and_forms_no_pattern() -> None:
    report = _v41()
    assert report.verdict is Verdict.MARGINAL
    assert report.sentence == (
        "marginal at q = 0 (det J = 0), decaying for q > 0: forms no pattern"
    )
    assert not report.forms_pattern
    assert abs(report.homogeneous.growth) <= report.tolerance
    assert (report.growth[1:] < 0).all()
    assert np.all(np.diff(report.wavenumbers) > 0)
    # Without x64 the analysis is the same: it brings its own precision.
    with jax.enable_x64(False):
        assert _v41().sentence == report.sentence


def _bistable(u):
    return (u[0] - u[0] ** 3,)


def _swift_hohenberg(u, laplacian):
    once = u[0] + laplacian(u[0])
    return (-(once + laplacian(once)),)


@pytest.mark.parametrize(
    ("reaction", "transport", "state", "verdict", "words"),
    [
        (
            *SCHNAKENBERG[:1],
            diffusion(1.0, 17.0),
            SCHNAKENBERG[1],
            Verdict.TURING,
            "forms a pattern",
        ),
        (*SCHNAKENBERG[:1], diffusion(1.0, 8.5), SCHNAKENBERG[1], Verdict.STABLE, "at every q"),
        (
            *SCHNAKENBERG[:1],
            diffusion(1.0, CRITICAL),
            SCHNAKENBERG[1],
            Verdict.MARGINAL,
            "at its threshold",
        ),
        (brusselator(1.0, 2.5), diffusion(1.0, 1.0), [1.0, 2.5], Verdict.HOPF, "period"),
        (
            brusselator(1.0, 2.0),
            diffusion(1.0, 1.0),
            [1.0, 2.0],
            Verdict.MARGINAL,
            "undamped oscillation",
        ),
        (_bistable, diffusion(1.0), [0.0], Verdict.OTHER, "without oscillating"),
        (_bistable, diffusion(1.0), [1.0], Verdict.STABLE, "stable"),
        (lambda u: (0.1 * u[0] - u[0] ** 3,), _swift_hohenberg, [0.0], Verdict.TURING, "q = 1 "),
        # Cahn–Hilliard: conserved, so marginal at q = 0, and growing at q = 1/√2.
        (
            lambda u: (0 * u[0],),
            lambda u, lap: (-lap(u[0] + lap(u[0])),),
            [0.0],
            Verdict.OTHER,
            "marginal at q = 0 .* growing fastest at q = 0.7071",
        ),
        # Two fields, one of which does not move: no wavelength is selected.
        (
            lambda u: (u[0] - 2 * u[1], 2 * u[0] - 3 * u[1]),
            lambda u, lap: (0 * u[0], 10.0 * lap(u[1])),
            [0.0, 0.0],
            Verdict.OTHER,
            "none is selected",
        ),
        # Three fields, a wave: an oscillating pair that only a middle band of q lets grow.
        (
            lambda u: (-u[0] - 5 * u[1], 5 * u[0] - u[1], -u[2]),
            lambda u, lap: (
                -2 * (lap(u[0]) + lap(lap(u[0]))),
                -8 * (lap(u[1]) + lap(lap(u[1]))),
                lap(u[2]),
            ),
            [0.0, 0.0, 0.0],
            Verdict.OTHER,
            "oscillating wave",
        ),
        (lambda u: (0 * u[0],), lambda u, lap: (0 * u[0],), [0.0], Verdict.MARGINAL, "nowhere"),
    ],
    ids=lambda value: value.value if isinstance(value, Verdict) else None,
)
def test_verdicts(reaction, transport, state, verdict: Verdict, words: str) -> None:
    import re

    report = stability.classify(reaction, transport, state)
    assert report.verdict is verdict, report.sentence
    assert re.search(words, report.sentence), report.sentence
    assert report.forms_pattern == (verdict is Verdict.TURING)


def test_hopf_period_of_the_brusselator() -> None:
    """At B = 1 + A² the pair is ±iA: the period is 2π/A."""
    report = stability.classify(brusselator(2.0, 5.0), diffusion(1.0, 1.0), [2.0, 2.5])
    assert report.homogeneous.frequency == pytest.approx(2.0, rel=1e-12)
    assert report.homogeneous.wavelength == math.inf


def test_a_grid_moves_the_mode_as_its_own_symbol_says() -> None:
    """With the 5-point symbol the fastest q solves (2/h)² sin²(qh/2) = q*² of the continuum."""
    reaction, state = SCHNAKENBERG
    h = 2.0
    mode = stability.fastest_mode(
        reaction,
        diffusion(1.0, 17.0),
        state,
        max_wavenumber=math.pi / h,
        laplacian_symbol=lambda q: stability.five_point_laplacian(q, h),
    )
    continuum = stability.fastest_mode(reaction, diffusion(1.0, 17.0), state)
    expected = 2 / h * math.asin(continuum.wavenumber * h / 2)
    assert mode.wavenumber == pytest.approx(expected, rel=1e-6)
    assert mode.growth == pytest.approx(continuum.growth, rel=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"tolerance": 0.0}, "tolerance"), ({"max_wavenumber": -1.0}, "max_wavenumber")],
)
def test_bad_input(options: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        stability.classify(v41_pair(), diffusion(0.1, 0.05), [0.0, 0.0], **options)
