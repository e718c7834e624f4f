"""Models of fluxes, waves and membranes: each preset shows what it is named for."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from mfnjax import Grid, build_model, get_model, simulate
from mfnjax.core import Nabla

NEW = (
    *("barkley", "cahn-hilliard", "complex-ginzburg-landau", "ghk-membrane", "keller-segel"),
    *("klausmeier", "kuramoto-sivashinsky", "porous-fisher", "shigesada-kawasaki-teramoto"),
)


def preset_run(name: str, preset: str, grid: Grid, time: float | None = None, **options: Any):
    """A run of a preset from the model's own start: the model, the start and the trajectory."""
    told = get_model(name).presets[preset]
    model = build_model(name, {}, preset=preset)
    start = model.initial_state(grid, key=jax.random.key(1))
    steps = told.steps if time is None else round(time / told.dt)
    run = simulate(model, start, grid=grid, steps=steps, dt=told.dt, **options)
    assert bool(run.status.ok)
    return model, start, run


def go_on(model: Any, state: Any, grid: Grid, steps: int, dt: float, **options: Any):
    run = simulate(model, state, grid=grid, steps=steps, dt=dt, **options)
    assert bool(run.status.ok)
    return run


def stencil(wavenumber: Any, spacing: float = 1.0) -> Any:
    """−λ of the stencil of ∇² on a wave."""
    return (2 - 2 * np.cos(wavenumber * spacing)) / spacing**2


def winding(u: np.ndarray, v: np.ndarray, *, torus: bool) -> np.ndarray:
    """How often (u, v) goes round 0 on the way round each square of four cells."""
    phase = np.arctan2(v, u)
    if torus:
        phase = np.pad(phase, (0, 1), mode="wrap")
    corners = [phase[:-1, :-1], phase[1:, :-1], phase[1:, 1:], phase[:-1, 1:]]
    steps = [
        np.angle(np.exp(1j * (b - a)))
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
    ]
    return np.rint(sum(steps) / (2 * np.pi)).astype(int)


# Every one of them.


@pytest.mark.thorough
@pytest.mark.compile_bound
@pytest.mark.parametrize("name", NEW)
def test_a_line_is_a_slab_and_a_block(name: str) -> None:
    """A start that is the same along y and z gives in 2-D and 3-D what it gives on a line."""
    model, dt = get_model(name).model(), min(p.dt for p in get_model(name).presets.values()) / 2
    line = Grid(12)
    start = model.initial_state(line, key=jax.random.key(0))
    options = {"steps": 5, "dt": dt}
    wanted = simulate(model, start, grid=line, **options).state
    for shape in ((2, 12), (2, 3, 12)):
        grid = Grid(shape)
        own = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
        assert {u.shape for u in own.values} == {shape}
        fields = tuple(jnp.broadcast_to(u, shape) for u in start.values)
        found = simulate(model, fields, grid=grid, **options).state
        for one, other in zip(found.values, wanted.values, strict=True):
            np.testing.assert_allclose(one, jnp.broadcast_to(other, shape), rtol=1e-11, atol=1e-13)
    short = simulate(model, own, grid=grid, **options)
    assert bool(short.status.ok)
    assert {u.dtype for u in short.state.values} == {jnp.dtype("float32")}


