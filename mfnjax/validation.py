"""The former place of the scientific validation: import its names from `mfnjax.science`."""

from mfnjax._moved import moved

_NAMES = ("Report", "Row", "compute_report", "write_report")

__getattr__ = moved(__name__, dict.fromkeys(_NAMES, "mfnjax.science"))
