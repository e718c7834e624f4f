"""The options that say which model runs, where and how: the same for every such command."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

from mfnjax.cli.common import Function, assignments_of, option
from mfnjax.cli.user_modules import import_option
from mfnjax.errors import ParameterError

_EXCLUSIVE = (
    *(("model", "equation"), ("preset", "equation"), ("grid_size", "shape")),
    *((fixed, "until") for fixed in ("steps", "dt", "stepper", "save_every")),
)
"""Keys that do not go together: what an option says takes the place of what a file says."""


def model_options(section: str, *, default: str) -> Callable[[Function], Function]:
    """--model, --import, --preset, --equation, --set, those of the grid, --start, --save-every.

    All but --import have the names that `mfnjax.Simulation.from_dict` takes; --set gives
    ``assignments``. What is not given is None, or empty where it may be repeated; `plain_options`
    makes plain values of them.
    """
    options = (
        option("--model", section=section, help=f"A model of `mfn models`.  [default: {default}]"),
        import_option(section),
        option("--preset", section=section, help="A named parameter set of that model."),
        option(
            "--equation",
            metavar="'u_t = …'",
            multiple=True,
            section=section,
            help="Equations in the place of a model, one for each field: "
            "--equation 'u_t = D*lap(u) + u*(1 - u)' --set D=0.1. May be repeated.",
        ),
        option(
            "--set",
            "assignments",
            metavar="NAME=VALUE",
            multiple=True,
            section=section,
            help="A parameter, by name or paper symbol: --set F=0.04; of an equation a formula of "
            "t, x, y and z, too, or a file (an image, .npy). May be repeated.",
        ),
        option(
            "--dt", type=float, section=section, help="Time step.  [default: the preset's, or 1]"
        ),
        option("--stepper", section=section, help="Stepper.  [default: the model's own]"),
        option(
            "--shape",
            metavar="W | H,W | D,H,W",
            section=section,
            help="Cells of a grid that is no square, or has one axis or three.",
        ),
        option(
            "--spacing",
            metavar="DX | DY,DX",
            section=section,
            help="Side of a cell, or one an axis in the order of the shape.  [default: 1]",
        ),
        option(
            "--boundary",
            metavar="SIDES",
            section=section,
            help="What is outside: periodic, neumann [slope], dirichlet VALUE, robin A B C, ghost "
            "VALUE, for all sides or each: 'x-: dirichlet 1; x+: neumann; y: periodic', u.x- for "
            "one field; dirichlet alone is zero outside.  [default: periodic]",
        ),
        option(
            "--mask",
            metavar="FILE | FORMULA",
            section=section,
            help="Which cells take part: the bright ones of an image, or an array (.npy); where a "
            "formula holds, as '(x - 40)^2 + (y - 32)^2 > 100'; or disc, a round dish.",
        ),
        option(
            "--start",
            metavar="NAME | 'u = …'",
            multiple=True,
            section=section,
            help="One of the model's starts, by name; or a formula for each field, as in --start "
            "'u = 1 - 0.5*(abs(x - 64) < 10) + 0.01*uniform()'.  [default: the customary one]",
        ),
        option(
            "--save-every",
            type=int,
            section=section,
            help="Steps between two frames.  [default: 1 for a map or a short run, else about a "
            "hundred frames in all]",
        ),
    )
    return lambda function: reduce(lambda made, add: add(made), reversed(options), function)


def plain_options(options: dict[str, Any]) -> dict[str, Any]:
    """What is given of the options as the values that `mfnjax.Simulation.from_dict` takes.

    --set, which depends on the model, stays as ``assignments``.
    """
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    if "equation" in given:
        given["equation"] = "\n".join(given["equation"])
    if "shape" in given:
        given["shape"] = _numbers("--shape", given["shape"], int)
    if "save_at" in given:
        given["save_at"] = _numbers("--save-at", given["save_at"], float)
    if "spacing" in given:
        found = _numbers("--spacing", given["spacing"], float)
        given["spacing"] = found[0] if len(found) == 1 else found
    if "start" in given:
        given["start"] = _start(given["start"])
    return given


def merged(file: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The values of a file and of options, which win over it; --set among the parameters."""
    texts = options.pop("assignments", ())
    for pair in _EXCLUSIVE:
        for mine, other in (pair, pair[::-1]):
            if mine in options and other not in options:
                file.pop(other, None)
    values = {**file, **options}
    parameters = assignments_of(texts, of_equation=values.get("equation") is not None)
    if parameters:
        values["parameters"] = {**values.get("parameters", {}), **parameters}
        for name in parameters:  # --set wins over a file's flat name
            values.pop(name, None)
    return values


def with_files(values: dict[str, Any]) -> dict[str, Any]:
    """Values with what is in files in the place of their names: a mask, fields of an equation."""
    from mfnjax.images import IMAGE_SUFFIXES
    from mfnjax.simulation.plain_grid import read_levels, read_mask

    mask = values.get("mask")
    if isinstance(mask, str) and (
        mask.lower().endswith((*IMAGE_SUFFIXES, ".npy")) or Path(mask).exists()
    ):
        values["mask"] = read_mask(mask)
    if values.get("equation") is not None and isinstance(values.get("parameters"), dict):
        values["parameters"] = {
            name: read_levels(value)
            if isinstance(value, str) and value.lower().endswith((*IMAGE_SUFFIXES, ".npy"))
            else value
            for name, value in values["parameters"].items()
        }
    return values


def _numbers(name: str, text: str, kind: type) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"{name} {text}: numbers with commas between are expected") from None


def _start(texts: tuple[str, ...]) -> Any:
    """One name, or a formula for each field."""
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return named_texts("--start", texts)


def named_texts(option_name: str, texts: tuple[str, ...]) -> dict[str, str]:
    """Texts ``NAME = VALUE``, each name once, as a dict."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value or name in found:
            raise ParameterError(f"{option_name} {text}: NAME = VALUE is expected, each name once")
        found[name] = value
    return found
