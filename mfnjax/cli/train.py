"""``mfn train``: a network that reads a number off features, from a table or from its own runs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click

from mfnjax._checks import check_bool
from mfnjax._files import write_text
from mfnjax.cli.common import (
    NETWORK_MODULES,
    SETTINGS,
    Progress,
    SectionCommand,
    option,
    require_extra,
    start_jax,
    writing,
)
from mfnjax.cli.group import Interrupted
from mfnjax.cli.table_options import TABLE_OPTIONS, dialect_of, say_reading, table_options
from mfnjax.cli.train_report import WRITTEN, Piece, measured, print_report, report_of, write_run
from mfnjax.errors import DataError, MfnError, ParameterError

if TYPE_CHECKING:
    from mfnjax.dataset.columns import Columns
    from mfnjax.dataset.config import DatasetConfig

_DATA = "Data"
_NETWORK = "Network (fields of NetworkConfig; - and _ are the same)"
_TRAINING = "Training (fields of TrainOptions)"
_RUN = "The run"

DEFAULTS: dict[str, Any] = {
    "num_samples": 500,
    "inputs": None,
    "target": None,
    **dict.fromkeys(TABLE_OPTIONS),
    "hidden_dim": 32,
    "use_attention": True,
    "topk": 4,
    "num_heads": 1,
    "dtype": "float32",
    "epochs": 300,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "seed": 42,
    "patience": 50,
    "min_delta": 0.0,
    "stdp": False,
}
"""What an option is if neither the command line, the file nor the run to resume says so."""

OPTIONS_FILE, CHECKPOINTS, GENERATED = "options.json", "checkpoints", "data.parquet"
CHECKPOINT_EVERY_S = 1.0
SPLIT = (0.8, 0.1, 0.1)


def _option(name: str, kind: Any, section: str, text: str, **settings: Any) -> Any:
    default = DEFAULTS[name]
    shown = "none" if default is None else default
    declaration = f"--{name.replace('_', '-')}"
    if kind is bool:
        shown, kind = ("on" if default else "off"), None
        declaration = f"{declaration}/--no-{name.replace('_', '-')}"
    return option(
        declaration,
        name,
        type=kind,
        default=None,
        section=section,
        help=f"{text}  [default: {shown}]",
        **settings,
    )


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("data", required=False, metavar="[DATA]")
@_option("num_samples", int, _DATA, "Runs to make where no DATA is given.")
@option(
    "--inputs",
    metavar="NAME,NAME,…",
    section=_DATA,
    help="Columns the network sees.  [default: the features; of a foreign table all numbers]",
)
@option(
    "--target",
    metavar="NAME",
    section=_DATA,
    help="Column it shall predict.  [default: the first swept parameter; alpha for v4.1]",
)
@table_options(_DATA)
@_option("hidden_dim", int, _NETWORK, "Width, ≥ 2.")
@_option("use_attention", bool, _NETWORK, "Put the sparse attention after the first layer.")
@_option("topk", int, _NETWORK, "Keys per query of the attention, ≥ 1.")
@_option("num_heads", int, _NETWORK, "Heads of the attention, dividing the width.")
@_option("dtype", str, _NETWORK, "float32 or float64.")
@_option("epochs", int, _TRAINING, "Most epochs.")
@_option("batch_size", int, _TRAINING, "Samples per step.")
@_option("learning_rate", float, _TRAINING, "Of Adam, (0, 1].")
@_option("seed", int, _TRAINING, "Of the runs, the split, the first weights and the order.")
@_option("patience", int, _TRAINING, "Stop after so many epochs without a better held-out loss.")
@_option("min_delta", float, _TRAINING, "How much lower counts as better.")
@_option("stdp", bool, _TRAINING, "Add the three-factor STDP update of a layer to Adam.")
@option("--config", "config_file", metavar="FILE", section=_RUN, help="TOML or JSON of options.")
@option(
    "-o",
    "--output",
    "folder",
    default="out/train",
    show_default=True,
    metavar="FOLDER",
    section=_RUN,
    help="Folder of the network, its checkpoints, the report and the picture.",
)
@option("--resume", is_flag=True, section=_RUN, help="Go on with the run in FOLDER.")
@option("--overwrite", is_flag=True, section=_RUN, help="Begin anew in FOLDER.")
@option("--json", "as_json", is_flag=True, section=_RUN, help="Print the report as JSON.")
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def train(**options: Any) -> None:
    """Train a network to read a number off the other columns of a table.

    DATA is a dataset (`mfn dataset`), or any table of numbers: text, Excel or Parquet. Without it
    the command makes its own: runs of the v4.1 model on 64 × 64 cells over 50 steps, off whose 18
    features the network learns to read the diffusion alpha. A tenth of the rows is held out to
    stop in time, another tenth to measure the result.

    Ctrl-C ends a run after the last epoch; --resume goes on with it and ends with the weights of
    a run that was never interrupted, bit for bit.

    \b
    mfn train
    mfn train sweep.parquet --target spike_probability -o out/spikes
    mfn train -o out/spikes --resume
    """
    require_extra("mfn train", "network", *NETWORK_MODULES)
    run = _plan(options)
    start_jax(x64=run.options["dtype"] == "float64", cache=options["cache"])
    _train(run, as_json=options["as_json"])


@final
@dataclasses.dataclass(frozen=True)
class _Run:
    """One training run as it was asked for.

    Attributes:
        folder: Where it lives.
        data: The table, or None: the command makes it.
        options: Every name of `DEFAULTS`.
        resume: There is something to go on with.
    """

    folder: Path
    data: Path | None
    options: dict[str, Any]
    resume: bool

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS


def _plan(given: dict[str, Any]) -> _Run:
    """Put together defaults, the run to resume, the file and the command line, in that order."""
    folder = Path(given["folder"])
    if given["resume"] and given["overwrite"]:
        raise ParameterError("--resume or --overwrite, not both")
    before: dict[str, Any] = {}
    begun = (folder / OPTIONS_FILE).is_file()
    if given["resume"]:
        if not begun:
            raise DataError(f"{folder}: no training run to resume")
        before = _read_options(folder / OPTIONS_FILE)
    elif begun and not given["overwrite"]:
        raise DataError(
            f"{folder}: holds a training run; go on with --resume or begin anew with --overwrite"
        )
    from_file = {} if given["config_file"] is None else _read_options(Path(given["config_file"]))
    named = {name: given[name] for name in DEFAULTS if given.get(name) is not None}
    if isinstance(named.get("inputs"), str):
        named["inputs"] = [part.strip() for part in named["inputs"].split(",") if part.strip()]
    data = given["data"] or from_file.pop("data", None) or before.pop("data", None)
    before.pop("data", None)
    values = {**DEFAULTS, **before, **from_file, **named}
    if given["resume"] and "num_samples" in named:
        raise ParameterError("--num-samples cannot be changed by --resume")
    if data is not None and ("num_samples" in named or "num_samples" in from_file):
        raise ParameterError("--num-samples is for runs that the command makes: DATA is given")
    return _Run(folder, None if data is None else Path(data), values, given["resume"])


def _read_options(path: Path) -> dict[str, Any]:
    from mfnjax._plain_config import read_table

    values = read_table(path)
    unknown = sorted(set(values) - {*DEFAULTS, "data"})
    if unknown:
        raise ParameterError(
            f"{path}: no option {unknown[0]!r} of mfn train; options: data, {', '.join(DEFAULTS)}"
        )
    data = values.get("data")
    if data is not None and not isinstance(data, str):
        raise ParameterError(f"{path}: data must be the name of a table, got {data!r}")
    return values


def _train(run: _Run, *, as_json: bool) -> None:
    from mfnjax.network import NetworkConfig, STDPRule, TrainOptions, train_regressor

    chosen = run.options
    shape = {
        name: chosen[name] for name in ("hidden_dim", "use_attention", "topk", "num_heads", "dtype")
    }
    NetworkConfig(**shape)  # a wrong option is told before any work
    training = TrainOptions(
        **{name: chosen[name] for name in _OF_TRAINING},
        stdp=STDPRule() if check_bool("stdp", chosen["stdp"]) else None,
    )
    sweep = _sweep(run)
    _make_folder(run)
    try:
        data = _data(run, sweep)
        pieces = _split(data, chosen["seed"])
    except MfnError:
        if not run.resume:  # nothing was begun: the next try needs no --overwrite
            (run.folder / OPTIONS_FILE).unlink()
        raise
    started = time.perf_counter()
    done = 0
    try:
        with Progress("training") as progress:

            def after(record: Any) -> None:
                nonlocal done
                done = record.epoch
                progress(record.epoch, training.epochs)

            network, result = train_regressor(
                *pieces[0],
                held_out=pieces[1],
                input_names=data.input_names,
                target_name=data.target_name,
                options=training,
                checkpoints=run.checkpoints,
                checkpoint_every_s=CHECKPOINT_EVERY_S,
                on_epoch=after,
                **shape,
            )
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted in epoch {done + 1}: `mfn train -o {run.folder} --resume` goes on."
        ) from None
    network = measured(network, *pieces[2])
    report = report_of(data, pieces, network, result, time.perf_counter() - started)
    with writing():
        write_run(run.folder, network, result, report, pieces[2])
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        print_report(run.folder, report)


_OF_TRAINING = ("epochs", "batch_size", "learning_rate", "seed", "patience", "min_delta")


def _make_folder(run: _Run) -> None:
    """Make the folder, and leave in it what a resumed run must know."""
    from mfnjax._files import check_writable

    options_file = check_writable(run.folder / OPTIONS_FILE)
    if run.resume:
        return
    if options_file.exists():  # an old run of ours, to be overwritten
        _remove_old(run.folder, keep=run.data)
    values = {**run.options, "data": None if run.data is None else str(run.data.resolve())}
    write_text(options_file, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def _remove_old(folder: Path, keep: Path | None) -> None:
    if (folder / CHECKPOINTS).is_dir():
        shutil.rmtree(folder / CHECKPOINTS)
    partial = folder / f"{GENERATED}.partial"
    if partial.is_dir():
        shutil.rmtree(partial)
    for name in (GENERATED, *WRITTEN):
        path = folder / name
        if keep is None or path.resolve() != keep.resolve():
            path.unlink(missing_ok=True)


def _data(run: _Run, sweep: DatasetConfig | None) -> Columns:
    from mfnjax.dataset.columns import read_columns

    inputs = run.options["inputs"]
    if inputs is not None and not isinstance(inputs, list):
        raise ParameterError(f"inputs must be a list of column names, got {inputs!r}")
    names = None if inputs is None else tuple(inputs)
    source = run.data
    if sweep is not None:
        from mfnjax.dataset import generate_dataset

        source = Path(str(sweep.output_path))
        if not (run.resume and source.exists()):
            with Progress("simulating") as progress:
                generate_dataset(sweep, resume=run.resume, progress=progress)
    if source is None:
        raise ParameterError("mfn train needs a table, or a sweep to make one")
    data = read_columns(source, names, run.options["target"], dialect_of(run.options))
    say_reading(source, data.reading)
    return data


def _sweep(run: _Run) -> DatasetConfig | None:
    """Runs of the v4.1 model with random alpha, threshold and spike probability."""
    if run.data is not None:
        return None
    from mfnjax.dataset import sweep_config

    return sweep_config(
        "default",
        num_samples=run.options["num_samples"],
        base_seed=run.options["seed"],
        grid_sizes=(64,),
        steps_range=(50, 50),
        output_path=str(run.folder / GENERATED),
    )


def _split(data: Columns, seed: int) -> list[Piece]:
    """(inputs, target) to train on, to hold out, and to test."""
    from mfnjax.dataset.reading import split_places

    places = split_places(len(data.target), SPLIT, seed)
    if min(map(len, places)) == 0:
        raise DataError(
            f"{data.path}: {len(data.target)} rows are too few to train, hold out and test "
            "(8 : 1 : 1)"
        )
    return [(data.inputs[at], data.target[at]) for at in places]
