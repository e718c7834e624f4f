"""``mfn dataset``: make a dataset; ``mfn dataset info``: say what is in one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfnjax._parameter import parameters_of
from mfnjax.cli.common import (
    SETTINGS,
    Progress,
    SectionCommand,
    check_suffix,
    console,
    number,
    option,
    start_jax,
    table,
)
from mfnjax.cli.group import FailedRun
from mfnjax.cli.model_options import merged, model_options, plain_options, with_files
from mfnjax.dataset.config import SWEPT, DatasetConfig
from mfnjax.errors import ParameterError

if TYPE_CHECKING:
    from mfnjax.dataset import DatasetInfo, DatasetSummary

_SWEEP = "The sweep (fields of DatasetConfig; - and _ are the same)"
_MODEL = "Other models (rows, grids, steps, seed and output as above)"
_RUN = "The run"
_PICTURES = (".png", ".svg", ".pdf")
_FIELDS = parameters_of(DatasetConfig)
_HOW = ("resume", "overwrite", "workers", "batch_size", "save_fields", "dimension")


class _DatasetGroup(click.Group):
    """``mfn dataset`` makes a dataset; with a word after it, it is a group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As the other commands list theirs, and the subcommands."""
        SectionCommand.format_options(self, ctx, formatter)  # type: ignore[arg-type]
        self.format_commands(ctx, formatter)


def _parsed(item: Callable[[str], Any], separator: str, metavar: str) -> Any:
    """A click callback for values such as 0.1:0.2 or 32,64."""

    def parse(ctx: click.Context, option: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            values = tuple(item(part) for part in text.split(separator))
        except ValueError:
            raise ParameterError(
                f"--{_dashed(option)} must look like {metavar}, got {text!r}"
            ) from None
        return values * 2 if separator == ":" and len(values) == 1 else values

    return parse


def _dashed(option: click.Parameter) -> str:
    return str(option.name).replace("_", "-")


def _switch(text: str) -> bool:
    known = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    if text.strip().lower() not in known:
        raise ValueError(text)
    return known[text.strip().lower()]


def _field(name: str, *names: str, metavar: str, item: Any = None, separator: str = ":") -> Any:
    """The option of one field of `DatasetConfig`; a range is LOW:HIGH, a choice A,B."""
    default = _FIELDS[name].default
    if isinstance(default, tuple):
        words = {True: "on", False: "off"} if item is _switch else {}
        default = separator.join(words.get(value, str(value)) for value in default)
    callback = None if item is None else _parsed(item, separator, metavar)
    return option(
        f"--{name.replace('_', '-')}",
        *names,
        name,
        metavar=metavar,
        section=_SWEEP,
        callback=callback,
        type=int if metavar == "N" else str,
        help=f"{_FIELDS[name].words}.  [default: {default}]",
    )


@click.group(cls=_DatasetGroup, context_settings=SETTINGS, invoke_without_command=True)
@option(
    "--sweep",
    metavar="NAME",
    section=_SWEEP,
    help="minimal, default or extended; or a TOML or JSON file. The options below win over it.",
)
@_field("num_samples", metavar="N")
@_field("grid_sizes", metavar="N,N", item=int, separator=",")
@_field("steps_range", metavar="LOW:HIGH", item=int)
@_field("alpha_range", metavar="LOW:HIGH", item=float)
@_field("turing_values", metavar="on,off", item=_switch, separator=",")
@_field("spike_prob_range", metavar="LOW:HIGH", item=float)
@_field("turing_threshold_range", metavar="LOW:HIGH", item=float)
@_field("base_seed", "--seed", metavar="N")
@_field("output_path", "-o", "--output", metavar="FILE.parquet")
@model_options(_MODEL, default="the v4.1 table")
@option(
    "--range",
    "ranges",
    metavar="NAME=LOW:HIGH",
    multiple=True,
    section=_MODEL,
    help="Bounds of a parameter, by name or paper symbol. May be repeated.",
)
@option("--resume", is_flag=True, section=_RUN, help="Finish an unfinished run of the same sweep.")
@option("--overwrite", is_flag=True, section=_RUN, help="Replace what is there.")
@option("--workers", type=int, section=_RUN, help="Threads.  [default: one a core]")
@option(
    "--batch-size", type=int, section=_RUN, help="Most rows of one compiled call.  [default: 32]"
)
@option("--scheduler", metavar="tcp://…", section=_RUN, help="Run on this dask cluster.")
@option("--save-fields", is_flag=True, section=_RUN, help="Write the final fields too (Zarr).")
@option(
    "--dimension",
    is_flag=True,
    section=_RUN,
    help="Measure the dimension to trust too: D_fit and its interval D_low, D_high.",
)
@option("--plot", metavar="FILE", section=_RUN, help="Draw the distribution of every column.")
@option("--contact-sheet", metavar="FILE", section=_RUN, help="Draw 16 of the fields.")
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
@click.pass_context
def dataset(ctx: click.Context, **options: Any) -> None:
    """Make a dataset: one Parquet file, one row a simulation.

    Row k depends on the seed and k alone. A run that was stopped goes on with --resume and ends
    with the same table. The exit status is 1 if a simulation failed (it is skipped and reported).

    \b
    mfn dataset --num-samples 1000 --sweep extended --seed 42 --output data/sweep.parquet
    mfn dataset --model gray-scott --range F=0.02:0.06 --range k=0.05:0.065 --steps-range 2000:5000
    mfn dataset info data/sweep.parquet
    """
    if ctx.invoked_subcommand is not None:
        return
    fields = {f: options.pop(f) for f in _FIELDS if f in options}
    given = {name: value for name, value in fields.items() if value is not None}
    if options["model"] is not None or options["equation"]:
        _refuse_documented(given)
    if options["shape"] or options["mask"]:
        given.setdefault("grid_sizes", _width(options))
    config = _config(options.pop("sweep"), given)
    plot = check_suffix("--plot", options.pop("plot"), _PICTURES)
    sheet = check_suffix("--contact-sheet", options.pop("contact_sheet"), _PICTURES)
    start_jax(x64=False, cache=options.pop("cache"))
    if config.output_path is None:
        raise ParameterError("mfn dataset writes a file: --output needs its name, got none")
    summary = _run(config, options)
    _report(summary)
    _draw(config.output_path, plot, sheet)
    if summary.failed:
        first = summary.failures[0]
        raise FailedRun(
            f"{summary.failed} of {summary.requested} simulations failed, the first with "
            f"sim_id {first.sim_id}: {first.error}"
        )


def _width(options: dict[str, Any]) -> tuple[int, ...]:
    """What stands for the size of a grid that all rows share: its cells along x."""
    values = with_files(plain_options({name: options[name] for name in ("shape", "mask")}))
    return (values["shape"][-1] if "shape" in values else values["mask"].shape[-1],)


def _refuse_documented(given: dict[str, Any]) -> None:
    """Say of a range of the v4.1 table that a sweep of `--model` would not heed it."""
    for name in (*SWEPT.values(), "turing_values"):
        if name in given:
            raise ParameterError(
                f"--{name.replace('_', '-')} is for the v4.1 table; with --model a parameter is "
                "swept by --range NAME=LOW:HIGH"
            )


def _config(sweep: str | None, given: dict[str, Any]) -> DatasetConfig:
    from mfnjax.dataset.sampling import sweep_config

    if sweep is not None and Path(sweep).suffix in (".toml", ".json"):
        values = DatasetConfig.from_file(sweep).to_dict()
        return DatasetConfig.from_dict({**values, **given})
    return sweep_config(sweep or "default", **given)


def _run(config: DatasetConfig, options: dict[str, Any]) -> DatasetSummary:
    from contextlib import nullcontext

    from mfnjax.dataset import generate_dataset

    ranges = _ranges(options.pop("ranges"))
    scheduler = options.pop("scheduler")
    how = {name: options.pop(name) for name in _HOW}
    settings = with_files(merged({}, plain_options(options)))
    connected = _client(scheduler) if scheduler else nullcontext()
    with Progress("dataset", unit="rows") as bar, connected as client:
        return generate_dataset(
            config, progress=bar, client=client, ranges=ranges, **how, **settings
        )


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ParameterError("--scheduler needs the extra: pip install mfnjax[cluster]") from error
    try:
        return Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise FailedRun(f"--scheduler {scheduler}: cannot be reached ({error})") from error


def _ranges(texts: tuple[str, ...]) -> dict[str, Any]:
    """NAME=LOW:HIGH, … as a dict of pairs."""
    ranges: dict[str, Any] = {}
    for text in texts:
        name, _, values = text.partition("=")
        try:
            numbers = tuple(float(part) for part in values.split(":"))
        except ValueError:
            numbers = ()
        if not name or len(numbers) not in (1, 2):
            raise ParameterError(f"--range must look like NAME=LOW:HIGH, got {text!r}")
        if name in ranges:
            raise ParameterError(f"--range {name} is given twice")
        ranges[name] = (numbers[0], numbers[-1])
    return ranges


def _report(summary: DatasetSummary) -> None:
    rows = table("Dataset", "", "", headers=False)
    rows.add_row("requested", f"{summary.requested:,}")
    rows.add_row("written", f"{summary.written:,}")
    rows.add_row("failed", f"{summary.failed:,}")
    if summary.resumed:
        rows.add_row("there already", f"{summary.resumed:,}")
    rows.add_row("time", f"{summary.seconds:.1f} s")
    rows.add_row("rate", f"{summary.rows_per_second:,.0f} rows/s")
    rows.add_row("file", str(summary.path))
    console().print(rows)


def _draw(path: str, plot: Path | None, sheet: Path | None) -> None:
    from mfnjax.dataset import contact_sheet, plot_distributions

    if plot is not None:
        click.echo(f"distributions: {plot_distributions(path, plot)}")
    if sheet is not None:
        click.echo(f"fields: {contact_sheet(path, sheet)}")


@dataset.command("info", context_settings=SETTINGS)
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--plot", metavar="FILE", help="Draw the distribution of every column.")
@click.option("--contact-sheet", metavar="FILE", help="Draw 16 of the fields.")
def info(file: str, as_json: bool, plot: str | None, contact_sheet: str | None) -> None:
    """Say what is in a dataset, and check it: schema, content hash, ranges, no NaN.

    The exit status is 1 if something is wrong with it.
    """
    from mfnjax.dataset import inspect_dataset

    plot_path = check_suffix("--plot", plot, _PICTURES)
    sheet_path = check_suffix("--contact-sheet", contact_sheet, _PICTURES)
    found = inspect_dataset(file)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
    else:
        _print(found)
    _draw(file, plot_path, sheet_path)
    if found.problems:
        raise FailedRun(f"{file}: {'; '.join(found.problems)}")


def _as_json(found: DatasetInfo) -> dict[str, Any]:
    columns = {
        c.name: {"unit": c.unit, "min": c.low, "mean": c.mean, "max": c.high} for c in found.columns
    }
    return {
        "path": found.path,
        "rows": found.rows,
        "requested": found.requested,
        "failed": found.failed,
        "failures": list(found.failures),
        "size_bytes": found.size_bytes,
        "row_groups": found.row_groups,
        "content_hash": found.content_hash,
        "plan": found.plan,
        "schema": {field.name: str(field.type) for field in found.schema},
        "columns": columns,
        "problems": list(found.problems),
    }


def _print(found: DatasetInfo) -> None:
    out = console()
    about = table(found.path, "", "", headers=False)
    about.add_row("rows", f"{found.rows:,} of {found.requested:,}")
    about.add_row("failed", f"{found.failed:,}")
    about.add_row("size", f"{found.size_bytes / 1e6:.2f} MB in {found.row_groups} row groups")
    about.add_row("content", found.content_hash[:23] + "…")
    for name, value in found.plan.items():
        if value not in (None, {}, False):
            about.add_row(name, str(value))
    out.print(about)
    rows = table("Columns", "column", "type", "unit", "min", "mean", "max")
    numeric = {column.name: column for column in found.columns}
    for field in found.schema:
        c = numeric.get(field.name)
        cells = ("", "", "", "") if c is None else (c.unit, *map(number, (c.low, c.mean, c.high)))
        rows.add_row(field.name, str(field.type), *cells)
    out.print(rows)
    for failure in found.failures[:10]:
        click.echo(f"failed: sim_id {failure['sim_id']}: {failure['error']}")
    for problem in found.problems:
        click.echo(f"problem: {problem}")
    if not found.problems:
        click.echo("checks: schema, content hash, ranges and finiteness are all in order")
