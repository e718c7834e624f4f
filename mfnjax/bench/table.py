"""Results as a table, and the little program of a benchmark script."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfnjax.bench.machine import machine_text
from mfnjax.bench.results import Measurement, Results
from mfnjax.bench.run import measure_in_processes, measure_suites, verdict
from mfnjax.errors import MfnError


def result_table(title: str, results: Results) -> Table:
    """Value, target, margin and verdict of every row."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("benchmark")
    for column in ("value", "target", "margin", "first call", "fastest / calibration"):
        table.add_column(column, justify="right")
    table.add_column("", no_wrap=True)
    for row in results.rows:
        target, margin, word = verdict(row)
        style = "green" if word == "pass" else "bold red"
        table.add_row(
            row.label,
            f"{row.value:,.4g} {row.unit}" if row.value < 1e4 else f"{row.value:,.0f} {row.unit}",
            target,
            margin,
            "–" if row.first is None else f"{row.first:.2f} s",
            ratio_text(row),
            Text(word, style=style),
        )
    return table


def ratio_text(row: Measurement) -> str:
    """The calibrated ratio, with its range over the processes."""
    if not row.ratios:
        return "–"
    low, high = min(row.ratios), max(row.ratios)
    return f"{low:.3g}" if len(row.ratios) == 1 else f"{low:.3g} … {high:.3g}"


def count_missed(results: Results) -> int:
    """How many rows miss their target."""
    return sum(verdict(row)[2] != "pass" for row in results.rows)


def print_results(title: str, results: Results) -> None:
    """Print the table, the score and the machine."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=150)
    console.print(result_table(title, results))
    passed = len(results.rows) - count_missed(results)
    console.print(f"{passed}/{len(results.rows)} passed on {machine_text(results.machine)}.")


def main(title: str, suite: str, argv: list[str] | None = None) -> int:
    """What a script in ``benchmarks/`` does: measure, print, write JSON; 1 if a row misses.

    Args:
        title: Heading of the table.
        suite: Name of the suite.
        argv: Arguments; None takes those of the process.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out", "bench", f"{suite}.json"), metavar="FILE"
    )
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="fresh processes to measure in"
    )
    options = parser.parse_args(argv)
    if options.processes < 1:
        parser.error(f"--processes {options.processes}: at least 1 is expected")
    try:
        if options.processes == 1:
            results = measure_suites([suite])
        else:
            results = measure_in_processes([suite], options.processes)
        print_results(title, results)
        print(f"Wrote {results.save(options.output)}")
    except MfnError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    return int(count_missed(results) > 0)
