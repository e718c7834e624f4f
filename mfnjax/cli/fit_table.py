"""What ``mfn fit --data`` does: read, fit, judge, tell."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import jax

from mfnjax._files import check_writable, write_text
from mfnjax._progress import ProgressBar
from mfnjax.cli.common import assignments_of, console, named, number, table, writing
from mfnjax.cli.group import Interrupted
from mfnjax.cli.table_options import dialect_of, say_reading
from mfnjax.errors import ParameterError
from mfnjax.fitting import fit
from mfnjax.fitting.objectives.table_objective import scaled_start, table_objective
from mfnjax.fitting.plots import plot_profiles, plot_residuals, plot_table_fit
from mfnjax.fitting.report import FitReport, report_fit
from mfnjax.fitting.result import FitResult, plot_history
from mfnjax.fitting.table import Table, read_table
from mfnjax.models import build_model
from mfnjax.plotting import save_figure
from mfnjax.simulation.plain_sides import read_sides
from mfnjax.simulation.spec import read_model

CHECKPOINT = "checkpoint.npz"
OPTIONS = {"fixed": "--fix", "dt": "--dt", "boundary": "--boundary", "stepper": "--stepper"}
"""Argument → option of the command."""


def fit_table(path: str, settings: dict[str, Any]) -> None:
    """Fit a table and report; ``settings`` are the options of the command."""
    if settings["resume"] and settings["out"] is None:
        raise ParameterError("--resume needs --out: the folder with the checkpoint")
    measured = read_table(
        path,
        **{name: settings[name] for name in ("x", "t", "y", "sd", "replicates", "average")},
        dialect=dialect_of(settings),
    )
    say_reading(path, measured.reading)
    folder = None if settings["out"] is None else Path(settings["out"])
    if folder is not None:
        check_writable(folder / "fit.json")
    with named(OPTIONS):
        result = _fitted(measured, settings, folder)
    bar = ProgressBar("Profiles") if settings["profiles"] else nullcontext()
    with bar as progress:
        report = report_fit(
            result,
            table=measured,
            level=settings["level"],
            profiles=settings["profiles"],
            assumptions=True,
            progress=progress,
        )
    content = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
    if settings["as_json"]:
        click.echo(content)
    else:
        _print(report, measured)
    if folder is not None:
        with writing():
            write_text(folder / "fit.json", content + "\n")
            save_figure(plot_table_fit(result, measured), folder / "fit.png")
            save_figure(plot_residuals(result, measured), folder / "residuals.png")
            save_figure(plot_history(result), folder / "descent.png")
            if report.profiles:
                plot_profiles(report.profiles, folder / "profiles.png")
        if not settings["as_json"]:
            click.echo(f"Written to {folder}: {', '.join(_written(folder))}")
    if result.status == "stalled":
        raise SystemExit(1)


def _fitted(measured: Table, settings: dict[str, Any], folder: Path | None) -> FitResult:
    given = assignments_of(settings["parameters"], of_equation=bool(settings["equation"]))
    fixed, values = _fixed(settings["fixed"])
    bounds = _bounds(settings["bounds"])
    if twice := set(given) & set(values):
        raise ParameterError(f"{', '.join(sorted(twice))}: both --set and --fix give a value")
    named_by = {"equation": list(settings["equation"])} if settings["equation"] else {}
    named_by |= {key: settings[key] for key in ("model", "preset") if settings[key] is not None}
    model = read_model({**named_by, "parameters": {**given, **values}})
    if "model" in named_by and settings["preset"] is None:
        named = {model.symbols.get(name, name) for name in {**given, **values}}
        ends = {model.symbols.get(name, name): pair for name, pair in bounds.items()}
        scaled = {
            name: _inside(value, *ends.get(name, (None, None)))
            for name, value in scaled_start(measured, model).items()
            if name not in named
        }
        model = build_model(settings["model"], {**scaled, **given, **values})
    objective = table_objective(
        measured,
        model,
        refine=settings["refine"],
        boundary=read_sides(settings["boundary"], (1, 4), model.fields),
        stepper=settings["stepper"],
        dt=settings["dt"],
        noisy_start=settings["start_noise"],
    )
    checkpoint = None if folder is None else folder / CHECKPOINT
    try:
        with ProgressBar("Fitting") as progress:
            return fit(
                model,
                objective,
                fixed=fixed,
                bounds=bounds,
                starts=settings["starts"],
                max_steps=settings["max_steps"],
                progress=progress,
                checkpoint=checkpoint,
                resume=settings["resume"],
                key=jax.random.key(settings["seed"]),
            )
    except KeyboardInterrupt:
        if checkpoint is None or not checkpoint.exists():
            raise
        raise Interrupted(f"Interrupted: with --out {folder} --resume it goes on.") from None


def _inside(value: float, low: float | None, high: float | None) -> float:
    """A start that nobody gave, moved between the bounds that somebody did."""
    if low is not None and high is not None:
        return value if low < value < high else (low + high) / 2
    if low is not None and value <= low:
        return low + (abs(low) or 1.0)
    if high is not None and value >= high:
        return high - (abs(high) / 2 or 1.0)
    return value


def _fixed(texts: tuple[str, ...]) -> tuple[list[str], dict[str, float]]:
    names, values = [], {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        try:
            if equals:
                values[name] = float(value)
        except ValueError:
            name = ""
        if not name or name in names:
            raise ParameterError(f"--fix {text}: NAME or NAME=NUMBER is expected, each once")
        names.append(name)
    return names, values


def _bounds(texts: tuple[str, ...]) -> dict[str, tuple[float | None, float | None]]:
    bounds: dict[str, tuple[float | None, float | None]] = {}
    for text in texts:
        name, _, ends = (part.strip() for part in text.partition("="))
        low, colon, high = (end.strip() for end in ends.partition(":"))
        try:
            pair = (float(low) if low else None, float(high) if high else None)
        except ValueError:
            colon = ""
        if not colon or not name or name in bounds:
            raise ParameterError(f"--bound {text}: NAME=LOW:HIGH is expected, each name once")
        bounds[name] = pair
    return bounds


def _print(report: FitReport, measured: Table) -> None:
    result, sure = report.result, report.covariance
    ended = [start.status for start in result.starts]
    counts = ", ".join(f"{ended.count(kind)} {kind}" for kind in dict.fromkeys(ended))
    if measured.floor is not None and measured.raised:
        click.echo(
            f"{measured.raised} standard deviations were below the floor of {measured.floor:.3g} "
            f"(half the median of the positive ones) and were raised to it."
        )
    shown = table(
        f"{type(next(iter(result.models.values()))).__name__}: {result.status} ({counts})",
        "parameter",
        "value",
        "std. error",
        f"{100 * report.level:g} % interval",
    )
    ends, errors = report.intervals(), sure.standard_errors
    for name in sure.names:
        at_bound = name in report.identifiability.limits
        shown.add_row(
            name,
            number(sure.values[name]),
            "–" if at_bound else f"{errors[name]:.2g}",
            _interval(*ends[name]),
        )
    console().print(shown)
    if report.assumptions:
        other = table("What is assumed of the first profile", "first profile", *sure.names)
        for one in report.assumptions:
            cells = [
                f"{number(value)} ({_interval(*one.intervals[name])})"
                for name, value in one.values.items()
            ]
            other.add_row(one.start, *cells)
        console().print(other)
    for sentence in report.sentences():
        click.echo(sentence)


def _interval(low: float | None, high: float | None) -> str:
    return " … ".join(
        "open" if end is None else "∞" if end == float("inf") else number(end)
        for end in (low, high)
    )


def _written(folder: Path) -> list[str]:
    names = ("fit.json", "fit.png", "residuals.png", "descent.png", "profiles.png", CHECKPOINT)
    return [name for name in names if (folder / name).exists()]
