"""Diffusion, fronts, Gray–Scott's three ends, the steppers, and two models against SciPy."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core import Grid, laplacian
from mfnjax.models import AllenCahnModel, FisherKPPModel, FitzHughNagumoModel, GrayScottModel, Model
from mfnjax.science.rows import Row, at_most, close, more_than
from mfnjax.simulation import STEPPERS, simulate

KPP = "Kolmogorov, Petrovsky & Piskunov (1937); Fisher (1937), 10.1111/j.1469-1809.1937.tb02153.x"
PEARSON = "Pearson (1993), 10.1126/science.261.5118.189"
SCIPY = "scipy.integrate.solve_ivp, DOP853, rtol 1e-11, of the same semi-discrete equations"
COX_MATTHEWS = "Cox & Matthews (2002), 10.1006/jcph.2002.6995"


def transport_rows() -> list[Row]:
    """The stencil's eigenvalue, and exact diffusion."""
    side, mode = 64, 3
    grid = Grid((side, side))
    wave = jnp.cos(2 * math.pi * mode * jnp.arange(side, dtype=float) / side)
    field = jnp.broadcast_to(wave, (side, side))
    computed = float(jnp.vdot(field, laplacian(field, grid)) / jnp.vdot(field, field))
    exact = -4 * math.sin(math.pi * mode / side) ** 2
    name = "eigenvalue of the 5-point Laplacian, mode 3 of 64"
    rows = [close(name, exact, computed, 1e-12, "−4 sin²(πk/N)")]
    # A rate of 0 leaves diffusion alone; each step is the exponential of the stencil.
    model, amount = AllenCahnModel(0.6, 0.0), math.exp(0.6 * exact * 10.0)
    for stepper in ("etdrk2", "etdrk4"):
        run = simulate(model, (field,), grid=grid, steps=4, dt=2.5, stepper=stepper)
        error = float(jnp.abs(run.state.values[0] - amount * field).max())
        rows.append(close(f"pure diffusion, {stepper}", 0.0, error, 1e-12, "exp(D λ t)"))
    return rows


def front_rows() -> list[Row]:
    """Speed of a Fisher–KPP front over λt = 60…120 from a compact start."""
    d, rate, spacing, dt = 0.5, 2.0, 0.125, 0.01
    model, grid = FisherKPPModel(d, rate, 1.0), Grid((1, 1100), spacing, "neumann")
    start = jnp.zeros((1, 1100)).at[:, :8].set(1.0)
    options: dict[str, Any] = {"stepper": "rk4", "save_every": 3000, "save": "u"}
    run = simulate(model, (start,), grid=grid, steps=6000, dt=dt, **options)
    first, last = (_front(frame[0], spacing) for frame in np.asarray(run.history))
    speed = (last - first) / (3000 * dt)
    note = "A pulled front lags by (3/2) ln t (Bramson 1983): 0.9 % here; the stencil adds 0.3 %."
    name = "speed of the Fisher–KPP front, 2√(Dλ)"
    return [close(name, 2 * math.sqrt(d * rate), speed, 0.03, KPP, relative=True, note=note)]


def _front(u: np.ndarray, spacing: float) -> float:
    last = int(np.flatnonzero(u > 0.5)[-1])
    return float(spacing * (last + (u[last] - 0.5) / (u[last] - u[last + 1])))


def gray_scott_rows() -> list[Row]:
    """F = 0.04 from a seed of 20²: uniform at k = 0.050, patterned at 0.062, extinct at 0.068."""
    grid, fields = Grid((96, 96)), {}
    for kill in (0.050, 0.062, 0.068):
        model = GrayScottModel(feed=0.04, kill=kill, d_u=0.16, d_v=0.08)
        start = model.initial_state(grid, dtype="float32", key=jax.random.key(3))
        run = simulate(model, start, grid=grid, steps=12_000)
        fields[kill] = np.asarray(run.state["v"], np.float64)
    total = 0.04 + 0.050
    level = (0.04 + math.sqrt(0.04**2 - 4 * 0.04 * total**2)) / (2 * total)
    furthest = float(fields[0.050].flat[np.abs(fields[0.050] - level).argmax()])
    closed = "v = (F + √(F² − 4F(F + k)²)) / 2(F + k)"
    return [
        close("Gray–Scott k = 0.050, uniform: v, furthest cell", level, furthest, 1e-3, closed),
        more_than("Gray–Scott k = 0.062, patterned: std v", 0.05, fields[0.062].std(), PEARSON),
        at_most("Gray–Scott k = 0.068, trivial: max v", 1e-3, fields[0.068].max(), PEARSON),
    ]


