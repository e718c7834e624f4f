"""Stability of whole models: fluxes, cross-diffusion, advection, conserved totals, text."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import PDE, GrayScottModel, Grid, simulate
from mfnjax.core import Nabla
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError
from mfnjax.models import BrusselatorModel, SwiftHohenbergModel
from mfnjax.models.base import ReactionDiffusion
from mfnjax.stability import Verdict, analyse, critical_value, plot_dispersion
from mfnjax.stability.curve import leader_within
from mfnjax.stability.plane_wave import PlaneWave, waves_along
from mfnjax.stability.whole import conserved_totals, wave_matrices

CAHN_HILLIARD = PDE("u_t = lap(u^3 - u - kappa*lap(u))", kappa=2.0)
KELLER_SEGEL = PDE(
    """
    u_t = D*lap(u) - div(chi*u*grad(c))
    c_t = lap(c) + u - c
    """,
    D=1.0,
    chi=3.0,
)
SKT = PDE(
    """
    u_t = lap((d + 3*v)*u) + u*(5 - 3*u - v)
    v_t = lap(d*v) + v*(2 - u - 3*v)
    """,
    d=0.005,
)
SKT_STATE = np.array([13 / 8, 1 / 8])
KLAUSMEIER = PDE(
    """
    w_t = a - w - w*n^2 + nu*dx(w)
    n_t = w*n^2 - m*n + lap(n)
    """,
    a=2.0,
    nu=182.5,
    m=0.45,
)


def matrix_at(model, state, wavenumber: float, waves) -> np.ndarray:
    real, imaginary = wave_matrices(model, waves, np.asarray(state, float))(
        jnp.asarray([wavenumber])
    )
    return np.asarray(real[0]) + 1j * np.asarray(imaginary[0])


def skt_matrix(symbol: float) -> np.ndarray:
    """Reaction and cross-diffusion of `SKT` at its state of coexistence, by hand."""
    u, v = SKT_STATE
    reaction = np.array([[-3 * u, -u], [-v, -3 * v]])
    return reaction + symbol * np.array([[0.005 + 3 * v, 3 * u], [0.0, 0.005]])


# Closed forms.


def test_cahn_hilliard_grows_as_its_formula_says() -> None:
    """σ = q²(1 − 3m²) − κq⁴; the fastest wavelength at m = 0 is 2π√(2κ)."""
    analysis = analyse(CAHN_HILLIARD, guesses=[[0.0]])
    assert analysis.wavelength == pytest.approx(2 * math.pi * math.sqrt(4.0), rel=1e-7)
    leading = analysis.leading
    assert leading is not None
    q = leading.wavenumbers
    np.testing.assert_allclose(leading.growth, q**2 - 2 * q**4, atol=1e-12)
    other = analyse(CAHN_HILLIARD, guesses=[[0.3]]).reports[0]
    assert other.fastest.growth == pytest.approx((1 - 0.27) ** 2 / 8, rel=1e-10)


def test_cahn_hilliard_has_a_continuum_of_states_and_a_conserved_total() -> None:
    analysis = analyse(CAHN_HILLIARD, guesses=[[0.2]])
    assert analysis.is_continuum
    assert analysis.conserved == ("u",)
    assert [report.state.tolist() for report in analysis.reports] == [[0.2]]
    assert analysis.verdict is Verdict.CONSERVED
    assert analysis.sentence.startswith("of a continuum of states, u = 0.2: the total of u is con")
    assert analyse(CAHN_HILLIARD, guesses=[[0.8]]).verdict is Verdict.MARGINAL
    assert len(analyse(CAHN_HILLIARD).reports) == 2


@pytest.mark.parametrize("spacing", [None, 0.5])
def test_keller_segel_grows_as_its_formula_says(spacing: float | None) -> None:
    """At (m, m): the larger root of (σ + Ds)(σ + s + 1) = χms, s = q² or the stencil's."""
    mean, grid = 2.0, None if spacing is None else Grid(32, spacing)
    analysis = analyse(KELLER_SEGEL, grid=grid, guesses=[[mean, mean]])
    assert analysis.conserved == ("u",)
    assert analysis.verdict is Verdict.CONSERVED
    leading = analysis.leading
    assert leading is not None
    np.testing.assert_allclose(leading.state, [mean, mean], rtol=1e-14)
    q = leading.wavenumbers
    s = q**2 if spacing is None else (2 / spacing * np.sin(q * spacing / 2)) ** 2
    expected = [max(np.roots([1, 2 * a + 1, a * (a + 1) - 3 * mean * a]).real) for a in s]
    np.testing.assert_allclose(leading.growth, expected, atol=1e-10)


