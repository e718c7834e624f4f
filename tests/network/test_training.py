"""Training: it learns, it resumes bit for bit, it stops early, it says what is wrong."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mfnjax.errors import DataError, NumericalInstabilityError, ParameterError
from mfnjax.network import (
    NetworkConfig,
    STDPRule,
    TrainOptions,
    apply_network,
    init_network,
    predict,
    regression_metrics,
    train,
)

CONFIG = NetworkConfig(hidden_dim=16)
OPTIONS = TrainOptions(epochs=6, batch_size=8, stdp=STDPRule())


def problem(n: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(n, 4))
    return x, 0.5 * x[:, 0] + x[:, 1] ** 2


def same(a, b) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


class Interruption(Exception):
    pass


def stop_after(epoch):
    def on_epoch(record):
        if record.epoch == epoch:
            raise Interruption

    return on_epoch


@pytest.mark.parametrize("patience", [None, 3])
@pytest.mark.thorough
def test_interrupted_and_resumed_is_bit_for_bit_the_same(tmp_path, patience):
    x, y = problem()
    options = dataclasses.replace(OPTIONS, patience=patience)
    held_out = problem(20, seed=1)
    through = train(CONFIG, x, y, options=options, held_out=held_out)
    for stop in (2, 5):
        with pytest.raises(Interruption):
            train(
                CONFIG,
                x,
                y,
                options=options,
                held_out=held_out,
                checkpoints=tmp_path / "run",
                on_epoch=stop_after(stop),
            )
    resumed = train(CONFIG, x, y, options=options, held_out=held_out, checkpoints=tmp_path / "run")
    assert same(through.params, resumed.params)
    assert through.history == resumed.history
    assert through.best_epoch == resumed.best_epoch
    assert len(list((tmp_path / "run").glob("[0-9]*"))) == 2


CHILD = """
import os, signal, sys
import numpy as np
from tests.network.test_training import CONFIG, OPTIONS, problem
from mfnjax.network import train
def kill(record):
    if record.epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)
