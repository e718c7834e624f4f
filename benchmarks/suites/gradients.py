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

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness.baselines import baseline
from benchmarks.harness.memory import account_of
from benchmarks.harness.tables import Row, Table, judged, ratio, suite
from benchmarks.harness.timing import interleaved
from mfnjax import Grid, MyceliumModel, simulate
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
    return program, account_of(program)["temporaries"] / MIB


def gradient_of(size: int, steps: int, policy: str) -> Callable[..., Any]:
    """Value and gradient in parameters and fields."""
    return jax.value_and_grad(loss_of(size, steps, policy), argnums=(0, 1))


def size_rows(size: int, steps: int, repeats: int) -> Iterator[Row]:
    """Forward runs and the gradient under every policy; 'direct', meant for speed, is held."""
    inputs = inputs_of(size)
    functions = {
        "forward, traced loop": loss_of(size, steps, None),
        "forward, static loop": loss_of(size, steps, "direct"),
        **{f"gradient, {policy}": gradient_of(size, steps, policy) for policy in POLICIES},
    }
    programs = {name: compiled(function, inputs) for name, function in functions.items()}
    calls = {name: partial(program, *inputs) for name, (program, _) in programs.items()}
    times = interleaved(calls, repeats=repeats)
    forward = min((times[n] for n in times if "forward" in n), key=lambda t: t.median_ms)
    for name, timing in times.items():
        memory = programs[name][1]
        row = {
            "case": f"{size}² × {steps}",
            "what": name,
            "median, ms": timing.median_ms,
            "spread": f"{timing.spread:.0%}",
            "against forward: median (min)": ratio(timing, forward),
            "temporaries, MiB": memory,
        }
        if name == "gradient, direct":
            cost = baseline(f"targets.gradients.cost_{size}")
            room = baseline(f"targets.gradients.memory_{size}")
            row |= judged(timing.median_ms / forward.median_ms, cost)
            row["target"] = f"{cost}, {room}"
            row["verdict"] = row["verdict"] if room.meets(memory) else "MISS"
        yield row


def long_rows() -> Iterator[Row]:
    """Memory of a long run under the plain and the √T policy."""
    size, steps = LONG
    inputs = inputs_of(size)
    memory = {p: compiled(gradient_of(size, steps, p), inputs)[1] for p in POLICIES}
    for policy, mib in memory.items():
        share = mib / memory["direct"]
        limit = baseline("targets.gradients.nested_memory") if policy == "nested" else None
        yield {
            "case": f"{size}² × {steps}",
            "what": f"gradient, {policy}",
            "against forward: median (min)": f"{share:.3f} of direct",
            "temporaries, MiB": mib,
            **judged(share, limit),
        }


def hessian_row() -> Row:
    """The Hessian over the six parameters of the smaller case."""
    size, steps, _ = CASES[0]
    inputs = inputs_of(size)
    program, memory = compiled(jax.hessian(loss_of(size, steps, "direct")), inputs)
    forward, _ = compiled(loss_of(size, steps, None), inputs)
    calls = {"hessian": partial(program, *inputs), "forward": partial(forward, *inputs)}
    times = interleaved(calls, repeats=5)
    finite = bool(jnp.all(jnp.isfinite(program(*inputs))))
    return {
        "case": f"{size}² × {steps}",
        "what": "Hessian (6 × 6), direct",
        "median, ms": times["hessian"].median_ms,
        "spread": f"{times['hessian'].spread:.0%}",
        "against forward: median (min)": ratio(times["hessian"], times["forward"]),
        "temporaries, MiB": memory,
        "target": "finite",
        "verdict": "pass" if finite else "MISS",
    }


def tables(options: Any) -> Iterator[Table]:
    """One table."""
    cases = CASES[:1] if options.quick else CASES
    rows = [row for case in cases for row in size_rows(*case)]
    yield Table("Gradients through the v4.1 model, float32", [*rows, *long_rows(), hessian_row()])


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit status is 1 if a limit is missed."""
    return suite(
        "gradients",
        __doc__,
        tables,
        options=lambda p: p.add_argument("--quick", action="store_true", help="64² alone"),
        argv=argv,
    )
