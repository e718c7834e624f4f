"""`configure_cpu`: one thread a program, one device a core, and the same bits."""

from __future__ import annotations

import subprocess
import sys

import jax
import pytest

from mfnjax import configure_cpu
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
