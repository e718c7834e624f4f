"""``mfn bench``: the door to ``benchmarks/harness/command.py``, which only a checkout has."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

import click

from mfnjax.errors import DataError

NEEDED = (
    "mfn bench needs a checkout of the repository, with its folder benchmarks/: "
    "install the package from there with pip install --editable ."
)


def _is_checkout() -> bool:
    try:
        return find_spec("benchmarks.harness") is not None
    except ModuleNotFoundError:  # there is no `benchmarks` at all
        return False


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def _elsewhere() -> None:
    """Measure speed and memory (in a checkout of the repository)."""
    raise DataError(NEEDED)


def __getattr__(name: str) -> click.Command:
    """``bench``, looked for when it is asked for."""
    if name != "bench":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _is_checkout():
        return _elsewhere
    found: click.Command = importlib.import_module("benchmarks.harness.command").bench
    return found
