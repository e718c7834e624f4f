"""``mfn bench``: measure, compare two results, keep our baselines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mfnjax.bench.baselines import VARIABLE
from mfnjax.cli.common import (
    SETTINGS,
    Progress,
    SectionCommand,
    console,
    option,
    start_jax,
    table,
    writing,
)

if TYPE_CHECKING:
    from mfnjax.bench.compare import Change

FILE = click.Path(dir_okay=False, path_type=Path)
SUITES = ("perf", "core", "scalability")


@click.group(context_settings=SETTINGS)
def bench() -> None:
    """Measure speed and memory, and judge what was measured.

    \b
    mfn bench run -o new.json
    mfn bench compare old.json new.json
    mfn bench update new.json

    Times are judged by the fastest run over that of a calibration kernel that takes turns with it
    in the same process: a busy machine slows both.
    """


@bench.command(cls=SectionCommand, context_settings=SETTINGS)
@option(
    "--suite",
    "suites",
    type=click.Choice(SUITES),
    multiple=True,
    section="What",
    help="Measure this suite alone; may be given again.  [default: all]",
)
@option(
    "--processes",
    type=click.IntRange(1, 100),
    default=5,
    section="What",
    help="Fresh processes to measure in.  [default: 5]",
)
@option("--output", "-o", type=FILE, default=None, section="Output", help="Results (.json).")
@option("--baselines", type=FILE, default=None, section="Output", help="The limits (.toml).")
def run(
    suites: tuple[str, ...], processes: int, output: Path | None, baselines: Path | None
) -> None:
    """Measure the documented benchmarks: §§ 1–4, 8 and 9.1 of the performance baselines.

    The exit status is 1 if a row misses its target. Takes about a minute.
    """
    if baselines is not None:
        os.environ[VARIABLE] = str(baselines.resolve())  # the measuring processes read it, too
    start_jax(x64=False, cache=True)
    from mfnjax._files import check_writable
    from mfnjax.bench.run import measure_in_processes
    from mfnjax.bench.table import count_missed, print_results

    if output is not None:
        check_writable(output)
    with Progress("Measuring") as progress:
        results = measure_in_processes(suites or SUITES, processes, progress=progress)
    print_results("Benchmarks", results)
    if output is not None:
        with writing():
            click.echo(f"Wrote {results.save(output)}")
    if count_missed(results):
        click.get_current_context().exit(1)


@bench.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
def compare(old: Path, new: Path) -> None:
    """Say which rows changed from OLD to NEW beyond the measured noise.

    The interval is for new over old; all intervals hold at once in 95 of 100 comparisons. The
    exit status is 1 if a row got worse.
    """
    from mfnjax.bench.compare import compare as compare_results
    from mfnjax.bench.machine import fingerprint
    from mfnjax.bench.results import Results

    before, after = Results.load(old), Results.load(new)
    changes = compare_results(before, after)
    _print(changes)
    left, right = fingerprint(before.machine), fingerprint(after.machine)
    if left != right:
        click.echo(f"The machines differ: {left} against {right}. Small changes mean nothing.")
    worse = [change.label for change in changes if change.is_worse]
    better = sum(change.verdict in ("faster", "leaner") for change in changes)
    click.echo(f"{len(changes)} rows: {better} better, {len(worse)} worse.")
    if any(change.verdict == "unknown" for change in changes):
        click.echo("A result of one process says nothing of its noise: --processes 5.")
    if worse:
        click.get_current_context().exit(1)


def _print(changes: list[Change]) -> None:
    from rich.text import Text

    shown = table("New over old", "benchmark", "factor", "interval")
    shown.add_column("", no_wrap=True)
    colours = {"faster": "green", "leaner": "green", "slower": "bold red", "fatter": "bold red"}
    for change in changes:
        interval = "–" if change.low != change.low else f"{change.low:.3f} … {change.high:.3f}"
        word = Text(change.verdict, style=colours.get(change.verdict, "dim"))
        shown.add_row(change.label, f"{change.factor:.3f}", interval, word)
    console().print(shown)


@bench.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("results", type=FILE)
@option(
    "--accept",
    multiple=True,
    metavar="KEY",
    section="What",
    help="Take this row though it is worse; may be given again.",
)
@option("--replace", is_flag=True, section="What", help="Take every row: a new reference machine.")
@option(
    "--baselines",
    type=FILE,
    default=None,
    section="Output",
    help="The file to update.  [default: benchmarks/baselines.toml of the checkout]",
)
def update(results: Path, accept: tuple[str, ...], replace: bool, baselines: Path | None) -> None:
    """Write RESULTS into our baselines where they are better beyond the noise.

    A row within the noise stays; a worse one is refused, and then nothing is written.
    """
    from mfnjax.bench.results import Results
    from mfnjax.bench.update import WorseError, update_baselines
    from mfnjax.cli.group import FailedRun

    try:
        done = update_baselines(
            Results.load(results), path=baselines, accept=accept, replace=replace
        )
    except WorseError as error:
        raise FailedRun(str(error)) from error
    for name in ("added", "better", "worse", "kept"):
        for key in getattr(done, name):
            click.echo(f"{name:8}{key}")
