"""`configure_cpu`: one thread a program, one device a core, and the same bits."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial

import jax
import numpy as np
import pytest

from mfnjax import Grid, MyceliumModel, configure_cpu, simulate
from mfnjax.errors import MfnError, ParameterError

TWO_DEVICES = """
import threading
import jax, numpy as np
from mfnjax import MyceliumModel, Grid, configure_cpu, simulate, simulate_ensemble
configure_cpu(devices=2)
assert len(jax.devices()) == 2
used, place = set(), jax.default_device
def note(device):
    used.add((threading.current_thread().name, device.id))
    return place(device)
jax.default_device = note
grid, model = Grid((16, 16)), MyceliumModel()
start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
keys = jax.random.split(jax.random.key(1), 34)
many = simulate_ensemble(model, start, grid=grid, steps=40, key=keys, threads=2)
for index in (0, 7, 8, 33):
    alone = simulate(model, start, grid=grid, steps=40, key=keys[index])
    for name in model.fields:
        assert np.array_equal(many.state[name][index], alone.state[name])
threads, devices = zip(*used)
assert len(set(threads)) == len(threads), used  # a thread keeps to its device
print(sorted(devices))
"""


@pytest.mark.thorough
def test_each_thread_of_an_ensemble_has_a_device_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[0, 1]\n", done.stderr


def test_it_is_refused_once_jax_has_started() -> None:
    jax.devices()
    with pytest.raises(MfnError, match="before JAX has computed anything"):
        configure_cpu()


@pytest.mark.parametrize("devices", [0, -1, 1.5, True, "2"])
def test_a_number_of_devices_is_a_positive_integer(devices: object) -> None:
    with pytest.raises(ParameterError, match="devices must be a positive integer"):
        configure_cpu(devices)  # type: ignore[arg-type]


FEW = 8
"""XLA's CPU runtime runs so many kernels in the order they stand in. Of more than that it hands
half of the ready ones to another thread, where more than so many are ready beside the one that runs
(``ThunkExecutor`` and ``ExecuteSession`` in jaxlib 0.10.2)."""

NO_KERNEL = frozenset(
    {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
    | {"partition-id", "replica-id", "opt-barrier"}
)
"""Operations that are none."""

Kernels = dict[str, tuple[str, list[str]]]
"""Name → what it does, and what it reads."""


def computations_of(text: str) -> dict[str, Kernels]:
    """The computations of a program in HLO, without those that are fused into one kernel."""
    found: dict[str, Kernels] = {}
    for line in re.sub(r"/\*.*?\*/", "", text).splitlines():
        if head := re.match(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            inside = found[head[1]] = {}
        elif one := re.match(r"\s+(?:ROOT )?%?([\w.\-]+) = .*? ([a-z\-]+)\((.*?)\)", line):
            inside[one[1]] = one[2], re.findall(r"%([\w.\-]+)", one[3])
    fused = set(re.findall(r"fusion\(.*calls=%([\w.\-]+)", text))
    return {name: inside for name, inside in found.items() if name not in fused}


def most_ready(kernels: Kernels) -> int:
    """How many kernels of a computation are ready beside the one that runs, at most.

    They run first come, first served, each once all that it reads is there.
    """
    sources: dict[str, set[str]] = {}
    for name, (_, operands) in kernels.items():
        read = {o for o in operands if o in kernels}
        sources[name] = set().union(
            *(sources[o] if kernels[o][0] in NO_KERNEL else {o} for o in read)
        )
    waiting = {name: sources[name] for name in kernels if kernels[name][0] not in NO_KERNEL}
    if len(waiting) <= FEW:
        return 0
    most, ready = 0, [name for name in waiting if not waiting[name]]
    while ready:
        done, *ready = ready
        most = max(most, len(ready))
        for name, left in waiting.items():
            if done in left:
                left = waiting[name] = left - {done}
                ready += [] if left else [name]
    return most


@pytest.mark.parametrize(
    ("size", "steps", "save_every"), [(32, 32, None), (64, 100, None), (64, 100, 1)]
)
@pytest.mark.thorough
def test_no_part_of_a_compiled_run_is_handed_to_another_thread(size, steps, save_every) -> None:
    """To wake a thread takes longer than a tenth of a short run (docs/speed.md)."""
    grid, model = Grid((size, size)), jax.tree.map(np.float32, MyceliumModel())
    state = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    run = jax.jit(partial(simulate, grid=grid, steps=steps, save_every=save_every))
    text = run.lower(model, state, key=jax.random.key(1)).compile().as_text()
    assert "is_scheduled=true" in text
    ready = {name: most_ready(inside) for name, inside in computations_of(text).items()}
    assert max(ready.values()) > 0
    assert {name: most for name, most in ready.items() if most > FEW} == {}