def test_advection_moves_all_waves_alike() -> None:
    """u_t = −cu_x + Du_xx + ru: ω = cq, group velocity c; along a slanted direction its part."""
    text = "u_t = -div(vec(c, 0)*u) + D*lap(u) + r*u"
    model = PDE(text, c=0.7, D=0.1, r=0.2)
    for direction, speed in ((None, 0.7), ((1, 1), 0.7 / math.sqrt(2)), ((0, 1), 0.0)):
        (report,) = analyse(model, direction=direction).reports
        q = report.wavenumbers
        np.testing.assert_allclose(report.growth, 0.2 - 0.1 * q**2, atol=1e-14)
        np.testing.assert_allclose(report.frequency, speed * q, atol=1e-14)
    backward = analyse(PDE("u_t = dx(u) + f(u)", f=lambda u: u - u**3), guesses=[[0.0]])
    assert np.all(backward.reports[0].frequency <= 0)


def test_klausmeier_waves_travel() -> None:
    analysis = analyse(KLAUSMEIER)
    assert analysis.verdict is Verdict.WAVE
    leading = analysis.leading
    assert leading is not None
    w, n = leading.state
    q, step = leading.fastest.wavenumber, 1e-5

    def leader(k: float) -> complex:
        matrix = np.array([[-1 - n**2 + 182.5j * k, -2 * w * n], [n**2, 2 * w * n - 0.45 - k**2]])
        values = np.linalg.eigvals(matrix)
        return complex(values[np.argmax(values.real)])

    assert leading.fastest.growth == pytest.approx(leader(q).real, rel=1e-10)
    assert leading.fastest.frequency == pytest.approx(-leader(q).imag, rel=1e-10)
    slope = -(leader(q + step) - leader(q - step)).imag / (2 * step)
    assert leading.fastest.group_velocity == pytest.approx(slope, rel=1e-6)
    assert analysis.wavelength == pytest.approx(2 * math.pi / q)
    assert "travelling pattern" in analysis.sentence


def test_cross_diffusion_forms_a_pattern() -> None:
    waves = waves_along(None, ("x",))
    for q in (0.0, 0.7, 3.0):
        np.testing.assert_allclose(
            matrix_at(SKT, SKT_STATE, q, waves), skt_matrix(-(q**2)), atol=1e-12
        )
    analysis = analyse(SKT, bounds=[(0.1, 3.0), (0.05, 3.0)])
    assert analysis.verdict is Verdict.TURING
    (report,) = analysis.reports
    values = [np.linalg.eigvals(skt_matrix(-(q**2))).real.max() for q in report.wavenumbers]
    np.testing.assert_allclose(report.growth, values, atol=1e-9)


