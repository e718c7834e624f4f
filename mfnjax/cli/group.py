"""The group of commands: lazy imports, suggestions, and what an error looks like."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from mfnjax.cli.terminal import make_printable
from mfnjax.errors import DataError, MfnError, ParameterError, StabilityError

Table = dict[str, tuple[str, str]]


class WrongUse(click.ClickException):
    """The input cannot be used: one line, exit status 2."""

    exit_code = 2


class FailedRun(click.ClickException):
    """The input was fine and the run failed: one line, exit status 1."""

    exit_code = 1


class Interrupted(click.ClickException):
    """Ctrl-C: one line, exit status 130, as shells have it."""

    exit_code = 130

    def show(self, file: Any = None) -> None:
        """Print without the word 'Error'."""
        click.echo(self.message, err=True)


class CommandGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def __init__(self, *args: Any, commands_table: Table, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = commands_table

    def main(self, args: Sequence[str] | None = None, *rest: Any, **settings: Any) -> Any:
        """Run as a program; after Ctrl-C leave at once."""
        make_printable()
        try:
            return super().main(args, *rest, **settings)
        except SystemExit as stop:
            # JAX crashes while the interpreter is taken down if the first call of a compiled
            # function was interrupted; everything of ours is closed by now. (With arguments
            # given, the caller is a program that goes on.)
            if args is None and stop.code == Interrupted.exit_code:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(Interrupted.exit_code)
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._table.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        if not name.startswith("-") and name not in self._table:
            near = difflib.get_close_matches(name, self._table, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it raises into one line and an exit status."""
        failure: click.ClickException
        try:
            return super().invoke(ctx)
        except (ParameterError, StabilityError, DataError) as error:
            failure = WrongUse(one_line(error))
        except MfnError as error:
            failure = FailedRun(one_line(error))
        except BrokenPipeError:  # click's own business: the reader has gone
            raise
        except OSError as error:
            failure = FailedRun(one_line(error))
        except MemoryError as error:
            failure = FailedRun(f"out of memory ({one_line(error) or 'allocation failed'})")
        except KeyboardInterrupt:
            failure = Interrupted("Interrupted: no file is left half-written.")
        # Raised here, not above: a chained error would keep its frames, and with them arrays.
        raise failure


def one_line(error: BaseException) -> str:
    """The message of an error on one line."""
    return " ".join(str(error).split())