@pytest.mark.compile_bound
@pytest.mark.parametrize("name", NEW)
def test_gradients_by_all_parameters_are_differences(name: str) -> None:
    kind, dt = get_model(name).model, min(p.dt for p in get_model(name).presets.values()) / 2
    model, grid = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), kind()), Grid((4, 5))
    key = jax.random.key(3)
    start = kind().initial_state(grid, key=key)
    # Away from edges, where the limiter of the flow has a kink.
    values = tuple(u * (1 + 0.1 * jax.random.uniform(key, u.shape)) + 1e-3 for u in start.values)

    def end(model: Any, values: Any) -> jax.Array:
        run = simulate(model, values, grid=grid, steps=4, dt=dt, adjoint="direct")
        return sum(
            jnp.sum(u**2 + u) / jnp.sum(s**2)
            for u, s in zip(run.state.values, start.values, strict=True)
        )

    by_model, by_values = jax.jit(jax.grad(end, (0, 1)))(model, values)
    scalar = jax.jit(end)
    for field in dataclasses.fields(model):
        at = float(getattr(model, field.name))
        step = 1e-5 * (abs(at) or 1.0)
        above, below = (
            float(scalar(dataclasses.replace(model, **{field.name: jnp.asarray(at + h)}), values))
            for h in (step, -step)
        )
        slope = (above - below) / (2 * step)
        size = max(abs(slope), 1e-4 * abs(float(scalar(model, values))) / (abs(at) or 1.0))
        np.testing.assert_allclose(float(getattr(by_model, field.name)), slope, atol=1e-6 * size)
    rng = np.random.default_rng(0)
    along = tuple(u * rng.normal(size=u.shape) for u in values)
    h = 1e-5
    above, below = (
        float(scalar(model, tuple(u + s * d for u, d in zip(values, along, strict=True))))
        for s in (h, -h)
    )
    wanted = sum(float(jnp.sum(g * d)) for g, d in zip(by_values, along, strict=True))
    np.testing.assert_allclose((above - below) / (2 * h), wanted, rtol=1e-6)


# One by one.


def test_keller_segel_gathers_and_keeps_its_cells() -> None:
    _, start, run = preset_run("keller-segel", "aggregates", Grid((32, 32)), 60.0)
    u = np.asarray(run.state["cells"])
    assert u.max() > 3.5 * u.mean()
    assert u.min() >= 0
    assert u.max() <= 1
    np.testing.assert_allclose(u.sum(), start["cells"].sum(), rtol=1e-12)


def test_keller_segel_keeps_its_cells_in_a_dish() -> None:
    grid = Grid.disc(24)
    model = build_model("keller-segel", {})
    start = model.initial_state(grid, key=jax.random.key(0))
    run = go_on(model, start, grid, 1_000, 0.05)
    before = float(jnp.sum(grid.mask * start["cells"]))
    np.testing.assert_allclose(float(jnp.sum(grid.mask * run.state["cells"])), before, rtol=1e-12)
    assert float(run.state["cells"].max()) > 2 * float(start["cells"].max())


def test_keller_segel_grows_at_the_rates_of_its_matrix() -> None:
    model, grid = build_model("keller-segel", {"chi": 15.0, "D_c": 1.5}), Grid(20)
    q = 2 * np.pi / 10
    wave, level, square = np.cos(q * np.arange(20)), 0.25, stencil(q)
    start = (level + 1e-7 * wave, level + 0 * wave)
    run = go_on(model, start, grid, 200, 0.02, stepper="rk4")
    drift = model.chemotaxis * level * (1 - level)
    matrix = np.array([[-square, drift * square], [1.0, -1.5 * square - 1.0]])
    wanted = expm(4.0 * matrix) @ [1.0, 0.0]
    found = [(np.asarray(u) - level) @ wave / 10 * 1e7 for u in run.state.values]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("case", ["preset", "unit"])
def test_a_porous_colony_has_an_edge_that_runs_at_its_speed(case: str) -> None:
    told = get_model("porous-fisher").presets["colony"].parameters
    if case == "preset":
        model, spacing, dt, times = build_model("porous-fisher", told), 1.0, 0.1, (100.0, 250.0)
    else:
        model, spacing, dt, times = build_model("porous-fisher", {}), 0.25, 0.01, (10.0, 30.0)
    grid = Grid(256, spacing, "neumann")
    state, edges = model.initial_state(grid, key=jax.random.key(0)), []
    before = 0.0
    for time in times:
        state = go_on(model, state, grid, round((time - before) / dt), dt).state
        before, u = time, np.asarray(state["u"])
        assert u.min() == 0  # nothing has come to the sides
        assert u.max() <= 1
        last = np.flatnonzero(u > 0.5)[-1]  # where it falls through ½, between two cells
        edges.append(spacing * (last + (u[last] - 0.5) / (u[last] - u[last + 1])))
    speed = (edges[1] - edges[0]) / (times[1] - times[0])
    assert speed == pytest.approx(np.sqrt(model.diffusivity * model.growth_rate / 2), rel=0.02)


