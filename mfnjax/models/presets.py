"""Named parameter sets, and what a run of each ends in.

Every preset is simulated by the tests (96² cells, the model's own start and stepper) and found to
do what its ``outcome`` says. The Greek letters of Gray–Scott are Pearson's classes, at parameters
where this discretisation (dx = dt = 1, D_u = 0.16, D_v = 0.08) shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

Outcome = Literal[
    "spots", "holes", "labyrinth", "active", "pulse", "domains", "front", "uniform", "smoothing"
]
"""What a run ends in.

``spots``, ``holes``, ``labyrinth``: a stationary pattern of that kind. ``active``: structure that
never comes to rest (waves, spirals, chaos). ``pulse``: one wave that travels. ``domains``: two
phases that coarsen. ``front``: an invasion that fills the plate. ``uniform``: one level everywhere.
``smoothing``: a random field that diffusion smooths, and no pattern.
"""

STATIONARY_PATTERNS = ("spots", "holes", "labyrinth")
"""The outcomes that are patterns at rest."""


@final
@dataclass(frozen=True)
class Preset:
    """A named parameter set, and what it does.

    Attributes:
        parameters: Parameter name → value.
        description: What a run of it ends in.
        steps: A run long enough to see it.
        dt: Time step of that run, on a grid of spacing 1 with the model's own stepper.
        outcome: The same as one word, as a test checks it.
        needs_push: Whether the structure grows from a finite push alone, the start's: the state
            around it is stable, so that linear stability (`mfnjax.stability`) cannot foretell it.
    """

    parameters: Mapping[str, float]
    description: str
    steps: int = 10_000
    dt: float = 1.0
    outcome: Outcome = "uniform"
    needs_push: bool = False


def _gray_scott(feed: float, kill: float, outcome: Outcome, description: str) -> Preset:
    # u = 1, v = 0 is stable at every F and k.
    push = outcome != "uniform"
    return Preset({"feed": feed, "kill": kill}, description, 12_000, 1.0, outcome, push)


GRAY_SCOTT: dict[str, Preset] = {
    "spots": _gray_scott(0.030, 0.062, "spots", "spots that divide until they fill the plate"),
    "labyrinth": _gray_scott(0.029, 0.057, "labyrinth", "stripes that fill the plate"),
    "holes": _gray_scott(0.039, 0.058, "holes", "a crystal of holes"),
    "coral": _gray_scott(0.0545, 0.062, "labyrinth", "branches that grow like coral"),
    "uniform": _gray_scott(0.040, 0.050, "uniform", "fills the plate evenly, v = 0.319"),
    "extinct": _gray_scott(0.040, 0.068, "uniform", "dies out: u = 1, v = 0"),
    "alpha": _gray_scott(0.010, 0.047, "active", "Pearson's α: fragments of waves, never at rest"),
    "beta": _gray_scott(0.026, 0.051, "active", "Pearson's β: chaos of waves and holes"),
    "gamma": _gray_scott(0.022, 0.051, "labyrinth", "Pearson's γ: stripes that keep drifting"),
    "delta": _gray_scott(0.042, 0.059, "holes", "Pearson's δ: hexagons of holes"),
    "epsilon": _gray_scott(0.018, 0.055, "active", "Pearson's ε: rings that split and die"),
    "zeta": _gray_scott(0.026, 0.059, "active", "Pearson's ζ: spots that split and die"),
    "eta": _gray_scott(0.034, 0.063, "spots", "Pearson's η: spots and short stripes"),
    "theta": _gray_scott(0.038, 0.061, "labyrinth", "Pearson's θ: rings and stripes"),
    "iota": _gray_scott(0.046, 0.0594, "holes", "Pearson's ι: holes that spread through a level"),
    "kappa": _gray_scott(0.058, 0.063, "labyrinth", "Pearson's κ: worms that join to a labyrinth"),
    "lambda": _gray_scott(0.034, 0.065, "spots", "Pearson's λ: a crystal of dividing spots"),
    "mu": _gray_scott(0.046, 0.065, "labyrinth", "Pearson's μ: worms that grow at their ends"),
}

FISHER_KPP: dict[str, Preset] = {
    "colony": Preset(
        {"diffusivity": 0.2, "growth_rate": 0.1},
        "a disc that grows at the speed 2√(Dλ) = 0.28 until it fills the plate",
        2_000,
        1.0,
        "front",
    ),
}

SCHNAKENBERG: dict[str, Preset] = {
    "spots": Preset({"d_v": 30.0}, "spots, about 11 cells apart", 20_000, 0.0075, "spots"),
    "subcritical": Preset(
        {"d_v": 8.0}, "below the critical ratio 8.57: noise dies out", 4_000, 0.025, "uniform"
    ),
}

BRUSSELATOR: dict[str, Preset] = {
    "spots": Preset(
        {"drive": 4.5}, "hexagons of spots, about 6 cells apart", 10_000, 0.01, "spots"
    ),
    "labyrinth": Preset(
        {"supply": 4.5, "drive": 7.5, "d_v": 8.0},
        "stripes, about 5 cells apart",
        20_000,
        0.01,
        "labyrinth",
    ),
    "oscillation": Preset(
        {"supply": 1.0, "drive": 3.0, "d_v": 1.0},
        "every cell oscillates for ever; phase waves cross the plate",
        4_000,
        0.02,
        "active",
    ),
    "subcritical": Preset(
        {"drive": 3.5}, "below the Turing threshold 3.797: noise dies out", 8_000, 0.01, "uniform"
    ),
}

GIERER_MEINHARDT: dict[str, Preset] = {
    "spots": Preset({}, "sharp spots of activator, about 10 cells apart", 25_000, 0.008, "spots"),
    "labyrinth": Preset(
        {"saturation": 0.05}, "stripes, since activation saturates", 40_000, 0.008, "labyrinth"
    ),
    "subcritical": Preset(
        {"d_inhibitor": 4.0}, "the inhibitor spreads too little: noise dies out", 4_000, 0.03
    ),
}

FITZHUGH_NAGUMO: dict[str, Preset] = {
    "pulse": Preset(
        {}, "excitable: one wave travels and leaves rest behind", 1_000, 0.1, "pulse", True
    ),
    "spiral": Preset(
        {"recovery_rate": 0.03}, "a broken wave curls up into spirals", 10_000, 0.1, "active", True
    ),
    "oscillation": Preset(
        {"stimulus": 0.5}, "a current makes every cell fire for ever", 5_000, 0.1, "active"
    ),
    "labyrinth": Preset(
        {"recovery_rate": 2.0, "recovery_offset": 0.0, "d_w": 10.0},
        "a standing labyrinth: a fast inhibitor that spreads far",
        15_000,
        0.02,
        "labyrinth",
    ),
    "spots": Preset(
        {"recovery_rate": 2.0, "recovery_offset": 0.15, "d_w": 10.0},
        "standing spots: the labyrinth without its symmetry",
        30_000,
        0.02,
        "spots",
        True,
    ),
}

SWIFT_HOHENBERG: dict[str, Preset] = {
    "stripes": Preset({}, "stripes of the wavelength 2π/q₀", 1_000, 0.2, "labyrinth"),
    "hexagons": Preset(
        {"control": 0.1, "quadratic": 1.0}, "hexagons of spots", 1_000, 0.2, "spots"
    ),
    "subcritical": Preset({"control": -0.1}, "r < 0: noise dies out", 1_000, 0.2, "uniform"),
}

ALLEN_CAHN: dict[str, Preset] = {
    "domains": Preset({}, "domains of −1 and +1 that coarsen", 200, 0.1, "domains"),
}

KELLER_SEGEL: dict[str, Preset] = {
    "aggregates": Preset(
        {}, "even cells gather in aggregates, which slowly merge", 2_000, 0.05, "spots"
    ),
    "subcritical": Preset({"chemotaxis": 4.0}, "αχu(1 − u/K) < βD_u: noise dies out", 2_000, 0.1),
}

POROUS_FISHER: dict[str, Preset] = {
    "colony": Preset(
        {"diffusivity": 2.0, "growth_rate": 0.1},
        "a disc with a sharp edge that grows at the speed √(Dr/2) until it fills the plate",
        3_000,
        0.1,
        "front",
    ),
}

CAHN_HILLIARD: dict[str, Preset] = {
    "domains": Preset(
        {"interface": 0.5},
        "a mixture separates into domains of −1 and +1 that coarsen",
        1_400,
        0.5,
        "domains",
    ),
}

KLAUSMEIER: dict[str, Preset] = {
    "bands": Preset(
        {}, "bands of plants across the slope, which move uphill", 10_000, 0.02, "active"
    ),
}

CROSS_DIFFUSION: dict[str, Preset] = {
    "segregation": Preset(
        {}, "competitors part into places of their own", 15_000, 0.004, "labyrinth"
    ),
    "diffusion-only": Preset(
        {"u_from_v": 0.0}, "both live everywhere: noise dies out", 2_000, 0.02
    ),
}

COMPLEX_GINZBURG_LANDAU: dict[str, Preset] = {
    "spirals": Preset({}, "spirals about defects", 2_000, 0.05, "active"),
    "turbulence": Preset(
        {"dispersion": 2.0, "twist": -1.0},
        "1 + αβ < 0: turbulence of defects",
        2_000,
        0.05,
        "active",
    ),
}

KURAMOTO_SIVASHINSKY: dict[str, Preset] = {
    "chaos": Preset({}, "cells of a flame front that never come to rest", 1_000, 0.2, "active"),
}

BARKLEY: dict[str, Preset] = {
    "spiral": Preset({}, "spirals turn about their tips", 4_000, 0.01, "active", True),
}

GHK_MEMBRANE: dict[str, Preset] = {
    "puddle": Preset(
        {},
        "a puddle of potassium excites the sheet, spreads, and lets it come to rest",
        10_000,
        1e-4,
        "uniform",
    ),
}

MYCELIUM: dict[str, Preset] = {
    "v4.1": Preset(
        {},
        "the documented defaults: the potential relaxes to a smoothed random field, no pattern",
        100,
        1.0,
        "smoothing",
    ),
    "low-threshold": Preset(
        {"turing_threshold": 0.05},
        "the activator crosses θ and lifts V for some steps, then decays: still no pattern",
        100,
        1.0,
        "smoothing",
    ),
}
