"""Thresholds in closed form, the verdict on v4.1, and what simulations do about them."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core import Grid
from mfnjax.models import BrusselatorModel, MyceliumModel, SchnakenbergModel
from mfnjax.science.rows import Row, at_most, close, same
from mfnjax.simulation import simulate
from mfnjax.stability import analyse, critical_value

MURRAY = "Murray (2003), Mathematical Biology II, ch. 2: (d f_u + g_v)² = 4 d det J"
PRIGOGINE = "B_T = (1 + A √(Dx/Dy))²; Prigogine & Lefever (1968), 10.1063/1.1668896"
LINEAR = "linear theory: Turing (1952), 10.1098/rstb.1952.0012"
V41_SENTENCE = "marginal at q = 0 (det J = 0), decaying for q > 0: forms no pattern"


def threshold_rows() -> list[Row]:
    """Critical diffusion ratios, critical B, and the sentence on the v4.1 defaults."""
    rows = []
    for a, b, expected in ((0.1, 0.9, 8.567627), (0.2, 1.3, 22.452630), (0.05, 1.4, 13.850356)):
        computed = critical_value(SchnakenbergModel(a, b), "d_v")
        rows.append(close(f"Schnakenberg d_c ({a}, {b})", expected, computed, 1e-6, MURRAY))
    for a, dx, dy, expected in ((3.0, 1.0, 10.0, 3.797367), (4.5, 7.0, 56.0, 6.713231)):
        computed = critical_value(BrusselatorModel(a, 5.0 if a < 4 else 7.0, dx, dy), "B")
        rows.append(
            close(f"Brusselator B_T ({a:g}, {dx:g}, {dy:g})", expected, computed, 1e-6, PRIGOGINE)
        )
    sentence = analyse(MyceliumModel()).sentence
    rows.append(same("v4.1 at its defaults", V41_SENTENCE, sentence, "det J = r_a r_i (1 − 1) = 0"))
    return rows


def growth_rows() -> list[Row]:
    """Early growth of the fastest mode, the saturated wavelength, and nothing below threshold."""
    return [early_growth(), wavelength(), below_threshold()]


def early_growth(width: int = 50) -> Row:
    """σ of the fastest mode that fits a line, from an amplitude of 1e-6."""
    model, grid, dt = SchnakenbergModel(0.1, 0.9, 1.0, 17.0), Grid((1, width)), 0.02
    leading = analyse(model, grid=grid).leading
    if leading is None:
        return same("early growth", "a state", "none", LINEAR)
    mode = max(round(leading.fastest.wavenumber * width / (2 * math.pi)), 1)
    q = 2 * math.pi * mode / width
    sigma = float(np.interp(q, leading.wavenumbers, leading.growth))
    wave = 1e-6 * jnp.cos(q * jnp.arange(width, dtype=float))[None]
    start = tuple(level + wave for level in jnp.asarray(leading.state))
    options: dict[str, Any] = {"stepper": "etdrk4", "save_every": 250, "save": "u"}
    run = simulate(model, start, grid=grid, steps=1000, dt=dt, **options)
    amplitude = np.abs(np.fft.rfft(np.asarray(run.history)[:, 0])[:, mode])
    measured = float(np.log(amplitude[2] / amplitude[1]) / (dt * 250))
    name = "early growth of the fastest mode, Schnakenberg"
    return close(name, sigma, measured, 0.02, LINEAR, relative=True)


def wavelength() -> Row:
    """Of the saturated pattern, near enough to threshold for linear theory to hold."""
    model, grid = SchnakenbergModel(0.1, 0.9, 1.0, 10.0), Grid((96, 96))
    predicted = analyse(model, grid=grid).wavelength
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    run = simulate(model, start, grid=grid, steps=20_000, dt=0.02, stepper="euler")
    field = np.asarray(run.state.values[0], np.float64)
    power = np.abs(np.fft.fft2(field - field.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.fftfreq(96)[None])
    measured = float(power.sum() / (power * frequency).sum())
    name = "wavelength of the saturated pattern, Schnakenberg"
    expected = math.nan if predicted is None else predicted
    return close(name, expected, measured, 0.15, LINEAR, relative=True)


def below_threshold() -> Row:
    """3 % below B_T noise dies out."""
    model, grid = BrusselatorModel(3.0, 0.97 * 3.797367), Grid((48, 48))
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    run = simulate(model, start, grid=grid, steps=12_000, dt=0.02)
    ratio = float(jnp.std(run.state.values[0]) / jnp.std(start.values[0]))
    name = "noise left 3 % below B_T, of its start, Brusselator"
    return at_most(name, 0.02, ratio, LINEAR)
