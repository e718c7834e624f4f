"""The documented layer: names, results, files, and the same bits every time."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import mfnjax
from mfnjax import (
    DataError,
    NumericalInstabilityError,
    ParameterError,
    Simulation,
    SimulationConfig,
    SimulationResult,
    compute_fractal_features,
    make_simulation_config_demo,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
)

DOCUMENTED = [
    "SimulationConfig",
    "FeatureConfig",
    "DatasetConfig",
    "make_simulation_config_demo",
    "make_simulation_config_default",
    "make_feature_config_demo",
    "make_feature_config_default",
    "make_dataset_config_demo",
    "make_dataset_config_default",
    "run_mycelium_simulation",
    "run_mycelium_simulation_with_history",
    "compute_fractal_features",
]


def test_the_documented_names_are_public() -> None:
    assert set(DOCUMENTED) <= set(mfnjax.__all__)
    for name in mfnjax.__all__:
        assert getattr(mfnjax, name) is not None
    assert set(mfnjax.__all__) <= set(dir(mfnjax))
    with pytest.raises(AttributeError, match="attribute simulat"):
        mfnjax.simulat  # noqa: B018


def test_history_and_field_belong_together() -> None:
    config = make_simulation_config_demo()
    plain = run_mycelium_simulation(config)
    full = run_mycelium_simulation_with_history(config)
    assert plain.history is None
    with pytest.raises(ParameterError, match="no history"):
        _ = plain.frames
    assert full.history.shape == (32, 32, 32)
    assert full.field.dtype == np.float32
    np.testing.assert_array_equal(plain.field, full.field)
    np.testing.assert_array_equal(full.frames[-1], full.field)
    assert plain.growth_events == full.growth_events > 0
    assert -0.095 <= full.history.min() <= full.history.max() <= 0.040


def test_float64_is_one_switch() -> None:
    config = SimulationConfig(grid_size=8, steps=3, seed=1, dtype="float64")
    assert run_mycelium_simulation(config).field.dtype == np.float64


def test_a_seed_of_none_is_drawn_and_reported() -> None:
    config = SimulationConfig(grid_size=8, steps=5)
    first, second = run_mycelium_simulation(config), run_mycelium_simulation(config)
    assert first.seed != second.seed
    again = run_mycelium_simulation(SimulationConfig(grid_size=8, steps=5, seed=first.seed))
    np.testing.assert_array_equal(first.field, again.field)


@pytest.mark.parametrize("seed", [0, 2**31, 2**32 - 1])
def test_every_seed_is_its_own(seed: int) -> None:
    one = run_mycelium_simulation(SimulationConfig(grid_size=8, steps=2, seed=seed))
    other = run_mycelium_simulation(SimulationConfig(grid_size=8, steps=2, seed=seed ^ 1))
    assert one.seed == seed
    assert not np.array_equal(one.field, other.field)


@pytest.mark.thorough
def test_same_bits_in_fresh_processes() -> None:
    """The default precision of a user, twice, in processes of their own."""
    script = textwrap.dedent(
        """
        import hashlib
        from mfnjax import make_simulation_config_demo, run_mycelium_simulation_with_history
        result = run_mycelium_simulation_with_history(make_simulation_config_demo())
        print(hashlib.sha256(result.history.tobytes()).hexdigest(), result.growth_events)
        """
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1]
    here = run_mycelium_simulation_with_history(make_simulation_config_demo())
    assert told[0].split()[0] == hashlib.sha256(here.history.tobytes()).hexdigest()


def test_a_result_is_saved_without_loss(tmp_path) -> None:
    config = SimulationConfig(grid_size=8, steps=4, seed=3, boundary="neumann")
    for run in (run_mycelium_simulation, run_mycelium_simulation_with_history):
        result = run(config)
        path = result.save(tmp_path / "run.npz")
        read = SimulationResult.load(path)
        np.testing.assert_array_equal(read.field, result.field)
        assert read.field.dtype == result.field.dtype
        assert (read.history is None) == (result.history is None)
        if result.history is not None:
            np.testing.assert_array_equal(read.history, result.history)
        assert (read.config, read.seed) == (result.config, result.seed)
        assert read.growth_events == result.growth_events
        assert read == result
        assert read != run(SimulationConfig(grid_size=8, steps=4, seed=4, boundary="neumann"))
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_files_that_are_no_results_are_named(tmp_path) -> None:
    text = tmp_path / "text.npz"
    text.write_text("not a zip")
    other = tmp_path / "other.npz"
    np.savez(other, meta=np.array('{"format": "else"}'), field=np.zeros((4, 4)))
    damaged = tmp_path / "damaged.npz"
    np.savez(
        damaged, meta=np.array('{"format": "mfnjax-simulation-result-1"}'), field=np.zeros((4, 4))
    )
    for path, message in (
        (damaged, "not a result saved by mfnjax"),
        (text, "not a result saved by mfnjax"),
        (other, "its format is 'else', not mfnjax-simulation-result-1"),
        (tmp_path / "none.npz", "no such file"),
        (tmp_path / "run.txt", "ends in .npz"),
    ):
        with pytest.raises(DataError, match=message):
            SimulationResult.load(path)
    with pytest.raises(DataError, match="cannot be written"):
        run_mycelium_simulation(SimulationConfig(grid_size=8, steps=1, seed=0)).save(
            tmp_path / "no" / "folder" / "run.npz"
        )


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    result = run_mycelium_simulation(SimulationConfig(grid_size=8, steps=1, seed=0))
    path = result.save(tmp_path / "run.npz")
    before = path.read_bytes()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        result.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_features_of_a_result_are_those_of_its_arrays() -> None:
    full = run_mycelium_simulation_with_history(make_simulation_config_demo())
    field_only = compute_fractal_features(run_mycelium_simulation(make_simulation_config_demo()))
    from_result = compute_fractal_features(full).to_dict()
    assert from_result == compute_fractal_features(full.history).to_dict()
    assert field_only["V_mean"] == from_result["V_mean"]
    assert np.isnan(field_only["dV_mean"])
    assert from_result["dV_mean"] > 0.0
    assert from_result["V_mean"] == pytest.approx(1e3 * full.field.mean(dtype=float), rel=1e-5)


def test_wrong_calls_are_named() -> None:
    with pytest.raises(ParameterError, match="config must be a SimulationConfig, got dict"):
        run_mycelium_simulation({"grid_size": 8})  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="config must be a FeatureConfig, got dict"):
        compute_fractal_features(np.zeros((8, 8)), {"num_scales": 3})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"within ±200 mV, got 1e\+23 mV"):
        compute_fractal_features(np.full((8, 8), 1e20, np.float32) * np.eye(8, dtype="f4"))


def test_the_error_of_a_bad_run_travels_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(NumericalInstabilityError("potential", 7)))
    assert (error.field, error.step) == ("potential", 7)
    assert "'potential' holds a NaN or an infinity after step 7" in str(error)


def test_result_shows_itself() -> None:
    result = run_mycelium_simulation(make_simulation_config_demo())
    assert repr(result).startswith("SimulationResult(32×32, 32 steps, seed 42, -")
    html = result._repr_html_()
    assert "data:image/png;base64," in html
    assert "growth" in html.lower()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "gray-scott"}, "not a run of the v4.1 model"),
        ({"save_every": 2, "save": "potential"}, "2 steps apart"),
        ({"growth_mean": 0.03}, "cannot have growth_mean = 0.03"),
        ({"shape": [8, 6], "grid_size": None}, "cannot have shape"),
        ({"grid_size": None, "shape": [2, 2]}, "grid_size must be"),
    ],
)
def test_a_run_that_no_configuration_describes_is_no_documented_result(
    tmp_path, values, message
) -> None:
    """It is refused, not read as the result of another run."""
    run = Simulation.from_dict({"grid_size": 8, "steps": 4, **values}).run(seed=0)
    path = run.save(tmp_path / "run.npz")
    with pytest.raises(DataError, match=message) as error:
        SimulationResult.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mfnjax.config", "mfnjax"),
        ("mfnjax.pipeline", "mfnjax"),
        ("mfnjax.validation", "mfnjax.science"),
        ("mfnjax.simulation.steppers", "mfnjax.steppers"),
    ],
)
def test_names_at_their_former_places_are_the_same_and_warn(old: str, new: str) -> None:
    former = importlib.import_module(old)
    names = former.__getattr__.__closure__  # what `moved` was told
    (places,) = [c.cell_contents for c in names if isinstance(c.cell_contents, dict)]
    for name in places:
        with pytest.warns(DeprecationWarning, match=f"is now {new}"):
            found = getattr(former, name)
        assert found is getattr(importlib.import_module(places[name]), name)
