"""The file: its columns, what reads it, what it says, and that nothing is ever lost."""

from __future__ import annotations

import dataclasses
import datetime
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_sweeps import small_config, values_of

import mfnjax
from mfnjax import (
    DataError,
    FisherKPPModel,
    Grid,
    ParameterError,
    Simulation,
    make_dataset_config_demo,
)
from mfnjax.dataset import DatasetSummary, generate_dataset, inspect_dataset, store
from mfnjax.dataset.schema import ContentHash

KPP = Simulation(FisherKPPModel(), Grid((8, 8)), steps=5)

INTEGER, REAL, TEXT, FLAG = "int64", "double", "string", "bool"
DOCUMENTED = {
    "sim_id": INTEGER,
    "random_seed": INTEGER,
    "grid_size": INTEGER,
    "steps": INTEGER,
    "alpha": REAL,
    "turing_enabled": FLAG,
    "spike_probability": REAL,
    "turing_threshold": REAL,
    "D_box": REAL,
    "D_r2": REAL,
    "V_min": REAL,
    "V_max": REAL,
    "V_mean": REAL,
    "V_std": REAL,
    "V_skew": REAL,
    "V_kurt": REAL,
    "dV_mean": REAL,
    "dV_max": REAL,
    "T_stable": INTEGER,
    "E_trend": REAL,
    "f_active": REAL,
    "N_clusters_low": INTEGER,
    "N_clusters_med": INTEGER,
    "N_clusters_high": INTEGER,
    "max_cluster_size": INTEGER,
    "cluster_size_std": REAL,
    "mfn_version": TEXT,
    "timestamp": TEXT,
    "growth_events": INTEGER,
    "turing_activations": INTEGER,
    "clamping_events": INTEGER,
}


@pytest.mark.thorough
def test_the_demo_dataset(tmp_path: Path) -> None:
    """Five rows, the documented columns in order, read alike by pyarrow, pandas and polars."""
    path = tmp_path / "new" / "folder" / "demo.parquet"
    config = dataclasses.replace(make_dataset_config_demo(), output_path=str(path))
    summary = generate_dataset(config)
    assert (summary.requested, summary.written, summary.failed) == (5, 5, 0)
    assert (summary.path, summary.table) == (str(path), None)
    assert summary.seconds > 0
    assert summary.rows_per_second == pytest.approx(5 / summary.seconds)
    arrow = pq.read_table(path)
    assert {field.name: str(field.type) for field in arrow.schema} == DOCUMENTED
    assert list(arrow.column_names) == list(DOCUMENTED)
    assert not any(column.null_count for column in arrow.columns)
    assert arrow["random_seed"].to_pylist() == [42, 43, 44, 45, 46]
    assert set(arrow["mfn_version"].to_pylist()) == {mfnjax.__version__}
    stamp = datetime.datetime.fromisoformat(arrow["timestamp"][0].as_py())
    assert stamp.utcoffset() == datetime.timedelta(0)
    assert os.listdir(path.parent) == ["demo.parquet"]
    import pandas as pd
    import polars as pl

    pandas, polars = pd.read_parquet(path), pl.read_parquet(path)
    assert list(pandas.columns) == polars.columns == list(DOCUMENTED)
    for name in DOCUMENTED:
        values = arrow[name].to_pylist()
        assert pandas[name].tolist() == values
        assert polars[name].to_list() == values
    kinds = {INTEGER: "int64", REAL: "float64", FLAG: "bool"}
    for name, kind in DOCUMENTED.items():
        if kind != TEXT:
            assert str(pandas[name].dtype) == kinds[kind]
    assert inspect_dataset(path).problems == ()


def test_a_file_holds_the_table_in_memory(small: DatasetSummary, small_file: Path) -> None:
    assert values_of(pq.read_table(small_file)).equals(values_of(small.table))
    assert pq.ParquetFile(small_file).metadata.row_group(0).column(0).compression == "ZSTD"