x, y = problem()
train(CONFIG, x, y, options=OPTIONS, checkpoints=sys.argv[1], on_epoch=kill)
"""


@pytest.mark.thorough
def test_killed_process_and_another_process_goes_on(tmp_path):
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "JAX_ENABLE_X64": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "run")], env=environment, check=False, cwd=root
    )
    assert done.returncode == -signal.SIGKILL
    x, y = problem()
    resumed = train(CONFIG, x, y, options=OPTIONS, checkpoints=tmp_path / "run")
    assert same(resumed.params, train(CONFIG, x, y, options=OPTIONS).params)


@pytest.mark.thorough
def test_more_epochs_later_equal_all_at_once(tmp_path):
    x, y = problem()
    short = dataclasses.replace(OPTIONS, epochs=2)
    train(CONFIG, x, y, options=short, checkpoints=tmp_path)
    longer = train(CONFIG, x, y, options=OPTIONS, checkpoints=tmp_path)
    assert same(longer.params, train(CONFIG, x, y, options=OPTIONS).params)
    finished = train(CONFIG, x, y, options=OPTIONS, checkpoints=tmp_path)
    assert same(finished.params, longer.params)


@pytest.mark.thorough
def test_a_checkpoint_of_something_else_is_one_clear_error(tmp_path):
    x, y = problem()
    train(CONFIG, x, y, options=dataclasses.replace(OPTIONS, epochs=1), checkpoints=tmp_path)
    wide = NetworkConfig(hidden_dim=32)
    with pytest.raises(DataError, match=r"another network.*\(16,\) float32 there, \(32,\)"):
        train(wide, x, y, options=OPTIONS, checkpoints=tmp_path)
    plain = NetworkConfig(hidden_dim=16, use_attention=False)
    with pytest.raises(DataError, match=r"attention\.key\.bias is .* there, absent was expected"):
        train(plain, x, y, options=OPTIONS, checkpoints=tmp_path)
    with pytest.raises(DataError, match="batch_size was 8 there and is 4 now"):
        train(
            CONFIG,
            x,
            y,
            options=dataclasses.replace(OPTIONS, batch_size=4),
            checkpoints=tmp_path,
        )
    with pytest.raises(DataError, match="data was"):
        train(CONFIG, x + 1, y, options=OPTIONS, checkpoints=tmp_path)
    for path in (tmp_path / "1" / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(DataError, match="not a checkpoint that can be read"):
        train(CONFIG, x, y, options=OPTIONS, checkpoints=tmp_path)


def test_a_checkpoint_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="no folder for checkpoints"):
        train(CONFIG, *problem(), checkpoints=tmp_path / "file" / "run")


def test_a_nan_loss_names_the_step_and_saves_nothing(tmp_path):
    x, y = problem(16)
    options = TrainOptions(epochs=3, batch_size=8)
    with pytest.raises(NumericalInstabilityError, match=r"'loss' holds a NaN.* after step 1"):
        train(CONFIG, x, y * 1e30, options=options, checkpoints=tmp_path)
    assert not list(tmp_path.glob("[0-9]*"))
    with pytest.raises(NumericalInstabilityError, match="held-out loss"):
        train(CONFIG, x, y, options=options, held_out=(x, 1e30 * y))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 4)), np.zeros(0), "no samples"),
        (np.zeros((3, 5)), np.zeros(3), r"shape \(n, 4\)"),
        (np.zeros((3, 4)), np.zeros(2), "3 inputs need targets"),
        (np.array([[0, 0, 0, 0], [0, np.nan, 0, 0.0]]), np.zeros(2), "input of sample 1"),
        (np.zeros((2, 4)), np.array([np.inf, 0]), "target of sample 0"),
        (np.array([["a"] * 4]), np.zeros(1), "numbers"),
    ],
)
def test_bad_data_is_one_clear_error(x, y, message):
    with pytest.raises(DataError, match=message):
        train(CONFIG, x, y)


@pytest.mark.thorough
def test_it_learns_and_patience_returns_the_best():
    x, y = problem(300)
    held_out = problem(100, seed=9)
    options = TrainOptions(epochs=400, batch_size=32, learning_rate=5e-3, patience=20)
    run = train(CONFIG, x, y, options=options, held_out=held_out)
    metrics = regression_metrics(predict(CONFIG, run.params, held_out[0]), held_out[1])
    assert metrics["gain"] > 10
    assert run.stopped_early
    assert len(run.history) == run.best_epoch + 20
    best = min(record.held_out_loss for record in run.history)
    np.testing.assert_allclose(metrics["mse"], best, rtol=1e-4)
    assert run.history[run.best_epoch - 1].held_out_loss == best


@pytest.mark.thorough
def test_steps_are_those_of_optax_adam():
    """Batches without shuffling effects (one batch), against a plain optax loop in float64."""
    config = NetworkConfig(hidden_dim=8, dtype="float64")
    x, y = problem(10)
    params = init_network(config, key=jax.random.key(4))
    ours = train(config, x, y, options=TrainOptions(epochs=5, batch_size=10), params=params).params
    adam = optax.adam(1e-3)
    with jax.numpy_dtype_promotion("standard"):
        state = adam.init(params)
        for _ in range(5):
            gradient = jax.grad(
                lambda p: jnp.mean((apply_network(config, p, jnp.asarray(x))[:, 0] - y) ** 2)
            )(params)
            updates, state = adam.update(gradient, state)
            params = optax.apply_updates(params, updates)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.thorough
def test_a_last_batch_that_is_not_full_counts_its_samples_once():
    """With a tiny rate the losses of the batches, weighted, are the loss over all samples."""
    x, y = problem(10)
    options = TrainOptions(epochs=1, batch_size=10, learning_rate=1e-30)
    whole = train(CONFIG, x, y, options=options).history[0].loss
    parts = train(CONFIG, x[:3], y[:3], options=dataclasses.replace(options, batch_size=2))
    alone = [
        train(CONFIG, x[i : i + 1], y[i : i + 1], options=options).history[0].loss for i in range(3)
    ]
    batches = [[i, j] for i in range(3) for j in range(i)]
    candidates = [
        (np.mean([alone[i] for i in pair]) + alone[3 - sum(pair)]) / 2 for pair in batches
    ]
    assert min(abs(parts.history[0].loss - c) for c in candidates) < 1e-6 * max(candidates)
    assert whole > 0


def test_seeds():
    x, y = problem()
    one = train(CONFIG, x, y, options=OPTIONS).params
    assert same(one, train(CONFIG, x, y, options=OPTIONS).params)
    assert not same(one, train(CONFIG, x, y, options=dataclasses.replace(OPTIONS, seed=1)).params)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"seed": 2**32},
        {"patience": 0},
        {"min_delta": -1.0},
    ],
)
def test_bad_options(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        TrainOptions(**options)


def test_metrics_and_empty_predictions():
    metrics = regression_metrics([1.0, 2.0], [1.0, 4.0])
    assert metrics == {"mse": 2.0, "mae": 1.0, "r2": 1 - 2.0 / 2.25, "gain": 1.125}
    assert regression_metrics([1.0, 2.0], [1.0, 2.0])["gain"] == float("inf")
    assert np.isnan(regression_metrics([1.0], [2.0])["r2"])
    with pytest.raises(ParameterError, match="one length"):
        regression_metrics([1.0], [1.0, 2.0])
    params = init_network(CONFIG, key=jax.random.key(0))
    assert predict(CONFIG, params, np.zeros((0, 4))).shape == (0,)
