"""Aggregation at the sizes promised, with time and memory: ``python -m benchmarks.federated``.

Each row runs in a process of its own, so that its peak memory (resident set) is its own. The first
call (compilation included) is shown apart from the second. Streaming rows make each cluster's
updates as they are asked for, so that their time includes making them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

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


def measure(kind: str, clients: int, parameters: int) -> dict[str, float]:
    """Run a row here: first and second call in seconds, peak memory in MiB, and the error."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from mfnjax import federated

    f = clients // 5
    key = jax.random.key(0)

    def updates() -> Any:
        """Four honest fifths around 1, a hostile fifth at −100; made in place."""
        rows = np.random.default_rng(0).standard_normal((clients, parameters), np.float32)
        rows += 1.0
        rows[:f] = -100.0
        return jnp.asarray(rows)

    @jax.jit
    def some(indices: Any) -> Any:
        """The same rows, made when they are asked for."""
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(indices)
        rows = 1.0 + jax.vmap(lambda k: jax.random.normal(k, (parameters,), jnp.float32))(keys)
        return jnp.where((indices < f)[:, None], -100.0, rows)

    if kind == "nothing":
        seconds = [0.0, 0.0]
        answer = jnp.zeros(1)
    else:
        if kind == "streaming":

            def call() -> Any:
                return federated.hierarchical_krum_streaming(
                    lambda i: some(jnp.asarray(i)), clients, key=jax.random.key(1)
                )[0]
        elif kind == "updates":
            x = updates()
            call = lambda: x[f]  # noqa: E731
        elif kind == "hierarchical_krum":
            x = updates()
            call = lambda: federated.hierarchical_krum(x, key=jax.random.key(1)).update  # noqa: E731
        else:
            x = updates()
            # Bulyan's contract is n ≥ 4f + 3.
            bound = min(f, (clients - 3) // 4)
            call = lambda: getattr(federated, kind)(x, bound).update  # noqa: E731
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            answer = jax.block_until_ready(call())
            seconds.append(time.perf_counter() - started)
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return {
        "first_s": seconds[0],
        "second_s": seconds[1],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        "error": float(jnp.sqrt(jnp.mean((answer - 1.0) ** 2))),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="rows whose name holds this")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(*ROWS[options.row])))
        return
    print(f"{'':34}{'first s':>10}{'second s':>10}{'peak MiB':>10}{'rms error':>11}")
    for name in ROWS:
        if options.only and options.only not in name:
            continue
        command = [sys.executable, "-m", "benchmarks.federated", "--row", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:34}{row['first_s']:10.2f}{row['second_s']:10.2f}{row['peak_mib']:10.0f}"
            f"{row['error']:11.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
