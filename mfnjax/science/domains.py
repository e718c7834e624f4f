"""Equations from text on domains: walls, layers, a disc, a flow, noise, and a sharp front."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core import Dirichlet, Grid, Nabla, Neumann, Robin
from mfnjax.models.pde import PDE
from mfnjax.science.rows import Row, at_most, close, more_than
from mfnjax.simulation import simulate

BARENBLATT = "Barenblatt (1952); Vázquez (2007), 10.1093/acprof:oso/9780198569039.001.0001"
HEAT = PDE("u_t = D*lap(u)", D=1.0)


def domain_rows() -> list[Row]:
    """All of them."""
    return [*wall_rows(), layer_row(), disc_row(), *flow_rows(), noise_row(), *porous_rows()]


def _end(model: PDE, start: Any, grid: Grid, steps: int, dt: float, **options: Any) -> np.ndarray:
    run = simulate(model, (jnp.asarray(start),), grid=grid, steps=steps, dt=dt, **options)
    return np.asarray(run.state["u"])


def wall_rows() -> list[Row]:
    """Steady states that are linear are those of the grid; the furthest cell."""
    lines = {
        "heat between walls at 1 and 0": (Dirichlet(1.0), Dirichlet(0.0), 1.0, -0.5),
        "Robin u + ½∂u/∂n = ½ against the slope 1": (Robin(1.0, 0.5, 0.5), Neumann(1.0), 1.0, 1.0),
    }
    rows = []
    for name, (left, right, level, slope) in lines.items():
        grid = Grid((16,), 0.125, {"x-": left, "x+": right})
        found = _end(HEAT, np.zeros(16), grid, 12_000, 0.007)
        error = float(np.abs(found - level - slope * np.asarray(grid.coordinate("x"))).max())
        rows.append(close(name, 0.0, error, 1e-10, "u is linear"))
    plane = Grid((6, 8), (0.2, 0.1), Dirichlet("x + y"))
    found = _end(HEAT, np.zeros((6, 8)), plane, 5000, 0.003)
    error = float(jnp.abs(found - plane.coordinate("x") - plane.coordinate("y")).max())
    return [*rows, close("value x + y on all sides, dx ≠ dy", 0.0, error, 1e-10, "u = x + y")]


def layer_row() -> Row:
    """The flux through two layers, of the resistances in series."""
    n = 16
    d = np.where(np.arange(n) < n // 2, 1.0, 10.0)
    faces = np.concatenate([[2 * d[0]], (d[1:] + d[:-1]) / 2, [2 * d[-1]]]) * n
    grid = Grid((n,), 1 / n, {"x-": Dirichlet(1.0), "x+": Dirichlet(0.0)})
    layers = PDE("u_t = div(D*grad(u))", D=d)
    rest = _end(layers, np.zeros(n), grid, 40_000, 0.9 / (4 * 10 * n * n / 2))
    nabla = Nabla(grid, ("u",), (jnp.asarray(rest),))
    flux = -np.asarray(nabla.flux(jnp.asarray(d), nabla.fields[0]).faces[0])
    furthest = float(flux[np.abs(flux - 1 / np.sum(1 / faces)).argmax()])
    name, exact = "flux through two layers, D 1 and 10", float(1 / np.sum(1 / faces))
    return close(name, exact, furthest, 1e-9, "resistances of the faces in series", relative=True)


def disc_row() -> Row:
    """The slowest mode of a disc, by mask."""
    n = 64
    grid = Grid.disc(n, 2.0 / n)
    start = np.broadcast_to(np.asarray(grid.coordinate("x")) - 1, (n, n))
    dt, mask = 0.24 * (2.0 / n) ** 2, np.asarray(grid.mask)
    before = _end(HEAT, start, grid, n * n // 4, dt)
    after = _end(HEAT, before, grid, n * n // 8, dt)
    amounts = [(mask * one**2).sum() for one in (before, after)]
    rate = math.log(amounts[0] / amounts[1]) / (2 * (n * n // 8) * dt)
    exact, name = 1.8411837813**2, "decay in a disc 64 cells across, by mask"
    return close(name, exact, rate, 0.02, "J₁'(k) = 0: k² = 1.84118²", relative=True)


def flow_rows() -> list[Row]:
    """A hat once around a torus."""
    grid = Grid((100,), 0.01)
    x = np.asarray(grid.coordinate("x"))
    start = ((x > 0.2) & (x < 0.5)).astype(float)
    carried = PDE("u_t = -div(vec(c)*u)", c=1.0)
    after = _end(carried, start, grid, 200, 0.005, stepper="ssprk3")
    over = max(float(after.max()) - 1, -float(after.min()))
    upwind = start
    for _ in range(200):
        upwind = upwind - 0.5 * (upwind - np.roll(upwind, 1))
    ratio = np.abs(after - start).sum() / np.abs(upwind - start).sum()
    source = "van Leer (1974), 10.1016/0021-9991(74)90019-9"
    return [
        at_most("a hat carried around: beyond its extrema", 1e-12, over, source),
        at_most("a hat carried around: L¹ error over upwind's", 0.5, float(ratio), source),
    ]


def noise_row() -> Row:
    """The spectrum of the stochastic heat equation, one χ² over modes and runs."""
    from scipy.stats import chi2

    n, h, dt, d, s, runs = 32, 0.5, 0.1, 0.4, 0.7, 256
    model, grid = PDE("u_t = D*lap(u) + noise(s)", D=d, s=s), Grid((n,), h)
    k2 = (2 * np.sin(np.pi * np.arange(1, n // 2) / n) / h) ** 2
    wanted = s**2 / (2 * d * k2 * n * h) / (1 - d * k2 * dt / 2)
    steps = int(4 / (d * k2[0] * dt))

    def end(key: jax.Array) -> jax.Array:
        run = simulate(model, (jnp.zeros(n),), grid=grid, steps=steps, dt=dt, key=key)
        return run.state.values[0]

    fields = np.asarray(jax.vmap(end)(jax.random.split(jax.random.key(3), runs)))
    modes = np.fft.rfft(fields, axis=1)[:, 1 : n // 2] / n
    count = 2 * runs * (n // 2 - 1)
    mean = float((2 * np.abs(modes) ** 2 / wanted).sum() / count)
    width = float(chi2.ppf(0.9995, count) / count - 1)
    source = "⟨|û_k|²⟩ = s²/(2Dk²·volume)/(1 − Dk²dt/2)"
    return close("stochastic heat equation: χ² of the spectrum / freedom", 1.0, mean, width, source)


def porous_rows() -> list[Row]:
    """Barenblatt's solution at t = 2 from t = 1: its front, and the order of the L¹ error."""
    model, errors, front = PDE("u_t = lap(u^2)"), [], 0.0
    for n in (40, 80, 160):
        h = 12.0 / n
        grid = Grid((n,), h, "neumann", origin=-6.0)
        x = np.asarray(grid.coordinate("x"))
        steps = int(1.0 / (0.2 * h * h)) + 1
        u = _end(model, _barenblatt(x, 1.0), grid, steps, 1.0 / steps)
        errors.append(h * np.abs(u - _barenblatt(x, 2.0)).sum())
        b = int(np.flatnonzero(u > 0.04 * u.max())[-1])
        front = float(x[b] + u[b] * (x[b] - x[b - 3]) / (u[b - 3] - u[b]))
    order = math.log2(errors[1] / errors[2])
    exact = math.sqrt(12) * 2 ** (1 / 3)
    return [
        close("porous medium: its front", exact, front, 0.02, BARENBLATT, relative=True),
        more_than("porous medium: order of the L¹ error", 1.0, order, BARENBLATT),
    ]


def _barenblatt(x: np.ndarray, t: float) -> np.ndarray:
    """t^(−1/3)·(1 − ξ²/12)₊ with ξ = x·t^(−1/3)."""
    return t ** (-1 / 3) * np.maximum(1 - (x * t ** (-1 / 3)) ** 2 / 12, 0)
