"""Which (F, k) grow which outlines: how `fit_snapshot` learned to read black-and-white pictures.

``python -m experiments.read_outlines grow --seconds 900 --seed 1`` grows patterns of Gray–Scott
with random parameters from random starts (again with other seeds, side by side if wanted);
``… learn`` fits the small networks of `mfnjax.fitting.snapshot.outline_reader` to the statistics of
their outlines, and reports by cross-validation what those can tell. Everything goes to
out/read_outlines/; the networks of the package came from seeds 1 and 2, 840 seconds each.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.notebook import output_folder
from mfnjax import GrayScottModel, Grid, simulate
from mfnjax.fitting.snapshot.outline_reader import D_U, LARGEST, RATIO, Learned, evaluate, save
from mfnjax.fitting.snapshot.outline_statistics import outline_statistics

GRID = Grid((128, 128))
AT_REST = 0.02  # largest change of v in 100 steps, of its standard deviation
THRESHOLDS = (0.3, 0.7)  # of the range of v: where a picture may have been cut
COVERED = 0.95  # by the 90 % intervals, here: a picture of another population errs a little more
CUTS = 2  # pictures of one pattern that are learned from


def seeded(rng: np.random.Generator, number: int, size: int) -> tuple[jax.Array, jax.Array]:
    """(u, v): (1, 0) with square seeds at random places."""
    inside = np.zeros(GRID.shape, bool)
    for row, column in rng.integers(0, GRID.shape[0], (number, 2)):
        rows, columns = ((at + np.arange(size)) % GRID.shape[0] for at in (row, column))
        inside[np.ix_(rows, columns)] = True
    v = np.where(inside, 0.25, 0.0) * (1 + 0.05 * rng.standard_normal(GRID.shape))
    return jnp.asarray(np.where(inside, 0.5, 1.0), jnp.float32), jnp.asarray(v, jnp.float32)


def run(model: GrayScottModel, state: Any, steps: int) -> Any:
    """The state after so many steps of 1."""
    return simulate(model, state, grid=GRID, steps=steps, stepper="euler").state


def drawn(rng: np.random.Generator) -> tuple[GrayScottModel, Any, int]:
    """A model, a start and a number of steps; one run in five is stopped while it still grows."""
    feed = np.exp(rng.uniform(np.log(0.018), np.log(0.068)))
    kill = np.sqrt(feed) / 2 - feed + rng.uniform(-0.004, 0.008)
    number, size = int(np.exp(rng.uniform(np.log(3), np.log(80)))), int(rng.integers(5, 14))
    short = rng.random() < 0.2
    steps = int(np.exp(rng.uniform(*np.log((1_500, 8_000) if short else (15_000, 40_000)))))
    return GrayScottModel(feed, kill, D_U, RATIO * D_U), seeded(rng, number, size), steps


def patterns(rng: np.random.Generator) -> Iterator[tuple[list[float], np.ndarray]]:
    """(what it is, v) of patterns that live, without end."""
    while True:
        model, state, steps = drawn(rng)
        early = min(steps, 3_000)
        state = run(model, state, early)
        if float(jnp.std(state["v"])) < 0.01:
            continue
        state = run(model, state, steps - early) if steps > early else state
        v, later = np.asarray(state["v"]), np.asarray(run(model, state, 100)["v"])
        if v.std() < 0.01 or not np.isfinite(v).all():
            continue
        change = float(np.sqrt(np.mean((later - v) ** 2)) / v.std())
        yield [float(model.feed), float(model.kill), steps, change], v


def grow(seed: int, seconds: float, folder: Path) -> None:
    """Grow patterns for so long, and keep them."""
    began, told, fields = time.monotonic(), [], []
    for what, v in patterns(np.random.default_rng([2, seed])):
        told.append(what)
        fields.append(v.astype(np.float16))
        if time.monotonic() - began > seconds:
            break
    np.savez(folder / f"patterns_{seed}.npz", told=np.asarray(told), v=np.stack(fields))
    at_rest = np.mean(np.asarray(told)[:, 3] < AT_REST)
    print(f"{len(told)} patterns, {100 * at_rest:.0f} % at rest")


def pictures(folder: Path, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(what they are (N, 4), statistics (N, CUTS, n)) of all patterns that were grown."""
    rng = np.random.default_rng(seed)
    told, statistics = [], []
    for path in sorted(folder.glob("patterns_*.npz")):
        with np.load(path) as file:
            told.append(file["told"])
            statistics += [cut(v.astype(float), rng) for v in file["v"]]
    return np.concatenate(told), np.asarray(statistics)


