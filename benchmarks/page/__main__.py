"""Fill docs/performance_baselines.md: documented and measured numbers side by side.

python -m benchmarks.page             # from what is committed
python -m benchmarks.page FILE …      # take in results first (see template.md)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.baselines import Baseline, baseline, load_baselines
from benchmarks.harness.machine import machine_text
from benchmarks.harness.results import Results
from benchmarks.harness.tables import (
    FORMAT as TABLES_FORMAT,
    ROOT,
    Row,
    Table,
    parser_of,
    program,
    read_format,
)
from mfnjax._files import write_text
from mfnjax.errors import DataError

TEMPLATE = Path(__file__).with_name("template.md")
PAGE = ROOT / "docs" / "performance_baselines.md"
RESULTS = ROOT / "docs" / "performance_results.json"
FOLDED = {"then": "", "margin": "margin ", "error": "error "}
"""Endings of rows that stand in a column of another row."""

DERIVED = {
    "dataset.demo.time_per_sample": "dataset.demo.time",
    "pipeline.demo.simulation": "simulation.demo.time",
    "pipeline.demo.features": "features.demo.time",
}
"""Numbers that follow from another one; the first is that over the number of samples."""


def take_in(data: dict[str, Any], path: Path) -> None:
    """Add the results of a file: of `mfn bench run`, or the tables of a suite."""
    values = data["values"]
    try:
        found = read_format(path, TABLES_FORMAT, "tables")
    except DataError:  # then it holds results, or Results says what is wrong
        _take_in_results(data, Results.load(path))
        return
    for row in (row for table in found["tables"] for row in table["rows"] if "_key" in row):
        if row["_key"].startswith("documented."):
            told = {"value": float(f"{row['_value']:.4g}"), "unit": row["_unit"]}
            values[row["_key"]] = told | {"note": row.get("_note", "")}
    if found["suite"] == "peers":
        data["peers"] = {name: found[name] for name in ("machine", "tables")}


def _take_in_results(data: dict[str, Any], results: Results) -> None:
    values = data["values"]
    for row in results.rows:
        low, high, many = min(row.values), max(row.values), len(row.values)
        note = f"{low:.3g} … {high:.3g} over {many} processes" if many > 1 else ""
        values[row.key] = {"value": float(f"{row.value:.4g}"), "unit": row.unit, "note": note}
    if any(row.ratios for row in results.rows):
        data |= {"machine": results.machine, "date": results.date}
    samples = baseline("documented.dataset.demo.num_samples").value
    for name, source in DERIVED.items():
        if found := values.get(f"documented.{source}"):
            share = samples if name.endswith("sample") else 1
            values[f"documented.{name}"] = {**found, "value": found["value"] / share, "note": ""}


def page(rows: dict[str, Baseline], data: dict[str, Any]) -> str:
    """The whole page."""

    def fill(place: re.Match[str]) -> str:
        what, *names = place[1].split()
        if what == "documented":
            return documented(rows, names, data["values"])
        return {"machine": machine_text(data["machine"]), "date": data["date"]}.get(what) or TABLES[
            what
        ](rows, data)

    return re.sub(r"\{([a-z ]+)\}", fill, TEMPLATE.read_text(encoding="utf-8"))


def documented(rows: dict[str, Baseline], names: list[str], values: dict[str, Any]) -> str:
    """A section: the set-up in a line, then each documented number beside its measured twin."""
    starts = tuple(f"documented.{name}." for name in names)
    chosen = [row for key, row in rows.items() if key.startswith(starts)]
    setup = [row for row in chosen if row.bound == "exact" and row.key not in values]
    lines = [
        _line(row, rows, values.get(row.key, {}))
        for row in chosen
        if row not in setup and row.key.rpartition("_")[2] not in FOLDED
    ]
    groups: dict[str, list[str]] = {}
    for row in setup:
        group, _, last = name_of(row).rpartition(", ")
        groups.setdefault(group, []).append(f"{last} {number(row.value, row.unit)}")
    said = "; ".join(f"{group}: {', '.join(told)}" for group, told in groups.items())
    parts = [f"Set-up, as documented: {said}."] if said else []
    return "\n\n".join(parts + ([Table("", lines).markdown()] if lines else []))


def _line(row: Baseline, rows: dict[str, Baseline], found: dict[str, Any]) -> Row:
    then = {end: rows[f"{row.key}_{end}"] for end in FOLDED if f"{row.key}_{end}" in rows}
    limit = str(row) if row.bound in ("max", "min") else number(row.value, row.unit)
    line = {
        "": name_of(row),
        "documented": f"{number(row.value, row.unit)} ({limit})" if row.tolerance else limit,
        "documented system": ", ".join(
            FOLDED[e] + number(t.value, t.unit) for e, t in then.items()
        ),
        "measured": None,
    }
    if found:
        reference, notes = then.get("then", row).value, [found.get("note", "")]
        if row.bound in ("max", "min"):
            met = "met" if row.meets(found["value"]) else "**missed**"
            notes.insert(0, f"{met} {row.margin_text(found['value'])}".rstrip())
        line["measured"] = number(found["value"], found["unit"])
        line["measured / documented"] = f"{found['value'] / reference:.3g}" if reference else ""
        line["note"] = "; ".join(filter(None, notes))
    return line


def number(value: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "relative":
        return f"{100 * value:.4g} %"
    shown = f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return f"{shown} {unit}".rstrip()


def name_of(row: Baseline) -> str:
    """A row's name without what all of them share."""
    return row.key.split(".", 1)[1].replace("_", " ").replace(".", ", ")


def own_table(rows: dict[str, Baseline], _: Any) -> str:
    """Our own baselines: what the gate compares with."""
    lines = [
        {
            "": name_of(row).removesuffix(", ratio"),
            "fastest / calibration": row.value,
            "noise between processes": f"{row.tolerance:.0%}",
            "mean": number((mean := rows[key.removesuffix("ratio") + "mean"]).value, mean.unit),
            "measured on": row.source,
        }
        for key, row in rows.items()
        if key.startswith("measured.") and key.endswith(".ratio")
    ]
    return Table("", lines).markdown()


def peers_tables(_: Any, data: dict[str, Any]) -> str:
    """The tables of `benchmarks.peers`."""
    tables = [Table(**table) for table in data["peers"]["tables"]]
    parts = [f"{table.title}:\n\n{table.markdown()}" for table in tables]
    return "\n\n".join([*parts, f"Measured on {machine_text(data['peers']['machine'])}."])


def targets_table(rows: dict[str, Baseline], _: Any) -> str:
    """Every target, and the command that checks it."""
    held = [r for r in rows.values() if r.key.startswith("targets.") and r.bound in ("max", "min")]
    lines = [{"": name_of(row), "target": str(row), "checked by": row.source} for row in held]
    return Table("", lines).markdown()


TABLES = {"own": own_table, "peers": peers_tables, "targets": targets_table}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = parser_of("benchmarks.page", __doc__)
    parser.add_argument("files", nargs="*", type=Path, help="results to take in first")

    def work(options: argparse.Namespace) -> None:
        data = json.loads(RESULTS.read_text(encoding="utf-8"))
        for path in options.files:
            take_in(data, path)
        if options.files:
            write_text(RESULTS, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        write_text(PAGE, page(load_baselines(), data))
        print(f"Wrote {PAGE.relative_to(ROOT)}")

    return program(parser, work, argv)


if __name__ == "__main__":
    sys.exit(main())
