"""What ``mfn fit --data`` does: read, fit, judge, tell."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np

from mfnjax._files import check_writable, write_text
from mfnjax._progress import ProgressBar
from mfnjax.cli.common import assignments_of, console, named, number, table, writing
from mfnjax.cli.group import Interrupted
from mfnjax.errors import ParameterError
from mfnjax.fitting import LowerMinimumWarning, Profile, covariance, fit, identifiability, profile
from mfnjax.fitting.inference.identifiability import Identifiability
from mfnjax.fitting.inference.uncertainty import Covariance
from mfnjax.fitting.objectives.table_objective import Misfit, misfit, scaled_start, table_objective
from mfnjax.fitting.plots import plot_history, plot_profiles, plot_residuals, plot_table_fit
from mfnjax.fitting.result import FitResult
from mfnjax.fitting.table import Table, read_table
from mfnjax.models import build_model
from mfnjax.plotting import save_figure

CHECKPOINT = "checkpoint.npz"
OPTIONS = {"fixed": "--fix", "dt": "--dt", "boundary": "--boundary", "stepper": "--stepper"}
"""Argument → option of the command."""


def fit_table(path: str, settings: dict[str, Any]) -> None:
    """Fit a table and report; ``settings`` are the options of the command."""
    if settings["resume"] and settings["out"] is None:
        raise ParameterError("--resume needs --out: the folder with the checkpoint")
    measured = read_table(
        path,
        **{name: settings[name] for name in ("x", "t", "y", "sd", "replicates")},
    )
    folder = None if settings["out"] is None else Path(settings["out"])
    if folder is not None:
        check_writable(folder / "fit.json")
    with named(OPTIONS):
        result = _fitted(measured, settings, folder)
    off = misfit(result)
    # Where the model is off by more than the noise, the noise alone says too little.
    scale = max(off.reduced, 1.0) if off.known else None
    sure = covariance(result, scale=scale, along_x=True)
    told = identifiability(result, scale=scale)
    profiles = _profiles(result, sure, settings["level"]) if settings["profiles"] else []
    report = _report(result, sure, told, off, measured, settings["level"])
    if profiles:
        report["profiles"] = {found.name: found.to_dict() for found in profiles}
    if settings["as_json"]:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print(result, sure, told, off, measured, settings["level"])
        _print_profiles(profiles)
    if folder is not None:
        with writing():
            _write(folder, result, measured, report, profiles)
        if not settings["as_json"]:
            click.echo(f"Written to {folder}: {', '.join(_written(folder))}")


def _fitted(measured: Table, settings: dict[str, Any], folder: Path | None) -> FitResult:
    given = assignments_of(settings["parameters"])
    fixed, values = _fixed(settings["fixed"])
    bounds = _bounds(settings["bounds"])
    if twice := set(given) & set(values):
        raise ParameterError(f"{', '.join(sorted(twice))}: both --set and --fix give a value")
    model = build_model(settings["model"], {**given, **values}, preset=settings["preset"])
    if settings["preset"] is None:
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
        boundary=settings["boundary"],
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


def _report(
    result: FitResult,
    sure: Covariance,
    told: Identifiability,
    off: Misfit,
    measured: Table,
    level: float,
) -> dict[str, Any]:
    """Everything that the command says, as plain values."""
    condition = told.condition_number
    return {
        "fit": result.to_dict(),
        "uncertainty": sure.to_dict(level),
        "identifiability": {
            "identifiable": told.identifiable,
            "without_influence": told.without_influence,
            "confounded": told.confounded,
            "condition_number": condition if np.isfinite(condition) else None,
            "poorly_determined": [direction.components for direction in told.sloppy],
        },
        "misfit": {
            "reduced_chi_square": off.reduced if off.known else None,
            "noise": None if off.known else off.noise,
            "where": off.sentences(measured, most=8),
        },
        "data": {
            "positions": len(measured.positions),
            "times": measured.times.tolist(),
            "measurements": int(np.isfinite(measured.values).sum()),
            "sd_floor": measured.floor,
            "sd_raised_to_floor": measured.raised,
        },
    }


def _print(
    result: FitResult,
    sure: Covariance,
    told: Identifiability,
    off: Misfit,
    measured: Table,
    level: float,
) -> None:
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
        f"{100 * level:g} % interval",
    )
    ends, errors = sure.intervals(level), sure.standard_errors
    for name in sure.names:
        low, high = ends[name]
        shown.add_row(
            name,
            number(sure.values[name]),
            f"{errors[name]:.2g}",
            f"{number(low)} … {number(high)}",
        )
    console().print(shown)
    if off.known:
        widened = "; the intervals are widened by its root" if off.reduced > 1 else ""
        click.echo(f"χ² per degree of freedom {off.reduced:.2f}{widened}.")
    else:
        click.echo(f"Noise, estimated from the residuals: {off.noise:.3g}.")
    if sure.correlation_along_x:
        click.echo(
            f"Neighbouring residuals are correlated by {sure.correlation_along_x:.2f}; the "
            "intervals allow for it."
        )
    click.echo(told.text())
    for sentence in off.sentences(measured):
        click.echo(f"Misfit: {sentence}.")


def _profiles(result: FitResult, sure: Covariance, level: float) -> list[Profile]:
    with warnings.catch_warnings(), ProgressBar("Profiles") as progress:
        warnings.simplefilter("ignore", LowerMinimumWarning)  # it is told in the report
        found: list[Profile] = []

        def told(done: int, most: int) -> None:
            progress(len(found) * most + done, len(sure.names) * most)

        for name in sure.names:
            found += [profile(result, name, level=level, scale=sure.scale, progress=told)]
        return found


def _print_profiles(profiles: list[Profile]) -> None:
    for found in profiles:
        low, high = (number(end) if end is not None else "open" for end in found.interval)
        click.echo(f"Profile of {found.name}, {100 * found.level:g} %: {low} … {high}.")
        if found.better is not None:
            at = ", ".join(f"{name} = {number(value)}" for name, value in found.better.items())
            click.echo(
                f"  χ² is lower by {found.fall:.3g} at {at}: the fit was not at the lowest "
                "minimum; start there (--set), or from more places (--starts)."
            )


def _write(
    folder: Path,
    result: FitResult,
    measured: Table,
    report: dict[str, Any],
    profiles: list[Profile],
) -> None:
    write_text(folder / "fit.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    save_figure(plot_table_fit(result, measured), folder / "fit.png")
    save_figure(plot_residuals(result, measured), folder / "residuals.png")
    save_figure(plot_history(result), folder / "descent.png")
    if profiles:
        plot_profiles(profiles, folder / "profiles.png")


def _written(folder: Path) -> list[str]:
    names = ("fit.json", "fit.png", "residuals.png", "descent.png", "profiles.png", CHECKPOINT)
    return [name for name in names if (folder / name).exists()]
