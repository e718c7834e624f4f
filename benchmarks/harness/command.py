"""``mfn bench``: measure, compare two results, keep our baselines."""

from __future__ import annotations

import os
from pathlib import Path

import click

from benchmarks.harness.baselines import VARIABLE
from mfnjax.cli.common import SETTINGS, Progress, SectionCommand, option, start_jax, writing

FILE = click.Path(dir_okay=False, path_type=Path)
SUITES = ("perf", "core", "scalability", "memory")


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
    help="Measure this suite alone; may be given again.  [default: all but memory]",
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
    """Measure the documented benchmarks: §§ 1–4, 8, 9.1 and 9.3 of the performance baselines.

    The exit status is 1 if a row misses its target. Takes about a minute.
    """
    if baselines is not None:
        os.environ[VARIABLE] = str(baselines.resolve())  # the measuring processes read it, too
    start_jax(x64=False, cache=True)
    from benchmarks.harness.run import measure_in_processes, result_table
    from mfnjax._files import check_writable

    if output is not None:
        check_writable(output)
    with Progress("Measuring") as progress:
        results = measure_in_processes(suites or SUITES[:3], processes, progress=progress)
    shown = result_table("Benchmarks", results)
    shown.print()
    if output is not None:
        with writing():
            click.echo(f"Wrote {results.save(output)}")
    if shown.missed:
        click.get_current_context().exit(1)


@bench.command(cls=SectionCommand, context_settings=SETTINGS)
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
def compare(old: Path, new: Path) -> None:
    """Say which rows changed from OLD to NEW beyond the measured noise.

    The interval is for new over old; all intervals hold at once in 95 of 100 comparisons. The
    exit status is 1 if a row got worse.
    """
    from benchmarks.harness.compare import compare as compare_results
    from benchmarks.harness.machine import fingerprint
    from benchmarks.harness.results import Results
    from benchmarks.harness.tables import Table

    before, after = Results.load(old), Results.load(new)
    changes = compare_results(before, after)
    rows = [
        {
            "benchmark": change.label,
            "factor": f"{change.factor:.3f}",
            "interval": None
            if change.low != change.low
            else f"{change.low:.3f} … {change.high:.3f}",
            "verdict": change.verdict,
        }
        for change in changes
    ]
    Table("New over old", rows).print()
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
    from benchmarks.harness.results import Results
    from benchmarks.harness.update import WorseError, update_baselines
    from mfnjax.cli.group import FailedRun

    try:
        done = update_baselines(
            Results.load(results), path=baselines, accept=accept, replace=replace
        )
    except WorseError as error:
        raise FailedRun(str(error)) from error
    for name in ("added", "better", "worse", "kept"):
        for key in done[name]:
            click.echo(f"{name:8}{key}")


def script(suite: str, arguments: list[str]) -> None:
    """What a script in ``benchmarks/`` does: `run` of one suite; its own options go before ours."""
    from mfnjax.cli import main

    ours = ["--suite", suite, "--processes", "1", "--output", f"out/bench/{suite}.json"]
    main(["bench", "run", *ours, *arguments])
