"""The analysis of models against closed forms, and against what simulations do."""

from __future__ import annotations

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import PDE, FisherKPPModel, GrayScottModel, Grid, MyceliumModel, simulate
from mfnjax.errors import ParameterError
from mfnjax.models import (
    AllenCahnModel,
    BrusselatorModel,
    FitzHughNagumoModel,
    GiererMeinhardtModel,
    SchnakenbergModel,
    SwiftHohenbergModel,
    build_model,
    get_model,
    model_names,
)
from mfnjax.models.presets import STATIONARY_PATTERNS
from mfnjax.stability import Verdict, analyse, critical_value, plot_dispersion


@pytest.mark.thorough
def test_v41_defaults_form_no_pattern() -> None:
    analysis = analyse(MyceliumModel())
    assert analysis.verdict is Verdict.MARGINAL
    assert analysis.sentence == (
        "marginal at q = 0 (det J = 0), decaying for q > 0: forms no pattern"
    )
    assert analysis.fields == ("activator", "inhibitor")
    assert [report.state.tolist() for report in analysis.reports] == [[0.0, 0.0]]
    assert analysis.wavelength is None


@pytest.mark.parametrize(
    ("model", "states", "verdict"),
    [
        (SchnakenbergModel(0.1, 0.9, 1.0, 17.0), [[1.0, 0.9]], Verdict.TURING),
        (SchnakenbergModel(0.1, 0.9, 1.0, 8.0), [[1.0, 0.9]], Verdict.STABLE),
        (BrusselatorModel(3.0, 5.0, 1.0, 10.0), [[3.0, 5 / 3]], Verdict.TURING),
        (BrusselatorModel(1.0, 3.0, 1.0, 1.0), [[1.0, 3.0]], Verdict.HOPF),
        (GiererMeinhardtModel(), [[2.0, 2.0]], Verdict.TURING),
        (FitzHughNagumoModel(), [[-1.199408, -0.62426]], Verdict.STABLE),
        (FitzHughNagumoModel(stimulus=0.5), [[-0.804847, -0.131059]], Verdict.HOPF),
        (SwiftHohenbergModel(-0.1), [[0.0]], Verdict.STABLE),
        (AllenCahnModel(), [[-1.0], [0.0], [1.0]], Verdict.OTHER),
        (FisherKPPModel(capacity=2.5), [[0.0], [2.5]], Verdict.OTHER),
        (GrayScottModel(kill=0.068), [[1.0, 0.0]], Verdict.STABLE),
    ],
)
def test_states_and_verdicts(model, states, verdict: Verdict) -> None:
    analysis = analyse(model)
    found = np.array([report.state for report in analysis.reports])
    np.testing.assert_allclose(found, states, atol=2e-6)
    assert analysis.verdict is verdict


@pytest.mark.parametrize(
    ("model", "parameter", "expected"),
    [
        (SchnakenbergModel(0.1, 0.9), "D_v", 8.567627),
        (SchnakenbergModel(0.2, 1.3), "d_v", 22.452630),
        (SchnakenbergModel(0.05, 1.4), "d_v", 13.850356),
        (BrusselatorModel(3.0, 5.0, 1.0, 10.0), "B", 3.797367),
        (BrusselatorModel(4.5, 7.0, 7.0, 56.0), "B", 6.713231),
        (GiererMeinhardtModel(), "D_h", 2 * (1 + math.sqrt(2)) ** 2),
    ],
)
@pytest.mark.thorough
def test_critical_values(model, parameter: str, expected: float) -> None:
    """Gierer–Meinhardt: d_c = μ_h (1 + √2)²/μ_a, by hand from J."""
    assert critical_value(model, parameter) == pytest.approx(expected, abs=1e-6)


@pytest.mark.thorough
def test_critical_value_in_a_bracket() -> None:
    assert critical_value(SwiftHohenbergModel(0.1), "r", (-0.3, 0.3)) == pytest.approx(0, abs=1e-9)
    # Hopf of FitzHugh–Nagumo: 1 − v² = εγ at the state of rest.
    v = -math.sqrt(1 - 0.08 * 0.8)
    expected = (v + 0.7) / 0.8 - v + v**3 / 3
    found = critical_value(FitzHughNagumoModel(), "I", (0.0, 1.0))
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.thorough
def test_a_grid_has_its_own_dispersion() -> None:
    """The stencil's Swift–Hohenberg peak: (2/h) sin(qh/2) = q₀."""
    analysis = analyse(SwiftHohenbergModel(), grid=Grid((12, 12), 1.0))
    leading = analysis.leading
    assert leading is not None
    assert leading.fastest.wavenumber == pytest.approx(2 * math.asin(0.5), rel=1e-5)
    assert leading.fastest.wavelength == pytest.approx(6.0, rel=1e-5)
    assert leading.wavenumbers[-1] == pytest.approx(math.pi)


