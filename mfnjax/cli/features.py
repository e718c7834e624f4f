"""``mfn features``: measure results and images."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click

from mfnjax.cli.common import (
    SETTINGS,
    Progress,
    SectionCommand,
    check_suffix,
    config_options,
    console,
    number,
    option,
    start_jax,
    table,
    writing,
)
from mfnjax.cli.table_options import dialect_of, table_options
from mfnjax.errors import DataError, ParameterError
from mfnjax.features.config import FeatureConfig
from mfnjax.features.measurement import Measurement, measure

_READING = "Reading"
_BOXES = "Boxes"
_CONFIG = "Measuring (fields of FeatureConfig; - and _ are the same)"
_OUTPUT = "Output"


class Sizes(click.ParamType):
    """Box sides as a list with commas: 1,2,4."""

    name = "N,N,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the list."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(text) for text in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 1,2,4,8", param, ctx)


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@option(
    "--threshold",
    type=float,
    section=_READING,
    help="Cells above it are set.  [default: half the range of an image's dtype; halfway between "
    "minimum and maximum of a saved run of another model; none for potentials]",
)
@option("--invert", is_flag=True, section=_READING, help="Cells at or below it are set.")
@option(
    "--channel",
    section=_READING,
    help="What to read of a colour image: red, green, blue or luma.  [default: refuse colour]",
)
@option("--field", section=_READING, help="Array of an .npz file.  [default: the result's own]")
@option(
    "--ndim",
    type=click.IntRange(1, 3),
    section=_READING,
    help="Axes of space of an array: (D, H, W) has 3, (T, W) 1.  [default: a saved run's own; else "
    "1 for one axis, 3 for four, 2 otherwise]",
)
@table_options(_READING)
@option("--sizes", type=Sizes(), section=_BOXES, help="Box sides in cells, in place of the scales.")
@option(
    "--pad",
    is_flag=True,
    section=_BOXES,
    help="Count boxes on the mask padded with background, at the bottom and right, to the next "
    "power of two, square.",
)
@config_options(FeatureConfig, section=_CONFIG)
@option("--config", "config_file", metavar="FILE", section=_CONFIG, help="TOML or JSON file.")
@option(
    "--x64",
    is_flag=True,
    section=_CONFIG,
    help="Compute in float64.  [default: if a file holds float64]",
)
@option("--json", "as_json", is_flag=True, section=_OUTPUT, help="Print JSON.")
@option("--csv", "as_csv", is_flag=True, section=_OUTPUT, help="Print CSV, a line a file.")
@option("-o", "--output", metavar="FILE", section=_OUTPUT, help="Write a .json or .csv file.")
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def features(files: tuple[str, ...], **options: Any) -> None:
    """Measure each FILE: the 18 features, area, components and box counts.

    A FILE is a result (.npz, .npy: a field or a history in volts, or a boolean mask), a table of
    numbers alone (text or Excel: a field, or an image where all are whole) or a grey image (PNG,
    TIFF, JPEG). JSON is one object for one file and a list for several.

    \b
    mfn features run.npz
    mfn features colony.tif --invert --pad --sizes 1,2,4,8,16,32,64,128,256,512,1024,2048 --json
    """
    if options["as_json"] and options["as_csv"]:
        raise ParameterError("--json or --csv, not both")
    output = check_suffix("--output", options["output"], (".json", ".csv"))
    from_file = {}
    if options["config_file"] is not None:
        from_file = FeatureConfig.from_file(options["config_file"]).to_dict()
    given = {name: options[name] for name in FeatureConfig.__dataclass_fields__}
    given = {name: value for name, value in given.items() if value is not None}
    config = FeatureConfig.from_dict({**from_file, **given})
    from mfnjax.cli.sources import Reading, read_source

    names = ("threshold", "invert", "field", "channel", "ndim")
    reading = Reading(**{name: options[name] for name in names}, dialect=dialect_of(options))
    # All files are looked at before any is measured: a mistake shows at once.
    sources = [(name, _naming(name, read_source, name, reading)) for name in files]
    is_double = any(source.array.dtype == "float64" for _, source in sources)
    start_jax(x64=options["x64"] or is_double, cache=options["cache"])
    rows: list[tuple[str, Measurement]] = []
    with Progress("measuring") as progress:
        boxes = {name: options[name] for name in ("sizes", "pad")}
        for name, source in sources:
            space = {"fractions": source.fractions, "ndim": source.ndim}
            rows.append((name, _naming(name, measure, source.array, config, **boxes, **space)))
            progress(len(rows), len(sources))
    if options["as_json"]:
        click.echo(_json(rows))
    elif options["as_csv"]:
        click.echo(_csv(rows), nl=False)
    else:
        _print(rows)
    if output is not None:
        from mfnjax._files import write_text

        with writing():
            is_csv = output.suffix.lower() == ".csv"
            write_text(output, _csv(rows) if is_csv else _json(rows) + "\n")


def _naming(name: str, call: Any, *args: Any, **kwargs: Any) -> Any:
    """Call, and put the file's name before what goes wrong."""
    try:
        return call(*args, **kwargs)
    except (DataError, ParameterError) as error:
        text = str(error)
        raise DataError(text if text.startswith(name) else f"{name}: {text}") from error


def _json(rows: list[tuple[str, Measurement]]) -> str:
    objects = [{"file": name, **found.to_dict()} for name, found in rows]
    return json.dumps(objects[0] if len(objects) == 1 else objects, indent=2, allow_nan=False)


def _csv(rows: list[tuple[str, Measurement]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for index, (name, found) in enumerate(rows):
        values = found.to_dict()
        if index == 0:
            writer.writerow(["file", *values])
        flat = (" ".join(map(str, v)) if isinstance(v, list) else v for v in values.values())
        writer.writerow([name, *flat])
    return text.getvalue()


def _print(rows: list[tuple[str, Measurement]], columns: int = 4) -> None:

    from mfnjax.features import FEATURE_UNITS

    for start in range(0, len(rows), columns):
        part = rows[start : start + columns]
        result = table("", "feature", "unit", *(Path(name).name for name, _ in part))
        result.title = None
        result.columns[1].justify = "left"
        for name, unit in FEATURE_UNITS.items():
            result.add_row(name, unit, *(number(found.features[name]) for _, found in part))
        result.add_section()
        for name, unit in (("area", "cells"), ("n4", "count"), ("n8", "count")):
            result.add_row(name, unit, *(str(getattr(found, name)) for _, found in part))
        sizes = dict.fromkeys(size for _, found in part for size in found.box_sizes)
        for size in sizes:
            counts = (dict(zip(f.box_sizes, f.box_counts, strict=True)) for _, f in part)
            result.add_row(f"boxes of side {size}", "count", *(number(c.get(size)) for c in counts))
        console().print(result)
