"""Configurations: documented values, ranges, and the way through files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, strategies as st

import mfnjax
from mfnjax import (
    DataError,
    DatasetConfig,
    FeatureConfig,
    GrayScottModel,
    Grid,
    ParameterError,
    Simulation,
    SimulationConfig,
    StabilityError,
)
from mfnjax.v41.config import ValidationConfig


def test_documented_factories() -> None:
    demo = mfnjax.make_simulation_config_demo()
    assert (demo.grid_size, demo.steps, demo.seed) == (32, 32, 42)
    default = mfnjax.make_simulation_config_default()
    assert (default.grid_size, default.steps, default.seed) == (64, 100, 42)
    assert mfnjax.make_feature_config_demo().num_scales == 3
    assert mfnjax.make_feature_config_default() == FeatureConfig()
    sweep = mfnjax.make_dataset_config_demo()
    assert (sweep.num_samples, sweep.grid_sizes, sweep.steps_range) == (5, (32,), (30, 50))
    assert (sweep.alpha_range, sweep.base_seed) == ((0.15, 0.18), 42)
    assert mfnjax.make_dataset_config_default() == DatasetConfig()


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"alpha": 0.3}, StabilityError, "alpha = 0.3 is over the stability bound 0.25"),
        ({"d_inhibitor": 0.25}, StabilityError, "d_inhibitor = 0.25 is not below"),
        ({"alpha": np.float32(0.5)}, StabilityError, "is over the stability bound"),
        ({"boundary": np.array(["a", "b"])}, ParameterError, "boundary must be one of"),
        ({"d_activator": 0.005}, ParameterError, r"d_activator must lie in \[0.01, 0.25\)"),
        ({"alpha": 0}, ParameterError, r"alpha must lie in \(0, 0.25\], got 0"),
        ({"alpha": float("inf")}, ParameterError, "finite"),
        ({"alpha": "0.1"}, ParameterError, "alpha must be a finite number"),
        ({"alpha": True}, ParameterError, "alpha must be a finite number"),
        ({"grid_size": 3}, ParameterError, "grid_size must be an integer from 4 to 1024, got 3"),
        ({"grid_size": 32.0}, ParameterError, "grid_size must be an integer"),
        ({"steps": 10_001}, ParameterError, "steps must be an integer from 1 to 10000"),
        ({"seed": -1}, ParameterError, "seed must be an integer from 0 to 4294967295, got -1"),
        ({"seed": 2**32}, ParameterError, "got 4294967296"),
        ({"turing_enabled": 1}, ParameterError, "turing_enabled must be true or false, got 1"),
        ({"boundary": "open"}, ParameterError, "boundary must be one of periodic"),
        ({"dtype": "float16"}, ParameterError, "dtype must be one of float32, float64"),
        ({"jitter_var": 0.02}, ParameterError, r"jitter_var must lie in \[0, 0.01\]"),
    ],
)
def test_simulation_config_names_what_is_wrong(values: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        SimulationConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold_med_mv": -60.0}, "rise strictly"),
        ({"threshold_low_mv": -101.0}, "threshold_low_mv"),
        ({"num_scales": 1}, "num_scales must be an integer from 2 to 20"),
        ({"max_box_size": 1}, "max_box_size"),
        ({"connectivity": 6}, "connectivity must be one of 4, 8"),
        ({"stability_window": 0}, "stability_window"),
    ],
)
def test_feature_config_names_what_is_wrong(values: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        FeatureConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_samples": 0}, "num_samples"),
        ({"grid_sizes": []}, "grid_sizes must be a list"),
        ({"steps_range": (50,)}, r"steps_range must be a pair"),
        ({"steps_range": (60, 50)}, "low ≤ high"),
        ({"alpha_range": (0.0, 0.1)}, r"inside \(0, 0.25\)"),
        ({"alpha_range": (0.1, 0.25)}, r"inside \(0, 0.25\)"),
        ({"base_seed": 2**32 - 1}, "base_seed must be an integer from 0 to 4294967096"),
        ({"turing_values": [0]}, "turing_values must be true or false"),
    ],
)
def test_dataset_config_names_what_is_wrong(values: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        DatasetConfig(**values)


def test_configurations_are_frozen_and_hashable() -> None:
    config = SimulationConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.alpha = 0.1  # type: ignore[misc]
    assert len({config, SimulationConfig(), DatasetConfig()}) == 2


@given(
    grid_size=st.integers(4, 1024),
    alpha=st.floats(0, 0.25, exclude_min=True),
    d_activator=st.floats(0.01, 0.25, exclude_max=True),
    seed=st.none() | st.integers(0, 2**32 - 1),
    boundary=st.sampled_from(["periodic", "neumann", "dirichlet"]),
)
def test_dict_round_trip_is_lossless(**values) -> None:
    config = SimulationConfig(**values)
    assert SimulationConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@pytest.mark.parametrize(
    "config",
    [
        SimulationConfig(alpha=0.1 + 0.2 - 0.15, seed=7),
        FeatureConfig(max_box_size=9),
        DatasetConfig(output_path="Täler/\U0001f344 \\ \x7f.parquet", grid_sizes=(8, 16)),
        Simulation(GrayScottModel(feed=0.03), Grid((4, 5), 0.5, "neumann"), 7, save_every=2),
    ],
)
def test_file_round_trip_is_lossless(tmp_path, config, suffix: str) -> None:
    path = tmp_path / f"run{suffix}"
    config.to_file(path)
    assert type(config).from_file(path) == config
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_none_that_toml_cannot_hold_is_refused_and_json_holds_it(tmp_path) -> None:
    config = DatasetConfig(output_path=None)
    with pytest.raises(DataError, match=r"TOML cannot hold output_path = None; write a .json"):
        config.to_file(tmp_path / "sweep.toml")
    config.to_file(tmp_path / "sweep.json")
    assert DatasetConfig.from_file(tmp_path / "sweep.json") == config


def test_numbers_of_numpy_become_plain_ones() -> None:
    measure = FeatureConfig(connectivity=np.int64(8), num_scales=np.int32(3))
    cycle = ValidationConfig(seed=np.int64(3), turing_enabled=np.bool_(False))
    values = [*measure.to_dict().values(), *cycle.to_dict().values()]
    assert all(type(value) in (int, float, bool, type(None)) for value in values)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfalpha = 0.1\n")
    assert SimulationConfig.from_file(path).alpha == 0.1


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("a.toml", "alpha = ", DataError, "not valid TOML"),
        ("a.json", "{", DataError, "not valid JSON"),
        ("a.json", "[1]", ParameterError, "needs a table of names and values"),
        ("a.yaml", "alpha: 1", DataError, "ends in .toml or .json"),
        ("a.toml", "alfa = 0.1", ParameterError, "no field 'alfa'; its fields are grid_size"),
        ("a.toml", "alpha = 0.3", StabilityError, "alpha = 0.3"),
        ("a.json", "[" * 100_000, DataError, "not valid JSON"),
        ("a.json", f'{{"jitter_var": 1{"0" * 400}}}', ParameterError, r"jitter_var must .*… \(int"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path, name, text, error, message) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(error, match=message):
        SimulationConfig.from_file(path)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"none.toml: cannot be read"):
        SimulationConfig.from_file(tmp_path / "none.toml")
