"""Lyapunov spectra of systems whose spectra are known, and of a pattern at rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mfnjax.core import Grid
from mfnjax.fractal import (
    henon,
    logistic,
    lorenz,
    lyapunov_exponents,
    rk4_step,
    roessler,
    standard_map,
)
from mfnjax.models import SchnakenbergModel
from mfnjax.science.rows import Row, at_most, close, more_than
from mfnjax.simulation import STEPPERS, simulate

SPROTT = "Sprott (2003), Chaos and Time-Series Analysis, ISBN 978-0-19-850840-3"
CHIRIKOV = "Chirikov (1979), 10.1016/0370-1573(79)90023-1: λ → ln(K/2)"
SUM_RULE = "Σλ = ⟨ln|det J|⟩ along the same orbit"


def spectrum_rows() -> list[Row]:
    """The five reference systems."""
    rows = system(
        "Hénon", henon, [0.1, 0.1], [0.41922, -1.62319], 100_000, 1.0, 0.01, source=SPROTT
    )
    rows += system(
        "logistic(4)", logistic, [0.3], [math.log(2)], 50_000, 1.0, 0.01, source="ln 2, exact"
    )
    rows += system(
        "Lorenz",
        rk4_step(lorenz, 0.01),
        [1.0, 1.0, 20.0],
        [0.9056, 0.0, -14.5723],
        200_000,
        0.01,
        0.01,
        source=SPROTT,
        volume=-41 / 3,
    )
    rows += system(
        "Rössler",
        rk4_step(roessler, 0.03),
        [1.0, 1.0, 0.0],
        [0.0714, 0.0, -5.3943],
        150_000,
        0.03,
        0.03,
        source=SPROTT,
    )
    kicked = [math.log(5), -math.log(5)]
    rows += system(
        "standard map, K = 10",
        standard_map,
        [0.3, 0.2],
        kicked,
        50_000,
        1.0,
        0.02,
        source=CHIRIKOV,
    )
    return rows


def system(
    title: str,
    step: Callable[[Any], Any],
    start: list[float],
    expected: list[float],
    steps: int,
    dt: float,
    tolerance: float,
    *,
    source: str,
    volume: float | None = None,
) -> list[Row]:
    """One row an exponent, and the sum rule; a zero exponent has to be below 0.005."""
    found = lyapunov_exponents(step, jnp.asarray(start), len(start), steps=steps, dt=dt)
    rows = []
    for number, (exact, value) in enumerate(zip(expected, found.exponents, strict=True), start=1):
        name = f"λ{number}, {title}"
        if exact:
            rows.append(close(name, exact, float(value), tolerance, source, relative=True))
        else:
            rows.append(close(name, 0.0, float(value), 0.005, source))
    total = float(jnp.sum(found.exponents))
    rate = float(found.log_volume_rate)
    rows.append(close(f"sum of exponents, {title}", rate, total, 1e-6, SUM_RULE))
    if volume is not None:
        divergence = "∇·f = −(σ + 1 + β); tolerance: the time step's"
        rows.append(close(f"volume rate, {title}", volume, total, 1e-3, divergence))
    return rows


def pattern_rows(side: int = 24, steps: int = 20_000) -> list[Row]:
    """Largest exponent of the whole field step at a Schnakenberg pattern at rest."""
    model, grid, dt = SchnakenbergModel(0.1, 0.9, 1.0, 17.0), Grid((1, side)), 0.02
    start = model.initial_state(grid, dtype="float64", key=jax.random.key(0))
    rest = simulate(model, start, grid=grid, steps=steps, dt=dt, stepper="rk4").state

    def advance(values: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return STEPPERS["rk4"].step(model, grid, dt, (), values, time=0.0, draw=None).values

    found = lyapunov_exponents(
        advance, tuple(rest.values), 1, steps=4_000, transient=4_000, dt=dt, qr_every=10
    )
    spread = float(jnp.std(rest.values[0]))
    source = "a stable steady state has no positive exponent; 0 is its translation"
    return [
        more_than(
            "a pattern stands: standard deviation of u", 0.05, spread, "Schnakenberg, d = 17"
        ),
        at_most(
            "largest exponent of the field at the pattern", 1e-4, float(found.exponents[0]), source
        ),
    ]
