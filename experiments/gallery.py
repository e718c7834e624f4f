"""Twenty equations as text, each on a domain, each with a picture.

``python -m experiments.gallery`` draws the pictures of ``docs/gallery/`` and prints the table of
``docs/equations.md``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import jax
import numpy as np

from mfnjax import PDE, Dirichlet, Grid, Robin, Trajectory, simulate
from mfnjax.errors import MfnError

FOLDER = Path(__file__).parents[1] / "docs/gallery"


@final
@dataclass(frozen=True)
class Entry:
    """One picture: an equation, a domain, a start.

    Attributes:
        title: What is seen.
        text: The equations.
        grid: The domain.
        start: Field → text.
        steps: Number of steps.
        dt: Time step.
        parameters: Of the equations.
        stepper: None: the equation's own.
        history: Save so many frames, and draw space against time.
        field: What is drawn; None: the last one.
    """

    title: str
    text: str
    grid: Grid
    start: dict[str, str]
    steps: int
    dt: float
    parameters: dict[str, Any] = field(default_factory=dict)
    stepper: str | None = None
    history: int | None = None
    field: str | None = None

    def run(self, share: float = 1.0) -> Trajectory:
        """Run it, or the first ``share`` of it."""
        steps = max(int(self.steps * share), 1)
        return simulate(
            PDE(self.text, **self.parameters),
            self.start,
            grid=self.grid,
            steps=steps,
            dt=self.dt,
            stepper=self.stepper,
            save_every=max(steps // self.history, 1) if self.history else None,
            key=jax.random.key(1),
        )


GRAY_SCOTT = """
u_t = D_u*lap(u) - u*v^2 + F*(1 - u)
v_t = D_v*lap(v) + u*v^2 - (F + k)*v
"""
SEEDS = {
    "u": "1 - 0.5*((x - 64)^2 + (y - 64)^2 < 100)",
    "v": "0.25*((x - 64)^2 + (y - 64)^2 < 100) + 0.02*uniform()",
}
SPOTS = {"D_u": 0.16, "D_v": 0.08, "F": 0.03, "k": 0.062}
AIR = Robin(0.05, 1.0)
WALLS = {"x-": Dirichlet(1.0), "x+": Dirichlet(0.0), "y": "neumann"}


def hole(size: int, radius: float) -> Any:
    """A square of cells without a disc in its middle."""
    at = np.arange(size) + 0.5 - size / 2
    return at[:, None] ** 2 + at[None, :] ** 2 > radius**2


ENTRIES: dict[str, Entry] = {
    "gray-scott-dish": Entry(
        "Gray–Scott spots in a round dish",
        GRAY_SCOTT, Grid.disc(128), SEEDS, 6000, 1.0, SPOTS,
    ),
    "gray-scott-grain": Entry(
        "The same where diffusion along x is four times as fast",
        "u_t = div(vec(4*D_u*dx(u), D_u*dy(u))) - u*v^2 + F*(1 - u)\n"
        "v_t = div(vec(4*D_v*dx(v), D_v*dy(v))) + u*v^2 - (F + k)*v",
        Grid((128, 128)), SEEDS, 20_000, 0.5, {"D_u": 0.1, "D_v": 0.05, "F": 0.035, "k": 0.065},
    ),
    "fisher-two-soils": Entry(
        "A colony that spreads four times as easily in the right half",
        "u_t = div(D*grad(u)) + r*u*(1 - u)",
        Grid.disc(128), {"u": "1.0*((x - 64)^2 + (y - 64)^2 < 36)"}, 520, 0.1,
        {"D": "0.5 + 1.5*(x > 64)", "r": 0.3},
    ),
    "heat-walls": Entry(
        "Heat from a wall held at 1 to one held at 0, round a hole",
        "u_t = D*lap(u)",
        Grid((96, 96), boundary=WALLS, mask=hole(96, 24)), {"u": "0"}, 20_000, 0.2, {"D": 1.0},
    ),
    "cooling-plate": Entry(
        "A warm plate that loses heat to the air, and is held on the left",
        "u_t = D*lap(u)",
        Grid((64, 128), boundary={"x-": Dirichlet(1.0), "x+": AIR, "y": AIR}),
        {"u": "0"}, 20_000, 0.2, {"D": 1.0},
    ),
    "heat-pulse": Entry(
        "A wall that swings: a wave of heat that fades (space against time)",
        "u_t = D*lap(u)",
        Grid(128, 0.25, {"x-": Dirichlet("sin(0.3*t)"), "x+": "neumann"}), {"u": "0"},
        4000, 0.02, {"D": 1.0}, history=200,
    ),
    "wind": Entry(
        "A spot pushed by the wind, as it spreads",
        "u_t = D*lap(u) - div(vec(c, c/2)*u)",
        Grid((128, 128)), {"u": "exp(-((x - 30)^2 + (y - 40)^2)/40)"}, 400, 0.2,
        {"D": 0.2, "c": 0.8},
    ),
    "stirring": Entry(
        "Two halves stirred by a vortex",
        "u_t = -div(vec(s*(64 - y)*g, s*(x - 64)*g)*u)",
        Grid((128, 128), boundary="neumann"), {"u": "1.0*(x > 64)"}, 1500, 0.1,
        {"s": 0.1, "g": "exp(-((x - 64)^2 + (y - 64)^2)/800)"}, "ssprk3",
    ),
    "burgers": Entry(
        "Burgers: waves that steepen and merge (space against time)",
        "u_t = D*lap(u) - div(vec(u/2)*u)",
        Grid(256, 0.5), {"u": "sin(2*pi*x/128) + 0.5*sin(6*pi*x/128 + 1)"}, 4000, 0.05,
        {"D": 0.2}, history=200,
    ),
    "porous-medium": Entry(
        "The porous medium equation: a sharp front (space against time)",
        "u_t = lap(u^2)",
        Grid(200, 0.1, "neumann"), {"u": "3*(abs(x - 10) < 1)"}, 20_000, 0.0005, history=200,
    ),
    "cahn-hilliard": Entry(
        "Cahn–Hilliard: two phases part",
        "u_t = lap(u^3 - u - kappa*lap(u))",
        Grid((128, 128)), {"u": "0.1*normal()"}, 20_000, 0.01, {"kappa": 1.0},
    ),
    "swift-hohenberg-ramp": Entry(
        "Swift–Hohenberg, driven the harder the farther right",
        "u_t = r*u - u - 2*lap(u) - lap(lap(u)) - u^3",
        Grid((128, 128), boundary="neumann"), {"u": "0.05*normal()"}, 1200, 0.1,
        {"r": "0.6*(x - 64)/64"}, "etdrk2",
    ),
    "kuramoto-sivashinsky": Entry(
        "Kuramoto–Sivashinsky: chaos (space against time)",
        "u_t = -lap(u) - lap(lap(u)) - div(vec(u/2)*u)",
        Grid(256, 0.5), {"u": "0.1*normal()"}, 6000, 0.02, stepper="etdrk4", history=200,
    ),
    "ginzburg-landau": Entry(
        "Complex Ginzburg–Landau: spirals",
        "a_t = lap(a) - b1*lap(b) + a - (a^2 + b^2)*(a - b3*b)\n"
        "b_t = lap(b) + b1*lap(a) + b - (a^2 + b^2)*(b + b3*a)",
        Grid((128, 128)), {"a": "0.1*normal()", "b": "0.1*normal()"}, 6000, 0.02,
        {"b1": 0.0, "b3": -0.7}, field="a",
    ),
    "keller-segel": Entry(
        "Keller–Segel: cells that follow their own signal gather",
        "u_t = D*lap(u) - div(chi*u*(1 - u)*grad(c))\nc_t = lap(c) + u - c",
        Grid((128, 128)), {"u": "0.5 + 0.02*normal()", "c": "0.5"}, 4000, 0.05,
        {"D": 0.3, "chi": 3.0}, field="u",
    ),
    "vegetation": Entry(
        "Klausmeier: bands of vegetation on a slope (water runs to the left)",
        "w_t = a - w - w*n^2 + div(vec(s, 0)*w) + lap(w)\nn_t = w*n^2 - m*n + lap(n)",
        Grid((96, 96), 1.0), {"w": "1.0", "n": "1.5 + 0.5*uniform()"}, 20_000, 0.01,
        {"a": 1.2, "s": 40.0, "m": 0.45},
    ),
    "spiral": Entry(
        "Barkley: a spiral in a dish with a hole",
        "u_t = lap(u) + u*(1 - u)*(u - (v + b)/a)/eps\nv_t = u - v",
        Grid((160, 160), 0.4, "neumann", hole(160, 16)),
        {"u": "1.0*(x > 32)", "v": "0.4*(y > 32)"}, 4000, 0.01,
        {"a": 0.75, "b": 0.06, "eps": 0.04}, field="u",
    ),
    "phases-with-noise": Entry(
        "Allen–Cahn with noise in space and time",
        "u_t = D*lap(u) + u - u^3 + noise(s)",
        Grid((128, 128)), {"u": "0.1*normal()"}, 800, 0.05, {"D": 1.0, "s": 0.5},
    ),
    "rock-paper-scissors": Entry(
        "Three species, each of which beats the next",
        "a_t = D*lap(a) + a*(1 - a - b - c) - s*a*c\n"
        "b_t = D*lap(b) + b*(1 - a - b - c) - s*b*a\n"
        "c_t = D*lap(c) + c*(1 - a - b - c) - s*c*b",
        Grid((128, 128)), dict.fromkeys("abc", "uniform()"), 4000, 0.1, {"D": 0.3, "s": 1.0},
    ),
    "turing-solid": Entry(
        "Schnakenberg in three dimensions",
        "u_t = lap(u) + k*(a - u + u^2*v)\nv_t = d*lap(v) + k*(b - u^2*v)",
        Grid((40, 40, 40), boundary="neumann"),
        {"u": "1 + 0.02*normal()", "v": "0.9"}, 12_000, 0.008,
        {"a": 0.1, "b": 0.9, "d": 20.0, "k": 0.3}, field="u",
    ),
}  # fmt: skip


def draw(name: str, folder: Path = FOLDER, share: float = 1.0) -> Path:
    """Run an entry and draw its end, or its history over time; returns the file."""
    from mfnjax.plotting.style import save_figure

    entry = ENTRIES[name]
    run = entry.run(share)
    run.status.raise_if_bad()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    save_figure(run.plot(entry.field), path, dpi=60)
    return path


def table() -> str:
    """The rows of the gallery in ``docs/equations.md``."""
    rows = ["| | |", "|---|---|"]
    for name, entry in ENTRIES.items():
        text = "<br>".join(f"`{line}`" for line in entry.text.strip().split("\n"))
        rows.append(f"| ![{entry.title}](gallery/{name}.png) | **{entry.title}**<br>{text} |")
    return "\n".join(rows)


def main() -> int:
    """Draw the entries that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ENTRIES], metavar="NAME")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    for name in arguments.names or ENTRIES:
        try:
            print(draw(name, arguments.folder))
        except MfnError as error:
            print(f"{name}: {error}")
            return 1
    print(table())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