def stepper_rows() -> list[Row]:
    """Measured temporal order on Gray–Scott, and one solution for all as dt → 0."""
    model, grid = GrayScottModel(), Grid((12, 10))
    start = model.initial_state(grid, key=jax.random.key(0))
    exact = _end(model, start, grid, 4096, "rk4")
    rows, furthest = [], 0.0
    for stepper in ("euler", "rk4", "etdrk2", "etdrk4", "strang"):
        nominal = STEPPERS[stepper].order
        ends = (_end(model, start, grid, steps, stepper) for steps in (128, 256))
        errors = [float(np.abs(end - exact).max()) for end in ends]
        order = math.log2(errors[0] / errors[1])
        source = COX_MATTHEWS if stepper.startswith("etd") else "Taylor expansion"
        rows.append(close(f"order of {stepper}", float(nominal or 0), order, 0.25, source))
        furthest = max(furthest, errors[1])
    name = "Gray–Scott, all steppers at dt = 1/8: furthest from RK4 at 1/128"
    return [*rows, at_most(name, 1e-2, furthest, "Euler's is the furthest, O(dt)")]


def _end(model: Model, start: object, grid: Grid, steps: int, stepper: str) -> np.ndarray:
    run = simulate(model, start, grid=grid, steps=steps, dt=32 / steps, stepper=stepper)  # type: ignore[arg-type]
    return np.stack([np.asarray(values) for values in run.state.values])


def scipy_rows() -> list[Row]:
    """Allen–Cahn and FitzHugh–Nagumo, against an integrator that is not ours."""
    random = np.random.default_rng(0)
    d, rate, shape = 0.6, 1.5, (12, 9)
    cahn = random.normal(0, 0.5, (1, *shape))

    def allen_cahn(_: float, flat: np.ndarray) -> np.ndarray:
        u = flat.reshape(shape)
        return (d * _stencil(u) + rate * (u - u**3)).ravel()

    fitz = random.normal(0, 1, (2, *shape))

    def fitzhugh(_: float, flat: np.ndarray) -> np.ndarray:
        v, w = flat.reshape(2, *shape)
        dv = 0.4 * _stencil(v) + v - v**3 / 3 - w + 0.5
        dw = 0.1 * _stencil(w) + 0.08 * (v + 0.7 - 0.8 * w)
        return np.stack([dv, dw]).ravel()

    nagumo = FitzHughNagumoModel(0.5, 0.08, 0.7, 0.8, 0.4, 0.1)
    return [
        _against_scipy("Allen–Cahn", AllenCahnModel(d, rate), cahn, allen_cahn, 5.0, 1000),
        _against_scipy("FitzHugh–Nagumo", nagumo, fitz, fitzhugh, 20.0, 2000),
    ]


def _stencil(u: np.ndarray) -> np.ndarray:
    wide = np.pad(u, 1, mode="wrap")
    return wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * u


def _against_scipy(
    title: str, model: Model, start: np.ndarray, rhs: object, time: float, steps: int
) -> Row:
    from scipy.integrate import solve_ivp

    exact = solve_ivp(rhs, (0, time), start.ravel(), method="DOP853", rtol=1e-11, atol=1e-12)
    fields = tuple(jnp.asarray(field) for field in start)
    options: dict[str, Any] = {"dt": time / steps, "stepper": "etdrk4"}
    run = simulate(model, fields, grid=Grid(start.shape[1:]), steps=steps, **options)
    end = np.stack([np.asarray(values) for values in run.state.values])
    error = float(np.abs(end - exact.y[:, -1].reshape(start.shape)).max())
    return close(f"{title} against SciPy, largest difference", 0.0, error, 1e-6, SCIPY)
