"""A dataset is a simulation and ranges: its settings, its starts, and its main field over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from dataset_sweeps import small_config, values_of

from mfnjax import GrayScottModel, Grid, Simulation
from mfnjax.cli import main
from mfnjax.dataset import contact_sheet, engine, generate_dataset, inspect_dataset, load_dataset
from mfnjax.dataset.columns import read_columns
from mfnjax.dataset.measuring import CALM, features_of_run
from mfnjax.dataset.schema import METADATA_KEY, ContentHash

SETTINGS: dict[str, Any] = {
    "preset": "holes",
    "stepper": "rk4",
    "boundary": "neumann",
    "spacing": 1.25,
    "dt": 0.5,
    "start": "scattered",
    "save_every": 2,
}
RANGES = {"F": (0.03, 0.05)}


def sweep(**changes: Any) -> Any:
    return small_config(num_samples=4, grid_sizes=(16,), steps_range=(30, 40), **changes)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "set.parquet"
    config = sweep(output_path=str(path))
    generate_dataset(config, model="gray-scott", ranges=RANGES, workers=1, **SETTINGS)
    return path


def run_of(row: dict[str, Any]) -> Any:
    model = GrayScottModel(**{name: row[name] for name in ("feed", "kill", "d_u", "d_v")})
    grid = Grid((16, 16), 1.25, "neumann")
    simulation = Simulation(
        model, grid, row["steps"], 0.5, "rk4", save_every=2, save="v", start="scattered"
    )
    return simulation.run(seed=row["random_seed"])


@pytest.mark.thorough
def test_a_row_is_the_run_of_its_simulation_and_is_measured_over_time(path: Path) -> None:
    """Final statistics by the public run; the changes by NumPy, in float64."""
    assert inspect_dataset(path).problems == ()
    rows = pq.read_table(path).to_pylist()
    assert {row["kill"] for row in rows} == {0.058}
    row = rows[1]
    run = run_of(row)
    assert row["v_max"] == pytest.approx(float(run.state["v"].max()), rel=1e-5)
    frames = np.asarray(run.history, np.float64)
    changes = np.abs(np.diff(frames, axis=0)) / 2
    assert len(frames) == row["steps"] // 2
    assert row["v_change_mean"] == pytest.approx(changes.mean(), rel=1e-3)
    assert row["v_change_max"] == pytest.approx(changes.max(), rel=1e-3)
    energy = (frames**2).sum(axis=(1, 2))
    trend = np.polyfit(2.0 * np.arange(len(frames)), energy, 1)[0]
    assert row["E_trend"] == pytest.approx(trend, rel=1e-3)
    assert row["T_stable"] == 2 * len(frames)  # it never rests
    found = features_of_run(run)
    assert all(found[name] == pytest.approx(row[name], rel=1e-4, abs=1e-6) for name in found)
    assert set(found) <= set(row)
    assert "v_change_mean" not in features_of_run(run_of({**row, "steps": 0}))


@pytest.mark.thorough
def test_the_same_from_a_simulation_from_the_command_and_one_by_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = values_of(pq.read_table(path))
    described = {k: v for k, v in SETTINGS.items() if k != "preset"}
    model = GrayScottModel(0.039, 0.058)
    simulation = Simulation.from_dict({"model": "gray-scott", **described, "steps": 9})
    simulation = simulation.replace(model=model)
    again = generate_dataset(sweep(), simulation=simulation, ranges=RANGES, workers=1)
    assert values_of(again.table).equals(whole)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in described.items()]
    command = ["dataset", "--model", "gray-scott", "--set", "k=0.058", "--range", "F=0.03:0.05"]
    command += ["--num-samples", "4", "--grid-sizes", "16", "--steps-range", "30:40", "--seed", "7"]
    told = CliRunner().invoke(main, [*command, *options, "-o", str(tmp_path / "told.parquet")])
    assert told.exit_code == 0, told.output
    assert values_of(pq.read_table(tmp_path / "told.parquet")).equals(whole)
    monkeypatch.setattr(engine, "CHUNK_CELL_STEPS", 1)
    alone = generate_dataset(sweep(), simulation=simulation, ranges=RANGES, workers=1)
    for name in whole.column_names[:-1]:
        np.testing.assert_allclose(
            alone.table[name].to_numpy(), whole[name].to_numpy(), rtol=1e-3, atol=1e-6
        )


def test_a_simulation_alone_has_its_own_grid_and_steps(tmp_path: Path) -> None:
    simulation = Simulation(GrayScottModel(), Grid((16, 16)), 7)
    from mfnjax.dataset.generate import _usual_config

    config = _usual_config(simulation)
    assert (config.grid_sizes, config.steps_range) == ((16,), (7, 7))


@pytest.mark.thorough
def test_another_setting_is_another_dataset(path: Path) -> None:
    said = json.loads(pq.read_metadata(path).metadata[METADATA_KEY])
    assert said["plan"]["simulation"]["stepper"] == "rk4"
    assert said["plan"]["simulation"]["start"] == "scattered"
    from mfnjax.dataset.plan import make_plan, plan_from_identity

    plan = plan_from_identity(said["plan"])
    assert plan.fingerprint == said["fingerprint"]
    for name, other in {"stepper": "euler", "start": None, "spacing": 1.0, "dt": 0.25}.items():
        settings = {**SETTINGS, name: other}
        changed = make_plan(sweep(), model="gray-scott", ranges=RANGES, **settings)
        assert changed.fingerprint != plan.fingerprint


@pytest.mark.thorough
def test_a_scattered_start_differs_from_seed_to_seed() -> None:
    simulation = Simulation(GrayScottModel(), Grid((64, 64)), 0, start="scattered")
    first, second = (np.asarray(simulation.run(seed=k).state["v"]) > 0.1 for k in (1, 2))
    assert first.sum() > 0
    assert (first != second).any()
    customary, centre = (simulation.run(name, seed=1) for name in (None, "centre"))
    assert np.array_equal(customary.state["v"] > 0.1, first)
    plain = simulation.replace(start=None).run(seed=1)
    assert np.array_equal(centre.state["v"], plain.state["v"])
    assert centre.simulation.start == "centre"


def test_a_change_of_unit_changes_no_verdict() -> None:
    """u of K = 1024 is 1024 times that of K = 1: at rest after the same step, to the bit."""
    config = small_config(num_samples=3, grid_sizes=(16,), steps_range=(250, 300))
    ranges = {"D": (0.15, 0.2), "lambda": (0.4, 0.5)}
    one, many = (
        generate_dataset(config, model="fisher-kpp", ranges={**ranges, "K": K}, workers=1).table
        for K in (1.0, 1024.0)
    )
    rest = one["T_stable"].to_numpy()
    assert (rest > 10).all()
    assert (rest < 200).all()
    assert one["T_stable"].equals(many["T_stable"])
    for name, power in {"u_change_mean": 1, "u_change_max": 1, "E_trend": 2}.items():
        scaled = one[name].to_numpy() * 1024.0**power
        np.testing.assert_allclose(many[name].to_numpy(), scaled, rtol=1e-6)
    assert CALM == 1e-5


@pytest.mark.thorough
def test_a_file_of_the_first_version_is_read(path: Path, tmp_path: Path) -> None:
    """It has no changes over time, and says no more of its simulation than model and dt."""
    table = pq.read_table(path)
    said = json.loads(table.schema.metadata[METADATA_KEY])
    table = table.drop_columns(["v_change_mean", "v_change_max", "T_stable", "E_trend"])
    del said["plan"]["simulation"]
    said["plan"] |= {"feature_schema_version": 1}
    content = ContentHash(table.schema)
    content.update(table)
    said["content_hash"] = content.hexdigest()
    old = tmp_path / "old.parquet"
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(said)}), old)
    assert inspect_dataset(old).problems == ()
    assert load_dataset(old, "arrays").target_names[-1] == "cluster_size_std"
    assert read_columns(old, None, None).target_name == "feed"
    assert contact_sheet(old, tmp_path / "old.png", count=1).stat().st_size > 0
    assert isinstance(load_dataset(old), pa.Table)
