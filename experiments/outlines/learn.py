"""Which (F, k) grow which outlines: how black-and-white pictures are read.

``python -m experiments.outlines.learn grow --seconds 1700 --seed 1`` grows patterns of Gray–Scott
with random parameters from random starts; ``… hold --seconds 1500 --seed 1`` guesses F and k of
those at rest, each by networks that did not see it, and holds the model to their outlines; again
with other seeds, side by side if wanted. ``… learn`` fits the networks and the correction of
`experiments.outlines.reader`, and reports by cross-validation what they can tell: two minutes.
Everything goes to out/outlines/. The file beside this one came from 1710 patterns and from 933
pictures that the model was held to: about half an hour of one core each.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.grown_patterns import AT_REST
from experiments.notebook import output_folder
from experiments.outlines.hold import Outlines, hold
from experiments.outlines.pictures import CUTS, grow, pictures
from experiments.outlines.reader import (
    D_U,
    LARGEST,
    RATIO,
    Correction,
    Learned,
    corrected,
    evaluate,
    evidence,
    kernel,
    save,
)

COVERED = 0.95  # by the 90 % intervals, here: pictures of another population err a little more
NOISE, NOISE_OF_SIZE = 10.0, 100.0  # of a correction and of its error's size, by their kernel


def folds(runs: np.ndarray, number: int = 4) -> Iterator[np.ndarray]:
    """Which patterns to leave out, in turns; those of one run together."""
    order = np.random.default_rng(0).permutation(np.unique(runs))
    for part in range(number):
        yield np.isin(runs, order[part::number])


def cross_validated(x: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(means, standard deviations, logits) from networks that did not see the pattern, of inputs
    (N, cuts, n)."""
    shape = x.shape[:2]
    parts: list[Any] = [np.empty((*shape, 2)), np.empty((*shape, 2)), np.empty(shape)]
    for out in folds(told[:, 4]):
        found = evaluate(learn_networks(x[~out], told[~out]), x[out].reshape(-1, x.shape[-1]))
        for part, values in zip(parts, found, strict=True):
            part[out] = values.reshape(part[out].shape)
    return tuple(parts)


def hold_all(seed: int, seconds: float, folder: Path) -> None:
    """Hold the model to the outlines of patterns at rest, in random order, for so long."""
    began, shown = time.monotonic(), pictures(folder)
    guesses, deviations, _ = cross_validated(shown.statistics, shown.told)
    held: list[list[float]] = []
    for index in np.random.default_rng([3, seed]).permutation(np.flatnonzero(shown.rest)):
        at = index, seed % CUTS
        told = hold(Outlines(shown.masks[at], "periodic", D_U, RATIO * D_U, 1.0), guesses[at])
        if told is not None:
            held.append([*at, *guesses[at], *deviations[at], *told.features()])
        if time.monotonic() - began > seconds:
            break
    np.save(folder / f"held_{seed}.npy", np.asarray(held))
    print(f"{len(held)} pictures of {shown.rest.sum()} patterns at rest")


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
        told: (N, 5).
        networks: How many.
        width: Of their hidden layers.
        steps: Of AdamW, on batches of 256.

    Returns:
        The networks.
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


def learn_correction(x: np.ndarray, truth: np.ndarray, runs: np.ndarray) -> Correction:
    """Gaussian processes for what is still to be added to the place that was held, and for the
    logarithm of the error that then remains in patterns left out by turns.

    Args:
        x: Evidence (M, m).
        truth: (ln F, ln k) (M, 2).
        runs: Which grew the pattern (M,).

    Returns:
        The correction.
    """
    center, spread = x.mean(0), x.std(0) + 1e-9
    examples = ((x - center) / spread).clip(-LARGEST, LARGEST).astype(np.float16).astype(float)
    missing, covariance = truth - x[:, :2], kernel(examples, examples)
    errors = np.abs(missing - _left_out(covariance, missing, runs, NOISE))
    sizes = np.log(errors + 0.01 * errors.mean(0))
    reach = np.quantile(
        errors / np.exp(_left_out(covariance, sizes, runs, NOISE_OF_SIZE)), COVERED, axis=0
    )
    offset, weights = zip(
        _process(covariance, missing, NOISE),
        _process(covariance, sizes, NOISE_OF_SIZE),
        strict=True,
    )
    return Correction(center, spread, examples, np.hstack(weights), np.hstack(offset), reach)


