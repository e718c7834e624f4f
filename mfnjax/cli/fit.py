"""``mfn fit``: the parameters of a model from measurements."""

from __future__ import annotations

import click
from click.core import ParameterSource

from mfnjax._checks import check_real
from mfnjax.cli.common import SETTINGS, SectionCommand, option, require_extra, start_jax
from mfnjax.cli.image_options import IMAGE_OPTIONS, image_options
from mfnjax.cli.table_options import table_options
from mfnjax.cli.user_modules import import_option
from mfnjax.errors import ParameterError

_DATA, _IMAGE, _MODEL, _RUN, _FIT, _OUTPUT = "Data", "Picture", "Model", "Run", "Fit", "Output"
_OF_IMAGES = ("invert", *IMAGE_OPTIONS, "du", "dv", "noise")
_OF_BOTH = ("data", "image", "cache", "model", "boundary", "seed", "out", "as_json")
FIT_MODULES = ("optax", "optimistix")


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@import_option(_MODEL)
@option("--model", metavar="NAME", section=_MODEL, help="See mfn models.")
@option(
    "--equation",
    metavar="'u_t = …'",
    multiple=True,
    section=_MODEL,
    help="An equation in the place of a model; --set says where each of its parameters starts.",
)
@option(
    "--data",
    metavar="FILE",
    section=_DATA,
    help="Table (text, .xlsx, .parquet): a row a position and time, or a column a time.",
)
@option(
    "--image",
    metavar="FILE",
    default=None,
    section=_IMAGE,
    help="One picture of a pattern at rest (.png, .tif, .jpg), for gray-scott. Dark is low v.",
)
@option("--invert", is_flag=True, section=_IMAGE, help="Dark is high v.")
@image_options(_IMAGE)
@option("--du", type=float, default=None, section=_IMAGE, help="D_u in cells²/time, if known.")
@option("--dv", type=float, default=None, section=_IMAGE, help="D_v in cells²/time, if known.")
@option(
    "--noise",
    type=float,
    default=None,
    section=_IMAGE,
    help="Standard deviation of the noise, in grey levels.  [default: measured]",
)
@option("--x", metavar="COLUMN", default="x", section=_DATA, help="Positions.  [default: x]")
@option("--t", metavar="COLUMN", default="t", section=_DATA, help="Times.  [default: t]")
@option("--y", metavar="COLUMN", default="y", section=_DATA, help="Measurements.  [default: y]")
@option("--sd", metavar="COLUMN", default=None, section=_DATA, help="Their standard deviations.")
@option(
    "--replicates",
    type=click.IntRange(1),
    default=1,
    section=_DATA,
    help="The measurements are means of so many, --sd is that of one.  [default: 1]",
)
@option(
    "--average/--no-average",
    default=None,
    section=_DATA,
    help="Rows of one position and time are replicates.  [default: if most have equally many]",
)
@table_options(_DATA)
@option(
    "--start-noise/--no-start-noise",
    default=True,
    section=_DATA,
    help="The first profile is measured like the others, not exact.  [default: on]",
)
@option("--preset", default=None, section=_MODEL, help="A named parameter set to start from.")
@option(
    "--set",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    section=_MODEL,
    help="Where a parameter starts, by name or paper symbol. May be repeated.",
)
@option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="NAME[=VALUE]",
    section=_MODEL,
    help="A parameter that is not fitted: --fix K=1.7e-3. May be repeated.",
)
@option(
    "--bound",
    "bounds",
    multiple=True,
    metavar="NAME=LOW:HIGH",
    section=_MODEL,
    help="Bounds, an end may be left out: --bound D=10: . May be repeated.",
)
@option(
    "--refine",
    type=click.IntRange(1, 64),
    default=2,
    section=_RUN,
    help="Cells of the run in one interval of the data.  [default: 2]",
)
@option(
    "--boundary",
    default="neumann",
    section=_RUN,
    help="What is outside, as for mfn simulate.  [default: neumann]",
)
@option("--stepper", default=None, section=_RUN, help="Stepper.  [default: etdrk4 where it can]")
@option("--dt", type=float, default=None, section=_RUN, help="Largest step.  [default: span/100]")
@option(
    "--starts",
    type=click.IntRange(1, 10_000),
    default=4,
    section=_FIT,
    help="Starts, drawn around the first.  [default: 4]",
)
@option("--seed", type=click.IntRange(0), default=0, section=_FIT, help="Of the starts.")
@option(
    "--max-steps",
    type=click.IntRange(1),
    default=200,
    section=_FIT,
    help="Iterations of a start, at most.  [default: 200]",
)
@option(
    "--level", type=float, default=0.9, section=_FIT, help="Level of the intervals.  [default: 0.9]"
)
@option(
    "--out",
    metavar="FOLDER",
    default=None,
    section=_OUTPUT,
    help="Write fit.json, pictures and the checkpoint there.",
)
@option("--resume", is_flag=True, section=_OUTPUT, help="Go on from the checkpoint in --out.")
@option(
    "--profiles", is_flag=True, section=_OUTPUT, help="Profile likelihoods, too (takes longer)."
)
@option("--json", "as_json", is_flag=True, section=_OUTPUT, help="Print JSON.")
@option(
    "--cache/--no-cache",
    default=True,
    section=_OUTPUT,
    help="Keep compiled programs for the next time.  [default: on]",
)
@click.pass_context
def fit(
    ctx: click.Context, data: str | None, image: str | None, cache: bool, **settings: object
) -> None:
    """Fit a model to measurements; say how sure, what cannot be told, and where it is off.

    \b
    mfn fit --model fisher-kpp --data cells.csv --x Position --t Time --y Density --sd SD

    \b
    mfn fit --model gray-scott --image pattern.png --out found
    """
    require_extra("mfn fit", "fit", *FIT_MODULES)
    if (settings["model"] is None) == (not settings["equation"]):
        raise ParameterError("mfn fit needs --model NAME or --equation 'u_t = …', one of the two")
    if (data is None) == (image is None):
        raise ParameterError("mfn fit needs --data FILE or --image FILE, one of the two")
    _check_options(ctx, for_image=image is not None)
    start_jax(x64=True, cache=cache)
    if image is not None:
        from mfnjax.cli.fit_image import fit_image

        fit_image(image, settings)
        return
    if data is None:  # told above; this tells the type checker
        return
    from mfnjax.cli.fit_table import fit_table

    fit_table(data, settings)


def _check_options(ctx: click.Context, *, for_image: bool) -> None:
    """What is given must have an effect, and be a number that can be used."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        is_given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not is_given or name in (*_OF_BOTH, "imports"):
            continue
        if for_image != (name in _OF_IMAGES):
            told = ("--data", "--image") if for_image else ("--image", "--data")
            raise ParameterError(f"{parameter.opts[0]} goes with {told[0]}, not with {told[1]}")
    if ctx.params["out"] is not None and not ctx.params["out"].strip():
        raise ParameterError("--out needs the name of a folder, got an empty one")
    check_real("--level", ctx.params["level"], 0.0, 1.0, open_low=True, open_high=True)
