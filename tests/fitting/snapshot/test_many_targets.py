"""Two dozen patterns of 128² cells, three classes: how often the answer is near enough.

Grown and fitted in single precision, as a user's are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import GrayScottModel, Grid, simulate
from mfnjax.fitting import SnapshotFit, fit_snapshot
from mfnjax.fitting.snapshot import classify_pattern, rates_of_fields
from tests.fitting.snapshot.conftest import noisy

pytestmark = pytest.mark.slow

GRID = Grid((128, 128))
PLACES = {
    "spots": [(0.030, 0.062), (0.034, 0.065), (0.034, 0.063), (0.028, 0.0615)],
    "labyrinth": [(0.029, 0.057), (0.038, 0.061), (0.0545, 0.062), (0.058, 0.063)],
    "holes": [(0.039, 0.058), (0.042, 0.059), (0.046, 0.0594), (0.050, 0.0605)],
}
GIVEN: dict[str, Any] = {"d_u": 0.16, "d_v": 0.08, "replicates": 0}
AT_REST = 0.02  # largest change of v in 100 steps, of its standard deviation


@dataclass(frozen=True)
class Grown:
    """A pattern at rest and what made it."""

    kind: str
    model: GrayScottModel
    u: np.ndarray
    v: np.ndarray


def grow(model: GrayScottModel, rng: np.random.Generator, steps: int) -> Any:
    """(u, v) after a run from seeds of 8 × 8 cells at random places."""
    inside = np.zeros(GRID.shape, bool)
    for row, column in rng.integers(0, 128, (30, 2)):
        inside[np.ix_((row + np.arange(8)) % 128, (column + np.arange(8)) % 128)] = True
    v = np.where(inside, 0.25, 0.0) * (1 + 0.05 * rng.standard_normal(GRID.shape))
    start = jnp.asarray(np.where(inside, 0.5, 1.0), jnp.float32), jnp.asarray(v, jnp.float32)
    return simulate(model, start, grid=GRID, steps=steps, stepper="euler").state


@pytest.fixture(scope="module", autouse=True)
def single_precision() -> Iterator[None]:
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def many(single_precision: None) -> list[Grown]:
    """Two of each place, those that are at rest."""
    rng = np.random.default_rng(20)
    found = []
    for kind, places in PLACES.items():
        for feed, kill in places * 2:
            model = GrayScottModel(
                feed * (1 + 0.01 * rng.standard_normal()),
                kill * (1 + 0.002 * rng.standard_normal()),
            )
            end = grow(model, rng, 30_000)
            later = simulate(model, end, grid=GRID, steps=100, stepper="euler").state["v"]
            u, v = np.asarray(end["u"]), np.asarray(end["v"])
            change = np.sqrt(np.mean((np.asarray(later) - v) ** 2)) / v.std()
            if change < AT_REST and classify_pattern(v) == kind:
                found.append(Grown(kind, model, u, v))
    assert len(found) >= 20, [target.kind for target in found]
    assert {target.kind for target in found} == set(PLACES)
    return found


def errors(found: dict[str, float], target: Grown) -> tuple[float, float]:
    """|F/F₀ − 1| and |k/k₀ − 1|; infinite where there is no answer."""
    if not found:
        return np.inf, np.inf
    return abs(found["feed"] / target.model.feed - 1), abs(found["kill"] / target.model.kill - 1)


def share_within(off: list[tuple[float, float]], feed: float, kill: float) -> float:
    return float(np.mean([f <= feed and k <= kill for f, k in off]))


def fits(many: list[Grown], picture: Any, **settings: Any) -> list[SnapshotFit]:
    return [
        fit_snapshot(picture(target.v, seed), **GIVEN, **settings, key=jax.random.key(seed))
        for seed, target in enumerate(many)
    ]


def test_exact_fields(many):
    given = {"d_u": 0.16, "d_v": 0.08}
    off = [errors(rates_of_fields(t.u, t.v, grid=GRID, **given), t) for t in many]
    assert share_within(off, 0.01, 0.002) == 1, off


def test_exact_v(many):
    found = fits(many, lambda v, seed: v, noise=0.0)
    off = [errors(fit.parameters, target) for fit, target in zip(found, many, strict=True)]
    assert share_within(off, 0.01, 0.002) == 1, off
    assert np.median([fit.seconds for fit in found]) < 2


def test_v_with_noise_and_the_class_of_a_new_run(many):
    found = fits(many, lambda v, seed: noisy(v, seed=seed))
    off = [errors(fit.parameters, target) for fit, target in zip(found, many, strict=True)]
    assert share_within(off, 0.05, 0.015) >= 0.95, off
    assert max(fit.seconds for fit in found) < 30
    rng = np.random.default_rng(21)
    classes = [
        (classify_pattern(grow(fit.model, rng, 20_000)["v"]), target.kind)
        for fit, target in zip(found, many, strict=True)
        if fit.stationary
    ]
    assert np.mean([new == kind for new, kind in classes]) >= 0.95, classes


def test_unknown_scale_and_offset(many):
    found = fits(many, lambda v, seed: 90 * noisy(v, seed=seed) + 25, affine=True)
    off = [errors(fit.parameters, target) for fit, target in zip(found, many, strict=True)]
    assert share_within(off, 0.10, 0.03) >= 0.8, off
    assert max(fit.seconds for fit in found) < 60
