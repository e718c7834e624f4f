"""How the cost of a run grows with cells, steps and members.

    python -m benchmarks.scaling                    # about 3 minutes on two cores
    python -m benchmarks.scaling --quick            # small sizes: a look, no measurement
    python -m benchmarks.scaling --docs docs        # and writes docs/scaling.{json,png,md}
    python -m benchmarks.scaling --from FILE        # no measurement: tables and picture of a file

Forward run, gradient and features of the v4.1 model, on one core, two, and all, each in a process
that is pinned to them. Tables on the terminal; ``scaling.json`` and ``scaling.png`` in the folder
that ``--output`` names. Ctrl-C leaves what has been measured so far in ``scaling.json``, and the
same command goes on from there. What is measured, and how to read it: docs/scaling.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.tables import parser_of, program
from benchmarks.scaling.curves import FULL, QUICK, Curves, counts_of_cores, measure_all, tasks_of
from benchmarks.scaling.report import draw, print_tables, write_document
from mfnjax._files import check_writable
from mfnjax.plotting.style import save_figure


def run(options: argparse.Namespace) -> None:
    """Measure, or read; then show and write."""
    path = options.output / "scaling.json"
    check_writable(path)
    if options.source is not None:
        curves = Curves.load(options.source)
    else:
        curves = Curves(quick=options.quick)
        curves = curves if options.restart else curves.continued(path)
        plan = QUICK if options.quick else FULL
        curves = measure_all(curves, tasks_of(plan, counts_of_cores()), path)
    print_tables(curves)
    written = [path] if options.source is None else []
    written.append(save_figure(draw(curves), options.output / "scaling.png"))
    if options.docs is not None:
        written += write_document(curves, options.docs)
    print("Wrote " + ", ".join(map(str, written)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run with the given arguments; None takes those of the process."""
    parser = parser_of("benchmarks.scaling", __doc__)
    add = parser.add_argument
    add("-o", "--output", type=Path, default=Path("out", "scaling"), metavar="FOLDER")
    add("--quick", action="store_true", help="small sizes: a look, no measurement")
    add("--docs", type=Path, metavar="FOLDER", help="write the figures into the document there")
    add("--from", type=Path, dest="source", metavar="FILE", help="show a file, measure nothing")
    add("--restart", action="store_true", help="forget what an earlier run left")
    given = parser.parse_args(argv)
    if given.source is not None and (given.quick or given.restart):
        parser.error("--from measures nothing: --quick and --restart say nothing beside it")
    return program(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