def cahn_hilliard_energy(u: np.ndarray, interface: float) -> float:
    slopes = sum((np.roll(u, -1, axis) - u) ** 2 for axis in range(u.ndim))
    return float(((1 - u**2) ** 2 / 4 + interface / 2 * slopes).sum())


@pytest.mark.parametrize("stepper", ["etdrk2", "euler"])
def test_cahn_hilliard_keeps_its_mean_and_loses_energy(stepper: str) -> None:
    model, grid = build_model("cahn-hilliard", {}, preset="domains"), Grid((24, 24))
    dt = {"etdrk2": 0.5, "euler": 2 / (2 * 8 + 0.5 * 64)}[stepper]
    start = model.initial_state(grid, key=jax.random.key(0))
    options = {"stepper": stepper, "save_every": 1, "save": "u"}
    run = go_on(model, start, grid, 400, dt, **options)
    fields = np.concatenate([np.asarray(start["u"])[None], np.asarray(run.history)])
    assert abs(fields[-1]).max() > 0.9
    assert abs(fields.mean((1, 2)) - fields[0].mean()).max() < 1e-13
    energies = [cahn_hilliard_energy(u, 0.5) for u in fields]
    assert np.all(np.diff(energies) <= 1e-10 * energies[0])


def test_cahn_hilliard_grows_its_wavelength() -> None:
    model, grid, time = build_model("cahn-hilliard", {"kappa": 4.0}), Grid(512), 20.0
    start = 1e-6 * np.random.default_rng(0).normal(size=512)
    run = go_on(model, (start,), grid, 400, time / 400)
    before, after = (abs(np.fft.rfft(u))[1:51] for u in (start, np.asarray(run.state["u"])))
    rates = np.log(after / before) / time
    q = 2 * np.pi * np.arange(1, 51) / 512
    np.testing.assert_allclose(rates, stencil(q) * (1 - 4.0 * stencil(q)), rtol=1e-3, atol=1e-5)
    assert 2 * np.pi / q[np.argmax(rates)] == pytest.approx(2 * np.pi * np.sqrt(8.0), rel=0.05)


def test_klausmeier_bands_climb_the_slope() -> None:
    grid = Grid((4, 96))
    model, start, run = preset_run("klausmeier", "bands", grid)
    n = np.asarray(run.state["plants"]).mean(0)
    assert n.max() > 3 * n.min()
    assert n.min() > 0
    later = np.asarray(go_on(model, run.state, grid, 250, 0.02).state["plants"]).mean(0)
    match = [np.corrcoef(np.roll(n, shift), later)[0, 1] for shift in range(-8, 9)]
    assert 0 < np.argmax(match) - 8 < 8  # towards +x, against the water
    assert max(match) > 0.95
    # On the flat nothing forms; with too little rain nothing lives.
    flat = dataclasses.replace(model, slope=0.0)
    even = go_on(flat, start, grid, 2_000, 0.02).state["plants"]
    assert float(even.std()) < 1e-3
    dry = dataclasses.replace(model, rain=0.8)
    assert float(go_on(dry, start, grid, 5_000, 0.02).state["plants"].max()) < 1e-6


def test_competitors_segregate_by_cross_diffusion_alone() -> None:
    grid = Grid((1, 64))
    _, _, apart = preset_run("shigesada-kawasaki-teramoto", "segregation", grid, 50.0)
    u, v = (np.asarray(field)[0] for field in apart.state.values)
    assert u.max() > 1.5 * u.min()
    assert np.corrcoef(u, v)[0, 1] < -0.9
    name = "shigesada-kawasaki-teramoto"
    model, start, together = preset_run(name, "diffusion-only", grid)
    for field, level in zip(together.state.values, model.homogeneous_state(), strict=True):
        np.testing.assert_allclose(field, level, atol=1e-8)
    # Neither births nor deaths: both are kept.
    names = ("growth_u", "growth_v", "u_by_u", "u_by_v", "v_by_u", "v_by_v")
    still = dataclasses.replace(build_model(name, {"a_21": 3.0}), **dict.fromkeys(names, 0.0))
    kept = go_on(still, start, grid, 500, 0.004)
    for one, other in zip(kept.state.values, start.values, strict=True):
        np.testing.assert_allclose(one.sum(), other.sum(), rtol=1e-12)


