"""``mfn dataset``, ``mfn dataset info`` and the documented script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from dataset_sweeps import small_config, values_of
from PIL import Image

from mfnjax.cli import main
from mfnjax.dataset import DatasetSummary, contact_sheet, generate_dataset, plot_distributions
from mfnjax.errors import DataError, ParameterError

SMALL = ("--num-samples", "30", "--grid_sizes", "12,16", "--steps-range", "1:40", "--seed", "7")


def mfn(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["dataset", *map(str, arguments)])


@pytest.mark.thorough
def test_the_command_makes_the_same_table(small: DatasetSummary, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    result = mfn(*SMALL, "--output", path, "--plot", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    assert values_of(pq.read_table(path)).equals(values_of(small.table))
    assert "written" in result.output
    assert "rows/s" in result.output
    assert np.asarray(Image.open(tmp_path / "a.png")).std() > 10
    again = mfn(*SMALL, "-o", path)
    assert again.exit_code == 2
    assert "exists already; pass overwrite (--overwrite)" in again.output
    resumed = mfn(*SMALL, "--output-path", path, "--resume")
    assert resumed.exit_code == 0
    assert "there already" in resumed.output


@pytest.mark.thorough
def test_every_field_of_the_configuration_is_an_option(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    result = mfn(
        *("--sweep", "minimal", "--num-samples", 4, "--grid-sizes", "16", "--steps-range", 9),
        *("--alpha-range", "0.11:0.12", "--turing-values", "on,off", "--base-seed", 3),
        *("--spike-prob-range", "0.2:0.3", "--turing-threshold-range", "0.7:0.71", "-o", path),
    )
    assert result.exit_code == 0, result.output
    plan = json.loads(pq.read_metadata(path).metadata[b"mfnjax"])["plan"]
    assert plan["grid_sizes"] == [16]
    assert plan["steps_range"] == [9, 9]
    assert plan["alpha_range"] == [0.11, 0.12]
    assert plan["turing_values"] == [True, False]
    assert (plan["spike_prob_range"], plan["turing_threshold_range"]) == ([0.2, 0.3], [0.7, 0.71])
    assert (plan["base_seed"], plan["num_samples"]) == (3, 4)


@pytest.mark.thorough
def test_a_sweep_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    small_config(num_samples=3, output_path=str(path)).to_file(tmp_path / "sweep.toml")
    result = mfn("--sweep", tmp_path / "sweep.toml", "--num-samples", 2)
    assert result.exit_code == 0, result.output
    assert pq.read_table(path)["random_seed"].to_pylist() == [7, 8]


def test_failed_simulations_show_in_the_exit_status(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    result = mfn(
        *("--model", "fisher-kpp", "--range", "lambda=0.1:6", "--range", "K=1"),
        *("--num-samples", 8, "--grid-sizes", "16", "-o", path),
    )
    assert result.exit_code == 1
    assert "of 8 simulations failed, the first with sim_id" in result.output
    info = mfn("info", path)
    assert info.exit_code == 0
    assert "failed: sim_id" in info.output
    table = pq.read_table(path)
    assert 0 < table.num_rows < 8
    assert set(table["capacity"].to_pylist()) == {1.0}


@pytest.mark.thorough
def test_info(small_file: Path, tmp_path: Path) -> None:
    result = mfn("info", small_file, "--plot", tmp_path / "plot.svg")
    assert result.exit_code == 0, result.output
    assert "30 of 30" in result.output
    assert "all in order" in result.output
    assert (tmp_path / "plot.svg").read_text().lstrip().startswith("<?xml")
    said = json.loads(mfn("info", small_file, "--json").output)
    assert said["problems"] == []
    assert list(said["schema"])[:2] == ["sim_id", "random_seed"]
    assert said["columns"]["V_std"]["unit"] == "mV"
    broken = tmp_path / "broken.parquet"
    table = pq.read_table(small_file)
    pq.write_table(table.slice(1), broken)
    wrong = mfn("info", broken)
    assert wrong.exit_code == 1
    assert "29 rows and 0 failures for 30 requested" in wrong.output
    assert mfn("info", tmp_path / "none.parquet").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps-range", "5:x"), "--steps-range must look like LOW:HIGH, got '5:x'"),
        (("--turing-values", "maybe"), "--turing-values must look like on,off"),
        (("--range", "F"), "--range must look like NAME=LOW:HIGH, got 'F'"),
        (("--range", "F=1", "--range", "F=2"), "--range F is given twice"),
        (("--sweep", "huge"), "sweep must be one of"),
        (("--plot", "a.txt"), "--plot a.txt: the name must end in"),
        (("--alpha-range", "0.1:0.3"), "alpha_range"),
        (("--model", "gray-scott", "--alpha-range", "0.1:0.2"), "--range NAME=LOW:HIGH"),
        (("--model", "gray-scott", "--turing-values", "on"), "--turing-values is for the v4.1"),
        (("--resume", "--overwrite"), "exclude each other"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    result = mfn(*arguments, "-o", tmp_path / "x.parquet")
    assert result.exit_code == 2
    assert message in result.output
    assert os.listdir(tmp_path) == []


def test_a_scheduler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")

    def refuse(address: str, **_: Any) -> None:
        raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr(distributed, "Client", refuse)
    result = mfn(*SMALL, "--scheduler", "tcp://127.0.0.1:9", "-o", tmp_path / "x.parquet")
    assert result.exit_code == 1
    assert "--scheduler tcp://127.0.0.1:9: cannot be reached" in result.output
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = mfn(*SMALL, "--scheduler", "tcp://127.0.0.1:9", "-o", tmp_path / "x.parquet")
    assert result.exit_code == 2
    assert "pip install mfnjax[cluster]" in result.output


@pytest.mark.thorough
def test_the_documented_script_is_the_same_command() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.generate_dataset", "--sweep", "huge"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "sweep must be one of minimal, default, extended; got 'huge'" in done.stderr


@pytest.mark.thorough
def test_a_contact_sheet_shows_the_fields(small_file: Path, tmp_path: Path) -> None:
    path = contact_sheet(small_file, tmp_path / "sheet.png", count=1)
    picture = np.asarray(Image.open(path).convert("RGB"), float)
    assert picture.shape[1] > 250
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    with pytest.raises(ParameterError, match="count must be an integer from 1 to 64"):
        contact_sheet(small_file, tmp_path / "sheet.png", count=0)


@pytest.mark.thorough
def test_pictures_of_another_model_and_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kpp.parquet"
    config = small_config(num_samples=4, grid_sizes=(16,), output_path=str(path))
    generate_dataset(config, model="fisher-kpp", ranges={"D": (0.05, 0.2)})
    assert contact_sheet(path, tmp_path / "kpp.pdf", count=4).read_bytes().startswith(b"%PDF")
    generate_dataset(config, model="fisher-kpp", ranges={"lambda": 1e30}, overwrite=True)
    for draw in (contact_sheet, plot_distributions):
        with pytest.raises(DataError, match="has no rows to draw"):
            draw(path, tmp_path / "none.png")
    generate_dataset(config, model="fisher-kpp", overwrite=True)
    with pytest.raises(DataError, match=r"a picture's name ends in \.png"):
        plot_distributions(path, tmp_path / "none.txt")


def test_a_sweep_without_a_file_to_write_is_refused(tmp_path: Path) -> None:
    """In Python such a table stays in memory; of a command nothing would be left."""
    (tmp_path / "sweep.json").write_text(json.dumps(small_config(num_samples=3).to_dict()))
    result = mfn("--sweep", tmp_path / "sweep.json")
    assert result.exit_code == 2
    assert "--output needs its name" in result.output
