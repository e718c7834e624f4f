"""What the text of a cell is: a number, nothing, or a word; and which mark its decimals have.

A cell is judged by what it is written like, column by column, with Arrow's expressions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MISSING = r"(?i)^(|#?n/?a|<na>|[+-]?nan|null|none)$"
"""Cells without a value. 'n.d.', '-' and '?' are not among them: they can mean 'below the limit',
0 or 'unsure'."""
_EXPONENT = r"([eE][+-]?[0-9]+)?"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"


NUMBER, DECIMAL, THOUSANDS = (
    {mark: pattern.replace("M", "\\" + mark) for mark in ".,"}
    for pattern in (
        rf"^[+-]?([0-9]+(M[0-9]*)?|M[0-9]+){_EXPONENT}$",
        rf"^[+-]?([0-9]+M[0-9]*|M[0-9]+){_EXPONENT}$",
        r"^[+-]?[1-9][0-9]{0,2}M[0-9]{3}$",
    )
)
"""Decimal mark → what a number is written like, one with decimals, and one whose decimals could be
thousands."""
LEADING_ZERO = r"^0[0-9]+$"
GROUPED = r"^[+-]?[0-9]{1,3}([.,' ][0-9]{3})+([.,][0-9]*)?$"
"""Numbers with thousands, which are none for us, and no word either."""


def trimmed(texts: Sequence[str | None]) -> pa.Array:
    """Cells without spaces around them and with a plain minus; None is a cell that is not there."""
    cells = pc.utf8_trim_whitespace(pa.array(texts, pa.string()))
    return pc.replace_substring(cells, "−", "-")


def matches(cells: pa.Array, pattern: str) -> np.ndarray:
    """Which cells (n,) a pattern describes; one that is not there is none."""
    found = pc.fill_null(pc.match_substring_regex(cells, pattern), False)
    return found.to_numpy(zero_copy_only=False)


def are_missing(cells: pa.Array) -> np.ndarray:
    """Which cells hold nothing: blank, a word for it, or beyond a row's end."""
    return matches(cells, MISSING) | np.asarray(cells.is_null())


def are_numbers(cells: pa.Array, decimal: str) -> np.ndarray:
    """Which cells hold a number; thousands separators make it none."""
    return matches(cells, NUMBER[decimal]) | matches(cells, _INFINITE)


def are_booleans(cells: pa.Array) -> bool:
    """Whether every cell with a value is 'true' or 'false'."""
    found = matches(cells, "(?i)^(true|false)$")
    return bool(found.any() and (found | are_missing(cells)).all())


def to_numbers(cells: pa.Array, decimal: str) -> np.ndarray:
    """Cells (n,) that are numbers, booleans or missing as float64, NaN where missing."""
    if are_booleans(cells):
        cells = pc.replace_substring_regex(cells, "(?i)^true$", "1")
        cells = pc.replace_substring_regex(cells, "(?i)^false$", "0")
    cells = pc.if_else(pa.array(are_missing(cells)), pa.scalar("nan"), cells)
    plain = pc.replace_substring_regex(pc.utf8_lower(cells), r"^\+", "")
    if decimal != ".":
        plain = pc.replace_substring(plain, decimal, ".")
    return pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False)
