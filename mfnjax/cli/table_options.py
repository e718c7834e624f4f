"""Options of commands that read a table: how it is written, where that is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from mfnjax.cli.common import option

if TYPE_CHECKING:
    from mfnjax.tables import Dialect

TABLE_OPTIONS = ("delimiter", "decimal", "skip", "sheet")


def table_options(section: str) -> Callable[[Any], Any]:
    """The options ``--delimiter --decimal --skip --sheet``."""
    options = (
        option(
            "--delimiter",
            metavar="MARK",
            section=section,
            help="Between a table's cells: comma, semicolon, tab, space, bar or a character.  "
            "[default: found out]",
        ),
        option(
            "--decimal",
            metavar="MARK",
            section=section,
            help="Decimal mark: point or comma.  [default: found out, or refused]",
        ),
        option(
            "--skip",
            type=click.IntRange(0),
            metavar="N",
            section=section,
            help="Leave out N lines above the names of the columns.  [default: # comments]",
        ),
        option("--sheet", metavar="NAME", section=section, help="Sheet of an Excel workbook."),
    )

    def decorated(command: Any) -> Any:
        for one in reversed(options):
            command = one(command)
        return command

    return decorated


def dialect_of(settings: Mapping[str, Any]) -> Dialect:
    """What the options say."""
    from mfnjax.tables import Dialect

    return Dialect(**{name: settings[name] for name in TABLE_OPTIONS})


def say_reading(path: Any, reading: str) -> None:
    """Say on the error stream how a table was read, if that had to be found out."""
    if reading:
        click.echo(f"{path}: {reading}", err=True)
