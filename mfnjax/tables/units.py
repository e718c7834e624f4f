"""Whether the row below the names holds units."""

from __future__ import annotations

import re
from typing import Any

from mfnjax.tables.cells import are_missing, are_numbers
from mfnjax.tables.sheet import Sheet

_PREFIX = "(?:da|[YZEPTGMkhdcmuµμnpfazy])?"
_NAME = (
    "m|s|g|A|K|mol|L|l|V|Hz|N|Pa|J|W|C|F|S|M|OD|AU|RFU|AFU|ppm|rad|deg|°C|°F|°|%|‰|"
    "min|h|hr|hrs|hour|hours|d|day|days|wk|week|weeks|yr|year|years|sec|px|pix|pixel|pixels|"
    "cell|cells|count|counts|step|steps|1"
)
_FACTOR = rf"(?:{_PREFIX}(?:{_NAME})(?:\^?[-−]?[0-9]|[²³⁻¹]+)?)"
_UNIT = re.compile(rf"a\.?u\.?|{_FACTOR}(?:\s*[/*·⋅ ]\s*\(?{_FACTOR}\)?)*")


def is_units_row(sheet: Sheet) -> bool:
    """Whether the first row is one of units, over columns of which one or more hold numbers."""
    if len(sheet.lines) < 2:
        return False
    units = 0
    for cells in sheet.columns:
        text = cells[0].as_py() or ""
        if text in ("", "-", "–"):
            continue
        is_bracketed = text[0] + text[-1] in ("[]", "()")
        if are_numbers(cells[:1], sheet.decimal)[0]:
            return False
        over_numbers = _are_numbers(cells[1:], sheet.decimal)
        if not (is_bracketed or (over_numbers and _UNIT.fullmatch(text))):
            return False
        units += over_numbers
    return units > 0


def _are_numbers(cells: Any, decimal: str) -> bool:
    numbers = are_numbers(cells, decimal)
    return bool(numbers.any() and (numbers | are_missing(cells)).all())
