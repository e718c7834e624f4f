"""One row of the report: what was expected, what came out, how far apart, and who says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, final

Status = Literal["pass", "FAIL", "skipped"]


@final
@dataclass(frozen=True)
class Row:
    """One validation.

    Attributes:
        name: What is measured.
        expected: The expected value, with its unit.
        computed: The computed value, with its unit.
        error: Distance in the tolerance's measure; None where the row compares no numbers.
        tolerance: The largest accepted error, in words.
        source: Where the expectation comes from: author, year, DOI, or a formula.
        status: ``pass``, ``FAIL`` or ``skipped``.
        note: What a reader has to know about the row.
    """

    name: str
    expected: str
    computed: str
    error: float | None
    tolerance: str
    source: str
    status: Status
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


def _verdict(passed: bool) -> Status:
    return "pass" if passed else "FAIL"


def _shown(value: float, unit: str = "") -> str:
    return f"{value:.8g} {unit}".strip()


def close(
    name: str,
    expected: float,
    computed: float,
    tolerance: float,
    source: str,
    *,
    relative: bool = False,
    unit: str = "",
    note: str = "",
) -> Row:
    """A number that must lie within a tolerance, absolute or relative; NaN never does."""
    error = abs(computed - expected) / (abs(expected) if relative else 1.0)
    words = f"{tolerance:g} relative" if relative else f"{tolerance:g} {unit}".strip()
    passed = error <= tolerance
    shown = _shown(expected, unit), _shown(computed, unit)
    return Row(name, *shown, error, words, source, _verdict(passed), note)


def at_most(
    name: str, bound: float, computed: float, source: str, *, unit: str = "", note: str = ""
) -> Row:
    """A number that must not exceed a bound."""
    shown = f"≤ {bound:g} {unit}".strip(), _shown(computed, unit)
    return Row(name, *shown, None, "the bound", source, _verdict(computed <= bound), note)


def more_than(
    name: str, bound: float, computed: float, source: str, *, unit: str = "", note: str = ""
) -> Row:
    """A number that must exceed a bound."""
    shown = f"> {bound:g} {unit}".strip(), _shown(computed, unit)
    return Row(name, *shown, None, "the bound", source, _verdict(computed > bound), note)


def same(name: str, expected: object, computed: object, source: str, *, note: str = "") -> Row:
    """Two things that must be equal: integers, words."""
    status = _verdict(expected == computed)
    return Row(name, str(expected), str(computed), None, "equal", source, status, note)


def inside(
    name: str, exact: float, interval: tuple[float, float], source: str, *, note: str = ""
) -> Row:
    """An exact value that an interval must contain."""
    low, high = interval
    status = _verdict(low <= exact <= high)
    shown = _shown(exact), f"[{low:.4f}, {high:.4f}]"
    return Row(name, *shown, None, "inside", source, status, note)


def skipped(name: str, why: str, source: str) -> Row:
    """A row that could not be computed here, and says so."""
    return Row(name, "–", "–", None, "–", source, "skipped", f"skipped: {why}")
