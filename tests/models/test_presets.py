"""Every preset is run, and does what its name says."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import ndimage

from mfnjax import Grid, build_model, get_model, model_names, simulate
from mfnjax.models.presets import STATIONARY_PATTERNS, Preset

SIDE = 96
CASES = [(name, preset) for name in model_names() for preset in get_model(name).presets]


class Run:
    """A run of a preset in float32: the field that shows it, and how it goes on."""

    def __init__(self, name: str, preset_name: str) -> None:
        self.preset: Preset = get_model(name).presets[preset_name]
        self.model = build_model(name, {}, preset=preset_name)
        self.grid = Grid((SIDE, SIDE))
        key = jax.random.key(1)
        self.start = self.model.initial_state(self.grid, dtype="float32", key=key)
        self.run = self.go(self.start, self.preset.steps)
        assert bool(self.run.status.ok)
        # Of Gray–Scott the product is shown; of the others the first field.
        self.shown = "v" if name == "gray-scott" else self.model.fields[0]

    def go(self, state, steps: int):
        return simulate(
            self.model,
            state,
            grid=self.grid,
            steps=steps,
            dt=self.preset.dt,
            key=jax.random.key(2) if self.model.counters else None,
        )

    @property
    def field(self) -> np.ndarray:
        return np.asarray(self.run.state[self.shown], np.float64)

    def later(self, time: float) -> np.ndarray:
        steps = max(round(time / self.preset.dt), 1)
        return np.asarray(self.go(self.run.state, steps).state[self.shown], np.float64)


def components(mask: np.ndarray) -> int:
    """Connected pieces of more than 3 cells, on the torus."""
    labels, count = ndimage.label(mask)
    for a, b in zip(np.r_[labels[0], labels[:, 0]], np.r_[labels[-1], labels[:, -1]], strict=True):
        if a and b and a != b:
            labels[labels == b] = a
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return int((sizes > 3).sum())


def mean_wavelength(field: np.ndarray) -> float:
    """2π over the mean wavenumber of the power spectrum, in cells."""
    power = np.abs(np.fft.fft2(field - field.mean())) ** 2
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIDE)] * 2, indexing="ij"))
    return float(power.sum() / (power * frequency).sum())


def check_pattern(run: Run) -> None:
    """A stationary pattern: strong, of one wavelength, and of the kind it is called."""
    field = run.field
    spread = field.std() / max(abs(field).max(), 1e-30)
    assert spread > 0.1, f"no pattern: std is {spread:.3g} of the maximum"
    wavelength = mean_wavelength(field)
    assert 4 < wavelength < 25, f"wavelength {wavelength:.3g} cells"
    # It stands: over ten units of time it stays itself.
    assert np.corrcoef(field.ravel(), run.later(10.0).ravel())[0, 1] > 0.97
    bright = field > (field.max() + field.min()) / 2
    spots, holes = components(bright), components(~bright)
    cells = (SIDE / wavelength) ** 2
    if run.preset.outcome == "spots":
        assert spots > 0.35 * cells, (spots, cells)
        assert spots > 5 * holes
        assert bright.mean() < 0.45
    elif run.preset.outcome == "holes":
        assert holes > 0.35 * cells, (holes, cells)
        assert holes > 5 * spots
        assert bright.mean() > 0.55
    else:
        # Stripes: long, so there are few of them, and neither colour is isolated in the other.
        assert spots < 0.35 * cells, (spots, cells)
        assert holes < 0.35 * cells, (holes, cells)


def check_uniform(run: Run) -> None:
    for name in run.model.fields:
        assert float(np.ptp(np.asarray(run.run.state[name]))) < 2e-3, name


def check_active(run: Run) -> None:
    """Strong differences in space or time, and never at rest."""
    field = run.field
    end = run.preset.steps * run.preset.dt
    frames = [field, run.later(0.05 * end), run.later(0.12 * end)]
    scale = np.ptp(frames)
    assert scale > 0.1
    for later in frames[1:]:
        assert abs(later - field).max() > 0.25 * scale


def check_pulse(run: Run) -> None:
    """One excited band with rest behind and before it, which has moved on a while later."""
    field, later = run.field, run.later(5.0)
    assert components(field > 0) >= 1
    assert 0.01 < (field > 0).mean() < 0.3
    assert field.max() > 1.2
    rest = -1.19941
    assert (abs(field - rest) < 0.1).mean() > 0.3
    before, after = field > 0, later > 0
    assert (before & after).sum() < 0.9 * before.sum()
    # Any one cell is at rest most of the time, and fires now and then.
    assert abs(later - field).max() > 2


def check_domains(run: Run) -> None:
    field = run.field
    assert (abs(abs(field) - 1) < 0.05).mean() > 0.6
    assert 0.2 < (field > 0).mean() < 0.8
    longer = run.later(5 * run.preset.steps * run.preset.dt)
    assert mean_wavelength(longer) > 1.2 * mean_wavelength(field)


def check_front(run: Run) -> None:
    start = np.asarray(run.start[run.shown])
    half = np.asarray(run.go(run.start, run.preset.steps // 20).state[run.shown])
    capacity = run.model.capacity
    assert (start > capacity / 2).mean() < (half > capacity / 2).mean() < 0.9
    assert abs(run.field - capacity).max() < 0.01


def check_smoothing(run: Run) -> None:
    """The potential is smoother than white noise, and nothing selects a wavelength."""
    start, field = np.asarray(run.start[run.shown]), run.field
    assert mean_wavelength(field) > 1.5 * mean_wavelength(start)
    activator = np.asarray(run.run.state["activator"])
    assert activator.max() < 0.1
    crosses = run.model.turing_threshold < 0.1
    assert (run.run.counts["turing_activations"] > 0) == crosses
    # Where nothing lifts it, the potential only loses contrast to diffusion.
    assert crosses or field.std() < start.std()


CHECKS = {
    "uniform": check_uniform,
    "active": check_active,
    "pulse": check_pulse,
    "domains": check_domains,
    "front": check_front,
    "smoothing": check_smoothing,
    **dict.fromkeys(STATIONARY_PATTERNS, check_pattern),
}


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_preset_does_what_it_says(name: str, preset: str) -> None:
    run = Run(name, preset)
    CHECKS[run.preset.outcome](run)


def test_named_levels_of_gray_scott() -> None:
    uniform = Run("gray-scott", "uniform").field
    np.testing.assert_allclose(uniform, 0.3189, atol=1e-3)
    assert Run("gray-scott", "extinct").field.max() < 1e-3


PATTERN_FORMERS = (
    *("brusselator", "fitzhugh-nagumo", "gierer-meinhardt"),
    *("gray-scott", "keller-segel", "schnakenberg"),
    *("shigesada-kawasaki-teramoto", "swift-hohenberg"),
)


def test_every_model_has_a_preset_and_every_pattern_former_a_pattern() -> None:
    for name in model_names():
        outcomes = {preset.outcome for preset in get_model(name).presets.values()}
        assert outcomes, name
        if name in PATTERN_FORMERS:
            assert outcomes & set(STATIONARY_PATTERNS), name