def _process(covariance: np.ndarray, values: np.ndarray, noise: float) -> tuple[Any, Any]:
    """(mean, weights of the kernels) of a Gaussian process through values (M, 2)."""
    mean = values.mean(0)
    return mean, np.linalg.solve(covariance + noise * np.eye(len(values)), values - mean)


def _left_out(
    covariance: np.ndarray, values: np.ndarray, runs: np.ndarray, noise: float
) -> np.ndarray:
    """What it says of values (M, 2) that it did not see."""
    said = np.empty_like(values)
    for out in folds(runs, 8):
        seen = np.flatnonzero(~out)
        mean, weights = _process(covariance[np.ix_(seen, seen)], values[seen], noise)
        said[out] = mean + covariance[np.ix_(np.flatnonzero(out), seen)] @ weights
    return said


def accuracy(place: np.ndarray, reach: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """How far (ln F, ln k) were told (M, 2), with intervals of this reach (M, 2)."""
    error = place - truth
    relative = np.abs(np.expm1(error))
    return {
        "within_10_and_3_percent": float(np.mean(np.all(relative <= [0.1, 0.03], axis=1))),
        "median_error": np.median(relative, axis=0).tolist(),
        "percent_of_k_for_one_of_feed": float(np.polyfit(error[:, 0], error[:, 1], 1)[0]),
        "median_half_interval": np.expm1(np.median(reach, axis=0)).tolist(),
        "covered": np.mean(np.abs(error) <= reach, axis=0).tolist(),
    }


def learn(folder: Path, path: Path) -> None:
    """Cross-validate, learn from all, and write it."""
    shown = pictures(folder)
    _, _, logit = cross_validated(shown.statistics, shown.told)
    held = np.concatenate([np.load(path) for path in sorted(folder.glob("held_*.npy"))])
    index, which = held[:, :2].astype(int).T
    x = evidence(shown.statistics[index, which], held[:, 2:4], held[:, 4:6], held[:, 6:])
    truth, runs = shown.truth[index], shown.told[index, 4]
    place, reach = np.empty_like(truth), np.empty_like(truth)
    for out in folds(runs, 8):
        correction = learn_correction(x[~out], truth[~out], runs[~out])
        place[out], reach[out] = corrected(correction, x[out])
    summary: dict[str, Any] = {
        "patterns": len(shown.told),
        "at_rest": int(shown.rest.sum()),
        "at_rest_and_called_so": float(np.mean(logit[shown.rest] > 0)),
        "moving_and_called_so": float(np.mean(logit[~shown.rest] <= 0)),
        "held_to": len(held),
        "guessed": accuracy(held[:, 2:4], 1.645 * held[:, 4:6], truth),
        "held": accuracy(held[:, 6:8], 1.645 * np.exp(held[:, 8:10]), truth),
        "read": accuracy(place, reach, truth),
    }
    print(json.dumps(summary, indent=1))
    _ = (folder / "learned.json").write_text(json.dumps(summary, indent=1), "utf-8")
    learned = learn_networks(shown.statistics, shown.told)
    save(learned, learn_correction(x, truth, runs), path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("grow", "hold", "learn"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--out", type=Path, help="where the networks go")
    given = parser.parse_args()
    folder = output_folder("outlines")
    if given.what == "grow":
        grow(given.seed, given.seconds, folder)
    elif given.what == "hold":
        hold_all(given.seed, given.seconds, folder)
    else:
        learn(folder, given.out or folder / "reader.npz")


if __name__ == "__main__":
    main()
