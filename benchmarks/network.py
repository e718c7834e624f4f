"""Speed of the network and of robust aggregation: ``python -m benchmarks.network``.

Every function is compiled before it is timed; the first call (compilation included) is shown
apart. The rival in the last column is the plain matrix products of the same shapes, timed in
turn with the function in the same run: on a slow or busy machine the ratio is what to read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from mfnjax.bench import interleaved
from mfnjax.bench.baselines import baselines_under
from mfnjax.federated import (
    bulyan,
    coordinate_median,
    geometric_median,
    hierarchical_krum,
    krum,
    multi_krum,
    trimmed_mean,
)
from mfnjax.network import NetworkConfig, STDPRule, forward, init_network
from mfnjax.network.step import init_state, train_step

TARGETS = baselines_under("targets.network")
CONFIG = NetworkConfig(input_dim=128, hidden_dim=64)
LARGEST = 10**7
"""Above this many numbers only Krum and the median are timed."""

Row = tuple[str, Callable[[], Any], Callable[[], Any], float | None]
"""Name, function, rival, target in ms."""


@jax.jit
def matmuls(x: Array, kernels: list[Array]) -> Array:
    """The network's matrix products, one after the other, and nothing else."""
    for kernel in kernels:
        x = x @ kernel
    return x


@jax.jit
def gram(x: Array) -> Array:
    """The matrix product that all pairwise distances need at least."""
    return x @ x.T


def network_rows() -> list[Row]:
    """Forward passes, a training step, initialisation, throughput."""
    key = jax.random.key(0)
    params = init_network(CONFIG, key=key)
    layers = ("encoder", "value", "out", "hidden", "half", "head")
    kernels = [{**params, **params["attention"]}[name]["kernel"] for name in layers]
    rate = jnp.float32(1e-3)
    rows: list[Row] = []
    for batch, target in (
        (32, TARGETS["forward_32"].limit),
        (128, TARGETS["forward_128"].limit),
        (4096, 4096 / TARGETS["throughput"].limit * 1e3),
    ):
        x = jax.random.normal(key, (batch, 128))
        rows.append(
            (
                f"forward, batch {batch}",
                lambda x=x: forward(CONFIG, params, x),
                lambda x=x: matmuls(x, kernels),
                target,
            )
        )
    x = jax.random.normal(key, (32, 128))
    y, ones = x[:, 0], jnp.ones(32)
    sequence = jax.random.normal(key, (32, 16, 128))
    rows.append(
        (
            "forward, batch 32, sequence 16",
            lambda: forward(CONFIG, params, sequence),
            lambda: matmuls(sequence, kernels),
            None,
        )
    )
    state = init_state(params, "float32")
    step = jax.jit(train_step, static_argnums=0)
    gradient = jax.jit(jax.grad(lambda k, x: jnp.sum(matmuls(x, k) ** 2)))
    limit = TARGETS["training_step"].limit
    for name, rule, target in (("Adam", None, limit), ("Adam + STDP", STDPRule(), None)):
        rows.append(
            (
                f"training step, batch 32, {name}",
                lambda rule=rule: step(CONFIG, state, x, y, ones, rate, rule),
                lambda: gradient(kernels, x),
                target,
            )
        )
    draw = jax.jit(lambda key: [jax.random.normal(key, k.shape) for k in kernels])
    rows.append(
        (
            "initialisation",
            lambda: init_network(CONFIG, key=key),
            lambda: draw(key),
            TARGETS["initialisation"].limit,
        )
    )
    return rows


def aggregation_rows(large: bool) -> list[Row]:
    """Krum and its family at the documented sizes; the rival is the Gram matrix."""
    rows: list[Row] = []
    sizes: list[tuple[int, int, float | None]] = [
        (n, d, TARGETS[f"krum_{n}x{d}"].limit) for n, d in ((100, 1000), (20, 100_000))
    ]
    if large:
        sizes.append((1000, 100_000, None))
    for n, d, target in sizes:
        x = jax.random.normal(jax.random.key(n), (n, d))
        f = n // 5
        rules: dict[str, Callable[[], Any]] = {
            "Krum": lambda x=x, f=f: krum(x, f),
            "multi-Krum": lambda x=x, f=f: multi_krum(x, f),
            "Bulyan": lambda x=x, f=f: bulyan(x, f),
            "median": lambda x=x, f=f: coordinate_median(x, f),
            "trimmed mean": lambda x=x, f=f: trimmed_mean(x, f),
            "geometric median": lambda x=x, f=f: geometric_median(x, f),
            "hierarchical Krum": lambda x=x: hierarchical_krum(x, key=jax.random.key(0)),
        }
        for name, rule in rules.items():
            if d * n > LARGEST and name not in ("Krum", "median"):
                continue
            own = target if name == "Krum" else None
            rows.append((f"{name} {n} × {d}", rule, lambda x=x: gram(x), own))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each (≥ 7)")
    parser.add_argument("--large", action="store_true", help="1000 clients × 10⁵ parameters too")
    options = parser.parse_args()
    print(f"{'':36}{'first':>9}{'median':>10}{'best':>10}{'target':>9}{'matmul':>10}{'ratio':>8}")
    print(f"{'':36}{'ms':>9}{'ms':>10}{'ms':>10}{'ms':>9}{'ms':>10}")
    for name, function, rival, target in network_rows() + aggregation_rows(options.large):
        times = interleaved({"own": function, "rival": rival}, repeats=max(options.repeats, 7))
        own, plain = times["own"], times["rival"]
        goal = "–" if target is None else f"{target:.2f}"
        print(
            f"{name:36}{own.first_ms:9.0f}{own.median_ms:10.3f}{own.min_ms:10.3f}{goal:>9}"
            f"{plain.median_ms:10.3f}{own.median_ms / plain.median_ms:8.1f}"
        )
        if "4096" in name:
            print(f"{'  throughput':36}{4096 / own.median_ms * 1e3:>19,.0f} samples/s")


if __name__ == "__main__":
    main()