@pytest.mark.parametrize(
    ("model", "width"),
    [
        (SchnakenbergModel(0.1, 0.9, 1.0, 17.0), 50),
        (BrusselatorModel(3.0, 4.2, 4.0, 40.0), 48),
        (SwiftHohenbergModel(0.05, 0.5, 0.0), 50),
        (GiererMeinhardtModel(), 48),
    ],
)
@pytest.mark.thorough
def test_early_growth_is_the_predicted_rate(model, width: int) -> None:
    """The fastest mode that fits the line grows by e^{σt} within 2 %, from an amplitude of 1e-6."""
    grid = Grid((1, width))
    leading = analyse(model, grid=grid).leading
    assert leading is not None
    mode = max(round(leading.fastest.wavenumber * width / (2 * math.pi)), 1)
    q = 2 * math.pi * mode / width
    sigma = float(np.interp(q, leading.wavenumbers, leading.growth))
    wave = 1e-6 * jnp.cos(q * jnp.arange(width, dtype=float))[None]
    start = tuple(level + wave for level in jnp.asarray(leading.state))
    dt = 0.02
    run = simulate(
        model,
        start,
        grid=grid,
        steps=1000,
        dt=dt,
        stepper="etdrk4",
        save_every=250,
        save=model.fields[0],
    )
    amplitude = np.abs(np.fft.rfft(np.asarray(run.history)[:, 0])[:, mode])
    # From t = 10 on: by then the decaying eigenvector of the mode is gone.
    assert amplitude[-1] < 0.05 * width
    measured = np.log(amplitude[-1] / amplitude[1]) / (dt * 500)
    assert measured == pytest.approx(sigma, rel=0.02)


def spectrum_peak(field: np.ndarray, length: float) -> float:
    """Wavelength at the mean wavenumber of the power spectrum."""
    rows, columns = field.shape
    power = np.abs(np.fft.fft2(field - field.mean())) ** 2
    fy, fx = np.fft.fftfreq(rows, length / rows), np.fft.fftfreq(columns, length / columns)
    frequency = np.hypot(fy[:, None], fx[None])
    return float(power.sum() / (power * frequency).sum())


@pytest.mark.parametrize(
    ("model", "dt", "steps"),
    [
        (SchnakenbergModel(0.1, 0.9, 1.0, 10.0), 0.02, 20_000),
        (BrusselatorModel(3.0, 4.0, 2.0, 20.0), 0.01, 12_000),
        (SwiftHohenbergModel(0.05, 0.6, 0.0), 0.03, 10_000),
    ],
)
@pytest.mark.thorough
def test_wavelength_of_the_saturated_pattern(model, dt: float, steps: int) -> None:
    """… is within 15 % of the prediction, near enough to threshold for linear theory to hold."""
    grid = Grid((96, 96))
    analysis = analyse(model, grid=grid)
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    run = simulate(model, start, grid=grid, steps=steps, dt=dt, stepper="euler")
    field = np.asarray(run.state.values[0], np.float64)
    assert field.std() > 10 * np.asarray(start.values[0]).std()
    assert spectrum_peak(field, 96.0) == pytest.approx(analysis.wavelength, rel=0.15)


@pytest.mark.parametrize(
    ("model", "dt", "steps"),
    [
        (SchnakenbergModel(0.1, 0.9, 1.0, 0.97 * 8.567627), 0.025, 20_000),
        (BrusselatorModel(3.0, 0.97 * 3.797367), 0.02, 12_000),
    ],
)
@pytest.mark.thorough
def test_just_below_threshold_no_pattern_grows(model, dt: float, steps: int) -> None:
    grid = Grid((48, 48))
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    run = simulate(model, start, grid=grid, steps=steps, dt=dt)
    for before, after in zip(start.values, run.state.values, strict=True):
        assert float(jnp.std(after)) < 0.02 * float(jnp.std(before))
    assert analyse(model, grid=grid).verdict is Verdict.STABLE


