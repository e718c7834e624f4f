"""``mfn stability MODEL``: does a parameter set form patterns?"""

from __future__ import annotations

import json
import math
from typing import Any

import click

from mfnjax.cli.common import (
    SETTINGS,
    SectionCommand,
    assignments_of,
    check_suffix,
    option,
    start_jax,
    writing,
)
from mfnjax.cli.user_modules import import_option
from mfnjax.errors import ParameterError


def _of_pushes(model: str | None, preset: str | None) -> str:
    """What linear stability does not say."""
    from mfnjax.models import get_model

    if model and preset and get_model(model).presets[preset].needs_push:
        return (
            f"This is about small disturbances. {preset} is a pattern that needs a finite push, "
            "which the model's start gives it."
        )
    return "This is about small disturbances: a finite push may start a pattern all the same."


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("model", required=False)
@import_option("Model")
@option("--preset", default=None, section="Model", help="A named parameter set of the model.")
@option(
    "--equation",
    metavar="'u_t = …'",
    multiple=True,
    section="Model",
    help="Equations in the place of a model, one for each field. May be repeated.",
)
@option(
    "--set",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    section="Model",
    help="A parameter, by name or paper symbol: --set D_v=17. May be repeated.",
)
@option(
    "--spacing",
    type=float,
    default=None,
    section="Model",
    help="Use the 5-point stencil of a grid with this dx.  [default: the continuum]",
)
@option(
    "--direction",
    metavar="X[,Y[,Z]]",
    section="Model",
    help="Along which the waves run, where that matters: 0,1.  [default: that of fastest growth]",
)
@option(
    "--guess",
    "guesses",
    metavar="V[,V…]",
    multiple=True,
    section="Model",
    help="Look for a state at rest here too, one number a field in their order. May be repeated.",
)
@option(
    "--critical", default=None, metavar="NAME", section="Output", help="Its critical value, too."
)
@option(
    "--plot", default=None, section="Output", help="Draw the dispersion curve (.png .svg .pdf)."
)
@option("--json", "as_json", is_flag=True, section="Output", help="Print JSON.")
def stability(
    model: str | None,
    preset: str | None,
    equation: tuple[str, ...],
    parameters: tuple[str, ...],
    spacing: float | None,
    direction: str | None,
    guesses: tuple[str, ...],
    critical: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Analyse the linear stability of MODEL, or of an --equation.

    Its homogeneous states, the verdict on each, and the wavelength of what grows.
    """
    path = check_suffix("--plot", plot, (".png", ".svg", ".pdf"))
    if (model is None) == (not equation):
        raise ParameterError(
            "give a MODEL of `mfn models`, or --equation 'u_t = …', one of the two"
        )
    if preset is not None and model is None:
        raise ParameterError("--preset is of a MODEL: an equation has none; --set gives it numbers")
    start_jax(x64=True, cache=False)
    from mfnjax.core import Grid
    from mfnjax.models import PDE, build_model
    from mfnjax.stability import analyse, critical_value, plot_dispersion
    from mfnjax.stability.whole import directions_of

    built: Any
    if model is None:
        built = PDE("\n".join(equation), **assignments_of(parameters))
    else:
        built = build_model(model, assignments_of(parameters), preset=preset)
    along = None if direction is None else _numbers("--direction", direction)
    starts = [_numbers("--guess", text) for text in guesses] or None
    grid = None
    if spacing is not None:  # the stencil alone: waves that fit no certain number of cells
        along = along or [1.0, 0.0, 0.0][: len(directions_of(built))]
        grid = Grid((4,) * len(along), spacing)
    analysis = analyse(built, grid=grid, guesses=starts, direction=along)
    values = analysis.to_dict()
    if critical is not None:
        values["critical"] = {critical: critical_value(built, critical, grid=grid, direction=along)}
    if as_json:
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
    else:
        click.echo(analysis.text())
        if analysis.wavelength is not None:
            click.echo(f"  predicted wavelength {analysis.wavelength:.6g}")
        for name, value in values.get("critical", {}).items():
            click.echo(f"  critical {name} = {value:.8g}")
        click.echo(f"{analysis.model}: {analysis.sentence}")
        if analysis.wavelength is None:
            click.echo(_of_pushes(model, preset))
    if path is not None:
        with writing():
            plot_dispersion(analysis, path)


def _numbers(option: str, text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ParameterError(f"{option} {text}: numbers with commas between are expected")
    return numbers