def test_what_a_file_says_about_itself(small: DatasetSummary, small_file: Path) -> None:
    said = json.loads(pq.read_metadata(small_file).metadata[b"mfnjax"])
    in_memory = json.loads(small.table.schema.metadata[b"mfnjax"])
    assert said == in_memory
    assert said["plan"]["alpha_range"] == [0.10, 0.20]
    assert said["plan"]["mfn_version"] == mfnjax.__version__
    assert said["units"]["V_std"] == "mV"
    assert "V <- V + alpha lap(V)" in said["equations"]
    assert said["feature_schema_version"] == 1
    assert (said["rows"], said["failed"]) == (30, 0)
    content = ContentHash(small.table.schema)
    content.update(small.table.slice(0, 11))
    content.update(small.table.slice(11))
    assert said["content_hash"] == content.hexdigest()


@pytest.mark.thorough
def test_row_groups_hold_many_parts(
    small: DatasetSummary, tmp_path: Path, monkeypatch: Any
) -> None:
    """Parts are regrouped: 600 rows in parts of 256 become row groups of 250, and no row moves."""
    monkeypatch.setattr(store, "GROUP_ROWS", 250)
    path = tmp_path / "groups.parquet"
    summary = generate_dataset(small_config(num_samples=600, output_path=str(path)))
    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    assert groups == [250, 250, 100]
    table = pq.read_table(path)
    assert table["sim_id"].to_pylist() == list(range(600))
    assert values_of(table.slice(0, 30)).equals(values_of(small.table))
    assert summary.written == 600
    assert os.listdir(tmp_path) == ["groups.parquet"]
    assert inspect_dataset(path).problems == ()


