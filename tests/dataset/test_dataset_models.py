"""Sweeps of other models, and the fields beside the table."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from dataset_sweeps import small_config, values_of
from scipy import ndimage, stats

from mfnjax import (
    DataError,
    DatasetConfig,
    GrayScottModel,
    Grid,
    ParameterError,
    Simulation,
    SimulationConfig,
    StabilityError,
    run_mycelium_simulation,
    simulate,
)
from mfnjax.dataset import (
    engine,
    generate_dataset,
    inspect_dataset,
    load_dataset,
    load_fields,
    plan as plans,
)
from mfnjax.fractal import fractal_dimension

RANGES = {"F": (0.02, 0.06), "k": (0.05, 0.065), "d_u": 0.15}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "gray-scott.parquet"
    config = small_config(
        num_samples=12, grid_sizes=(16,), steps_range=(50, 400), output_path=str(path)
    )
    generate_dataset(config, model="gray-scott", ranges=RANGES, save_fields=True, workers=2)
    return path


@pytest.mark.thorough
def test_a_column_for_each_parameter(sweep: Path) -> None:
    table = pq.read_table(sweep)
    assert table.column_names[:8] == [
        *("sim_id", "random_seed", "grid_size", "steps", "feed", "kill", "d_u", "d_v")
    ]
    assert table.column_names[-2:] == ["mfn_version", "timestamp"]
    feed, kill = table["feed"].to_numpy(), table["kill"].to_numpy()
    assert feed.min() >= 0.02
    assert feed.max() <= 0.06
    assert kill.min() >= 0.05
    assert kill.max() <= 0.065
    assert len(set(feed)) == len(set(kill)) == 12
    assert set(table["d_u"].to_pylist()) == {0.15}
    assert set(table["d_v"].to_pylist()) == {0.08}
    assert inspect_dataset(sweep).problems == ()
    arrays = load_dataset(sweep, "arrays")
    assert arrays.input_names == ("grid_size", "steps", "feed", "kill", "d_u", "d_v")
    assert "v_std" in arrays.target_names


def test_a_row_is_a_run_of_the_model(sweep: Path) -> None:
    """By the public functions, and its measurements by NumPy and SciPy in float64."""
    row = pq.read_table(sweep).to_pylist()[5]
    model = GrayScottModel(**{name: row[name] for name in ("feed", "kill", "d_u", "d_v")})
    grid = Grid((16, 16))
    start_key, _ = jax.random.split(jax.random.key(np.uint32(row["random_seed"])))
    # Compiled, as the rows are: XLA contracts products and sums that are drawn one by one.
    start = jax.jit(lambda key: model.initial_state(grid, dtype="float32", key=key))(start_key)
    run = simulate(model, start, grid=grid, steps=row["steps"])
    ids, fields = load_fields(sweep, 16)
    stored = fields[list(ids).index(5)]
    for field, value in zip(("u", "v"), stored, strict=True):
        np.testing.assert_allclose(value, run.state[field], rtol=2e-5, atol=1e-6)
        exact = value.astype(np.float64)
        assert row[f"{field}_min"] == exact.min()
        assert row[f"{field}_max"] == exact.max()
        assert row[f"{field}_mean"] == pytest.approx(exact.mean(), rel=1e-5)
        assert row[f"{field}_std"] == pytest.approx(exact.std(), rel=1e-4)
        assert row[f"{field}_skew"] == pytest.approx(stats.skew(exact, axis=None), abs=1e-3)
        assert row[f"{field}_kurt"] == pytest.approx(stats.kurtosis(exact, axis=None), abs=1e-3)
    v = stored[1]
    labels, count = ndimage.label(v > (v.min() + v.max()) / 2)
    assert row["N_clusters"] == count
    assert row["max_cluster_size"] == max(np.bincount(labels.ravel())[1:])
    assert row["f_active"] == pytest.approx(np.mean(labels > 0))


def test_workers_change_no_byte_of_another_model(sweep: Path) -> None:
    config = small_config(num_samples=12, grid_sizes=(16,), steps_range=(50, 400))
    again = generate_dataset(config, model="gray-scott", ranges=RANGES, workers=1, batch_size=1)
    assert values_of(again.table).equals(values_of(pq.read_table(sweep)))


def test_a_parameter_that_is_not_swept_changes_no_draw() -> None:
    """Each parameter has a place of its own in a row's stream."""
    config = small_config(num_samples=3)
    one = plans.make_plan(config, model="gray-scott", ranges={"k": (0.05, 0.065)}).sample(0, 3)
    two = plans.make_plan(config, model="gray-scott", ranges=RANGES).sample(0, 3)
    assert np.array_equal(one["kill"], two["kill"])


