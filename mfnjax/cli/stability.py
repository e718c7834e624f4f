"""``mfn stability MODEL``: does a parameter set form patterns?"""

from __future__ import annotations

import json

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


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("model")
@import_option("Model")
@option("--preset", default=None, section="Model", help="A named parameter set of the model.")
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
    "--critical", default=None, metavar="NAME", section="Output", help="Its critical value, too."
)
@option(
    "--plot", default=None, section="Output", help="Draw the dispersion curve (.png .svg .pdf)."
)
@option("--json", "as_json", is_flag=True, section="Output", help="Print JSON.")
def stability(
    model: str,
    preset: str | None,
    parameters: tuple[str, ...],
    spacing: float | None,
    critical: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Analyse the linear stability of MODEL: its homogeneous states, verdict and wavelength."""
    path = check_suffix("--plot", plot, (".png", ".svg", ".pdf"))
    start_jax(x64=True, cache=False)
    from mfnjax.core import Grid
    from mfnjax.models import build_model
    from mfnjax.stability import analyse, critical_value, plot_dispersion
    from mfnjax.stability.whole import directions_of

    built = build_model(model, assignments_of(parameters), preset=preset)
    grid = None if spacing is None else Grid((4,) * len(directions_of(built)), spacing)
    analysis = analyse(built, grid=grid)
    values = analysis.to_dict()
    if critical is not None:
        values["critical"] = {critical: critical_value(built, critical, grid=grid)}
    if as_json:
        click.echo(json.dumps(values, indent=2, ensure_ascii=False))
    else:
        click.echo(analysis.text())
        if analysis.wavelength is not None:
            click.echo(f"  predicted wavelength {analysis.wavelength:.6g}")
        for name, value in values.get("critical", {}).items():
            click.echo(f"  critical {name} = {value:.8g}")
        click.echo(f"{analysis.model}: {analysis.sentence}")
    if path is not None:
        with writing():
            plot_dispersion(analysis, path)
