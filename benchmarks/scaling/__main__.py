"""How the cost of a run grows with cells, steps and members, and what bounds it.

    python -m benchmarks.scaling                    # about 4 minutes on two cores
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
from pathlib import Path

from benchmarks.scaling.document import write_document
from benchmarks.scaling.measuring import Curves, counts_of_cores, measure_all
from benchmarks.scaling.picture import draw
from benchmarks.scaling.points import FULL, QUICK, tasks_of
from benchmarks.scaling.tables import print_tables
from mfnjax._files import check_writable
from mfnjax.errors import DataError, MfnError
from mfnjax.plotting.style import save_figure


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=(__doc__ or "").splitlines()[0]
    )
    options.add_argument(
        "-o", "--output", type=Path, default=Path("out", "scaling"), metavar="FOLDER",
        help="where scaling.json and scaling.png go (out/scaling)",
    )  # fmt: skip
    options.add_argument("--quick", action="store_true", help="small sizes: a look, no measurement")
    options.add_argument(
        "--docs", type=Path, metavar="FOLDER", help="write the figures into the document there, too"
    )
    options.add_argument(
        "--from", type=Path, dest="source", metavar="FILE", help="show a file, measure nothing"
    )
    options.add_argument("--restart", action="store_true", help="forget what an earlier run left")
    return options


def left_over(path: Path, fresh: Curves) -> Curves:
    """What an interrupted run left in a file, if this one may go on from it."""
    try:
        old = Curves.load(path)
    except DataError:
        return fresh
    if old.complete or not fresh.continues(old):
        return fresh
    print(f"Going on from {path}, {len(old.points)} points are there", file=sys.stderr)
    return old


def run(options: argparse.Namespace) -> None:
    """Measure, or read; then show and write."""
    path = options.output / "scaling.json"
    check_writable(path)
    if options.source is not None:
        curves = Curves.load(options.source)
    else:
        curves = Curves(quick=options.quick)
        if not options.restart:
            curves = left_over(path, curves)
        plan = QUICK if options.quick else FULL
        tasks = tasks_of(plan, counts_of_cores())
        try:
            curves = measure_all(curves, tasks, path, plan.seconds)
        except KeyboardInterrupt:
            kept = f"what has been measured is in {path}" if path.exists() else "nothing measured"
            raise MfnError(f"interrupted; {kept}; the same command goes on") from None
    print_tables(curves)
    written = [path] if options.source is None else []
    written.append(save_figure(draw(curves), options.output / "scaling.png"))
    if options.docs is not None:
        written += write_document(curves, options.docs)
    print("Wrote " + ", ".join(map(str, written)))


def main(argv: list[str] | None = None) -> int:
    """Run with the given arguments; None takes those of the process."""
    options = parser()
    given = options.parse_args(argv)
    if given.source is not None and (given.quick or given.restart):
        options.error("--from measures nothing: --quick and --restart say nothing beside it")
    try:
        run(given)
    except MfnError as error:
        options.exit(1, f"{options.prog}: {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
