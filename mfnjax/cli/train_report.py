"""What ``mfn train`` says and leaves behind when a network is trained."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfnjax._files import write_text
from mfnjax.cli.common import console, number, table

if TYPE_CHECKING:
    from mfnjax.dataset.columns import Columns
    from mfnjax.network import Regressor, TrainResult

NETWORK_FILE, REPORT_FILE, PICTURE = WRITTEN = ("network.npz", "report.json", "training.png")

Piece = tuple[Any, Any]
"""Inputs and target of some rows."""


def measured(network: Regressor, inputs: Any, target: Any) -> Regressor:
    """The network with its metrics on these rows in place of those it was stopped by."""
    from mfnjax.network import regression_metrics

    metrics = regression_metrics(network.predict(inputs), target)
    return dataclasses.replace(network, metrics=metrics)


def report_of(
    data: Columns, pieces: list[Piece], network: Regressor, result: TrainResult, seconds: float
) -> dict[str, Any]:
    """Everything that the command says, as plain values."""
    last = result.history[-1]
    return {
        "data": str(data.path),
        "rows": dict(zip(("train", "held_out", "test"), (len(y) for _, y in pieces), strict=True)),
        "inputs": list(data.input_names),
        "target": data.target_name,
        "epochs": last.epoch,
        "best_epoch": result.best_epoch,
        "stopped_early": result.stopped_early,
        "loss_first": result.history[0].loss,
        "loss_last": last.loss,
        "test": {
            name: value if value == value and abs(value) != float("inf") else None
            for name, value in network.metrics.items()
        },
        "seconds": seconds,
        "history": [dataclasses.asdict(record) for record in result.history],
    }


def write_run(
    folder: Path, network: Regressor, result: TrainResult, report: dict[str, Any], test: Piece
) -> None:
    """Write the network, the report and the picture."""
    from mfnjax.plotting import plot_training, save_figure

    network.save(folder / NETWORK_FILE)
    write_text(folder / REPORT_FILE, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    figure = plot_training(
        [record.loss for record in result.history],
        [record.held_out_loss for record in result.history],
        best_epoch=result.best_epoch,
        test=(network.predict(test[0]), test[1]),
        target_name=network.target_name,
    )
    save_figure(figure, folder / PICTURE)


def print_report(folder: Path, report: dict[str, Any]) -> None:
    """The report for a reader, and what to do next."""
    rows = table(f"{report['target']} from {len(report['inputs'])} columns", "", "", headers=False)
    rows.columns[1].justify = "left"
    counts = report["rows"]
    rows.add_row(
        "rows", f"{counts['train']} to train, {counts['held_out']} held out, {counts['test']} test"
    )
    early = ", stopped early" if report["stopped_early"] else ""
    rows.add_row("epochs", f"{report['epochs']}, best {report['best_epoch']}{early}")
    rows.add_row("training loss", f"{number(report['loss_first'])} → {number(report['loss_last'])}")
    test = report["test"]
    rows.add_row("test error, root mean square", number(test["mse"] ** 0.5))
    rows.add_row("test error, mean absolute", number(test["mae"]))
    rows.add_row("test R²", number(test["r2"]))
    rows.add_row("gain over predicting the mean", f"{number(test['gain'])} × in squared error")
    rows.add_row("wall time", f"{report['seconds']:.1f} s")
    console().print(rows)
    for name in WRITTEN:
        click.echo(f"wrote {folder / name}")
    click.echo(f"ask it with: mfn predict {folder} FILE…")
