"""A user's own models on the command line: ``--import MODULE_OR_FILE.py``."""

from __future__ import annotations

from collections.abc import Callable

import click

from mfnjax.cli.common import Function, option
from mfnjax.models.user_modules import import_module


def import_option(section: str) -> Callable[[Function], Function]:
    """The option ``--import``, which has done its work before the command begins."""
    return option(
        "--import",
        "imports",
        multiple=True,
        metavar="MODULE|FILE.py",
        section=section,
        expose_value=False,
        callback=_import_all,
        help="Import this first: a file or module that calls register_model. May be repeated.",
    )


def _import_all(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> None:
    for name in names:
        import_module(name)
