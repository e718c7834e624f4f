"""What a gradient through a run of the v4.1 model costs: time against the forward run, and memory.

    python -m benchmarks.gradients            # the table; exit status 1 if a limit is missed
    python -m benchmarks.gradients --quick    # 64² alone

The gradient is that of the mean square potential after the run, in six parameters and in the three
initial fields, float32, growth events included. The forward run is the fastest of the ways through
`simulate`; all of them are timed in turn, so that a drift hits them alike. Memory is XLA's own
account of the temporaries of the compiled gradient, which is the same on every call. The limits are
those of ``benchmarks/baselines.toml``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

from mfnjax import Grid, MyceliumModel, simulate
from mfnjax.bench import Timing, interleaved
from mfnjax.bench.baselines import Baseline, baseline
from mfnjax.simulation.adjoint import POLICIES

PARAMETERS = ("alpha", "d_activator", "d_inhibitor", "r_activator", "r_inhibitor", "growth_mean")
CASES = ((64, 100, 15), (128, 200, 9))
LONG = (64, 1000)
MIB = 2**20

Loss = Callable[[jax.Array, tuple[jax.Array, ...], jax.Array], jax.Array]


def loss_of(size: int, steps: int, adjoint: str | None) -> Loss:
    """(parameters, fields, key) → mean V² in mV² after the run."""
    grid = Grid((size, size))

    def loss(parameters: jax.Array, fields: tuple[jax.Array, ...], key: jax.Array) -> jax.Array:
        values = dict(zip(PARAMETERS, parameters, strict=True))
        model = replace(MyceliumModel(), **values)
        run = simulate(model, fields, grid=grid, steps=steps, adjoint=adjoint, key=key)
        return jnp.mean((1e3 * run.state["potential"]) ** 2)

    return loss


def inputs_of(size: int) -> tuple[Any, ...]:
    """Parameters (6,), the three fields, and a key."""
    model = MyceliumModel()
    state = model.initial_state(Grid((size, size)), dtype="float32", key=jax.random.key(0))
    parameters = jnp.asarray([getattr(model, name) for name in PARAMETERS], jnp.float32)
    return parameters, state.values, jax.random.key(1)


def compiled(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Any, float]:
    """The compiled function, and its temporaries in MiB."""
    program = jax.jit(function).lower(*inputs).compile()
    return program, program.memory_analysis().temp_size_in_bytes / MIB


def gradient_of(size: int, steps: int, policy: str) -> Callable[..., Any]:
    """Value and gradient in parameters and fields."""
    return jax.value_and_grad(loss_of(size, steps, policy), argnums=(0, 1))


def size_rows(size: int, steps: int, repeats: int) -> list[list[str]]:
    """Time forward runs and the gradient under every policy, for one size."""
    inputs = inputs_of(size)
    programs: dict[str, Any] = {}
    memory: dict[str, float] = {}
    for name, adjoint in (("forward, traced loop", None), ("forward, static loop", "direct")):
        programs[name], memory[name] = compiled(loss_of(size, steps, adjoint), inputs)
    for policy in POLICIES:
        programs[policy], memory[policy] = compiled(gradient_of(size, steps, policy), inputs)
    times = interleaved({k: partial(p, *inputs) for k, p in programs.items()}, repeats=repeats)
    forward = [times[name] for name in times if name.startswith("forward")]
    fastest = min(forward, key=lambda timing: timing.median_ms)
    limits = {"cost": baseline(f"targets.gradients.cost_{size}")}
    limits["memory"] = baseline(f"targets.gradients.memory_{size}")
    title = f"{size}² × {steps}"
    return [
        policy_row(title, name, times[name], fastest, memory[name], limits) for name in programs
    ]


def policy_row(
    title: str,
    name: str,
    timing: Timing,
    fastest: Timing,
    memory: float,
    limits: dict[str, Baseline],
) -> list[str]:
    """One line of the table; the policy meant for speed, direct, is held to the limits."""
    ratio, best = timing.median_ms / fastest.median_ms, timing.min_ms / fastest.min_ms
    held = name == "direct"
    met = limits["cost"].meets(ratio) and limits["memory"].meets(memory)
    return [
        title,
        name if name.startswith("forward") else f"gradient, {name}",
        f"{timing.median_ms:.2f}",
        f"{timing.spread:.0%}",
        f"{ratio:.2f} × ({best:.2f} ×)",
        f"{memory:.1f}",
        f"{limits['cost']}, {limits['memory']}" if held else "",
        verdict_of(met) if held else "",
    ]


def long_rows() -> list[list[str]]:
    """Memory of a long run under the plain and the √T policy."""
    size, steps = LONG
    inputs = inputs_of(size)
    memory = {p: compiled(gradient_of(size, steps, p), inputs)[1] for p in POLICIES}
    limit = baseline("targets.gradients.nested_memory")
    rows = []
    for policy, mib in memory.items():
        share = mib / memory["direct"]
        held = policy == "nested"
        cells = [f"{size}² × {steps}", f"gradient, {policy}", "", "", f"{share:.3f} of direct"]
        verdict = verdict_of(limit.meets(share)) if held else ""
        rows.append([*cells, f"{mib:.1f}", str(limit) if held else "", verdict])
    return rows


def hessian_row() -> list[str]:
    """The Hessian over the six parameters of the smaller case."""
    size, steps, _ = CASES[0]
    inputs = inputs_of(size)
    program, memory = compiled(jax.hessian(loss_of(size, steps, "direct")), inputs)
    forward, _ = compiled(loss_of(size, steps, None), inputs)
    times = interleaved(
        {"hessian": partial(program, *inputs), "forward": partial(forward, *inputs)}, repeats=5
    )
    ratio = times["hessian"].median_ms / times["forward"].median_ms
    finite = bool(jnp.all(jnp.isfinite(program(*inputs))))
    return [
        f"{size}² × {steps}",
        "Hessian (6 × 6), direct",
        f"{times['hessian'].median_ms:.2f}",
        f"{times['hessian'].spread:.0%}",
        f"{ratio:.1f} ×",
        f"{memory:.1f}",
        "finite",
        verdict_of(finite),
    ]


def verdict_of(met: bool) -> str:
    """'pass' or 'MISS'."""
    return "pass" if met else "MISS"


def main(arguments: list[str]) -> int:
    """Print the table; the exit status is 1 if a limit is missed."""
    cases = CASES[:1] if "--quick" in arguments else CASES
    rows = [row for case in cases for row in size_rows(*case)]
    rows += [*long_rows(), hessian_row()]
    table = Table(title="Gradients through the v4.1 model, float32")
    for column in (
        "case",
        "what",
        "median, ms",
        "spread",
        "against forward: median (min)",
        "temporaries, MiB",
        "limit",
        "",
    ):
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)
    return int(any("MISS" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
