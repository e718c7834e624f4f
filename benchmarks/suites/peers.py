"""The same physics on other programs, in one run.

    python -m benchmarks.peers [--size 128] [--steps 1000] [-o FILE]

A Gray–Scott run from the same state, on the same periodic grid, with as many steps of the same
size, in double precision: py-pde (its numba backend), exponax (spectral, ETDRK2), a plain NumPy
loop, a stencil compiled by numba, a plain JAX loop (``jnp.roll`` in a ``fori_loop``), and mfnjax.
The table says what each computes and how far its result is from mfnjax's; then the gradient of a
mean of the last state for the four parameters, where a program has one. Compile time is apart, and
the rivals run in turn. Needs the extra ``bench``: ``pip install "mfnjax[bench]"``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.baselines import baseline
from benchmarks.harness.tables import Table, suite, timed
from benchmarks.harness.timing import Call, interleaved
from mfnjax import GrayScottModel, Grid, simulate
from mfnjax.errors import MfnError

Fields = tuple[np.ndarray, np.ndarray]
PARAMETERS = {"feed": 0.04, "kill": 0.062, "d_u": 0.16, "d_v": 0.08}
EULER = "explicit Euler, 5-point stencil"
GRADIENT_STEPS = 200


class Peer(NamedTuple):
    """A program that runs the problem: what it computes, its run, and its gradient if it has one.

    ``run`` gives (u, v), ``gradient`` that of a mean of the last state for the four parameters.
    """

    name: str
    computes: str
    run: Call
    gradient: Call | None = None


def start(size: int) -> Fields:
    """Three drops of the second species: smooth, so that a spectral program sees them, too."""
    x = np.arange(size) / size
    drops = np.zeros((size, size))
    for row, column in ((0.5, 0.5), (0.3, 0.6), (0.65, 0.35)):
        squares = (x[:, None] - row) ** 2 + (x[None, :] - column) ** 2
        drops += np.exp(-squares / (2 * (6 / size) ** 2))
    return 1 - 0.5 * drops, 0.25 * drops


def rates(u: Any, v: Any, lap_u: Any, lap_v: Any, feed: Any, kill: Any, d_u: Any, d_v: Any) -> Any:
    """The right-hand side, for NumPy and JAX alike."""
    conversion = u * v * v
    return d_u * lap_u - conversion + feed * (1 - u), d_v * lap_v + conversion - (feed + kill) * v


def differentiable(name: str, computes: str, steps: int, last: Callable[..., Any]) -> Peer:
    """A program in JAX; ``last`` takes parameters, steps, and whether it is differentiated."""
    given = dict(PARAMETERS)
    run = jax.jit(lambda p: tuple(last(p, steps, False)))
    loss = lambda p: jnp.mean(last(p, GRADIENT_STEPS, True)[1] ** 2)  # noqa: E731
    return Peer(name, computes, partial(run, given), partial(jax.jit(jax.grad(loss)), given))


def mfnjax_peer(fields: Fields, steps: int) -> Peer:
    """This project."""
    grid = Grid(fields[0].shape)

    def last(parameters: dict[str, Any], steps: int, is_differentiated: bool) -> Any:
        model, adjoint = GrayScottModel(**parameters), "per_step" if is_differentiated else None
        how = {"grid": grid, "steps": steps, "dt": 1.0, "stepper": "euler", "adjoint": adjoint}
        return simulate(model, fields, **how).state.values

    return differentiable("mfnjax", EULER, steps, last)


def jax_peer(fields: Fields, steps: int) -> Peer:
    """What one writes in JAX without a library."""
    begin = tuple(map(jnp.asarray, fields))

    def laplacian(x: Any) -> Any:
        return sum(jnp.roll(x, s, axis) for s in (1, -1) for axis in (0, 1)) - 4 * x

    def last(parameters: dict[str, Any], steps: int, is_differentiated: bool) -> Any:
        def step(state: Any, _: Any) -> Any:
            u, v = state
            d = rates(u, v, laplacian(u), laplacian(v), **parameters)
            return (u + d[0], v + d[1]), None

        if is_differentiated:
            return jax.lax.scan(step, begin, None, steps)[0]
        return jax.lax.fori_loop(0, steps, lambda _, state: step(state, None)[0], begin)

    return differentiable("plain JAX loop", EULER, steps, last)


def numpy_peer(fields: Fields, steps: int) -> Peer:
    """What one writes in NumPy."""

    def laplacian(x: np.ndarray) -> np.ndarray:
        return sum(np.roll(x, s, axis) for s in (1, -1) for axis in (0, 1)) - 4 * x  # type: ignore[return-value]

    def run() -> Fields:
        u, v = fields
        for _ in range(steps):
            d = rates(u, v, laplacian(u), laplacian(v), **PARAMETERS)
            u, v = u + d[0], v + d[1]
        return u, v

    return Peer("NumPy loop", EULER, run)


def numba_peer(fields: Fields, steps: int) -> Peer:
    """Two nested loops and two buffers, compiled by numba for one core."""
    from numba import njit

    @njit(fastmath=True)
    def loop(u, v, steps, feed, kill, d_u, d_v):  # type: ignore[no-untyped-def]
        height, width = u.shape
        p, q = u.copy(), v.copy()
        for _ in range(steps):
            for i in range(height):
                up, down = (i - 1) % height, (i + 1) % height
                for j in range(width):
                    left = j - 1 if j > 0 else width - 1
                    right = j + 1 if j < width - 1 else 0
                    a, b = u[i, j], v[i, j]
                    lap_u = u[up, j] + u[down, j] + u[i, left] + u[i, right] - 4 * a
                    lap_v = v[up, j] + v[down, j] + v[i, left] + v[i, right] - 4 * b
                    conversion = a * b * b
                    p[i, j] = a + d_u * lap_u - conversion + feed * (1 - a)
                    q[i, j] = b + d_v * lap_v + conversion - (feed + kill) * b
            u, p = p, u
            v, q = q, v
        return u, v

    def run() -> Fields:
        return loop(fields[0].copy(), fields[1].copy(), steps, *PARAMETERS.values())

    return Peer("numba stencil, one core", EULER, run)


def pypde_peer(fields: Fields, steps: int) -> Peer:
    """py-pde: its own expressions, compiled by numba once and used again."""
    import pde

    grid = pde.CartesianGrid([[0, n] for n in fields[0].shape], fields[0].shape, periodic=True)
    equation = pde.PDE(
        {
            "u": "d_u * laplace(u) - u * v**2 + feed * (1 - u)",
            "v": "d_v * laplace(v) + u * v**2 - (feed + kill) * v",
        },
        consts=dict(PARAMETERS),
    )

    def begin() -> Any:
        scalars = [pde.ScalarField(grid, x.copy()) for x in fields]
        return pde.FieldCollection(scalars, labels=["u", "v"])

    stepper: Any = None

    def run() -> Fields:
        nonlocal stepper
        state = begin()
        if stepper is None:
            solver = pde.EulerSolver(equation, backend="numba")
            stepper = solver.make_stepper(state, dt=1.0)
        stepper(state, 0.0, float(steps))
        return state[0].data, state[1].data

    return Peer("py-pde (numba)", EULER, run)


def exponax_peer(fields: Fields, steps: int) -> Peer:
    """exponax: a spectral Laplacian, exponential time differencing of second order."""
    import exponax

    size = fields[0].shape[0]
    begin = jnp.stack([jnp.asarray(x) for x in fields])
    names = {"d_u": "diffusivity_1", "d_v": "diffusivity_2"}
    names |= {"feed": "feed_rate", "kill": "kill_rate"}

    def last(parameters: dict[str, Any], steps: int, is_differentiated: bool) -> Any:
        given = {names[name]: value for name, value in parameters.items()}
        stepper = exponax.stepper.reaction.GrayScott(2, float(size), size, 1.0, **given)
        return exponax.repeat(stepper, steps)(begin)

    return differentiable("exponax", "ETDRK2, spectral", steps, last)


PEERS = (mfnjax_peer, numba_peer, pypde_peer, jax_peer, exponax_peer, numpy_peer)


def difference(found: Any, expected: Any) -> float:
    """Largest difference over the largest magnitude, over all fields or parameters."""
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    return max(
        float(np.max(np.abs(np.asarray(a) - np.asarray(b))) / np.max(np.abs(np.asarray(b))))
        for a, b in pairs
    )


def table_of(title: str, calls: dict[str, tuple[str, Call]], repeats: int, target: str) -> Table:
    """Time the calls in turn and compare their results with the first one's, mfnjax's.

    A program that computes the same and does not agree misses.
    """
    times = interleaved({name: call for name, (_, call) in calls.items()}, repeats=repeats)
    (_, reference), *_ = calls.values()
    expected, own = reference(), next(iter(times.values()))
    limit, rows, faster = baseline(f"targets.peers.{target}"), [], []
    for name, (computes, call) in calls.items():
        ratio, off = times[name].min_ms / own.min_ms, difference(call(), expected)
        row = {"program": name, "computes": computes, **timed(times[name])}
        row |= {"fastest / mfnjax": ratio, "difference": f"{off:.1e}"}
        if computes == EULER and not limit.meets(off):
            row |= {"target": str(limit), "verdict": "MISS"}
        faster += [f"{name} ({1 / ratio:.1f} ×)"] if ratio < 1 else []
        rows.append(row)
    return Table(title, rows, f"Faster than mfnjax: {', '.join(faster) or 'none'}.")


NOTE = (
    " py-pde, numba and NumPy have no gradient: central differences cost them eight runs. exponax "
    "discretises differently in space (spectrally) and in time (ETDRK2), so its result is another "
    "approximation of the same equation: the difference grows from 1 % after 20 steps as the "
    'fronts move at slightly other speeds. mfnjax takes `adjoint="per_step"`, which bounds memory; '
    "the plain loop keeps every step."
)


def tables(options: argparse.Namespace) -> Iterator[Table]:
    """Runs, then gradients."""
    jax.config.update("jax_enable_x64", True)
    size, steps, fields = options.size, options.steps, start(options.size)
    try:
        peers = [make(fields, steps) for make in PEERS]
    except ModuleNotFoundError as error:
        told = f'{error.name} is not installed: pip install "mfnjax[bench]"'
        raise MfnError(told) from error
    runs = {p.name: (p.computes, p.run) for p in peers}
    gradients = {p.name: (p.computes, p.gradient) for p in peers if p.gradient is not None}
    title = f"Gray–Scott, {size}² × {steps} steps, double precision"
    yield table_of(title, runs, options.repeats, "same_formula")
    title = f"Gradient for (F, k, D_u, D_v) through {GRADIENT_STEPS} steps"
    last = table_of(title, gradients, options.repeats, "gradient")
    yield Table(last.title, last.rows, last.note + NOTE)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=128, help="cells a side")
    parser.add_argument("--steps", type=int, default=1000, help="time steps")
    parser.add_argument("--repeats", type=int, default=7, help="timed runs of each")


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write JSON; 1 if a program that computes the same does not agree."""
    return suite("peers", __doc__, tables, options=_options, argv=argv)
