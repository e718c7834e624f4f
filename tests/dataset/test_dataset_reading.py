"""Reading a dataset back, and noticing a wrong one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_sweeps import values_of

from mfnjax import DataError, ParameterError
from mfnjax.dataset import DatasetSummary, inspect_dataset, load_dataset
from mfnjax.dataset.reading import split_places
from mfnjax.features import FEATURE_NAMES


def test_as_a_table_and_as_a_frame(small: DatasetSummary, small_file: Path) -> None:
    assert values_of(load_dataset(small_file)).equals(values_of(small.table))
    assert load_dataset(small_file, columns=["steps", "V_std"]).column_names == ["steps", "V_std"]
    frame = load_dataset(small_file, "pandas")
    assert frame["V_mean"].tolist() == small.table["V_mean"].to_pylist()


def test_as_arrays(small: DatasetSummary, small_file: Path) -> None:
    arrays = load_dataset(small_file, "arrays", seed=3)
    parts = (arrays.train, arrays.validation, arrays.test)
    assert [len(part) for part in parts] == [24, 3, 3]
    assert sorted(np.concatenate([part.sim_id for part in parts])) == list(range(30))
    assert arrays.target_names == FEATURE_NAMES
    assert arrays.input_names[:3] == ("grid_size", "steps", "alpha")
    table = small.table.to_pylist()
    for part in parts:
        assert part.inputs.dtype == part.targets.dtype == np.float32
        for row, inputs, targets in zip(part.sim_id, part.inputs, part.targets, strict=True):
            expected = [table[row][name] for name in arrays.input_names]
            np.testing.assert_array_equal(inputs, np.array(expected, np.float32))
            expected = [table[row][name] for name in FEATURE_NAMES]
            np.testing.assert_array_equal(targets, np.array(expected, np.float32))
    chosen = load_dataset(
        small_file, "arrays", inputs=["alpha"], targets=["steps", "alpha"], dtype=np.float64
    )
    assert chosen.train.inputs.shape == (24, 1)
    np.testing.assert_array_equal(chosen.train.targets[:, 1], chosen.train.inputs[:, 0])


def test_the_split_is_seeded_random_and_exact() -> None:
    places = split_places(1000, (0.7, 0.2, 0.1), 5)
    assert [len(part) for part in places] == [700, 200, 100]
    assert all(
        np.array_equal(a, b)
        for a, b in zip(places, split_places(1000, (0.7, 0.2, 0.1), 5), strict=True)
    )
    assert not np.array_equal(places[0], split_places(1000, (0.7, 0.2, 0.1), 6)[0])
    assert abs(places[2].mean() - 500) < 5 * 1000 / np.sqrt(12 * 100)
    assert [len(part) for part in split_places(3, (1.0, 0.0, 0.0), 0)] == [3, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "numpy"}, "kind must be one of arrow, pandas, arrays"),
        ({"columns": ["V"]}, "columns: the dataset has no column 'V'"),
        ({"columns": "steps"}, "columns must be a list"),
        ({"kind": "arrays", "inputs": ["beta"]}, "inputs: the dataset has no column 'beta'"),
        ({"kind": "arrays", "split": (0.5, 0.2, 0.2)}, "split must be three fractions"),
        ({"kind": "arrays", "split": (1.5, -0.5, 0.0)}, "split must be three fractions"),
        ({"kind": "arrays", "seed": -1}, "seed must be an integer"),
    ],
)
def test_wrong_options_are_refused(small_file: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        load_dataset(small_file, **options)


def test_pandas_may_be_missing(small_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ParameterError, match="needs pandas: pip install pandas"):
        load_dataset(small_file, "pandas")


def test_files_that_are_no_datasets(tmp_path: Path, small_file: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_dataset(tmp_path / "none.parquet")
    half = tmp_path / "half.parquet"
    half.write_bytes(small_file.read_bytes()[:2000])
    with pytest.raises(DataError, match="not a Parquet file"):
        inspect_dataset(half)
    whole = bytearray(small_file.read_bytes())
    whole[10:1500] = b"\0" * 1490
    half.write_bytes(whole)
    with pytest.raises(DataError, match="cannot be read"):
        inspect_dataset(half)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(half)


def test_a_good_dataset_has_no_problem(small: DatasetSummary, small_file: Path) -> None:
    info = inspect_dataset(small_file)
    assert info.problems == ()
    assert (info.rows, info.requested, info.failed, info.row_groups) == (30, 30, 0, 1)
    assert info.size_bytes == small_file.stat().st_size
    summary = {column.name: column for column in info.columns}
    values = small.table["V_std"].to_numpy()
    assert summary["V_std"].unit == "mV"
    assert summary["V_std"].low == values.min()
    assert summary["V_std"].mean == pytest.approx(values.mean(), rel=1e-12)
    assert summary["V_std"].high == values.max()
    assert "turing_enabled" not in summary


def _changed(name: str, value: Any, row: int = 4) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.column_names.index(name)
        values = table[name].to_pylist()
        values[row] = value
        field = table.schema.field(name)
        return table.set_column(place, field, pa.array(values, field.type))

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_changed("V_std", float("nan")), "V_std holds a NaN or an infinity"),
        (_changed("V_max", 41.0), "V_max is out of its range (first at sim_id 4)"),
        (_changed("V_min", -60.0), "V_min is out of its range"),
        (_changed("D_r2", 1.5), "D_r2 is out of its range"),
        (_changed("f_active", -0.1), "f_active is out of its range"),
        (_changed("T_stable", 10**6), "T_stable is out of its range"),
        (_changed("max_cluster_size", 257), "max_cluster_size is out of its range"),
        (_changed("growth_events", -1), "growth_events is out of its range"),
        (_changed("alpha", 0.21), "alpha is out of its range"),
        (_changed("grid_size", 13), "grid_size holds a value that is not one of (12, 16)"),
        (_changed("random_seed", 0), "random_seed is not base_seed + sim_id"),
        (_changed("sim_id", 3), "sim_id does not rise"),
        (lambda table: table.slice(0, 29), "29 rows and 0 failures for 30 requested"),
        (lambda table: table.drop_columns(["D_box"]), "the columns are not those"),
        (lambda table: table.select(table.column_names[::-1]), "the columns are not those"),
    ],
)
def test_a_wrong_dataset_is_noticed(
    small_file: Path, tmp_path: Path, change: Callable[[pa.Table], pa.Table], problem: str
) -> None:
    table = pq.read_table(small_file)
    path = tmp_path / "wrong.parquet"
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)
    problems = inspect_dataset(path).problems
    assert any(problem in said for said in problems)
    assert any("the content hash is" in said for said in problems)


def test_another_time_of_making_is_no_problem(small_file: Path, tmp_path: Path) -> None:
    table = pq.read_table(small_file)
    path = tmp_path / "later.parquet"
    later = _changed("timestamp", "2000-01-01T00:00:00+00:00")(table)
    pq.write_table(later.replace_schema_metadata(table.schema.metadata), path)
    assert inspect_dataset(path).problems == ()
    assert json.loads(table.schema.metadata[b"mfnjax"])["content_hash"].startswith("sha256:")


def test_reading_through_pyarrow_keeps_what_the_file_says(small_file: Path) -> None:
    schema = pq.read_table(small_file).schema
    assert json.loads(schema.metadata[b"mfnjax"])["rows"] == 30
    assert schema.field("V_std").metadata[b"unit"] == b"mV"
    assert load_dataset(small_file).schema.metadata == schema.metadata
