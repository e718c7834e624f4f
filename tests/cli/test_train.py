"""`mfn train` and `mfn predict`: what is learnt, what resumes, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import signal

import matplotlib.image
import numpy as np
import pytest

from mfnjax.cli import train as command
from mfnjax.dataset.columns import read_columns
from mfnjax.dataset.reading import split_places
from mfnjax.errors import DataError
from mfnjax.network import Regressor

OPTIONS = ("--epochs", 12, "--hidden-dim", 8, "--learning-rate", 0.02, "--patience", 100)


def write_table(path, n=240, seed=0):
    """y = 3a − 2b of two columns on very different scales, and one that says nothing."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(1e3, 50, n), rng.normal(0, 1e-3, n), rng.normal(size=n)
    y = 3 * (a - 1e3) / 50 - 2 * b / 1e-3
    rows = [f"{u!r},{v!r},{w!r},{t!r}" for u, v, w, t in np.stack([a, b, c, y], 1).tolist()]
    path.write_text("a,b,c,y\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(mfn, tmp_path_factory):
    """(folder of a finished run, its table, what was printed)."""
    folder = tmp_path_factory.mktemp("train")
    table = write_table(folder / "table.csv")
    return (
        folder / "run",
        table,
        mfn("train", table, "--target", "y", *OPTIONS, "-o", folder / "run"),
    )


def weights(folder):
    with np.load(folder / "network.npz") as file:
        return {name: file[name] for name in file.files}


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_what_a_run_leaves(trained):
    folder, _, result = trained
    report = json.loads((folder / "report.json").read_text())
    assert report["rows"] == {"train": 192, "held_out": 24, "test": 24}
    assert report["inputs"] == ["a", "b", "c"]
    assert report["epochs"] == len(report["history"]) == 12
    assert report["test"]["gain"] > 10
    assert "gain over predicting the mean" in result.stdout
    picture = matplotlib.image.imread(folder / "training.png")
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.05
    # The metrics belong to rows that neither trained nor stopped the network.
    network = Regressor.load(folder / "network.npz")
    assert network.metrics["mse"] == report["test"]["mse"]


@pytest.mark.thorough
def test_ctrl_c_and_resume_give_the_same_weights_bit_for_bit(mfn, trained, tmp_path, monkeypatch):
    whole, table, _ = trained

    class Stopping(command.Progress):
        def __call__(self, done, total):
            super().__call__(done, total)
            if done == 5:
                signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(command, "Progress", Stopping)
        patch.setattr(command, "CHECKPOINT_EVERY_S", 0.0)
        stopped = mfn("train", table, "--target", "y", *OPTIONS, "-o", tmp_path / "run", status=130)
    assert stopped.stderr.splitlines() == [
        f"Interrupted in epoch 6: `mfn train -o {tmp_path / 'run'} --resume` goes on."
    ]
    assert not (tmp_path / "run" / "network.npz").exists()
    assert [p.name for p in (tmp_path / "run" / "checkpoints").glob("[0-9]*")] in (
        ["4", "5"],
        ["5", "4"],
    )
    mfn("train", "-o", tmp_path / "run", "--resume")
    same(weights(tmp_path / "run"), weights(whole))
    first, second = (
        json.loads((folder / "report.json").read_text())["history"]
        for folder in (whole, tmp_path / "run")
    )
    assert first == second


@pytest.mark.thorough
def test_resuming_as_another_run_is_refused(refused, trained):
    folder, _, _ = trained
    assert "another network" in refused("train", "-o", folder, "--resume", "--hidden-dim", 16)
    assert "batch_size was 32 there and is 8 now" in refused(
        "train", "-o", folder, "--resume", "--batch-size", 8
    )
    assert "--resume or begin anew" in refused("train", "-o", folder)
    assert "not both" in refused("train", "-o", folder, "--resume", "--overwrite")


@pytest.mark.thorough
def test_overwrite_begins_anew_and_never_takes_the_users_table(mfn, tmp_path):
    table = write_table(tmp_path / "data.csv")  # the shapes of the run above: nothing compiles
    run = ("train", table, "--target", "y", *OPTIONS[2:], "--epochs", 1, "-o", tmp_path)
    mfn(*run)
    before = weights(tmp_path)
    mfn(*run, "--seed", 7, "--overwrite")
    assert table.exists()
    assert not np.array_equal(weights(tmp_path)["params.head.kernel"], before["params.head.kernel"])


def test_predictions_equal_those_of_the_library(mfn, trained):
    folder, table, _ = trained
    network = Regressor.load(folder / "network.npz")
    data = np.genfromtxt(table, delimiter=",", names=True)
    expected = network.predict(np.stack([data[n] for n in "abc"], axis=1))
    answer = json.loads(mfn("predict", folder, table, "--json").stdout)
    rows = answer["files"][0]["predictions"]
    np.testing.assert_array_equal([row["prediction"] for row in rows], expected)
    np.testing.assert_allclose([row["true"] for row in rows], data["y"])
    assert answer["files"][0]["metrics"]["mse"] == pytest.approx(
        np.mean((expected - data["y"]) ** 2)
    )
    text = mfn("predict", folder / "network.npz", table, "--csv").stdout
    parsed = list(csv.DictReader(io.StringIO(text)))
    np.testing.assert_array_equal([float(row["y"]) for row in parsed], expected)
    shown = mfn("predict", folder, table).stdout
    assert "220 more rows" in shown
    assert "root mean square error" in shown


def test_a_prediction_far_from_the_training_data_is_marked(mfn, trained, tmp_path):
    (tmp_path / "far.json").write_text(json.dumps({"a": 1e3 + 50 * 9.0, "b": 0.0, "c": 0.0}))
    shown = mfn("predict", trained[0], tmp_path / "far.json", "-o", tmp_path / "p.csv").stdout
    assert "extrapolates" in shown
    assert "1 of 1 rows extrapolate" in shown
    row = next(csv.DictReader((tmp_path / "p.csv").open()))
    assert float(row["distance"]) == pytest.approx(9.0, abs=1.5)


@pytest.fixture(scope="module")
def reader(mfn, tmp_path_factory):
    """A network trained on runs that the command made itself: enough to test the plumbing."""
    folder = tmp_path_factory.mktemp("reader") / "run"
    small = ("--epochs", 3, "--hidden-dim", 8, "--no-use-attention")
    mfn("train", "--num-samples", 30, *small, "-o", folder, "--json")
    return folder


@pytest.mark.thorough
def test_it_makes_its_own_runs_and_reads_alpha_off_their_features(mfn, reader, tmp_path):
    report = json.loads((reader / "report.json").read_text())
    assert report["target"] == "alpha"
    assert len(report["inputs"]) == 18
    run, features = tmp_path / "run.npz", tmp_path / "features.json"
    mfn("simulate", "--grid-size", 64, "--steps", 50, "--history", "-o", run)
    mfn("features", run, "--json", "-o", features)
    one, other = (
        json.loads(mfn("predict", reader, file, "--json").stdout)["files"][0]["predictions"][0]
        for file in (run, features)
    )
    assert one["prediction"] == other["prediction"]
    assert 0.05 < one["prediction"] < 0.25


@pytest.mark.thorough
def test_one_field_is_no_history(mfn, refused, reader, tmp_path):
    mfn("simulate", "--grid-size", 64, "--steps", 50, "-o", tmp_path / "field.npz")
    assert "dV_mean, which needs a history" in refused("predict", reader, tmp_path / "field.npz")


@pytest.mark.slow
def test_alpha_is_read_ten_times_better_than_by_the_mean(mfn, tmp_path):
    mfn("train", "-o", tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["test"]["gain"] >= 10


def test_bad_tables_are_one_line(refused, tmp_path):
    table = write_table(tmp_path / "table.csv", 30)
    out = ("-o", tmp_path / "run")
    assert "no such file" in refused("train", tmp_path / "none.csv", *out)
    np.savez(tmp_path / "run.npz", a=np.zeros(2))
    assert "not a text file" in refused("train", tmp_path / "run.npz", *out)
    assert "say with --target" in refused("train", table, *out)
    assert "no column 'z'; columns: a, b, c, y" in refused("train", table, "--target", "z", *out)
    assert "no column 'q'" in refused("train", table, "--target", "y", "--inputs", "a,q", *out)
    assert "an input and the target" in refused(
        "train", table, "--target", "y", "--inputs", "a,y", *out
    )
    (tmp_path / "empty.csv").write_text("a,y\n")
    assert "no rows" in refused("train", tmp_path / "empty.csv", "--target", "y", *out)
    (tmp_path / "few.csv").write_text("a,y\n" + "1,2\n" * 3)
    assert "3 rows are too few" in refused("train", tmp_path / "few.csv", "--target", "y", *out)
    (tmp_path / "nan.csv").write_text("a,y\n" + "1,2\n" * 30 + "nan,3\n")
    assert "row 32, column a: nan is not finite" in refused(
        "train", tmp_path / "nan.csv", "--target", "y", *out
    )
    (tmp_path / "words.csv").write_text("a,y\nred,1\n")
    assert "row 2, column a: 'red' is no number" in refused(
        "train", tmp_path / "words.csv", "--target", "y", "--inputs", "a", *out
    )
    # None of these stands in the way of a right call.
    assert not (tmp_path / "run" / "options.json").exists()


def test_a_table_with_semicolons_and_decimal_commas(tmp_path):
    """It was once one column for `mfn train`."""
    path = tmp_path / "t.csv"
    path.write_text("DATE;TMAX;SITE;EMPTY;YIELD\n1;20,5;north;;3,25\n2;21;south;;4\n")
    found = read_columns(path, None, "YIELD")
    assert found.input_names == ("DATE", "TMAX")
    assert found.inputs.tolist() == [[1, 20.5], [2, 21]]
    assert found.target.tolist() == [3.25, 4]
    assert found.reading == "cells separated by ';', decimal comma"
    path.write_text("DATE;TMAX;YIELD\n1;20,5;3,25\n2;n.d.;4\n")
    with pytest.raises(DataError, match=r"row 3, column TMAX: 'n.d.' is no number"):
        read_columns(path, None, "YIELD")
    assert read_columns(path, ("DATE",), "YIELD").input_names == ("DATE",)


def test_bad_options_are_one_line(refused, tmp_path):
    table = write_table(tmp_path / "table.csv", 30)
    run = ("train", table, "--target", "y", "-o", tmp_path / "run")
    assert "epochs" in refused(*run, "--epochs", 0)
    assert "num_heads" in refused(*run, "--num-heads", 3)
    assert "no training run to resume" in refused(*run, "--resume")
    assert "--num-samples is for runs" in refused(*run, "--num-samples", 10)
    assert "num_samples" in refused("train", "-o", tmp_path / "run", "--num-samples", 0)
    (tmp_path / "options.toml").write_text("speed = 3\n")
    assert "no option 'speed'" in refused(*run, "--config", tmp_path / "options.toml")


@pytest.mark.thorough
def test_a_loss_that_is_not_finite_is_a_failed_run_and_one_line(mfn, refused, tmp_path):
    rows = ["0.5,1"] * 20 + ["1.5,2"] * 20
    rows[split_places(40, command.SPLIT, 42)[1][0]] = "1,1e30"  # its square is beyond float32
    (tmp_path / "huge.csv").write_text("\n".join(["a,y", *rows]))
    small = ("--no-use-attention", "--hidden-dim", 4, "--target", "y")
    run = ("train", tmp_path / "huge.csv", *small, "-o", tmp_path / "run")
    result = mfn(*run, status=1)
    assert result.stderr == "Error: field 'held-out loss' holds a NaN or an infinity after step 1\n"
    (tmp_path / "huge.csv").write_text("\n".join(["a,y", *("1e300,1", "-1e300,2") * 20]))
    assert "their squares overflow" in refused(*run, "--overwrite")


@pytest.mark.thorough
def test_a_file_of_options(mfn, tmp_path):
    table = write_table(tmp_path / "table.csv", 60)
    lines = (f'data = "{table}"', 'target = "y"', 'inputs = ["b"]', "epochs = 1")
    switches = ("hidden_dim = 4", "stdp = true", "use_attention = false")
    (tmp_path / "o.toml").write_text("\n".join((*lines, *switches)))
    mfn("train", "--config", tmp_path / "o.toml", "-o", tmp_path / "run", "--hidden-dim", 6)
    network = Regressor.load(tmp_path / "run" / "network.npz")
    assert network.config.hidden_dim == 6
    assert network.input_names == ("b",)


def test_bad_questions_are_one_line(refused, trained, tmp_path):
    folder, _, _ = trained
    table = write_table(tmp_path / "table.csv", 5)
    assert "no such file" in refused("predict", tmp_path / "none.npz", table)
    assert "was the training interrupted" in refused("predict", tmp_path, table)
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    assert "not a network saved by mfnjax" in refused("predict", tmp_path / "other.npz", table)
    with np.load(folder / "network.npz") as file:
        arrays = {name: file[name] for name in file.files}
    arrays["params.head.kernel"] = np.zeros((7, 1), np.float32)
    np.savez(tmp_path / "wide.npz", **arrays)
    assert "(7, 1) float32 there, (4, 1)" in refused("predict", tmp_path / "wide.npz", table)
    (tmp_path / "short.csv").write_text("a,b\n1,2\n")
    assert "no column 'c'" in refused("predict", folder, tmp_path / "short.csv")
    (tmp_path / "short.json").write_text('{"a": 1, "b": null}')
    assert "the network reads b, which is not there" in refused(
        "predict", folder, tmp_path / "short.json"
    )
    (tmp_path / "list.json").write_text("[1]")
    assert "an object of features" in refused("predict", folder, tmp_path / "list.json")
    np.save(tmp_path / "field.npy", np.zeros((8, 8)))
    assert "no feature of a field" in refused("predict", folder, tmp_path / "field.npy")
    assert "not both" in refused("predict", folder, table, "--json", "--csv")
    (tmp_path / "far.csv").write_text("a,b,c\n1,2,3\n1e300,2,3\n")
    for how in ("--json", "--csv"):
        said = refused("predict", folder, tmp_path / "far.csv", how)
        assert "row 1 lies so far from the training data that the network overflows" in said
    (tmp_path / "o.json").write_text('{"data": 5}')
    run = ("train", "--config", tmp_path / "o.json", "-o", tmp_path / "run")
    assert "data must be the name of a table, got 5" in refused(*run)
    (tmp_path / "o.json").write_text('{"stdp": "no"}')
    assert "stdp must be true or false, got 'no'" in refused(*run, table)


def test_every_option_of_network_and_training_is_there(mfn):
    import dataclasses

    from mfnjax.network import NetworkConfig, TrainOptions

    text = mfn("train", "--help").stdout
    names = {f.name for c in (NetworkConfig, TrainOptions) for f in dataclasses.fields(c)}
    for name in names - {"input_dim"}:
        assert f"--{name.replace('_', '-')}" in text
        assert name in command.DEFAULTS
