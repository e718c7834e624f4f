"""Equations on domains against solutions that are known: walls, boxes, discs, layers, fronts."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import PDE, Dirichlet, Grid, Neumann, Robin, simulate
from mfnjax.core import Nabla

pytestmark = pytest.mark.compile_bound
HEAT = PDE("u_t = D*lap(u)", D=1.0)


def settled(grid: Grid, model: Any = HEAT, *, dt: float, steps: int, stepper: str = "euler") -> Any:
    run = simulate(
        model, {"u": jnp.zeros(grid.shape)}, grid=grid, steps=steps, dt=dt, stepper=stepper
    )
    assert bool(run.status.ok)
    return np.asarray(run.state["u"])


def orders(errors: list[float]) -> np.ndarray:
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize("stepper", ["euler", "rk4", "ssprk3", "etdrk2", "etdrk4"])
def test_heat_between_walls_is_linear(stepper: str) -> None:
    grid = Grid(20, 0.1, {"x-": Dirichlet(1.0), "x+": Dirichlet(0.0)})
    found = settled(grid, dt=0.004, steps=6000, stepper=stepper)
    np.testing.assert_allclose(found, 1 - grid.coordinate("x") / 2, rtol=0, atol=1e-10)


def test_robin_against_neumann_and_against_a_wall() -> None:
    """a·u + b·∂u/∂n = c: u = 1 + x has 1·1 + 1·(−1) = 0 at x = 0, and the slope 1 at x = 2."""
    for right in (Neumann(1.0), Dirichlet(3.0), Robin(2.0, 3.0, 9.0)):
        left = Robin(1.0, 0.5, 0.5)  # 1 − 0.5 = 0.5
        grid = Grid(16, 0.125, {"x-": left, "x+": right})
        found = settled(grid, dt=0.007, steps=12000)
        np.testing.assert_allclose(found, 1 + grid.coordinate("x"), rtol=0, atol=1e-10)


def test_x_plus_y_on_all_sides() -> None:
    grid = Grid((6, 8), (0.2, 0.1), Dirichlet("x + y"), origin=(0.3, -1.0))
    x, y = grid.coordinate("x"), grid.coordinate("y")
    found = settled(grid, dt=0.003, steps=5000)
    np.testing.assert_allclose(found, x + y, rtol=0, atol=1e-10)
    each = {"x": Dirichlet(lambda at: at.x + at.y), "y-": "neumann", "y+": Neumann(0.0)}
    with_slopes = {**each, "y-": Neumann(-1.0), "y+": Neumann(1.0)}
    found = settled(Grid((6, 8), (0.2, 0.1), with_slopes, origin=(0.3, -1.0)), dt=0.003, steps=9000)
    np.testing.assert_allclose(found, x + y, rtol=0, atol=1e-10)


@pytest.mark.thorough
def test_sin_x_on_two_sides_has_order_two() -> None:
    """u = sin x·cosh(y − ½)/cosh ½ on 0…π × 0…1, periodic or 0 along x."""
    for sides in ({"x": Dirichlet(0.0)}, {"x": "periodic"}):
        errors, length = [], math.pi if "periodic" not in sides.values() else 2 * math.pi
        for n in (8, 16, 32):
            grid = Grid((n, 2 * n), (1 / n, length / (2 * n)), {**sides, "y": Dirichlet("sin(x)")})
            found = settled(grid, dt=1.0, steps=40, stepper="etdrk2")
            x, y = grid.coordinate("x"), grid.coordinate("y")
            exact = jnp.sin(x) * jnp.cosh(y - 0.5) / math.cosh(0.5)
            errors.append(float(jnp.abs(found - exact).mean()))
        assert orders(errors).min() >= 1.9


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("wall", ["neumann", "dirichlet", "periodic"])
def test_decay_in_a_box_has_order_two(axes: int, wall: str) -> None:
    """A mode decays at k², dx ≠ dy ≠ dz, to second order in the spacing; mass stays."""
    lengths = (1.3, 0.9, 1.1)[:axes]
    side: Any = Dirichlet(0.0) if wall == "dirichlet" else wall
    errors = []
    for n in (5, 10, 20) if axes < 3 else (5, 10):
        shape = (2 * n, n, 3 * n // 2)[:axes]
        spacing = tuple(one / m for one, m in zip(lengths, shape, strict=True))
        grid = Grid(shape, spacing, side)
        u, rate = jnp.ones(shape), 0.0
        for name, length in zip(grid.axes[::-1], lengths, strict=True):
            k = math.pi / length * (2 if wall == "periodic" else 1)
            wave = jnp.sin if wall == "dirichlet" else jnp.cos
            u, rate = u * wave(k * grid.coordinate(name)), rate + k**2
        start = u if wall == "dirichlet" else u + 2.0
        time, steps = 0.5 / rate, 1
        run = simulate(HEAT, {"u": start}, grid=grid, steps=steps, dt=time, stepper="etdrk2")
        end = run.state["u"] - (start - u)
        measured = -math.log(float(jnp.vdot(end, u) / jnp.vdot(u, u))) / time
        errors.append(abs(measured / rate - 1))
        if wall != "dirichlet":
            assert float(run.state["u"].sum()) == pytest.approx(float(start.sum()), rel=1e-12)
    assert orders(errors).min() >= 1.9


def slowest(grid: Grid, start: Any, *, steps: int) -> float:
    """The rate at which the slowest mode that ``start`` is near decays, by a run."""
    spacing, mask = float(grid.spacing), np.asarray(grid.mask, float)
    dt = 0.24 * spacing**2
    run = simulate(HEAT, {"u": start}, grid=grid, steps=steps, dt=dt)
    more = simulate(HEAT, run.state, grid=grid, steps=steps // 2, dt=dt)
    before, after = (np.asarray(one.state["u"]) for one in (run, more))
    total = (mask * np.asarray(start)).sum()
    for field in (before, after):
        assert abs((mask * field).sum() - total) < 1e-12 * mask.sum()
        assert not field[mask == 0].any()
    return math.log(np.sqrt((mask * before**2).sum() / (mask * after**2).sum())) / (steps // 2 * dt)


@pytest.mark.thorough
def test_decay_in_a_disc_is_a_zero_of_a_bessel_function() -> None:
    """cos θ J₁(k r), with J₁'(kR) = 0: kR = 1.841184."""
    errors = []
    for n in (32, 64, 128):
        grid = Grid.disc(n, 2.0 / n)
        x, y = grid.coordinate("x") - 1, grid.coordinate("y") - 1
        start = x + 0 * y
        errors.append(slowest(grid, start, steps=n * n // 4) / 1.8411837813**2 - 1)
    assert abs(errors[-1]) < 0.02
    assert np.all(np.diff(np.abs(errors)) < 0)


@pytest.mark.thorough
def test_decay_in_an_annulus() -> None:
    """k of J₁'(k)Y₁'(k/2) = J₁'(k/2)Y₁'(k), a ring between the radii ½ and 1: k = 1.354672."""
    from scipy.optimize import brentq
    from scipy.special import jvp, yvp

    k = brentq(lambda k: jvp(1, k) * yvp(1, k / 2) - jvp(1, k / 2) * yvp(1, k), 1.0, 2.0)
    errors = []
    for n in (32, 64, 128):
        whole = Grid.disc(n, 2.0 / n)
        hole = np.asarray(Grid.disc(n, 2.0 / n, diameter=n / 2).mask)
        grid = Grid(whole.shape, 2.0 / n, "neumann", np.asarray(whole.mask) - hole)
        x, y = grid.coordinate("x") - 1, grid.coordinate("y") - 1
        errors.append(slowest(grid, x + 0 * y, steps=n * n // 3) / k**2 - 1)
    assert abs(errors[-1]) < 0.02
    assert np.all(np.diff(np.abs(errors)) < 0)


def test_two_layers_pass_one_flux() -> None:
    """D 1 and 10 between walls: harmonic means in the continuum, arithmetic ones on the face."""
    errors = []
    for n in (16, 32, 64):
        d = np.where(np.arange(n) < n // 2, 1.0, 10.0)
        grid = Grid(n, 1 / n, {"x-": Dirichlet(1.0), "x+": Dirichlet(0.0)})
        faces = np.concatenate([[2 * d[0]], (d[1:] + d[:-1]) / 2, [2 * d[-1]]]) * n
        discrete = 1 / np.sum(1 / faces)
        matrix = (
            np.diag(-faces[1:] - faces[:-1]) + np.diag(faces[1:-1], 1) + np.diag(faces[1:-1], -1)
        )
        source = np.zeros(n)
        source[0] = faces[0]
        rest = jnp.asarray(np.linalg.solve(matrix, -source))
        nabla = Nabla(grid, ("u",), (rest,))
        flux = -np.asarray(nabla.flux(jnp.asarray(d), nabla.fields[0]).faces[0])
        np.testing.assert_allclose(flux, discrete, rtol=1e-11)
        errors.append(abs(discrete - 2 / (1 + 1 / 10)))
    assert orders(errors).min() > 0.9


def test_layers_between_closed_walls_keep_their_mass_and_settle_even() -> None:
    d = np.where(np.arange(16) < 8, 1.0, 10.0)
    start = jnp.asarray(np.random.default_rng(0).random(16))
    grid = Grid(16, 0.25, "neumann")
    layers = PDE("u_t = div(D*grad(u))", D=d)
    run = simulate(layers, {"u": start}, grid=grid, steps=20000, dt=0.003)
    np.testing.assert_allclose(run.state["u"], start.mean(), atol=1e-9)
    assert float(run.state["u"].sum()) == pytest.approx(float(start.sum()), rel=1e-12)


def barenblatt(x: Any, t: float) -> np.ndarray:
    """u = t^(−1/3)(1 − ξ²/12)₊, ξ = x·t^(−1/3): mass 8√3/3·…, of u_t = (u²)_xx."""
    xi = np.asarray(x) * t ** (-1 / 3)
    return t ** (-1 / 3) * np.maximum(1 - xi**2 / 12, 0)


@pytest.mark.parametrize("text", ["u_t = lap(u^2)", "u_t = div(2*u*grad(u))"])
def test_porous_medium_follows_barenblatt(text: str) -> None:
    errors = []
    for n in (40, 80, 160):
        grid, h = Grid(n, 12.0 / n, "neumann", origin=-6.0), 12.0 / n
        x = np.asarray(grid.coordinate("x"))
        steps = int(1.0 / (0.2 * h * h)) + 1
        start = jnp.asarray(barenblatt(x, 1.0))
        run = simulate(PDE(text), {"u": start}, grid=grid, steps=steps, dt=1.0 / steps)
        u = np.asarray(run.state["u"])
        errors.append(np.abs(u - barenblatt(x, 2.0)).sum() * h)
        assert abs(u.sum() - float(start.sum())) < 1e-12 * n
    assert orders(errors).min() >= 1
    # The front: u falls with a finite slope, from two cells well inside to 0.
    front = math.sqrt(12) * 2 ** (1 / 3)
    a, b = np.flatnonzero(u > 0.04 * u.max())[-1] - np.array([3, 0])
    crossing = x[b] + u[b] * (x[b] - x[a]) / (u[a] - u[b])
    assert crossing == pytest.approx(front, rel=0.02)


def test_porous_fisher_has_a_sharp_front_of_its_speed() -> None:
    h, n = 0.1, 400
    grid = Grid(n, h, "neumann")
    model = PDE("u_t = div(u*grad(u)) + u*(1 - u)")
    start = (grid.coordinate("x") < 5).astype(float)
    dt = 0.2 * h * h
    front = []
    state: Any = {"u": start}
    for steps in (round(15 / dt), round(15 / dt)):
        state = simulate(model, state, grid=grid, steps=steps, dt=dt).state
        u = np.asarray(state["u"])
        last = np.flatnonzero(u > 0.5)[-1]
        front.append(h * (last + (u[last] - 0.5) / (u[last] - u[last + 1])))
    assert (front[1] - front[0]) / 15 == pytest.approx(1 / math.sqrt(2), rel=0.02)


def test_cahn_hilliard_keeps_its_mean_and_loses_energy() -> None:
    """The fastest wave early on is 2π√(2κ), whatever the stepper."""
    kappa, n = 0.02, 128
    model = PDE("u_t = lap(u^3 - u - kappa*lap(u))", kappa=kappa)
    length = 8 * 2 * math.pi * math.sqrt(2 * kappa)
    grid = Grid(n, length / n)
    noise = np.random.default_rng(2).normal(size=n)
    state: Any = {"u": jnp.asarray(1e-4 * (noise - noise.mean()))}
    k = 2 * math.pi * np.arange(n // 2 + 1) / length
    before = np.abs(np.fft.rfft(np.asarray(state["u"])))
    energies = []
    for index in range(6):
        run = simulate(model, state, grid=grid, steps=60, dt=0.005, stepper="etdrk2")
        state, u = run.state, np.asarray(run.state["u"])
        slope = (np.roll(u, -1) - u) / (length / n)
        energies.append((0.25 * (u**2 - 1) ** 2 + 0.5 * kappa * slope**2).sum() * length / n)
        assert abs(u.mean()) < 1e-13
        if index == 0:
            growth = np.log(np.abs(np.fft.rfft(u))[1:12] / before[1:12]) / 0.3
            best = k[1 + int(np.argmax(growth))]
            assert 2 * math.pi / best == pytest.approx(2 * math.pi * math.sqrt(2 * kappa), rel=0.05)
            k2 = (2 * np.sin(k[1:12] * length / n / 2) / (length / n)) ** 2
            np.testing.assert_allclose(growth, k2 - kappa * k2**2, rtol=1e-4)
    assert np.all(np.diff(energies) <= 0)


def test_keller_segel_keeps_its_mass_and_grows_at_its_rate() -> None:
    text = "u_t = lap(u) - div(chi*u*grad(c))\nc_t = lap(c) + u - c"
    chi, n = 3.0, 64
    length = 16.0
    grid = Grid(n, length / n)
    k2 = (2 * math.sin(math.pi / n * 2) / (length / n)) ** 2
    # u = 1 + a cos kx, c = 1 + b cos kx; a central flux has the stencil's k² too.
    matrix = np.array([[-k2, chi * k2], [1.0, -k2 - 1]])
    values, vectors = np.linalg.eig(matrix)
    best = int(np.argmax(values.real))
    wave = np.cos(2 * math.pi * 2 * np.arange(n) / n)
    start = {f: jnp.asarray(1 + 1e-6 * vectors[i, best] * wave) for i, f in enumerate("uc")}
    run = simulate(PDE(text, chi=chi), start, grid=grid, steps=500, dt=0.002, stepper="rk4")
    amount = 2 * float(jnp.mean(run.state["u"] * wave)) / (1e-6 * vectors[0, best])
    assert math.log(amount) / 1.0 == pytest.approx(values[best].real, rel=0.02)
    later = simulate(PDE(text, chi=chi), run.state, grid=grid, steps=3000, dt=0.004)
    assert float(later.state["u"].max()) > 1.00005
    assert float(later.state["u"].sum()) == pytest.approx(n, rel=1e-12)


def hat_after_a_turn(stepper: str) -> tuple[Any, Any]:
    grid = Grid(100, 0.01)
    x = grid.coordinate("x")
    start = ((x > 0.2) & (x < 0.5)).astype(float)
    run = simulate(
        PDE("u_t = -div(vec(c)*u)", c=1.0),
        {"u": start},
        grid=grid,
        steps=200,
        dt=0.005,
        stepper=stepper,
    )
    return run.state["u"], start


@pytest.mark.parametrize(
    ("stepper", "tolerance"), [("euler", 1e-12), ("ssprk3", 1e-12), ("rk4", 1e-9)]
)
def test_a_hat_is_carried_without_new_extrema(stepper: str, tolerance: float) -> None:
    after, start = hat_after_a_turn(stepper)
    assert float(after.min()) > -tolerance
    assert float(after.max()) < 1 + tolerance
    assert float(after.sum()) == pytest.approx(float(start.sum()), rel=1e-12)
    # Upwind of first order smears it at least twice as much.
    u, c = np.asarray(start), 0.5
    for _ in range(200):
        u = u - c * (u - np.roll(u, 1))
    assert np.abs(after - start).mean() <= np.abs(u - start).mean() / 2


@pytest.mark.thorough
@pytest.mark.parametrize("stepper", ["euler", "ssprk3"])
def test_a_cone_is_turned_once(stepper: str) -> None:
    """The velocity (−y, x) has no divergence on the faces; the corners of the box do not matter."""
    n, h = 48, 2.0 / 48
    grid = Grid((n, n), h, Dirichlet(0.0), origin=-1.0)
    x, y = grid.coordinate("x"), grid.coordinate("y")
    start = jnp.maximum(1 - jnp.hypot(x - 0.4, y) / 0.3, 0)
    model = PDE("u_t = -div(vec(-y, x)*u)")
    steps = math.ceil(2 * math.pi / (0.25 * h))
    dt = 2 * math.pi / steps
    run = simulate(model, {"u": start}, grid=grid, steps=steps, dt=dt, stepper=stepper)
    after = np.asarray(run.state["u"])
    assert after.min() > -1e-12
    assert after.max() < float(start.max()) + 1e-12
    u, vx, vy = np.asarray(start), -np.asarray(y) + 0 * x, np.asarray(x) + 0 * y
    for _ in range(steps):
        wide = np.pad(u, 1)
        west, east = wide[1:-1, :-2], wide[1:-1, 2:]
        south, north = wide[:-2, 1:-1], wide[2:, 1:-1]
        along_x = np.where(vx > 0, vx * (u - west), vx * (east - u))
        along_y = np.where(vy > 0, vy * (u - south), vy * (north - u))
        u = u - dt / h * (along_x + along_y)
    assert np.abs(after - start).mean() <= np.abs(u - start).mean() / 2


@pytest.mark.thorough
def test_the_spectrum_of_the_stochastic_heat_equation() -> None:
    """⟨|û_k|²⟩ = s²/(2Dk²·volume)/(1 − Dk²dt/2), by one χ² over the modes and replicas."""
    from scipy.stats import chi2

    n, h, dt, d, s, replicas = 32, 0.5, 0.1, 0.4, 0.7, 256
    grid = Grid(n, h)
    model = PDE("u_t = D*lap(u) + noise(s)", D=d, s=s)
    k2 = (2 * np.sin(np.pi * np.arange(1, n // 2) / n) / h) ** 2
    wanted = s**2 / (2 * d * k2 * n * h) / (1 - d * k2 * dt / 2)
    # Start in the stationary state of every mode, so that no transient is waited for.
    keys = jax.random.split(jax.random.key(3), replicas)
    steps = int(4 / (d * k2[0] * dt))

    def end(key: Any) -> Any:
        return simulate(model, {"u": jnp.zeros(n)}, grid=grid, steps=steps, dt=dt, key=key).state[
            "u"
        ]

    modes = np.fft.rfft(np.asarray(jax.vmap(end)(keys)), axis=1)[:, 1 : n // 2] / n
    statistic = float((2 * np.abs(modes) ** 2 / wanted).sum())
    low, high = chi2.ppf([0.001, 0.999], 2 * replicas * (n // 2 - 1))
    assert low < statistic < high
    # And in a cell of half the volume, by a mask, the noise is √2 as strong.
    cut = Grid(4, 1.0, "neumann", np.array([1.0, 0.5, 0.0, 1.0]))
    still = PDE("u_t = noise(s)", s=1.0)
    run = jax.vmap(
        lambda key: simulate(still, {"u": jnp.zeros(4)}, grid=cut, steps=1, dt=1.0, key=key).state[
            "u"
        ]
    )(jax.random.split(jax.random.key(5), 4000))
    np.testing.assert_allclose(np.var(np.asarray(run), axis=0), [1, 2, 0, 1], rtol=0.1)


def test_a_front_through_an_outline_stays_inside(tmp_path: Any) -> None:
    from PIL import Image

    picture = np.zeros((32, 40), np.uint8)
    picture[4:28, 3:12] = picture[12:18, 3:36] = picture[6:26, 28:36] = 255
    Image.fromarray(picture).save(tmp_path / "dish.png")
    grid = Grid.from_image(tmp_path / "dish.png", 1.0)
    start = jnp.zeros(grid.shape).at[6, 5].set(1.0)
    fisher = PDE("u_t = lap(u) + r*u*(1 - u)", r=1.0)
    run = simulate(fisher, {"u": start}, grid=grid, steps=1500, dt=0.1)
    u = np.asarray(run.state["u"])
    assert not u[picture == 0].any()
    np.testing.assert_allclose(u[picture > 0], 1, atol=1e-6)
    early = simulate(fisher, {"u": start}, grid=grid, steps=100, dt=0.1).state["u"]
    assert float(early[24, 34]) < 1e-6  # it has to come through the neck
    still = simulate(PDE("u_t = lap(u)"), {"u": start}, grid=grid, steps=500, dt=0.1).state["u"]
    assert float(np.sum(np.asarray(grid.mask) * np.asarray(still))) == pytest.approx(1.0, abs=1e-12)
