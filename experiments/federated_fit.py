"""Several laboratories fit one Fisher–KPP model, some of them hostile.

``python -m experiments.federated_fit`` prints the error of the fitted parameters for every
attack and rule. Each laboratory has its own noisy observation of a spreading front, computes the
gradient of its misfit with respect to (ln D, ln λ) through the simulation, and sends that alone.
The server aggregates and takes an Adam step. Hostile laboratories send what `ATTACKS` says.

What it shows (18 honest, 5 hostile, 150 rounds, on a CPU): with every robust rule all eight
attacks leave D and λ within 10 % (within 3 % for Krum, multi-Krum, the trimmed mean and the
geometric median). The plain mean is off by 525 % under sign flip, by 154 % under large
Gaussians, and lost as soon as one value is not a number. Against the subtle attacks (inner
product, ALIE, mimic) the plain mean does as well as any rule, 1–2 %: in two dimensions, with
gradients that agree as well as these, they find nothing to hide behind. Without an attack a
robust rule costs some accuracy: 1.1 % for the mean, up to 4.9 % (Bulyan).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from mfnjax import FisherKPPModel, Grid, simulate
from mfnjax.federated import (
    ATTACKS,
    bulyan,
    coordinate_median,
    geometric_median,
    hierarchical_krum,
    krum,
    multi_krum,
    trimmed_mean,
)

GRID = Grid((1, 64), boundary="neumann")
STEPS, DT = 60, 0.1
TRUE = np.log(np.array([1.0, 0.8]))
START = np.log(np.array([0.4, 1.6]))
NOISE = 0.05

Rule = Callable[[Array, int], Array]

RULES: dict[str, Rule] = {
    "mean": lambda g, f: jnp.mean(g, axis=0),
    "Krum": lambda g, f: krum(g, f).update,
    "multi-Krum": lambda g, f: multi_krum(g, f).update,
    "Bulyan": lambda g, f: bulyan(g, f).update,
    "median": lambda g, f: coordinate_median(g, f).update,
    "trimmed mean": lambda g, f: trimmed_mean(g, f).update,
    "geometric median": lambda g, f: geometric_median(g, f).update,
    "hierarchical Krum": lambda g, f: (
        hierarchical_krum(
            g, num_clusters=3, byzantine_fraction=f / len(g), strict=False, key=jax.random.key(0)
        ).update
    ),
}


def frames(theta: Array, start: Array) -> Array:
    """u at four times of the run with D, λ = exp(θ): (4, 1, W)."""
    model = FisherKPPModel(diffusivity=jnp.exp(theta[0]), growth_rate=jnp.exp(theta[1]))
    run = simulate(
        model,
        {"u": start},
        grid=GRID,
        steps=STEPS,
        dt=DT,
        save_every=15,
        save="u",
        adjoint="direct",
    )
    return run.history


@lru_cache
def laboratories(number: int) -> tuple[Array, Array]:
    """(initial fields, noisy frames), one per laboratory: faint spots of different widths.

    Early growth tells λ, the spreading of a narrow spot tells D. (A finished front alone tells
    little more than their product: its speed is 2√(Dλ).)
    """
    widths = jnp.linspace(1.5, 4, number)
    x = jnp.arange(GRID.shape[1], dtype=jnp.float32) - GRID.shape[1] / 2
    starts = 0.3 * jnp.exp(-((x[None, :] / widths[:, None]) ** 2))[:, None, :]
    clean = jax.jit(jax.vmap(frames, in_axes=(None, 0)))(jnp.asarray(TRUE, jnp.float32), starts)
    noise = NOISE * jax.random.normal(jax.random.key(5), clean.shape)
    return starts, clean + noise


@jax.jit
def gradients(theta: Array, starts: Array, observed: Array) -> Array:
    """(laboratories, 2) gradients of each one's mean squared misfit."""

    def misfit(theta: Array, start: Array, seen: Array) -> Array:
        return jnp.mean((frames(theta, start) - seen) ** 2)

    return jax.vmap(jax.grad(misfit), in_axes=(None, 0, 0))(theta, starts, observed)


def fit(rule: Rule, attack: str | None, honest: int, hostile: int, rounds: int) -> float:
    """Largest relative error of (D, λ) after the fit; infinite if it left the numbers."""
    # Without an attack the same number take part, all honest, under the same rule and f.
    starts, observed = laboratories(honest if attack else honest + hostile)
    adam = optax.adam(0.05)
    theta = jnp.asarray(START, jnp.float32)
    moments: Any = adam.init(theta)
    for number in range(rounds):
        sent = gradients(theta, starts, observed)
        if attack is not None:
            key = jax.random.fold_in(jax.random.key(9), number)
            sent = jnp.concatenate([ATTACKS[attack](sent, hostile, key=key), sent])
        update, moments = adam.update(rule(sent, hostile), moments)
        # D·dt/dx² ≤ ½: the server keeps what it hands out inside the stability bound.
        theta = jnp.clip(theta + update, jnp.log(1e-3), jnp.log(jnp.array([2.4, 5.0])))
        if not bool(jnp.all(jnp.isfinite(theta))):
            return float("inf")
    return float(np.max(np.abs(np.exp(np.asarray(theta) - TRUE) - 1)))


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--honest", type=int, default=18, help="honest laboratories")
    parser.add_argument("--hostile", type=int, default=5, help="hostile ones (Bulyan: n ≥ 4f + 3)")
    parser.add_argument("--rounds", type=int, default=150, help="rounds of aggregation")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    lines = ["| attack | " + " | ".join(RULES) + " |", "|---" * (len(RULES) + 1) + "|"]
    for attack in (None, *ATTACKS):
        errors = [
            fit(rule, attack, options.honest, options.hostile, options.rounds)
            for rule in RULES.values()
        ]
        cells = ["lost" if not np.isfinite(e) else f"{100 * e:.1f} %" for e in errors]
        lines.append(f"| {attack or 'none'} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    text = "\n".join(lines)
    print("\nLargest relative error of D and λ after the fit:\n\n" + text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
