"""Eight equations as text with sides of every kind, here and in py-pde, in one run.

    python -m benchmarks.equations [--steps 200] [-o FILE]

Both programs compute the same: second-order stencils, the same ghost cells, explicit Euler, double
precision. py-pde compiles each equation with numba for seconds; here its compiled step is kept and
timed alone, as mfnjax's is. Needs the extra ``bench``: ``pip install "mfnjax[bench]"``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.tables import Table, suite, timed
from benchmarks.harness.timing import Call, interleaved
from benchmarks.suites.peers import difference
from mfnjax import PDE, Dirichlet, Grid, Neumann, Robin, simulate
from mfnjax.errors import MfnError

CLOSED = {"x": Neumann(), "y": Neumann()}
THEIR_CLOSED = {"x": {"derivative": 0}, "y": {"derivative": 0}}
AGREE = 1e-10
FASTER = 0.6


@final
@dataclass(frozen=True)
class Case:
    """One equation in both languages.

    Attributes:
        title: What it is.
        text: For mfnjax.
        theirs: Field → right-hand side, for py-pde.
        shape: Cells in the order of an array here, (y, x) or (z, y, x).
        spacing: One an axis in the same order.
        sides: Here.
        their_sides: There; None: periodic.
        dt: Time step.
        parameters: Of both.
    """

    title: str
    text: str
    theirs: dict[str, str]
    shape: tuple[int, ...] = (256, 256)
    spacing: Any = 1.0
    sides: Any = "periodic"
    their_sides: Any = None
    dt: float = 0.1
    parameters: dict[str, float] = field(default_factory=dict)


CASES = (
    Case(
        "Fisher–KPP, torus",
        "u_t = D*lap(u) + r*u*(1 - u)",
        {"u": "D * laplace(u) + r * u * (1 - u)"},
        parameters={"D": 0.5, "r": 0.3},
    ),
    Case(
        "Gray–Scott, no flux",
        "u_t = a*lap(u) - u*v^2 + F*(1 - u)\nv_t = b*lap(v) + u*v^2 - (F + k)*v",
        {"u": "a*laplace(u) - u*v**2 + F*(1 - u)", "v": "b*laplace(v) + u*v**2 - (F + k)*v"},
        sides=CLOSED,
        their_sides=THEIR_CLOSED,
        dt=1.0,
        parameters={"a": 0.16, "b": 0.08, "F": 0.04, "k": 0.062},
    ),
    Case(
        "heat between walls of the values 1 and 0",
        "u_t = lap(u)",
        {"u": "laplace(u)"},
        sides={"x-": Dirichlet(1.0), "x+": Dirichlet(0.0), "y": "periodic"},
        their_sides={"x-": {"value": 1}, "x+": {"value": 0}, "y": "periodic"},
    ),
    Case(
        "heat: Robin, a slope, a wall",
        "u_t = lap(u)",
        {"u": "laplace(u)"},
        spacing=(0.5, 1.0),
        sides={
            "x-": Robin(0.3, 1.0, 0.2),
            "x+": Neumann(0.5),
            "y-": Dirichlet(1.0),
            "y+": "neumann",
        },
        their_sides={
            "x-": {"type": "mixed", "value": 0.3, "const": 0.2},
            "x+": {"derivative": 0.5},
            "y-": {"value": 1},
            "y+": {"derivative": 0},
        },
        dt=0.05,
    ),
    Case(
        "Cahn–Hilliard, torus",
        "u_t = lap(u^3 - u - lap(u))",
        {"u": "laplace(u**3 - u - laplace(u))"},
        dt=0.01,
    ),
    Case(
        "Swift–Hohenberg, no flux",
        "u_t = r*u - u - 2*lap(u) - lap(lap(u)) - u^3",
        {"u": "r*u - u - 2*laplace(u) - laplace(laplace(u)) - u**3"},
        sides=CLOSED,
        their_sides=THEIR_CLOSED,
        dt=0.02,
        parameters={"r": 0.3},
    ),
    Case(
        "Kuramoto–Sivashinsky, torus",
        "u_t = -lap(u) - lap(lap(u)) - 0.5*dot(grad(u), grad(u))",
        {"u": "-laplace(u) - laplace(laplace(u)) - 0.5 * gradient_squared(u)"},
        dt=0.01,
    ),
    Case(
        "Allen–Cahn in three dimensions",
        "u_t = lap(u) + u - u^3",
        {"u": "laplace(u) + u - u**3"},
        shape=(48, 48, 48),
    ),
)


def _their_order(array: Any) -> np.ndarray:
    """An array as py-pde has it, x first."""
    return np.ascontiguousarray(np.transpose(np.asarray(array)))


def ours(case: Case, start: dict[str, jax.Array], steps: int) -> Call:
    """The compiled run here."""
    grid = Grid(case.shape, case.spacing, case.sides)
    model = PDE(case.text, **case.parameters)
    run = jax.jit(lambda s: simulate(model, s, grid=grid, steps=steps, dt=case.dt).state.values)
    return lambda: run(start)


def theirs(case: Case, start: dict[str, jax.Array], steps: int) -> Call:
    """py-pde's compiled run."""
    import pde

    sizes = case.shape[::-1]
    spacing = (np.ones(len(sizes)) * np.asarray(case.spacing))[::-1]
    bounds = [[0, n * h] for n, h in zip(sizes, spacing, strict=True)]
    if case.their_sides is None:
        periodic: Any = [True] * len(sizes)
        sides: Any = "auto_periodic_neumann"
    else:
        periodic = [case.their_sides.get(axis) == "periodic" for axis in "xyz"[: len(sizes)]]
        sides = case.their_sides
    grid = pde.CartesianGrid(bounds, sizes, periodic=periodic)
    equation = pde.PDE(case.theirs, consts=case.parameters, bc=sides)

    def begin() -> Any:
        scalars = [pde.ScalarField(grid, _their_order(u)) for u in start.values()]
        return scalars[0] if len(scalars) == 1 else pde.FieldCollection(scalars)

    stepper = pde.EulerSolver(equation, backend="numba").make_stepper(begin(), dt=case.dt)

    def run() -> tuple[np.ndarray, ...]:
        state = begin()
        stepper(state, 0.0, steps * case.dt)
        fields = [state] if len(start) == 1 else list(state)
        return tuple(np.transpose(one.data) for one in fields)

    return run


