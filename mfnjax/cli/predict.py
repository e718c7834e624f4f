"""``mfn predict``: ask a trained network about fields, features and tables."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click
import numpy as np

from mfnjax.cli.common import (
    NETWORK_MODULES,
    SETTINGS,
    Level,
    Progress,
    SectionCommand,
    check_suffix,
    console,
    number,
    option,
    require_extra,
    start_jax,
    table,
    writing,
)
from mfnjax.cli.table_options import dialect_of, say_reading, table_options
from mfnjax.errors import DataError, ParameterError

if TYPE_CHECKING:
    from mfnjax.network import Regressor
    from mfnjax.tables import Dialect

FAR = 4.0
"""Deviations of the training data beyond which a prediction is marked as an extrapolation."""

SHOWN = 20
"""Rows of a file that the table shows."""


@final
@dataclass(frozen=True)
class Answer:
    """Predictions for one file.

    Attributes:
        file: Its name.
        predictions: (n,).
        distances: (n,) the farthest input from the training data's mean, in deviations.
        names: What the rows are called.
        true: (n,) the target as the file holds it, or None.
    """

    file: str
    predictions: np.ndarray
    distances: np.ndarray
    names: tuple[str, ...]
    true: np.ndarray | None


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("network", metavar="NETWORK")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@option(
    "--threshold",
    type=Level(),
    section="Reading",
    help="Of images, as in mfn features --threshold.",
)
@option("--invert", is_flag=True, section="Reading", help="As in mfn features --invert.")
@table_options("Reading")
@option("--json", "as_json", is_flag=True, section="Output", help="Print JSON.")
@option("--csv", "as_csv", is_flag=True, section="Output", help="Print CSV, a line a prediction.")
@option("-o", "--output", metavar="FILE", section="Output", help="Write a .json or .csv file.")
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def predict(network: str, files: tuple[str, ...], **options: Any) -> None:
    """Ask NETWORK (a folder of `mfn train`, or its network.npz) about each FILE.

    A FILE is a table (text, Excel, Parquet) with the network's columns, features as `mfn features
    --json` prints them (.json), or anything that `mfn features` measures: results (.npz, .npy)
    and images. Where a table holds the true values too, the error is reported.

    A prediction whose inputs lie more than 4 deviations from the training data is marked: a
    network knows nothing out there.

    \b
    mfn predict out/train run.npz
    mfn predict out/train sweep.parquet --csv -o predictions.csv
    """
    require_extra("mfn predict", "network", *NETWORK_MODULES)
    if options["as_json"] and options["as_csv"]:
        raise ParameterError("--json or --csv, not both")
    output = check_suffix("--output", options["output"], (".json", ".csv"))
    path = network_path(network)
    start_jax(x64=_is_double(path), cache=options["cache"])
    from mfnjax.network import Regressor

    regressor = Regressor.load(path)
    answers = []
    with Progress("predicting") as progress:
        for name in files:
            answers.append(_answer(regressor, name, options))
            progress(len(answers), len(files))
    if options["as_json"]:
        click.echo(_json(regressor, answers))
    elif options["as_csv"]:
        click.echo(_csv(regressor, answers), nl=False)
    else:
        _print(regressor, answers)
    if output is not None:
        from mfnjax._files import write_text

        is_csv = output.suffix.lower() == ".csv"
        text = _csv(regressor, answers) if is_csv else _json(regressor, answers) + "\n"
        with writing():
            write_text(output, text)


def network_path(text: str) -> Path:
    """The network's file: itself, or the one in a folder of ``mfn train``."""
    path = Path(text)
    if not path.is_dir():
        return path
    inside = path / "network.npz"
    if not inside.is_file():
        raise DataError(f"{path}: no network.npz in this folder (was the training interrupted?)")
    return inside


def _is_double(path: Path) -> bool:
    """Whether a network file says that it computes in float64; a damaged one is told of later."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return bool(json.loads(str(file["about"]))["config"]["dtype"] == "float64")
    except Exception:  # damaged in one of many ways: `Regressor.load` says which
        return False


def _answer(regressor: Regressor, name: str, options: dict[str, Any]) -> Answer:
    from mfnjax.tables import TABLE_SUFFIXES

    path = Path(name)
    suffix = path.suffix.lower()
    true = None
    if suffix in TABLE_SUFFIXES:
        inputs, true, names = _from_table(regressor, path, dialect_of(options))
    elif suffix == ".json":
        inputs, names = _from_features(regressor, path)
    else:
        inputs, names = _from_field(regressor, path, options), (name,)
    try:
        predictions = regressor.predict(inputs)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    distances = np.abs(regressor.inputs.apply(inputs)).max(axis=1)
    return Answer(name, predictions, distances, names, true)


def _from_table(
    regressor: Regressor, path: Path, dialect: Dialect
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    from mfnjax.tables import read_sheet

    sheet = read_sheet(path, dialect)
    if not len(sheet.lines):
        raise DataError(f"{path}: the table has no rows")
    say_reading(path, sheet.reading)
    columns = [sheet.numbers(name) for name in regressor.input_names]
    has_true = regressor.target_name in sheet.names
    true = sheet.numbers(regressor.target_name, missing=True) if has_true else None
    is_named = "sim_id" in sheet.names
    names = sheet.texts("sim_id") if is_named else map(str, range(len(sheet.lines)))
    return np.stack(columns, axis=1), true, tuple(names)


def _from_features(regressor: Regressor, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error
    objects = values if isinstance(values, list) else [values]
    if not objects or not all(isinstance(item, dict) for item in objects):
        raise DataError(f"{path}: an object of features, or a list of them, was expected")
    names = tuple(str(item.get("file", place)) for place, item in enumerate(objects))
    rows = [_row(regressor, str(path), item) for item in objects]
    return np.array(rows), names


def _row(regressor: Regressor, where: str, features: dict[str, Any]) -> list[float]:
    """The network's inputs, in order, out of named features."""
    row = []
    for name in regressor.input_names:
        value = features.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            has = ", ".join(k for k, v in features.items() if isinstance(v, (int, float)))
            raise DataError(
                f"{where}: the network reads {name}, which is not there; there are {has or 'none'}"
            )
        row.append(float(value))
    return row


def _from_field(regressor: Regressor, path: Path, options: dict[str, Any]) -> np.ndarray:
    from mfnjax.cli.sources import Reading, read_source
    from mfnjax.features.measurement import measure
    from mfnjax.features.record import FEATURE_NAMES, TEMPORAL_FEATURES

    foreign = [name for name in regressor.input_names if name not in FEATURE_NAMES]
    if foreign:
        return _from_model_run(regressor, path, foreign[0])
    source = read_source(path, Reading(options["threshold"], options["invert"]))
    if source.reading is not None:
        click.echo(f"{path}: {source.reading}", err=True)
    try:
        found = measure(source.array, fractions=source.fractions, ndim=source.ndim)
    except (DataError, ParameterError) as error:
        raise DataError(f"{path}: {error}") from error
    over_time = [name for name in TEMPORAL_FEATURES if name in regressor.input_names]
    if over_time and found.kind == "field":
        raise DataError(
            f"{path}: the network reads {over_time[0]}, which needs a history, and this is one "
            "field (mfn simulate --history saves one)"
        )
    return np.array([_row(regressor, str(path), found.features)])


def _from_model_run(regressor: Regressor, path: Path, foreign: str) -> np.ndarray:
    """What a dataset of another model measures, of a run of that model."""
    from mfnjax.simulation.exchange import holds_run

    if path.suffix.lower() != ".npz" and not holds_run(path):
        raise DataError(
            f"{path}: the network reads {foreign}, which is no feature of a field; it needs a "
            "table with that column"
        )
    from mfnjax.dataset.measuring import features_of_run
    from mfnjax.simulation import Trajectory

    features = features_of_run(Trajectory.load(path))
    return np.array([_row(regressor, str(path), features)])


def _metrics(answer: Answer) -> dict[str, float] | None:
    if answer.true is None or not np.isfinite(answer.true).all():
        return None
    from mfnjax.network import regression_metrics

    return regression_metrics(answer.predictions, answer.true)


def _rows(answer: Answer) -> list[dict[str, Any]]:
    true = [None] * len(answer.names) if answer.true is None else answer.true.tolist()
    return [
        {
            "file": answer.file,
            "row": name,
            "prediction": float(value),
            "true": None if t is None or t != t else t,
            "distance": float(distance),
        }
        for name, value, t, distance in zip(
            answer.names, answer.predictions, true, answer.distances, strict=True
        )
    ]


def _json(regressor: Regressor, answers: list[Answer]) -> str:
    files = []
    for answer in answers:
        metrics = _metrics(answer)
        if metrics is not None:
            metrics = {k: v if np.isfinite(v) else None for k, v in metrics.items()}  # type: ignore[misc]
        rows = [{k: v for k, v in row.items() if k != "file"} for row in _rows(answer)]
        files.append({"file": answer.file, "predictions": rows, "metrics": metrics})
    whole = {"target": regressor.target_name, "files": files}
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)


def _csv(regressor: Regressor, answers: list[Answer]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "row", regressor.target_name, "true", "distance"])
    for answer in answers:
        writer.writerows(list(row.values()) for row in _rows(answer))
    return text.getvalue()


def _print(regressor: Regressor, answers: list[Answer]) -> None:
    name = regressor.target_name
    has_true = any(answer.true is not None for answer in answers)
    out = table("", "row", name, *(["true"] if has_true else []), "farthest input")
    out.title = None
    out.add_column("", justify="left")
    for answer in answers:
        for row in _rows(answer)[:SHOWN]:
            cells = [row["row"], number(row["prediction"])]
            if has_true:
                cells.append(number(row["true"]))
            mark = "extrapolates" if row["distance"] > FAR else ""
            out.add_row(*cells, f"{row['distance']:.1f} σ", mark)
        out.add_section()
    console().print(out)
    for answer in answers:
        hidden = len(answer.names) - SHOWN
        if hidden > 0:
            click.echo(f"{answer.file}: {hidden} more rows; --csv or --json prints all")
        far = int((answer.distances > FAR).sum())
        if far:
            click.echo(f"{answer.file}: {far} of {len(answer.names)} rows extrapolate (over 4 σ)")
        metrics = _metrics(answer)
        if metrics is not None:
            click.echo(
                f"{answer.file}: root mean square error {number(metrics['mse'] ** 0.5)}, "
                f"R² {number(metrics['r2'])}, {number(metrics['gain'])} × better than the mean"
            )
