"""Tables that people hand over: text of any dialect, Excel and Parquet, read right or refused."""

from mfnjax.tables.matrix import MATRIX_SUFFIXES, read_matrix
from mfnjax.tables.reading import PARQUET_SUFFIXES, TABLE_SUFFIXES, Dialect, read_sheet
from mfnjax.tables.sheet import Sheet

__all__ = [
    "MATRIX_SUFFIXES",
    "PARQUET_SUFFIXES",
    "TABLE_SUFFIXES",
    "Dialect",
    "Sheet",
    "read_matrix",
    "read_sheet",
]
