"""``mfn features``: measure results and images."""

from __future__ import annotations

from typing import Any

import click

from mfnjax.cli.common import (
    SETTINGS,
    Level,
    Progress,
    SectionCommand,
    check_suffix,
    config_options,
    option,
    start_jax,
    writing,
)
from mfnjax.cli.feature_table import Measured, as_csv, as_json, print_table, write_parquet
from mfnjax.cli.group import FailedRun
from mfnjax.cli.image_options import IMAGE_OPTIONS, image_options
from mfnjax.cli.table_options import dialect_of, table_options
from mfnjax.errors import DataError, ParameterError
from mfnjax.features.config import FeatureConfig
from mfnjax.features.measurement import measure

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
    type=Level(),
    section=_READING,
    help="Cells above it are set.  [default of an image: what fits it, said in a line: half the "
    "range of its dtype, or Otsu's threshold; masks of 0 and 1 and numbers of objects are "
    "recognised. Of a saved run of another model halfway between minimum and maximum; none for "
    "potentials]",
)
@option("--invert", is_flag=True, section=_READING, help="Cells at or below it are set.")
@image_options(_READING)
@option(
    "--unit",
    type=click.Choice(["V", "mV"]),
    section=_READING,
    help="Of potentials in an array.  [default: V]",
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
@option("--csv", "as_csv", is_flag=True, section=_OUTPUT, help="Print CSV, a row a file.")
@option(
    "-o", "--output", metavar="FILE", section=_OUTPUT, help="Write a .json, .csv or .parquet file."
)
@option("--overwrite", is_flag=True, section=_OUTPUT, help="Replace the file of --output.")
@option(
    "--plot",
    metavar="FILE",
    section=_OUTPUT,
    help="Draw the counts, slopes and interval behind D_fit (.png, .pdf, .svg), of one FILE.",
)
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def features(files: tuple[str, ...], **options: Any) -> None:
    """Measure each FILE: the 18 features, D_fit, area, components and box counts.

    A FILE is a result (.npz, .npy: a field or a history in volts, or a boolean mask), a table of
    numbers alone (text or Excel: a field, or an image where all are whole), a grey image (PNG,
    TIFF, JPEG), or a folder of such files. JSON is one object for one file and a list for several.
    A file that cannot be measured is named, and the others are measured.

    D_box is the documented count of a few boxes: it reads 2.04, or 1.78, for full pictures. D_fit
    is the dimension to trust, with its interval of 95 %.

    \b
    mfn features run.npz
    mfn features plates -o plates.csv
    mfn features colony.tif --invert --pad --sizes 1,2,4,8,16,32,64,128,256,512,1024,2048 --json
    """
    if options["as_json"] and options["as_csv"]:
        raise ParameterError("--json or --csv, not both")
    output = check_suffix("--output", options["output"], (".json", ".csv", ".parquet"))
    if output is not None and output.exists() and not options["overwrite"]:
        raise ParameterError(f"--output {output} exists: give --overwrite to replace it")
    plot = check_suffix("--plot", options["plot"], (".png", ".pdf", ".svg"))
    from_file = {}
    if options["config_file"] is not None:
        from_file = FeatureConfig.from_file(options["config_file"]).to_dict()
    given = {name: options[name] for name in FeatureConfig.__dataclass_fields__}
    given = {name: value for name, value in given.items() if value is not None}
    config = FeatureConfig.from_dict({**from_file, **given})
    from mfnjax.cli.sources import Reading, files_in, is_double

    keys = ("threshold", "invert", "field", *IMAGE_OPTIONS, "ndim", "unit")
    reading = Reading(**{name: options[name] for name in keys}, dialect=dialect_of(options))
    names = files_in(files)
    if plot is not None and len(names) > 1:
        raise ParameterError("--plot draws one FILE")
    x64 = options["x64"] or any(is_double(name, reading) for name in names)
    start_jax(x64=x64, cache=options["cache"])
    boxes = {name: options[name] for name in ("sizes", "pad")}
    has_rows = options["as_json"] or options["as_csv"] or output is not None
    rows: list[Measured] = []
    bad: list[str] = []
    with Progress("measuring") as progress:
        for place, name in enumerate(names):
            try:
                rows.append(_measured(name, reading, config, boxes, with_objects=has_rows))
            except (DataError, ParameterError) as error:
                if len(names) == 1:
                    raise
                bad.append(str(error))
            progress(place + 1, len(names))
    for row in rows:
        if row.source.reading is not None:
            scale = row.source.image.scale if row.source.image is not None else None
            click.echo(f"{row.file}: {row.source.reading}{f'; {scale}' if scale else ''}", err=True)
    is_list = len(names) > 1 or names != list(files)
    if options["as_json"]:
        click.echo(as_json(rows, is_list))
    elif options["as_csv"]:
        click.echo(as_csv(rows), nl=False)
    else:
        print_table(rows)
    with writing():
        if output is not None and rows:
            _write(output, rows, is_list)
        if plot is not None:
            _plot(plot, rows[0])
    if bad:
        for line in bad:
            click.echo(f"Error: {line}", err=True)
        raise FailedRun(f"{len(bad)} of {len(names)} files could not be measured")


def _measured(
    name: str, reading: Any, config: FeatureConfig, boxes: dict[str, Any], *, with_objects: bool
) -> Measured:
    """One file, and each object of a file of labels; what goes wrong names the file."""
    from mfnjax.cli.sources import numbers_of, read_source

    try:
        source = read_source(name, reading)
        space = {**boxes, "fractions": source.fractions, "ndim": source.ndim}
        objects = {}
        if with_objects and source.labels is not None:
            for number in numbers_of(source.labels):
                objects[number] = measure(source.labels == number, config, **space)
        return Measured(name, source, measure(source.array, config, **space), objects)
    except (DataError, ParameterError) as error:
        text = str(error)
        raise DataError(text if text.startswith(name) else f"{name}: {text}") from error


def _write(output: Any, rows: list[Measured], is_list: bool) -> None:
    from mfnjax._files import write_text

    suffix = output.suffix.lower()
    if suffix == ".parquet":
        write_parquet(output, rows)
    else:
        write_text(output, as_csv(rows) if suffix == ".csv" else as_json(rows, is_list) + "\n")


def _plot(path: Any, row: Measured) -> None:
    from mfnjax.fractal import plot_dimension_fit

    if row.found.fit is None:
        raise DataError(f"{row.file}: nothing to draw, it has no D_fit")
    plot_dimension_fit(row.found.fit, path)