def test_an_existing_file_is_not_touched_unless_asked(small_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    shutil.copy(small_file, path)
    before = path.read_bytes()
    other = small_config(num_samples=3, output_path=str(path))
    with pytest.raises(DataError, match=r"kept\.parquet: exists already; pass overwrite"):
        generate_dataset(other)
    with pytest.raises(
        DataError, match=r"another configuration, cannot resume: num_samples was 30"
    ):
        generate_dataset(other, resume=True)
    assert path.read_bytes() == before
    assert generate_dataset(other, overwrite=True).written == 3
    assert pq.read_table(path).num_rows == 3


def test_resuming_a_complete_dataset_does_nothing(small_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "done.parquet"
    shutil.copy(small_file, path)
    seen: list[tuple[int, int]] = []
    config = small_config(output_path=str(path))
    summary = generate_dataset(config, resume=True, progress=lambda *at: seen.append(at))
    assert (summary.written, summary.resumed, seen) == (30, 30, [(30, 30)])
    assert path.read_bytes() == small_file.read_bytes()


def test_resuming_a_file_that_is_no_dataset(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    config = small_config(output_path=str(path))
    path.write_text("not parquet")
    with pytest.raises(DataError, match="not a Parquet file"):
        generate_dataset(config, resume=True)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(DataError, match="not a dataset made by mfnjax"):
        generate_dataset(config, resume=True)


def _interrupted(path: Path, monkeypatch: pytest.MonkeyPatch, parts: int, error: Any) -> Any:
    """Run 1000 rows (four parts) and raise ``error`` once some parts are written."""
    config = small_config(num_samples=1000, output_path=str(path))
    write = store.pq.write_table
    written: list[Any] = []

    def failing(table: Any, where: Any, **options: Any) -> None:
        if len(written) == parts:
            Path(where).write_bytes(b"half of it")
            raise error
        written.append(where)
        write(table, where, **options)

    with monkeypatch.context() as patch:
        patch.setattr(store.pq, "write_table", failing)
        with pytest.raises((DataError, KeyboardInterrupt)) as caught:
            generate_dataset(config, workers=2)
    return config, caught.value


def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(
    small: DatasetSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "full.parquet"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    config, error = _interrupted(path, monkeypatch, 2, full)
    assert isinstance(error, DataError)
    assert "No space left on device" in str(error)
    assert "run again with resume (--resume)" in str(error)
    assert not path.exists()
    kept = sorted(p.name for p in (tmp_path / "full.parquet.partial").glob("*.parquet"))
    assert kept == ["part-000000.parquet", "part-000001.parquet"]
    with pytest.raises(DataError, match="holds an unfinished run; pass resume"):
        generate_dataset(config)
    other = dataclasses.replace(config, alpha_range=(0.1, 0.15))
    with pytest.raises(DataError, match=r"alpha_range was \[0.1, 0.2\] and is \[0.1, 0.15\]"):
        generate_dataset(other, resume=True)
    seen: list[int] = []
    summary = generate_dataset(config, resume=True, progress=lambda done, _: seen.append(done))
    assert (summary.written, summary.resumed) == (1000, 512)
    assert (seen[0], seen[-1]) == (512, 1000)
    table = pq.read_table(path)
    whole = generate_dataset(dataclasses.replace(config, output_path=None), workers=1)
    assert values_of(table).equals(values_of(whole.table))
    assert os.listdir(tmp_path) == ["full.parquet"]


def test_ctrl_c_keeps_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stopped.parquet"
    config, error = _interrupted(path, monkeypatch, 1, KeyboardInterrupt())
    assert isinstance(error, KeyboardInterrupt)
    assert not path.exists()
    assert generate_dataset(config, resume=True).resumed == 256


def test_stopped_while_the_file_is_assembled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part is there: resuming computes nothing."""
    path = tmp_path / "assembled.parquet"
    config = small_config(num_samples=600, output_path=str(path))

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "_regrouped", stop)
        with pytest.raises(KeyboardInterrupt):
            generate_dataset(config)
    assert os.listdir(tmp_path) == ["assembled.parquet.partial"]
    summary = generate_dataset(config, resume=True)
    assert (summary.resumed, summary.written) == (600, 600)
    assert inspect_dataset(path).problems == ()
    assert os.listdir(tmp_path) == ["assembled.parquet"]


def test_a_damaged_description_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "damaged.parquet"
    config, _ = _interrupted(path, monkeypatch, 1, KeyboardInterrupt())
    description = tmp_path / "damaged.parquet.partial" / "run.json"
    description.write_text("{")
    with pytest.raises(DataError, match=r"run\.json cannot be read"):
        generate_dataset(config, resume=True)


def test_overwrite_starts_an_unfinished_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "again.parquet"
    config, _ = _interrupted(path, monkeypatch, 3, OSError(errno.EIO, "I/O error"))
    other = dataclasses.replace(config, base_seed=1)
    summary = generate_dataset(other, overwrite=True)
    assert (summary.written, summary.resumed) == (1000, 0)
    assert pq.read_table(path)["random_seed"][0].as_py() == 1


def test_failures_survive_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are part of the part: a resumed run reports those of the run before."""
    from mfnjax.dataset import kernel

    whole = kernel.run_rows

    def rows(simulations: Any, arguments: Any, count: Any, every: Any, **static: Any) -> Any:
        features, counts, first_bad, fields = whole(simulations, arguments, count, every, **static)
        first_bad = np.array(first_bad)
        first_bad[:count][arguments["random_seed"][:count] == 7 + 5] = 0
        return features, counts, first_bad, fields

    with monkeypatch.context() as patch:
        patch.setattr(kernel, "run_rows", rows)
        path = tmp_path / "failed.parquet"
        config, _ = _interrupted(path, monkeypatch, 1, OSError(errno.EIO, "I/O error"))
    summary = generate_dataset(config, resume=True)
    assert (summary.written, summary.failed) == (999, 1)
    assert summary.failures[0].sim_id == 5
    info = inspect_dataset(path)
    assert (info.rows, info.failed, info.problems) == (999, 1, ())
    assert info.failures[0]["error"].startswith("field 'potential' holds a NaN")


def test_two_runs_do_not_write_one_dataset(tmp_path: Path) -> None:
    path = tmp_path / "shared.parquet"
    config = small_config(num_samples=300, output_path=str(path))
    from mfnjax.dataset.plan import make_plan

    with (
        store.Store(path, make_plan(config)).opened(fresh=True),
        pytest.raises(DataError, match="another process is making this dataset"),
    ):
        generate_dataset(config, resume=True)


@pytest.mark.parametrize("rows", [3, 300])
def test_a_folder_that_cannot_be_written(rows: int) -> None:
    """/proc takes no file, from root either."""
    config = small_config(num_samples=rows, output_path="/proc/mfnjax/data.parquet")
    with pytest.raises(DataError, match=r"/proc/mfnjax/data\.parquet: cannot be written"):
        generate_dataset(config)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataError, match="cannot be written"):
            generate_dataset(small_config(output_path=str(tmp_path / "data.parquet")))
    finally:
        tmp_path.chmod(0o700)


def test_a_name_that_is_not_parquet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a dataset's name ends in \.parquet"):
        generate_dataset(small_config(output_path=str(tmp_path / "data.csv")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be an integer"),
        ({"batch_size": 1.5}, "batch_size must be an integer"),
        ({"resume": True}, "resume and client need an output_path"),
        ({"resume": True, "overwrite": True}, "exclude each other"),
        ({"save_fields": True}, "needs output_path"),
        ({"ranges": {"alpha": 0.1}}, "need model="),
        ({"dt": 0.5}, "dt must be 1 for the v4.1 map"),
        ({"model": "gray-scot"}, "did you mean 'gray-scott'"),
        ({"model": "gray-scott", "ranges": {"z": 1}}, "no parameter 'z'"),
        ({"model": "gray-scott", "ranges": {"F": (2, 1)}}, "must have low ≤ high"),
        ({"model": "gray-scott", "ranges": {"F": (1, 2, 3)}}, "a number or"),
        ({"model": "gray-scott", "ranges": {"F": "x"}}, "must be a finite number"),
        ({"model": "gray-scott", "dt": 0}, "dt must lie in"),
        ({"model": "gray-scott", "stepper": "eule"}, "stepper must be one of"),
        ({"model": "gray-scott", "preset": "spot"}, "no preset 'spot'"),
        (
            {"model": "gray-scott", "start": "left"},
            "has the starts centre, scattered, or .*; got 'left'",
        ),
        ({"model": "fisher-kpp", "start": "scattered"}, "has the customary start alone"),
        ({"model": "gray-scott", "steps": 9}, "steps of a row is drawn: see steps_range"),
        ({"model": "gray-scott", "stepp": 9}, "no setting and no parameter 'stepp'"),
        ({"model": "gray-scott", "ranges": {"F": 1}, "feed": 1}, "'feed' has a range"),
        ({"stepper": "rk4"}, "stepper: the v4.1 table has none; it needs model="),
        ({"simulation": "gray-scott"}, "simulation must be a Simulation"),
        ({"simulation": KPP, "model": "fisher-kpp", "dt": 1}, "model, dt must not be given too"),
        ({"simulation": KPP.replace(model=FisherKPPModel(np.ones((8, 8))))}, "got a map"),
    ],
)
def test_wrong_options_are_refused_before_the_run(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        generate_dataset(small_config(), **options)


def test_a_config_of_another_kind_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"config must be a DatasetConfig, got \{"):
        generate_dataset({"num_samples": 3})  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """10 000 rows: within 50 MB between row 1000 and the last."""

    def resident() -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    seen: dict[int, float] = {}
    generate_dataset(
        small_config(num_samples=10_000, output_path=str(tmp_path / "many.parquet")),
        progress=lambda done, _: seen.update({done: resident()}),
    )
    later = [held for done, held in seen.items() if done >= 1000]
    assert max(seen) == 10_000
    assert max(later) - later[0] < 50
