"""A table that goes to a terminal and into a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

WORDS = ("", "from", "bound by")
"""Headings of columns that hold words, beside the first."""


@final
@dataclass(frozen=True)
class Table:
    """A title, a row of headings, and rows; the first column is words."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def print(self, console: Console) -> None:
        """On a terminal."""
        table = RichTable(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for at, name in enumerate(self.head):
            table.add_column(name, justify="left" if at == 0 or name in WORDS else "right")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        """In a document."""
        rule = ["---"] + ["---" if name in WORDS else "---:" for name in self.head[1:]]
        lines = [self.head, rule, *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def console() -> Console:
    """The terminal; what is no terminal is wide enough for any table here."""
    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=170)
