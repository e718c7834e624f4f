"""Tables of figures, on a terminal, in a document and in a file; and the program of a suite."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from benchmarks.harness.baselines import Baseline
from benchmarks.harness.machine import machine, machine_text
from mfnjax._files import check_writable, write_text
from mfnjax.errors import DataError, MfnError

if TYPE_CHECKING:
    from benchmarks.harness.timing import Timing

ROOT = Path(__file__).parents[2]
FORMAT = "mfnjax-tables-1"
Row = Mapping[str, Any]
"""Heading → cell: a text, or a number, which is shown to four digits; a heading that begins with an
underscore is for programs, and not shown."""

LAST = ("target", "verdict")
"""Headings that stand at the end."""

WORDS = 30
"""A column with a cell of more characters holds words, and so does the first."""


def timed(timing: Timing) -> Row:
    """The cells of a timing."""
    return {
        "first ms": round(timing.first_ms),
        "median ms": timing.median_ms,
        "fastest ms": timing.min_ms,
        "spread": f"{timing.spread:.0%}",
    }


def ratio(over: Timing, under: Timing) -> str:
    """One timing over another: of the medians, and of the fastest runs."""
    return f"{over.median_ms / under.median_ms:.2f} × ({over.min_ms / under.min_ms:.2f} ×)"


def judged(value: float, limit: Baseline | None) -> Row:
    """The cells of a judgement, with what a program reads; none where nothing is held."""
    if limit is None:
        return {}
    verdict = "pass" if limit.meets(value) else "MISS"
    told = {"_key": limit.key, "_value": value, "_unit": limit.unit}
    return {"target": str(limit), "verdict": verdict, **told}


def shown(cell: Any) -> str:
    """A cell as text.

    Examples:
        >>> shown(0.012341), shown(123456.7), shown(3), shown("a"), shown(None)
        ('0.01234', '123,457', '3', 'a', '–')
    """
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1e4 else f"{cell:.4g}"
    return str(cell)


@final
@dataclass(frozen=True)
class Table:
    """A title, rows, and a note below them."""

    title: str
    rows: Sequence[Row]
    note: str = ""

    @property
    def head(self) -> list[str]:
        """The headings, in the order in which rows bring them."""
        names = dict.fromkeys(name for row in self.rows for name in row if name[0:1] != "_")
        return [n for n in names if n not in LAST] + [n for n in LAST if n in names]

    @property
    def missed(self) -> int:
        """How many rows miss their target."""
        return sum(row.get("verdict") == "MISS" for row in self.rows)

    @property
    def _columns(self) -> list[tuple[str, list[str], bool]]:
        """Heading, cells, and whether it holds words."""
        columns = []
        for at, name in enumerate(self.head):
            cells = [shown(row.get(name, "")) for row in self.rows]
            columns.append((name, cells, at == 0 or max(map(len, cells)) > WORDS))
        return columns

    def print(self) -> None:
        """On the terminal; what is no terminal is wide enough for any table here."""
        from rich import box
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        console = Console(highlight=False)
        console = console if console.is_terminal else Console(highlight=False, width=200)
        table = RichTable(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for name, _, words in self._columns:
            table.add_column(name, justify="left" if words else "right")
        styles = {"pass": "green", "MISS": "bold red"}
        for line in zip(*(cells for _, cells, _ in self._columns), strict=True):
            table.add_row(*(Text(text, style=styles.get(text, "")) for text in line))
        console.print(table)
        if self.note:
            console.print(self.note)

    def markdown(self) -> str:
        """In a document, without its title."""
        rule = ["---" if words else "---:" for _, _, words in self._columns]
        rows = zip(*(cells for _, cells, _ in self._columns), strict=True)
        lines = "\n".join(f"| {' | '.join(line)} |" for line in [self.head, rule, *rows])
        return lines + (f"\n\n{self.note}" if self.note else "")


def save_tables(tables: Iterable[Table], path: Path, **more: Any) -> Path:
    """Write tables as JSON, with the machine, and as Markdown beside it; creates folders."""
    tables = list(tables)
    parts = [f"{table.title}:\n\n{table.markdown()}\n" for table in tables if table.rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path.with_suffix(".md"), "\n".join(parts))
    data = {"format": FORMAT, "machine": machine(), **more, "tables": [asdict(t) for t in tables]}
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def read_format(path: str | Path, version: str, what: str) -> dict[str, Any]:
    """Read a JSON object that names its format.

    Raises:
        DataError: There is no such file, or it holds no ``what`` of this format.
    """
    try:
        data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: is no JSON file ({error})") from error
    if not isinstance(data, dict) or data.get("format") != version:
        raise DataError(f"{path}: holds no {what} (format {version})")
    return data


def put(document: str, name: str, part: str) -> str:
    """The document with another part between the markers of ``name``.

    Raises:
        DataError: The document has no such markers.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(document):
        raise DataError(f"the document has no markers of {name!r}: {begin} … {end}")
    return pattern.sub(lambda _: f"{begin}\n{part.strip()}\n{end}", document)


def program(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], int | None],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse and work; what an MfnError says is one line and status 1, Ctrl-C is status 130."""
    options = parser.parse_args(argv)
    try:
        return work(options) or 0
    except MfnError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"{parser.prog}: interrupted\n")


def parser_of(name: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of ``python -m NAME``; its help is the first line of the module's text."""
    first = (doc or "").strip().splitlines()[0]
    return argparse.ArgumentParser(prog=f"python -m {name}", description=first)


def suite(
    name: str,
    doc: str | None,
    tables: Callable[[argparse.Namespace], Iterable[Table]],
    *,
    options: Callable[[argparse.ArgumentParser], Any] = lambda parser: None,
    output: Path | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """The program ``python -m benchmarks.NAME``: measure, print, write; 1 if a target is missed.

    Args:
        name: Of the front.
        doc: The text of its module.
        tables: Measures; a table is printed as soon as it is there.
        options: Adds options to the parser.
        output: Where the tables go as JSON; ``out/suites/NAME.json`` without one.
        argv: Arguments; None takes those of the process.
    """
    parser = parser_of(f"benchmarks.{name}", doc)
    path = output or Path("out", "suites", f"{name}.json")
    parser.add_argument("-o", "--output", type=Path, default=path, metavar="FILE", help=str(path))
    options(parser)

    def work(given: argparse.Namespace) -> int:
        check_writable(given.output)
        done = []
        for table in tables(given):
            table.print()
            done.append(table)
        print(f"On {machine_text(machine())}.\nWrote {save_tables(done, given.output, suite=name)}")
        return int(any(table.missed for table in done))

    return program(parser, work, argv)