def test_report_as_text_and_as_plain_values() -> None:
    analysis = analyse(SchnakenbergModel(), grid=Grid((24, 24), 0.5))
    text = analysis.text()
    assert "SchnakenbergModel (5-point stencil, dx = 0.5)" in text
    assert "Turing: decays at q = 0, grows fastest" in text
    assert "state u = 1, v = 0.9" in text
    values = json.loads(json.dumps(analysis.to_dict()))
    assert values["verdict"] == "Turing"
    assert values["states"][0]["state"] == {"u": pytest.approx(1.0), "v": pytest.approx(0.9)}
    assert values["wavelength"] == pytest.approx(analysis.wavelength)


@pytest.mark.thorough
def test_plot_shows_the_curve(tmp_path) -> None:
    analysis = analyse(FitzHughNagumoModel(0.0, 2.0, 0.0, 0.8, 1.0, 10.0))
    path = tmp_path / "dispersion.png"
    figure = plot_dispersion(analysis, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    (axes,) = figure.axes
    leading = analysis.leading
    assert leading is not None
    low, high = axes.get_ylim()
    assert low < 0 < leading.fastest.growth < high
    assert axes.get_xlim()[1] > leading.fastest.wavenumber
    assert "wavelength 12.3" in axes.texts[0].get_text()


def test_no_state_at_all(tmp_path) -> None:
    """Bounds that leave out both states of logistic growth."""
    analysis = analyse(FisherKPPModel(), bounds=[(0.2, 0.8)])
    assert analysis.reports == ()
    assert analysis.leading is None
    assert analysis.verdict is None
    assert analysis.sentence == "no homogeneous state was found"
    assert analysis.wavelength is None
    assert analysis.text().endswith(analysis.sentence)
    assert analysis.to_dict()["states"] == []
    plot_dispersion(analysis, tmp_path / "empty.png")


@pytest.mark.thorough
def test_own_guesses_are_used() -> None:
    model = FisherKPPModel(capacity=5000.0)
    assert [r.state.tolist() for r in analyse(model, guesses=[[4000.0]]).reports][-1] == [5000.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analyse("gray-scott"), "must be a Model"),
        (lambda: analyse(GrayScottModel(feed=jnp.ones(3))), "plain finite number.*feed"),
        (lambda: analyse(GrayScottModel(feed=math.nan)), "plain finite number.*feed"),
        (
            lambda: critical_value(GrayScottModel(), "x"),
            "no parameter 'x'; its parameters are feed",
        ),
        (lambda: critical_value(FitzHughNagumoModel(), "I"), "stimulus is 0: give a bracket"),
        (lambda: critical_value(AllenCahnModel(), "D"), "no change of stability for diffusivity"),
        (
            lambda: critical_value(GrayScottModel(), "F", (0.01, 0.04), state=[0.4, 0.3]),
            "finite|change its sign",
        ),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


def test_displays_are_short_and_in_words() -> None:
    analysis = analyse(SchnakenbergModel(0.1, 0.9, 1.0, 17.0))
    assert str(analysis) == analysis.text()
    assert repr(analysis).startswith("ModelStability(SchnakenbergModel, 1 state: decays at q = 0")
    assert repr(analysis.leading).startswith("StabilityReport((1, 0.9), Turing: decays at q = 0")
    assert len(repr(analysis)) < 300


def test_what_grows_without_end_is_not_stable() -> None:
    analysis = analyse(PDE("u_t = lap(u) - u + u^2*v\nv_t = -lap(v) + 1 - u^2*v - v"))
    assert analysis.verdict is Verdict.OTHER
    assert "grows up to the shortest wavelength" in analysis.sentence


PRESETS = [
    pytest.param(name, preset, marks=[] if preset == "spots" else pytest.mark.slow)
    for name in model_names()
    for preset, made in get_model(name).presets.items()
    if made.outcome in STATIONARY_PATTERNS
]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_a_pattern_at_rest_is_foretold_or_needs_a_push(name: str, preset: str) -> None:
    made = get_model(name).presets[preset]
    analysis = analyse(build_model(name, {}, preset=preset))
    assert (analysis.wavelength is None) is made.needs_push