def test_runs_that_blow_up_and_runs_over_the_bound_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "kpp.parquet"
    config = small_config(num_samples=16, grid_sizes=(16,), output_path=str(path))
    ranges = {"lambda": (0.1, 6.0), "D": (0.1, 0.3)}
    summary = generate_dataset(config, model="fisher-kpp", ranges=ranges, save_fields=True)
    said = [failure.error for failure in summary.failures]
    assert any("holds a NaN" in error for error in said)
    assert any("is not finite" in error for error in said)
    for failure in summary.failures:
        over = failure.parameters["diffusivity"] > 0.25
        assert over == ("stab" in failure.error)
    table = pq.read_table(path)
    failed = {failure.sim_id for failure in summary.failures}
    assert set(table["sim_id"].to_pylist()) == set(range(16)) - failed
    assert set(load_fields(path, 16)[0]) == set(range(16)) - failed
    info = inspect_dataset(path)
    assert (info.failed, info.problems) == (len(failed), ())


@pytest.mark.thorough
def test_fields_of_the_documented_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several parts and two grid sizes."""
    monkeypatch.setattr(plans, "PART_FIELD_BYTES", 4 * 16**2 * 10)
    path = tmp_path / "data.parquet"
    config = small_config(output_path=str(path))
    generate_dataset(config, save_fields=True, workers=2)
    assert sorted(os.listdir(tmp_path)) == ["data.parquet", "data.zarr"]
    table = pq.read_table(path).to_pylist()
    for size in (12, 16):
        ids, fields = load_fields(path, size)
        assert fields.shape == (len(ids), 1, size, size)
        assert ids.tolist() == [row["sim_id"] for row in table if row["grid_size"] == size]
        rows = [table[i] for i in ids]
        lowest = [row["V_min"] for row in rows]
        np.testing.assert_allclose(1e3 * fields.min(axis=(1, 2, 3)), lowest, 1e-6)
    names = ("grid_size", "steps", "alpha", "turing_enabled", "turing_threshold")
    known = {name: rows[0][name] for name in (*names, "spike_probability")}
    result = run_mycelium_simulation(SimulationConfig(**known, seed=rows[0]["random_seed"]))
    assert np.array_equal(fields[0, 0], result.field)
    with pytest.raises(DataError, match="no fields of grid size 99; it has size_12, size_16"):
        load_fields(path, 99)
    path.unlink()
    with pytest.raises(DataError, match=r"data\.zarr: exists already"):
        generate_dataset(config, save_fields=True)
    generate_dataset(config, save_fields=True, overwrite=True, batch_size=3)
    assert np.array_equal(load_fields(path, 16)[1], fields)
    generate_dataset(dataclasses.replace(config, base_seed=9, num_samples=2), overwrite=True)
    with pytest.raises(DataError, match=r"data\.zarr: these fields are not those of data\.parquet"):
        load_fields(path, 16)


@pytest.mark.thorough
def test_fields_of_runs_too_large_for_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHUNK_CELL_STEPS", 1)
    path = tmp_path / "data.parquet"
    config = small_config(num_samples=2, grid_sizes=(16,), output_path=str(path))
    generate_dataset(config, save_fields=True)
    ids, fields = load_fields(path, 16)
    row = pq.read_table(path).to_pylist()[1]
    assert ids.tolist() == [0, 1]
    assert row["V_max"] == pytest.approx(1e3 * fields[1].max(), rel=1e-6)


def test_no_fields_and_no_zarr(small_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no saved fields there; make the dataset with save_fields"):
        load_fields(small_file, 16)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ParameterError, match=r"pip install mfnjax\[fields\]"):
        load_fields(small_file, 16)


def test_a_sweep_that_cannot_run_at_all_is_refused_at_once() -> None:
    config = DatasetConfig(num_samples=2, grid_sizes=(16,), steps_range=(5, 6), output_path=None)
    with pytest.raises(StabilityError, match=r"dt = 9 is unstable"):
        generate_dataset(config, model="gray-scott", dt=9.0)
    # Where one end can run, rows that cannot fail alone.
    config = dataclasses.replace(config, num_samples=12)
    some = generate_dataset(config, model="fisher-kpp", ranges={"D": (0.1, 0.9)}, workers=1)
    stable = np.array(some.table["diffusivity"]) <= 0.5
    assert stable.all()
    assert 0 < some.written < 12
    assert some.written + some.failed == 12


@pytest.mark.thorough
def test_rows_of_equations_on_a_domain_of_their_own() -> None:
    """Each row is the run, on the one grid: a mask, unequal spacing, walls, a field."""
    mask = np.ones((6, 8))
    mask[2:4, 3:5] = 0.0
    simulation = Simulation.from_dict(
        {
            "equation": "u_t = div(D*grad(u)) + r*u*(1 - u) + noise(0.01)",
            "parameters": {"D": np.linspace(0.1, 0.2, 48).reshape(6, 8), "r": 0.2},
            "mask": mask,
            "spacing": [1.0, 1.5],
            "boundary": "x-: dirichlet 1; x+: neumann; y: neumann",
            "start": {"u": "uniform()"},
            "steps": 6,
            "dt": 0.5,
            "save_every": 2,
        }
    )
    config = DatasetConfig(
        num_samples=3, grid_sizes=(8,), steps_range=(6, 6), base_seed=2, output_path=None
    )
    made = generate_dataset(config, simulation=simulation, ranges={"r": (0.1, 0.3)}, workers=1)
    assert made.failed == 0
    for row in made.table.to_pylist():
        model = dataclasses.replace(simulation.model, r=row["r"])
        run = simulation.replace(model=model, save="u").run(seed=row["random_seed"])
        found = run.statistics("u")
        for name in ("min", "max", "mean", "std"):
            assert row[f"u_{name}"] == pytest.approx(found[name], rel=1e-5), name
    with pytest.raises(ParameterError, match="grid_sizes must be"):
        generate_dataset(
            dataclasses.replace(config, grid_sizes=(16,)), simulation=simulation, workers=1
        )


def test_the_dimension_is_that_of_the_final_mask_and_other_columns_stay(sweep: Path) -> None:
    config = small_config(num_samples=12, grid_sizes=(16,), steps_range=(50, 400), output_path=None)
    asked = {"model": "gray-scott", "ranges": RANGES, "workers": 2}
    table = generate_dataset(config, dimension=True, **asked).table
    _, fields = load_fields(sweep, 16)
    names = [name for name in table.column_names if name in ("D_fit", "D_low", "D_high")]
    before = [name for name in table.column_names if name not in names]
    assert before == pq.read_table(sweep).column_names
    assert table["D_box"].equals(pq.read_table(sweep)["D_box"])
    for row, field in enumerate(fields):
        last = field[-1]
        found = fractal_dimension(last > (last.min() + last.max()) / 2)
        assert table["D_fit"][row].as_py() == found.dimension
        assert (table["D_low"][row].as_py(), table["D_high"][row].as_py()) == found.interval