# Text, classes, and what a run does.


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (
            GrayScottModel(kill=0.06, feed=0.04),
            "u_t = 0.16*lap(u) - u*v^2 + F*(1 - u)\nv_t = 0.08*lap(v) + u*v^2 - (F + k)*v",
        ),
        (
            BrusselatorModel(3.0, 5.0, 1.0, 10.0),
            "u_t = lap(u) + F - (k + 1)*u + u^2*v\nv_t = 10*lap(v) + k*u - u^2*v",
        ),
        (SwiftHohenbergModel(0.2), "u_t = F*u - lap(lap(u)) - 2*lap(u) - u - u^3 + 0*k"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_text_equals_the_class(model, text: str) -> None:
    numbers = {"GrayScottModel": (0.04, 0.06), "BrusselatorModel": (3.0, 5.0)}
    feed, kill = numbers.get(type(model).__name__, (0.2, 0.0))
    mine, its = analyse(PDE(text, F=feed, k=kill)), analyse(model)
    assert [one.verdict for one in mine.reports] == [one.verdict for one in its.reports]
    for one, other in zip(mine.reports, its.reports, strict=True):
        np.testing.assert_allclose(one.state, other.state, atol=1e-9)
        scale = np.abs(other.growth).max()
        np.testing.assert_allclose(one.jacobian, other.jacobian, atol=1e-9)
        if abs(np.linalg.det(other.jacobian)) > 1e-9:
            np.testing.assert_allclose(one.growth, other.growth, atol=1e-12 * scale)
            assert one.fastest.growth == pytest.approx(other.fastest.growth, abs=1e-12)


@pytest.mark.parametrize(
    ("model", "state", "cells", "spacing", "mode", "dt", "steps"),
    [
        (KELLER_SEGEL, [1.0, 1.0], 32, 0.5, 2, 2e-3, 4000),
        (SKT, SKT_STATE, 40, 0.5, 10, 2e-3, 4000),
    ],
)
def test_a_run_grows_at_the_rate_of_its_grid(
    model, state, cells: int, spacing: float, mode: int, dt: float, steps: int
) -> None:
    grid, q = Grid(cells, spacing), 2 * math.pi * mode / (cells * spacing)
    waves = waves_along(None, grid.axes, grid)
    values, vectors = np.linalg.eig(matrix_at(model, state, q, waves))
    which = int(np.argmax(values.real))
    assert values[which].real > 0
    wave = 1e-7 * jnp.cos(q * spacing * jnp.arange(cells, dtype=float))
    start = tuple(u + part * wave for u, part in zip(state, vectors[:, which].real, strict=True))
    run = simulate(model, start, grid=grid, steps=steps, dt=dt, stepper="rk4")
    before, after = (
        np.abs(np.fft.rfft(np.asarray(u)))[mode] for u in (start[0], run.state.values[0])
    )
    assert np.log(after / before) / (dt * steps) == pytest.approx(values[which].real, rel=1e-3)


@pytest.mark.parametrize("axes", ["x", "xy"])
@pytest.mark.parametrize(
    "text",
    [
        "u_t = div((1 + u^2)*grad(u)) - 0.3*lap(lap(u)) + dx(u)*u - dx(dx(u)) + u^3",
        "u_t = div(vec(CARRIED)) + dot(grad(u), grad(u)) + dx(u)",
        "u_t = div(2*grad(u^2)) - lap(lap(u)*u) + 1/(1 + dx(u)^2) + max(u, 0)",
    ],
)
def test_the_matrix_is_the_derivative_of_the_rates_on_a_grid(axes: str, text: str) -> None:
    """Every operator against the grid's own, on a slanted wave of a grid with two spacings."""
    text = text.replace("CARRIED", "sin(u), u" if axes == "xy" else "sin(u)")
    model, rest = PDE(text), 0.7
    grid = Grid(12, 0.5) if axes == "x" else Grid((8, 12), (0.8, 0.5))
    numbers = (2 * math.pi * 2 / 6.0, 2 * math.pi / 6.4)[: len(axes)]
    phase = sum(k * along for k, along in zip(numbers, _places(grid), strict=True))
    waves = waves_along(numbers, grid.axes, grid)
    found = matrix_at(model, [rest], math.hypot(*numbers), waves)[0, 0]

    def rates(u):
        nabla = Nabla(grid, ("u",), (u,))
        values = nabla.fields
        (linear,), (rate,) = model.linear_rates(values, nabla), model.rates(values, nabla)
        return linear + rate

    state = jnp.full(grid.shape, rest)
    tangent = jax.jvp(rates, (state,), (jnp.cos(phase),))[1]
    expected = found.real * jnp.cos(phase) - found.imag * jnp.sin(phase)
    np.testing.assert_allclose(tangent, expected, atol=1e-11)


def _places(grid: Grid) -> tuple:
    place = grid.place(0.0, jnp.float64)
    return tuple(getattr(place, name) for name in grid.axes)


def test_upwind_advection_damps_as_it_does_on_a_grid() -> None:
    """(e^{−iqh} − 1)/h·c for the upwind scheme, against i·sin(qh)/h for the limited one."""
    wave = jnp.array([1.0, 0.0])
    nabla = PlaneWave(1.1, waves_along(None, ("x",), Grid(8, 0.5)))
    for speed in (0.7, -0.7):
        for scheme in ("upwind", "limited"):

            def rate(u, speed=speed, scheme=scheme):
                return -nabla.divergence(nabla.advective_flux((speed,), u, scheme))

            found = jax.jvp(rate, (jnp.ones(2),), (wave,))[1]
            turn = np.exp(-0.55j * np.sign(speed))
            expected = -abs(speed) * (1 - turn) / 0.5
            if scheme == "limited":
                expected = 1j * expected.imag
            np.testing.assert_allclose(found, [expected.real, -expected.imag], atol=1e-14)


# Totals and continua.


@pytest.mark.parametrize(
    ("text", "conserved", "is_continuum"),
    [
        ("u_t = D*lap(u) - u*v^2 + v\nv_t = lap(v) + u*v^2 - v", ("u + v",), True),
        ("u_t = D*lap(u) - 2*u*v\nv_t = lap(v) + u*v", ("u + 2 v",), True),
        ("u_t = D*lap(u)\nv_t = lap(u^2)", ("u", "v"), True),
        ("u_t = D*lap(u) - u*v\nv_t = lap(v) + u*v - v", (), True),
        ("u_t = -D*lap(u) - lap(lap(u)) - dx(u)^2", (), True),
        ("u_t = -D*lap(u) - lap(lap(u)) - u*dx(u)", ("u",), True),
        ("u_t = D*lap(u) - u^3", (), False),
        ("u_t = D*lap(u) + u - u^3", (), False),
    ],
)
def test_totals_and_continua(text: str, conserved: tuple[str, ...], is_continuum: bool) -> None:
    analysis = analyse(PDE(text, D=1.0))
    assert analysis.conserved == conserved
    assert analysis.is_continuum is is_continuum
    for report in analysis.reports:
        assert np.isfinite(report.growth).all()
        assert np.isfinite(report.frequency).all()


def test_totals_of_three_fields() -> None:
    """A ⇌ 2B and B ⇌ C: 2A + B + C and nothing else."""
    model = PDE("a_t = lap(a) - a + b^2\nb_t = 3*lap(b) + 2*a - 2*b^2 - b + c\nc_t = b - c")
    totals = conserved_totals(model, ("x",))
    np.testing.assert_allclose(totals, [[1.0, 0.5, 0.5]], atol=1e-12)
    assert leader_within(-np.eye(1), np.ones((1, 1))) is None


def test_a_mass_conserving_pair_forms_a_pattern() -> None:
    """u_t = D∇²u + f, v_t = ∇²v − f: cells gather where D f_v < f_u, by hand at (1, v)."""
    model = PDE("u_t = D*lap(u) + (k + u^2)*v - u\nv_t = lap(v) - (k + u^2)*v + u", D=0.01, k=0.067)
    v = 1 / 1.067
    assert 2 * v - 1 > 0.01 * 1.067
    analysis = analyse(model, guesses=[[1.0, v]])
    (report,) = analysis.reports
    np.testing.assert_allclose(report.state, [1.0, v], rtol=1e-12)
    assert analysis.verdict is Verdict.CONSERVED
    assert analysis.conserved == ("u + v",)
    assert "the total of u + v is conserved" in analysis.text()


def test_critical_value_of_a_conserved_model() -> None:
    """Keller–Segel gathers from χm = D on."""
    found = critical_value(KELLER_SEGEL, "chi", (0.5, 2.0), state=[2.0, 2.0])
    assert found == pytest.approx(0.5, abs=1e-3)


# What it says, and refuses.


@pytest.mark.thorough
def test_it_speaks_of_noise_and_of_functions(tmp_path) -> None:
    model = PDE("u_t = D*lap(u) + f(u) + noise(s)", D=1.0, s=0.1, f=lambda u: u * (1 - u))
    analysis = analyse(model)
    assert analysis.remarks == ("noise was left out",)
    assert analysis.parameters == {"D": 1.0, "s": 0.1}
    assert [report.state.tolist() for report in analysis.reports] == [[0.0], [1.0]]
    values = json.loads(json.dumps(analyse(KLAUSMEIER, grid=Grid((8, 8), (1.0, 2.0))).to_dict()))
    assert values["spacing"] == [2.0, 1.0]
    assert values["states"][0]["group_velocity"] != 0.0
    plot_dispersion(analyse(KLAUSMEIER), tmp_path / "waves.png")


def test_a_state_without_a_derivative_is_left_out() -> None:
    analysis = analyse(PDE("u_t = div(sqrt(u)*grad(u)) + u*(1 - u)"))
    assert all(np.isfinite(report.growth).all() for report in analysis.reports)
    assert [1.0] in [report.state.tolist() for report in analysis.reports]


def test_a_model_that_asks_for_the_grid_is_refused() -> None:
    class Global(ReactionDiffusion):
        fields = ("u",)

        def reaction(self, values):
            return (-values[0],)

        def linear_rates(self, values, nabla):
            return (nabla.grid.spacing * nabla.laplacian(values[0]),)

        def initial_state(self, grid, *, dtype=None, key):
            raise NotImplementedError

    model = register_pytree(dataclass(frozen=True)(Global))()
    with pytest.raises(ParameterError, match="Global has no rates on a plane wave"):
        analyse(model)


def test_dimensions_are_those_of_the_model() -> None:
    for vector in ("c", "c, 0", "c, 0, 0"):
        (report,) = analyse(PDE(f"u_t = -div(vec({vector})*u) - u", c=1.0)).reports
        assert report.frequency[-1] == pytest.approx(report.wavenumbers[-1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analyse(PDE("u_t = lap(u) + x*u")), "depend on the place.* on x"),
        (lambda: analyse(PDE("u_t = lap(u) + sin(t)*u")), "depend on the time.* on t"),
        (lambda: analyse(PDE("u_t = D*lap(u)", D="1 + x")), r"PDE\.D, got '1 \+ x'"),
        (lambda: analyse(PDE("u_t = D*lap(u)", D=np.ones((2, 2)))), "plain finite number.*PDE.D"),
        (lambda: analyse(PDE("u_t = D*lap(u)", D=lambda at: at.y)), r"PDE\.D: .*depend on y"),
        (lambda: analyse(PDE("u_t = lap(u)"), direction=(0, 0)), "direction must be"),
        (lambda: analyse(PDE("u_t = lap(u)"), direction=3), "direction must be"),
        (
            lambda: analyse(PDE("u_t = lap(u)"), grid=Grid(8), direction=(1, 0)),
            "direction must be one number for each direction of space .x.",
        ),
        (lambda: analyse(PDE("u_t = -div(vec(1, 1)*u)"), grid=Grid(8)), "2 entries; the grid has"),
        (lambda: critical_value(PDE("u_t = D*lap(u)", D=1.0), "E"), "its parameters are D"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()