def test_ginzburg_landau_has_plane_waves() -> None:
    model = build_model("complex-ginzburg-landau", {"mu": 0.8, "D": 2.0, "α": 0.7, "β": -0.6})
    place, q = np.arange(32), 2 * np.pi / 32
    square = model.growth - model.diffusivity * stencil(q)
    frequency = model.dispersion * model.diffusivity * stencil(q) + model.twist * square

    def wave(time: float) -> tuple[np.ndarray, ...]:
        amplitude = np.sqrt(square) * np.exp(1j * (q * place - frequency * time))
        return amplitude.real, amplitude.imag

    run = go_on(model, wave(0.0), Grid(32), 200, 0.02, stepper="etdrk4")
    np.testing.assert_allclose(run.state.values, wave(4.0), rtol=0, atol=1e-7)


def test_ginzburg_landau_has_spirals_that_stay_and_turbulence_that_diverges() -> None:
    grid = Grid((48, 48))
    model, _, run = preset_run("complex-ginzburg-landau", "spirals", grid, 60.0)
    charges = [winding(*map(np.asarray, run.state.values), torus=True)]
    later = go_on(model, run.state, grid, 400, 0.05)
    charges.append(winding(*map(np.asarray, later.state.values), torus=True))
    for charge in charges:
        assert charge.sum() == 0
        assert abs(charge).sum() >= 2
    assert abs(charges[0]).sum() == abs(charges[1]).sum()

    model, _, run = preset_run("complex-ginzburg-landau", "turbulence", grid, 50.0)
    near = tuple(u + 1e-8 for u in run.state.values)
    one, other = (go_on(model, start, grid, 1_000, 0.05).state for start in (run.state, near))
    amplitude = np.hypot(*one.values)
    assert amplitude.max() < 1.5
    assert amplitude.min() < 0.3
    assert float(abs(one["real"] - other["real"]).max()) > 1e-4


def test_kuramoto_sivashinsky_is_bounded_chaos_of_its_wavelength() -> None:
    grid = Grid(256)
    model, _, run = preset_run("kuramoto-sivashinsky", "chaos", grid)
    long = go_on(model, run.state, grid, 2_000, 0.2, save_every=10, save="u")
    slopes = np.diff(np.asarray(long.history), axis=1, append=np.asarray(long.history)[:, :1])
    assert 0.5 < slopes.std() < 2
    assert abs(slopes).max() < 6
    assert np.all(np.diff(np.asarray(long.history).mean(1)) < 0)
    power = (abs(np.fft.rfft(slopes)) ** 2).mean(0)[1:]
    q = 2 * np.pi * np.arange(1, 129) / 256
    smooth = np.convolve(power, np.hanning(9), "same")
    assert 2 * np.pi / q[np.argmax(smooth)] == pytest.approx(2 * np.pi * 2**0.5, rel=0.1)
    near = np.asarray(run.state["u"]) + 1e-8 * np.cos(q[3] * np.arange(256))
    ends = [go_on(model, (u,), grid, 500, 0.2).state["u"] for u in (run.state["u"], near)]
    assert float(abs(ends[0] - ends[1]).max()) > 1e-5


def test_kuramoto_sivashinsky_grows_at_its_rates() -> None:
    model, grid = build_model("kuramoto-sivashinsky", {"nu": 0.8, "kappa": 1.5}), Grid(64)
    q = 2 * np.pi * 5 / 64
    run = go_on(model, (1e-8 * np.cos(q * np.arange(64)),), grid, 50, 0.2)
    square = stencil(q)
    wanted = 1e-8 * np.exp(10 * (0.8 * square - 1.5 * square**2))
    assert float(run.state["u"].max()) == pytest.approx(wanted, rel=1e-6)


