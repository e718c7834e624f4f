"""Aggregation at the sizes promised, with time and memory: ``python -m benchmarks.federated``.

Each row runs in a process of its own, so that its peak memory (resident set) is its own. The first
call (compilation included) is shown apart from the second. Streaming rows make each cluster's
updates as they are asked for, so that their time includes making them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.child import Child
from benchmarks.harness.memory import peak_resident
from benchmarks.harness.tables import Row, Table, suite
from benchmarks.harness.timing import Call, once
from mfnjax import federated

ROWS: dict[str, tuple[str, int, int]] = {
    "import alone": ("nothing", 0, 0),
    "updates alone 1000 × 10⁵": ("updates", 1000, 100_000),
    "Krum 1000 × 10⁵": ("krum", 1000, 100_000),
    "multi-Krum 1000 × 10⁵": ("multi_krum", 1000, 100_000),
    "Bulyan 1000 × 10⁵": ("bulyan", 1000, 100_000),
    "median 1000 × 10⁵": ("coordinate_median", 1000, 100_000),
    "trimmed mean 1000 × 10⁵": ("trimmed_mean", 1000, 100_000),
    "geometric median 1000 × 10⁵": ("geometric_median", 1000, 100_000),
    "hierarchical Krum 1000 × 10⁵": ("hierarchical_krum", 1000, 100_000),
    "streaming, 10⁶ clients × 10³": ("streaming", 1_000_000, 1000),
    "streaming, 10⁶ clients × 10⁴": ("streaming", 1_000_000, 10_000),
}


def call_of(kind: str, clients: int, parameters: int) -> Call:
    """A call of some kind: four honest fifths about 1, a hostile fifth at −100."""
    f, key = clients // 5, jax.random.key(1)
    if kind == "nothing":
        return lambda: jnp.ones(1)
    if kind == "streaming":

        @jax.jit
        def some(indices: Any) -> Any:
            """The same rows, made when they are asked for."""
            keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(indices)
            rows = 1.0 + jax.vmap(lambda k: jax.random.normal(k, (parameters,), jnp.float32))(keys)
            return jnp.where((indices < f)[:, None], -100.0, rows)

        streaming = federated.hierarchical_krum_streaming
        return lambda: streaming(lambda i: some(jnp.asarray(i)), clients, key=key)[0]
    rows = np.random.default_rng(0).standard_normal((clients, parameters), np.float32)
    rows += 1.0
    rows[:f] = -100.0
    x = jnp.asarray(rows)
    if kind == "updates":
        return lambda: x[f]
    if kind == "hierarchical_krum":
        return lambda: federated.hierarchical_krum(x, key=key).update
    bound = min(f, (clients - 3) // 4)  # Bulyan's contract is n ≥ 4f + 3
    return lambda: getattr(federated, kind)(x, bound).update


def measure(kind: str, clients: int, parameters: int) -> Row:
    """Run a row here: first and second call in seconds, peak memory in MiB, and the error."""
    call = call_of(kind, clients, parameters)
    first, second = 1e-3 * once(call), 1e-3 * once(call)
    return {
        "first s": first,
        "second s": second,
        "peak MiB": peak_resident() / 2**20,
        "rms error": float(jnp.sqrt(jnp.mean((call() - 1.0) ** 2))),
    }


def tables(options: Any) -> Iterator[Table]:
    """One table."""
    rows = []
    for name, what in ROWS.items():
        if options.only in name:
            with Child() as child:
                rows.append({"what": name, **child.call(measure, *what)})
    yield Table("Aggregation, each in a process of its own", rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    only = {"default": "", "help": "rows whose name holds this"}
    return suite(
        "federated", __doc__, tables, options=lambda p: p.add_argument("--only", **only), argv=argv
    )
