"""The numbers of the v4.1 model and of its runs, each declared once (without JAX)."""

from __future__ import annotations

from mfnjax._parameter import Parameter

DIFFUSIVITY_MAX = 0.25
"""Explicit-Euler bound dt·D·4/dx² ≤ 1 at dt = dx = 1, for the 5-point Laplacian."""


def _diffusivity(default: float, symbol: str, text: str, *, low: float = 0.01) -> Parameter:
    """α may be at the bound, and must be over 0; the other two are the other way round."""
    is_alpha = low == 0.0
    return Parameter(
        default,
        (symbol,),
        "cell²/step",
        low,
        DIFFUSIVITY_MAX,
        open_low=is_alpha,
        open_high=not is_alpha,
        text=text,
        stability_bound=True,
    )


MYCELIUM_PARAMETERS: dict[str, Parameter] = {
    "alpha": _diffusivity(0.18, "α", "Diffusion of the potential", low=0.0),
    "d_activator": _diffusivity(0.1, "D_a", "Diffusion of the activator"),
    "d_inhibitor": _diffusivity(0.05, "D_i", "Diffusion of the inhibitor"),
    "r_activator": Parameter(
        0.01, ("r_a",), "1/step", 0.001, 0.1, text="Reaction rate of the activator"
    ),
    "r_inhibitor": Parameter(
        0.02, ("r_i",), "1/step", 0.001, 0.1, text="Reaction rate of the inhibitor"
    ),
    "turing_threshold": Parameter(0.75, ("θ",), "1", 0.0, 1.0, text="Activation threshold"),
    "spike_probability": Parameter(
        0.25, ("p",), "1/step", 0.0, 1.0, text="Chance of one growth event per step"
    ),
    "jitter_var": Parameter(0.0005, ("σ²",), "V²", 0.0, 0.01, text="Variance of the jitter"),
    "growth_mean": Parameter(0.020, (), "V", text="Mean of what a growth event adds"),
    "growth_std": Parameter(
        0.005, (), "V", 0.0, text="Standard deviation of what a growth event adds"
    ),
    "turing_enabled": Parameter(
        True, static=True, text="Couple the activator–inhibitor pair to the potential"
    ),
    "quantum_jitter": Parameter(
        False, static=True, text="Add plain Gaussian noise to the potential each step"
    ),
}
"""Every number and flag of the v4.1 model by name."""

GRID_SIZE = Parameter(64, low=4, high=1024, text="Cells per side of the square grid")
STEPS = Parameter(64, low=1, high=10_000, text="Steps")