def test_barkley_has_one_spiral_that_turns_for_ever() -> None:
    grid = Grid((64, 64), boundary="neumann")
    model, _, run = preset_run("barkley", "spiral", grid, 20.0)
    long = go_on(model, run.state, grid, 4_000, 0.01, save_every=10)
    history = [np.asarray(field) for field in long.history.values]
    for u, v in zip(*(field[::40] for field in history), strict=True):
        charge = winding(u - 0.5, v - (model.duration / 2 - model.threshold), torus=False)
        assert abs(charge).sum() == 1
    signal = history[0][:, 8, 8]
    fires = np.flatnonzero((signal[:-1] < 0.5) & (signal[1:] >= 0.5)) * 0.1
    assert len(fires) >= 5
    assert np.diff(fires).std() < 0.05 * np.diff(fires).mean()


def test_a_wave_of_barkley_runs_along_a_line() -> None:
    model, _, run = preset_run("barkley", "spiral", Grid(96), 5.0)
    later = go_on(model, run.state, Grid(96), 100, 0.01).state["u"]
    u = np.asarray(run.state["u"])
    assert 0.05 < (u > 0.5).mean() < 0.5
    match = [np.corrcoef(np.roll(u, shift), later)[0, 1] for shift in range(-20, 21)]
    assert np.argmax(match) > 22
    assert max(match) > 0.99


def test_a_membrane_comes_to_rest_at_the_goldman_potential() -> None:
    grid = Grid((24, 24))
    model, start, run = preset_run("ghk-membrane", "puddle", grid, 0.005)
    rest = float(start["potential"][0, 0])
    assert rest == pytest.approx(-0.0741, abs=1e-3)
    assert float(run.state["potential"].max()) > rest + 0.005  # the puddle excites it
    run = go_on(model, run.state, grid, 1_000, 1e-4)
    potential, *outside = run.state.values
    assert float(jnp.ptp(potential)) < 1e-6
    np.testing.assert_allclose(potential, model.rest(tuple(outside)), atol=1e-6)

    def charge(state: Any) -> float:
        """sCV + FΣz c, in C/L: s = 1/µm is 1e6/m, and a thousandth of a C/m³ is a C/L."""
        potential, *outside = (float(jnp.mean(u)) for u in state.values)
        ions = sum(z * c for z, c in zip((1, 1, -1), outside, strict=True))
        return 1e3 * model.surface * model.capacitance * potential + 96485.33212 * ions

    assert charge(run.state) == pytest.approx(charge(start), rel=1e-12)
    for name in ("potassium", "sodium", "chloride"):
        assert float(abs(run.state[name] - start[name]).max()) > 1e-9
    closed = dataclasses.replace(model, p_potassium=0.0, p_sodium=0.0, p_chloride=0.0)
    alone = go_on(closed, start, grid, 200, 1e-4).state
    for one, other in zip(alone.values, start.values, strict=True):
        np.testing.assert_allclose(float(one.sum()), float(other.sum()), rtol=1e-12)


def test_a_membrane_at_rest_stays_there_in_any_fluid() -> None:
    """Fluid without membrane to speak of (s = 0): V rests at the potential of each place."""
    model, grid = build_model("ghk-membrane", {"s": 0.0, "d_potential": 0.0}), Grid(4)
    outside = [
        jnp.array(c) for c in ([0.005, 0.02, 0.05, 0.1], [0.145] * 4, [0.12, 0.1, 0.08, 0.05])
    ]
    rest = model.rest(tuple(outside))
    nabla = Nabla(grid, model.fields, (rest, *outside))
    rates = model.rates(nabla.fields, nabla)
    np.testing.assert_allclose(rates[0], 0, atol=1e-9)  # of currents of 1 V/s and more
    assert float(abs(rates[1]).max()) == 0