def cut(v: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Statistics of masks of v at random levels."""
    low, high = np.quantile(v, [0.005, 0.995])
    levels = low + (high - low) * rng.uniform(*THRESHOLDS, CUTS)
    return [outline_statistics(v > level) for level in levels]


def learn_networks(
    statistics: np.ndarray,
    told: np.ndarray,
    *,
    networks: int = 4,
    width: int = 48,
    steps: int = 4000,
) -> Learned:
    """An ensemble that tells (ln F, ln k), how unsure it is, and whether the pattern is at rest.

    Args:
        statistics: (N, CUTS, n).
        told: (N, 4).
        networks: How many.
        width: Of their hidden layers.
        steps: Of AdamW, on batches of 256.

    Returns:
        The networks; their `reach` is that of the normal distribution, until it is measured.
    """
    rest = told[:, 3] < AT_REST
    center, spread = statistics.mean((0, 1)), statistics.std((0, 1)) + 1e-9
    x = np.clip((statistics - center) / spread, -LARGEST, LARGEST)
    still = ((statistics - center) / spread)[rest].reshape(-1, x.shape[-1])
    values, axes = np.linalg.eigh(np.cov(still.T))
    kept = values > 1e-3 * values.max()
    targets = np.log(told[:, :2])
    target_center, target_spread = targets[rest].mean(0), targets[rest].std(0)
    data = tuple(
        jnp.asarray(a, jnp.float32)
        for a in (x, (targets - target_center) / target_spread, rest[:, None])
    )
    layers = _train(*data, networks=networks, width=width, steps=steps)
    return Learned(
        center,
        spread,
        axes[:, kept] / np.sqrt(values[kept]),
        tuple(np.asarray(a, float) for a in layers),
        target_center,
        target_spread,
        np.full(2, 1.645),
    )


@partial(jax.jit, static_argnames=("networks", "width", "steps"))
def _train(
    x: jax.Array, targets: jax.Array, rest: jax.Array, *, networks: int, width: int, steps: int
) -> Any:
    sizes = (x.shape[-1], width, width, 5)
    optimizer = optax.adamw(optax.cosine_decay_schedule(2e-3, steps), weight_decay=0.05)

    def outputs(layers: Any, batch: jax.Array) -> jax.Array:
        for weight, bias in zip(layers[:4:2], layers[1:4:2], strict=True):
            batch = jax.nn.silu(batch @ weight + bias)
        return batch @ layers[4] + layers[5]

    def loss(layers: Any, rows: jax.Array, cuts: jax.Array, key: jax.Array) -> jax.Array:
        batch = x[rows, cuts]
        out = outputs(layers, batch + 0.1 * jax.random.normal(key, batch.shape))
        mean, log_deviation, logit = out[:, :2], jnp.clip(out[:, 2:4], -4, 3), out[:, 4:]
        unlikely = 0.5 * ((targets[rows] - mean) * jnp.exp(-log_deviation)) ** 2 + log_deviation
        told_apart = optax.sigmoid_binary_cross_entropy(logit, rest[rows])
        return jnp.mean(jnp.sum(unlikely * rest[rows], -1) + told_apart[:, 0])

    def one(key: jax.Array) -> Any:
        keys = jax.random.split(key, 3)
        layers = []
        for fan_in, fan_out, k in zip(sizes[:-1], sizes[1:], keys, strict=True):
            layers += [jax.random.normal(k, (fan_in, fan_out)) / fan_in**0.5, jnp.zeros(fan_out)]

        def step(carry: Any, index: jax.Array) -> Any:
            layers, state = carry
            rows, cuts, noise = jax.random.split(jax.random.fold_in(key, index), 3)
            drawn = (
                jax.random.randint(rows, (256,), 0, x.shape[0]),
                jax.random.randint(cuts, (256,), 0, x.shape[1]),
            )
            slopes = jax.grad(loss)(layers, *drawn, noise)
            change, state = optimizer.update(slopes, state, layers)
            return (optax.apply_updates(layers, change), state), None

        first = tuple(layers)
        return jax.lax.scan(step, (first, optimizer.init(first)), jnp.arange(steps))[0][0]

    return jax.vmap(one)(jax.random.split(jax.random.key(0), networks))


def cross_validated(
    statistics: np.ndarray, told: np.ndarray, folds: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(means, standard deviations, logits) of each pattern from networks that did not see it; of
    its first picture."""
    place = np.random.default_rng(0).permutation(len(told))
    parts: list[Any] = [np.empty((len(told), 2)), np.empty((len(told), 2)), np.empty(len(told))]
    for fold in range(folds):
        out, kept = place[fold::folds], np.setdiff1d(place, place[fold::folds])
        networks = learn_networks(statistics[kept], told[kept])
        for part, values in zip(parts, evaluate(networks, statistics[out, 0]), strict=True):
            part[out] = values
    return tuple(parts)


def learn(folder: Path, path: Path) -> None:
    """Cross-validate, measure how far intervals must reach, learn from all, and write it."""
    told, statistics = pictures(folder)
    rest = told[:, 3] < AT_REST
    mean, deviation, logit = cross_validated(statistics, told)
    error = (mean - np.log(told[:, :2]))[rest]
    reach = np.quantile(np.abs(error / deviation[rest]), COVERED, axis=0)
    relative = np.abs(np.expm1(error))
    both = np.mean((relative[:, 0] <= 0.1) & (relative[:, 1] <= 0.03))
    half = np.expm1(np.median(reach * deviation[rest], axis=0))
    summary: dict[str, Any] = {
        "patterns": len(told),
        "at_rest": int(rest.sum()),
        "within_10_and_3_percent": float(both),
        "percent_of_k_for_one_of_feed": float(np.polyfit(error[:, 0], error[:, 1], 1)[0]),
        "median_error": np.median(relative, axis=0).tolist(),
        "median_half_interval": half.tolist(),
        "reach": reach.tolist(),
        "at_rest_and_called_so": float(np.mean(logit[rest] > 0)),
        "moving_and_called_so": float(np.mean(logit[~rest] <= 0)),
    }
    print(json.dumps(summary, indent=1))
    _ = (folder / "learned.json").write_text(json.dumps(summary, indent=1), "utf-8")
    save(replace(learn_networks(statistics, told), reach=reach), path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("grow", "learn"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--out", type=Path, help="where the networks go")
    given = parser.parse_args()
    folder = output_folder("read_outlines")
    if given.what == "grow":
        grow(given.seed, given.seconds, folder)
    else:
        learn(folder, given.out or folder / "outline_reader.npz")


if __name__ == "__main__":
    main()
