"""Runs for other programs: xarray, and files that these open; all of them are read back."""

from mfnjax.simulation.exchange.files import (
    SUFFIXES,
    check_can_write,
    holds_run,
    read_run,
    write_run,
)
from mfnjax.simulation.exchange.growing import GrowingStore
from mfnjax.simulation.exchange.labelled import Layout, labelled

__all__ = [
    "SUFFIXES",
    "GrowingStore",
    "Layout",
    "check_can_write",
    "holds_run",
    "labelled",
    "read_run",
    "write_run",
]
