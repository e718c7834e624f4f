"""The limits that speed and memory are held to, read from ``benchmarks/baselines.toml``.

Everything that checks a speed, a size or a rate reads its limit here, by name. What the names and
fields mean stands at the top of that file; ``MFN_BASELINES`` names another one. This module imports
neither JAX nor NumPy.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

from mfnjax.errors import DataError, ParameterError

BOUNDS, FIELDS = ("max", "min", "exact", "none"), ("value", "unit")
INHERITED: dict[str, Any] = {"tolerance": 0.0, "bound": "max", "source": ""}
FILE = Path(__file__).parents[1] / "baselines.toml"
VARIABLE = "MFN_BASELINES"


@final
@dataclass(frozen=True)
class Baseline:
    """One number with its unit, its tolerance and where it comes from.

    Attributes:
        key: Its dotted name in the file.
        value: The number.
        unit: Its unit; "" for a pure number, "relative" for a share of one.
        tolerance: Relative, what is allowed beyond the value.
        bound: "max", "min", "exact" (part of a set-up) or "none" (told, not checked).
        source: Where the number comes from.
    """

    key: str
    value: float
    unit: str
    tolerance: float = 0.0
    bound: str = "max"
    source: str = ""

    @property
    def limit(self) -> float:
        """What a measured value is held to: ``value · (1 ± tolerance)`` by the bound.

        Examples:
            >>> Baseline("time", 0.040, "s", tolerance=0.20).limit
            0.048
        """
        slack = {"max": self.tolerance, "min": -self.tolerance}.get(self.bound, 0.0)
        return float(f"{self.value * (1 + slack):.12g}")

    def meets(self, measured: float) -> bool:
        """Whether a measured value keeps the limit; a NaN never does.

        Raises:
            ParameterError: The row is not a bound.
        """
        if self.bound not in ("max", "min"):
            raise ParameterError(
                f"{self.key}: its bound is '{self.bound}', so nothing can be held to it "
                "(a 'max' or 'min' was expected)"
            )
        return measured <= self.limit if self.bound == "max" else measured >= self.limit

    def margin(self, measured: float) -> float:
        """How many times better than the limit; below 1 the limit is missed."""
        better, worse = (measured, self.limit) if self.bound == "min" else (self.limit, measured)
        return better / worse if worse else float("inf")

    def margin_text(self, measured: float) -> str:
        """The margin to two digits, as 12×; nothing where it has no end."""
        margin = self.margin(measured)
        return "" if margin == float("inf") else f"{float(f'{margin:.2g}'):,g}×"

    def __str__(self) -> str:
        sign = {"max": "≤ ", "min": "≥ "}.get(self.bound, "")
        return f"{sign}{self.limit:.7g} {self.unit}".rstrip()


def find_baselines() -> Path:
    """The file that ``MFN_BASELINES`` names, or the file of this checkout."""
    return Path(os.environ.get(VARIABLE) or FILE)


def load_baselines(path: str | Path | None = None) -> dict[str, Baseline]:
    """Every row of the file, by its dotted name, in the order of the file.

    Args:
        path: The file; without it `find_baselines`.

    Raises:
        DataError: The file cannot be read, or a row lacks its value or unit.
    """
    path = find_baselines() if path is None else Path(path)
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is no TOML file ({error})") from error
    return {row.key: row for row in _rows(tree, "", INHERITED, path)}


def _rows(
    table: Mapping[str, Any], prefix: str, above: Mapping[str, Any], path: Path
) -> Iterator[Baseline]:
    shared = {name: table.get(name, above[name]) for name in INHERITED}
    for name, entry in table.items():
        if name in INHERITED:
            continue
        key = f"{prefix}.{name}" if prefix else name
        if not isinstance(entry, dict):
            raise DataError(f"{path}: {key} = {entry!r}: a row is {{ value, unit, … }}")
        if "value" in entry or "unit" in entry:
            yield _row(key, {**shared, **entry}, path)
        else:
            yield from _rows(entry, key, shared, path)


def _row(key: str, entry: Mapping[str, Any], path: Path) -> Baseline:
    wrong = [f"has an unknown field '{name}'" for name in set(entry) - {*FIELDS, *INHERITED}]
    for name, kind, word in (("value", int | float, "number"), ("tolerance", int | float, "number"),
                             ("unit", str, "text")):  # fmt: skip
        got = entry.get(name)
        if not isinstance(got, kind) or isinstance(got, bool):
            wrong.append(f"'{name}' must be a {word}, got {got!r}")
    if entry["bound"] not in BOUNDS:
        wrong.append(f"bound = {entry['bound']!r}: one of {', '.join(BOUNDS)}")
    if wrong:
        raise DataError(f"{path}: {key}: {wrong[0]}")
    return Baseline(key, **entry)


@cache
def _loaded() -> dict[str, Baseline]:
    return load_baselines()


def baseline(key: str) -> Baseline:
    """The row of this name in the checkout's file.

    Raises:
        ParameterError: There is none; the message lists the nearest names.
        DataError: The file is missing or damaged.

    Examples:
        >>> limit = baseline("documented.simulation.demo.time")
        >>> limit.value, limit.limit, limit.meets(0.03), str(limit)
        (0.04, 0.048, True, '≤ 0.048 s')
    """
    rows = _loaded()
    if key in rows:
        return rows[key]
    near = difflib.get_close_matches(key, rows, n=4, cutoff=0.5)
    near += [name for name in rows if name.startswith(key + ".")][:6]
    hint = f"; near it: {', '.join(dict.fromkeys(near))}" if near else ""
    raise ParameterError(f"no baseline is called '{key}'{hint}")


def baselines_under(prefix: str) -> dict[str, Baseline]:
    """The rows of one table, by their names within it.

    Raises:
        ParameterError: No row's name starts with ``prefix``.

    Examples:
        >>> list(baselines_under("documented.api.health"))
        ['p50', 'p95', 'p99', 'rate']
    """
    start = prefix + "."
    rows = {k.removeprefix(start): row for k, row in _loaded().items() if k.startswith(start)}
    return rows or {"": baseline(prefix)}
