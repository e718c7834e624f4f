"""``mfn models``: what can be simulated."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from mfnjax._parameter import parameters_of
from mfnjax.cli.common import SETTINGS, SectionCommand, console, option, table
from mfnjax.cli.user_modules import import_option

if TYPE_CHECKING:
    from mfnjax.models import ModelEntry


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("name", required=False)
@import_option("Models")
@option("--json", "as_json", is_flag=True, section="Output", help="Print JSON.")
def models(name: str | None, as_json: bool) -> None:
    """List the models, or describe the one called NAME.

    For each: its fields, its parameters with their paper symbols, defaults, units and ranges, the
    steppers and boundaries that it supports, and its presets.
    """
    from mfnjax.models import get_model, model_names

    entries = [get_model(name)] if name else [get_model(known) for known in model_names()]
    if as_json:
        click.echo(json.dumps([describe(entry) for entry in entries], indent=2, ensure_ascii=False))
    else:
        for entry in entries:
            _print(describe(entry))


def describe(entry: ModelEntry) -> dict[str, Any]:
    """A model as plain values."""
    from mfnjax.core import Grid
    from mfnjax.steppers import boundaries_of, steppers_of

    model = entry.model
    example = entry.example()
    return {
        "name": entry.name,
        "summary": entry.summary,
        "fields": list(model.fields),
        "steppers": list(steppers_of(example, Grid((4, 4)))),
        "boundaries": list(boundaries_of(example)),
        "parameters": [declared.to_dict() for declared in parameters_of(model).values()],
        "presets": {
            name: {**dataclasses.asdict(preset), "parameters": dict(preset.parameters)}
            for name, preset in entry.presets.items()
        },
    }


def _print(model: dict[str, Any]) -> None:
    from rich.text import Text

    out = console()
    out.print(Text.assemble((model["name"], "bold"), "  ", model["summary"]))
    out.print(f"  fields      {', '.join(model['fields'])}")
    out.print(f"  steppers    {', '.join(model['steppers'])}")
    out.print(f"  boundaries  {', '.join(model['boundaries'])}")
    parameters = table("", "parameter", "symbol", "default", "what it is")
    parameters.title = None
    parameters.columns[-1].justify = "left"
    parameters.columns[1].no_wrap = True
    for row in model["parameters"]:
        symbols, default = ", ".join(row["symbols"]), _shown(row["default"])
        parameters.add_row(row["name"], symbols, default, row["description"])
    out.print(parameters)
    if model["presets"]:
        presets = table("", "preset", "parameters", "steps", "dt", "what it does")
        presets.title = None
        presets.columns[-1].justify = "left"
        presets.columns[1].justify = "left"
        for name, preset in model["presets"].items():
            values = ", ".join(f"{key}={value:g}" for key, value in preset["parameters"].items())
            steps, dt = str(preset["steps"]), f"{preset['dt']:g}"
            presets.add_row(name, values, steps, dt, preset["description"])
        out.print(presets)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "required" if value is None else str(value)
