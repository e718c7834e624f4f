"""Speed of the network and of robust aggregation: ``python -m benchmarks.network``.

The rival in the last columns is the plain matrix products of the same shapes, timed in turn with
the function in the same run: on a slow or busy machine the ratio is what to read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks.harness.baselines import Baseline, baselines_under
from benchmarks.harness.cases import training_step
from benchmarks.harness.tables import Table, judged, suite, timed
from benchmarks.harness.timing import Call, interleaved
from mfnjax import federated
from mfnjax.network import NetworkConfig, STDPRule, forward, init_network

TARGETS = baselines_under("targets.network")
CONFIG = NetworkConfig(input_dim=128, hidden_dim=64)
LARGEST = 10**7
"""Above this many numbers only Krum and the median are timed."""

RULES = {
    "Krum": federated.krum,
    "multi-Krum": federated.multi_krum,
    "Bulyan": federated.bulyan,
    "median": federated.coordinate_median,
    "trimmed mean": federated.trimmed_mean,
    "geometric median": federated.geometric_median,
}

Line = tuple[str, Call, Call, Baseline | None]
"""Name, function, rival, and its target: ms, or samples/s where it is a rate."""


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


def network_lines() -> Iterator[Line]:
    """Forward passes, a training step, initialisation, throughput."""
    key = jax.random.key(0)
    params = init_network(CONFIG, key=key)
    layers = ("encoder", "value", "out", "hidden", "half", "head")
    kernels = [{**params, **params["attention"]}[name]["kernel"] for name in layers]
    for name, shape, target in (
        ("forward, batch 32", (32, 128), "forward_32"),
        ("forward, batch 128", (128, 128), "forward_128"),
        ("forward, batch 4096", (4096, 128), "throughput"),
        ("forward, batch 32, sequence 16", (32, 16, 128), None),
    ):
        x = jax.random.normal(key, shape)
        rival = partial(matmuls, x, kernels)
        yield name, partial(forward, CONFIG, params, x), rival, TARGETS.get(target or "")
    x = jax.random.normal(key, (32, 128))
    gradient = jax.jit(jax.grad(lambda k, x: jnp.sum(matmuls(x, k) ** 2)))
    for name, rule, target in (("Adam", None, "training_step"), ("Adam + STDP", STDPRule(), "")):
        rival = partial(gradient, kernels, x)
        named = f"training step, batch 32, {name}"
        yield named, training_step(rule), rival, TARGETS.get(target)
    draw = jax.jit(lambda key: [jax.random.normal(key, k.shape) for k in kernels])
    own = partial(init_network, CONFIG, key=key)
    yield "initialisation", own, partial(draw, key), TARGETS["initialisation"]


def aggregation_lines(large: bool) -> Iterator[Line]:
    """Krum and its family at the documented sizes; the rival is the Gram matrix."""
    for n, d in ((100, 1000), (20, 100_000), *([(1000, 100_000)] if large else [])):
        x = jax.random.normal(jax.random.key(n), (n, d))
        rules: dict[str, Callable] = {k: partial(rule, x, n // 5) for k, rule in RULES.items()}
        rules["hierarchical Krum"] = partial(federated.hierarchical_krum, x, key=jax.random.key(0))
        for name, rule in rules.items():
            if d * n <= LARGEST or name in ("Krum", "median"):
                target = TARGETS.get(f"krum_{n}x{d}") if name == "Krum" else None
                yield f"{name} {n} × {d}", rule, partial(gram, x), target


def tables(options: argparse.Namespace) -> Iterator[Table]:
    """One table."""
    rows = []
    for name, function, rival, limit in (*network_lines(), *aggregation_lines(options.large)):
        repeats = max(options.repeats, 7)
        times = interleaved({"own": function, "rival": rival}, repeats=repeats)
        own, plain = times["own"], times["rival"]
        throughput = 4096 / own.median_ms * 1e3 if "4096" in name else None
        row = {"what": name, **timed(own), "samples/s": "" if throughput is None else throughput}
        row |= {"matmul ms": plain.median_ms, "ratio": own.median_ms / plain.median_ms}
        rows.append(row | dict(judged(throughput or own.median_ms, limit)))
    yield Table("The network and robust aggregation", rows)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=15, help="timed runs of each (≥ 7)")
    parser.add_argument("--large", action="store_true", help="1000 clients × 10⁵ parameters too")


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 if a target is missed."""
    return suite("network", __doc__, tables, options=_options, argv=argv)
