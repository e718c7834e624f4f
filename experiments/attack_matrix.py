"""Every attack against every aggregation rule: ``python -m experiments.attack_matrix``.

27 clients, 5 of them hostile: inside every rule's contract (Bulyan needs 27 ≥ 4·5 + 3). Honest
updates are the true one plus normal noise in 40 coordinates. The figure is the distance of the
answer from the honest mean, over the honest spread (the farthest honest client's distance):
below 1 an attack did no more than one unlucky honest client could. Median over the seeds.

The hostile clients are dealt so that no cluster of hierarchical Krum gets more of them than it
can bear: that is its contract, which chance keeps only most of the time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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

CLIENTS, HOSTILE, PARAMETERS = 27, 5, 40
DEAL = jax.random.key(7)

Rule = Callable[[Any, int], Any]


def _hierarchical(updates: Any, f: int) -> Any:
    return hierarchical_krum(updates, num_clusters=3, byzantine_fraction=0.2, key=DEAL)


RULES: dict[str, Rule] = {
    "Krum": krum,
    "multi-Krum": multi_krum,
    "Bulyan": bulyan,
    "median": coordinate_median,
    "trimmed mean": trimmed_mean,
    "geometric median": geometric_median,
    "hierarchical Krum": _hierarchical,
}


def case(attack: str | None, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(all updates (27, 40), the honest ones)."""
    key = jax.random.key(seed)
    honest_number = CLIENTS - (HOSTILE if attack else 0)
    noise = jax.random.normal(key, (honest_number, PARAMETERS), jnp.float32)
    honest = 1.0 + 0.3 * noise
    if attack is None:
        return np.asarray(honest), np.asarray(honest)
    hostile = ATTACKS[attack](honest, HOSTILE, key=jax.random.fold_in(key, 1))
    order = np.asarray(jax.random.permutation(DEAL, CLIENTS))
    places = order[np.array([0, 9, 10, 18, 19])]
    rest = np.setdiff1d(np.arange(CLIENTS), places)
    updates = np.empty((CLIENTS, PARAMETERS), np.float32)
    updates[places], updates[rest] = np.asarray(hostile), np.asarray(honest)
    return updates, np.asarray(honest)


def spread(honest: np.ndarray) -> float:
    """The farthest honest client's distance from the honest mean."""
    return float(np.max(np.linalg.norm(honest - honest.mean(axis=0), axis=1)))


def errors(attack: str | None, seed: int = 3) -> dict[str, float]:
    """Rule → distance of its answer from the honest mean, in honest spreads."""
    updates, honest = case(attack, seed)
    centre, scale = honest.mean(axis=0), spread(honest)
    answers = {
        name: np.asarray(rule(jnp.asarray(updates), HOSTILE).update) for name, rule in RULES.items()
    }
    with np.errstate(invalid="ignore", over="ignore"):
        answers["plain mean"] = updates.mean(axis=0)
        return {
            name: float(np.linalg.norm(answer - centre)) / scale for name, answer in answers.items()
        }


def table(seeds: int) -> str:
    """The matrix, as Markdown."""
    names = ["plain mean", *RULES]
    lines = ["| attack | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for attack in (None, *ATTACKS):
        found = [errors(attack, seed) for seed in range(seeds)]
        medians = [np.median([one[name] for one in found]) for name in names]
        cells = [f"{m:.2f}" if m < 100 else f"{m:.0f}" for m in medians]
        cells = [c if np.isfinite(m) else "lost" for c, m in zip(cells, medians, strict=True)]
        lines.append(f"| {attack or 'none'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=50, help="draws of honest and hostile updates")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    text = table(options.seeds)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