def row_of(case: Case, steps: int, repeats: int) -> dict[str, Any]:
    """Time both in turn, and compare their results."""
    key = jax.random.key(0)
    names = PDE(case.text, **case.parameters).fields
    start = {
        name: 0.5 + 0.1 * jax.random.normal(jax.random.fold_in(key, k), case.shape, jnp.float64)
        for k, name in enumerate(names)
    }
    mine, peer = ours(case, start, steps), theirs(case, start, steps)
    off = difference(peer(), mine())
    times = interleaved({"mfnjax": mine, "py-pde": peer}, repeats=repeats)
    ratio = times["mfnjax"].min_ms / times["py-pde"].min_ms
    good = off <= AGREE and ratio <= FASTER
    return {
        "equation": case.title,
        **timed(times["mfnjax"]),
        "py-pde, fastest ms": times["py-pde"].min_ms,
        "mfnjax / py-pde": ratio,
        "difference": f"{off:.1e}",
        "target": f"≤ {FASTER}, ≤ {AGREE:g}",
        "verdict": "ok" if good else "MISS",
    }


def tables(options: argparse.Namespace) -> Iterator[Table]:
    """One table, a row an equation."""
    jax.config.update("jax_enable_x64", True)
    try:
        rows = [row_of(case, options.steps, options.repeats) for case in CASES]
    except ModuleNotFoundError as error:
        told = f'{error.name} is not installed: pip install "mfnjax[bench]"'
        raise MfnError(told) from error
    yield Table(f"Equations as text, {options.steps} steps, double precision", rows)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=200, help="time steps")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each")


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write JSON; 1 if an equation misses."""
    return suite("equations", __doc__, tables, options=_options, argv=argv)
