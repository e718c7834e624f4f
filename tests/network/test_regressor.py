"""Training on columns in their own units; saving and loading."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mfnjax.errors import DataError, ParameterError
from mfnjax.network import Regressor, TrainOptions, regression_metrics, train_regressor

NAMES = ("width", "height", "constant")


def columns(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.stack([rng.normal(1e4, 300, n), rng.normal(0, 1e-3, n), np.full(n, 0.1)], axis=1)
    return x, -70 + 0.01 * (x[:, 0] - 1e4) + 2e3 * x[:, 1]


@pytest.fixture(scope="module")
def trained():
    options = TrainOptions(epochs=60, batch_size=16, learning_rate=5e-3)
    return train_regressor(
        *columns(200, 0),
        input_names=NAMES,
        target_name="V",
        held_out=columns(50, 1),
        hidden_dim=16,
        options=options,
    )[0]


@pytest.mark.thorough
def test_it_learns_in_the_units_of_the_data(trained):
    x, y = columns(100, 2)
    prediction = trained.predict(x)
    assert regression_metrics(prediction, y)["gain"] > 50
    assert trained.metrics["gain"] > 50
    assert np.all(trained.inputs.deviation > 0)
    assert trained.inputs.deviation[2] == 1.0


def test_saved_and_loaded_predicts_the_same(trained, tmp_path):
    path = trained.save(tmp_path / "net.npz")
    loaded = Regressor.load(path)
    x, _ = columns(20, 3)
    np.testing.assert_array_equal(loaded.predict(x), trained.predict(x))
    assert (loaded.input_names, loaded.target_name) == (NAMES, "V")
    assert loaded.metrics == trained.metrics
    assert loaded.config == trained.config


def test_files_that_are_no_network(trained, tmp_path):
    with pytest.raises(DataError, match=r"ends in \.npz"):
        trained.save(tmp_path / "net.txt")
    with pytest.raises(DataError, match="no such file"):
        Regressor.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match="not a network saved by mfnjax"):
        Regressor.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(DataError, match="not a network saved by mfnjax"):
        Regressor.load(tmp_path / "other.npz")
    wide = dataclasses.replace(trained.config, hidden_dim=32)
    dataclasses.replace(trained, config=wide).save(tmp_path / "wide.npz")
    with pytest.raises(DataError, match=r"another network.*\(16,\) float32 there, \(32,\)"):
        Regressor.load(tmp_path / "wide.npz")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4)), "columns width, height, constant"),
        (np.zeros(3), "shape"),
        (np.array([[1, 2, np.nan]]), "row 0"),
        (np.array([["a", "b", "c"]]), "numbers"),
    ],
)
def test_bad_inputs_to_predict(trained, x, message):
    with pytest.raises(DataError, match=message):
        trained.predict(x)


def test_bad_training_data():
    with pytest.raises(DataError, match="n ≥ 1"):
        train_regressor(np.zeros((0, 3)), np.zeros(0))
    with pytest.raises(ParameterError, match="2 input_names for 3 columns"):
        train_regressor(np.zeros((4, 3)), np.zeros(4), input_names=("a", "b"))
    with pytest.raises(DataError, match="targets: row 1"):
        train_regressor(np.zeros((2, 3)), np.array([0, np.inf]))
