"""``mfn science``: the scientific validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

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
    from mfnjax.science import Report


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@option(
    "--output",
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    section="Output",
    help="Folder of scientific_validation.md and .json.  [default: docs in a checkout, else .]",
)
@option("--no-files", is_flag=True, section="Output", help="Print the table, write nothing.")
@option("--cache/--no-cache", default=True, section="Running", help="Keep compiled programs.")
def science(folder: Path | None, no_files: bool, cache: bool) -> None:
    """Check the project against closed forms, published values and other programs.

    Prints a table with expected, computed, error, tolerance and source; the eleven documented
    validations come first. The exit status is 1 if a row fails. Takes a minute or two.
    """
    start_jax(x64=True, cache=cache)
    from mfnjax.science import compute_report, write_report

    with Progress("Validating") as progress:
        report = compute_report(progress=progress)
    _print(report)
    if not no_files:
        with writing():
            for path in write_report(report, folder or default_folder()):
                click.echo(f"Wrote {path}")
    if report.failed:
        click.get_current_context().exit(1)


def default_folder() -> Path:
    """``docs`` of a checkout, else the working folder."""
    checkout = Path("pyproject.toml").is_file() and Path("docs").is_dir()
    return Path("docs") if checkout else Path()


def _print(report: Report) -> None:
    from rich.text import Text

    from mfnjax.science.report import error_text

    out = console()
    if not out.is_terminal:
        out.width = 160  # seven columns, and sources that are sentences
    for title, rows in report.sections:
        shown = table(title, "validation", "expected", "computed", "error", "tolerance", "source")
        shown.columns[-1].justify = "left"
        shown.add_column("", justify="left", no_wrap=True)
        for row in rows:
            colour = {"pass": "green", "FAIL": "bold red"}.get(row.status, "yellow")
            values = (row.expected, row.computed, error_text(row), row.tolerance, row.source)
            shown.add_row(row.name, *values, Text(row.status, style=colour))
        out.print(shown)
        for row in rows:
            if row.note:
                out.print(f"  {row.name}: {row.note}")
    out.print(report.summary)
