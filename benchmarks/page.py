"""The page of baselines: documented and measured numbers side by side.

    python -m benchmarks.page             docs/performance_baselines.md from what is committed
    python -m benchmarks.page --collect   first gather what was measured into
                                          docs/performance_results.json (a minute)

``--collect`` takes ``out/bench/all.json`` (``mfn bench run -o out/bench/all.json``),
``out/bench/peers.json`` (``python -m benchmarks.peers``), what ``make bench-serve`` and the load
scenarios left in ``out/``, the counts of the last ``make test``, and measures memory and the
science itself. What is missing keeps the value of the last collection.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.collect import RESULTS, ROOT, collect
from mfnjax._files import replacing, write_text
from mfnjax.bench.baselines import Baseline, load_baselines
from mfnjax.bench.machine import machine_text

PAGE = ROOT / "docs" / "performance_baselines.md"
CHART = ROOT / "docs" / "images" / "performance_history.svg"
FOLDED = ("then", "margin", "error")
"""Endings of rows that stand in a column of another row."""

SECTIONS = {
    "Simulation (§ 1)": ("simulation.",),
    "Features, dataset, pipeline (§§ 2–4)": ("features.", "dataset.", "pipeline."),
    "HTTP server (§ 5)": ("locust.", "api.", "load."),
    "Allowed variance (§ 6)": ("variance.",),
    "Core benchmarks (§ 8)": ("core.",),
    "Scientific validation (§ 8)": ("science.",),
    "Tests (§ 8)": ("tests.",),
    "Scalability (§ 9.1)": ("scalability.",),
    "Stress and memory (§§ 9.2, 9.3)": ("stress.", "memory."),
}


def page(rows: dict[str, Baseline], data: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    values = {**data.get("values", {}), **test_values(data.get("tests", {}))}
    parts = [INTRODUCTION.format(machine=machine_text(data["machine"]), date=data["date"])]
    for title, prefixes in SECTIONS.items():
        chosen = {
            key: row
            for key, row in rows.items()
            if key.startswith(tuple(f"documented.{prefix}" for prefix in prefixes))
        }
        parts += [f"## {title}", *section(chosen, values)]
    parts += ["## Our own baselines", OWN, own_table(rows)]
    parts += ["## History", HISTORY, "## Peers", *peers_part(data.get("peers"))]
    parts += ["## What this project sets itself", targets_table(rows)]
    return "\n\n".join(parts) + "\n"


def section(rows: dict[str, Baseline], values: dict[str, Any]) -> Iterable[str]:
    """The set-up in a line, then a table."""
    setup = [row for row in rows.values() if row.bound == "exact" and row.key not in values]
    if setup:
        groups: dict[str, list[str]] = {}
        for row in setup:
            group, _, last = name_of(row).rpartition(", ")
            groups.setdefault(group, []).append(f"{last} {row.value:g} {row.unit}".rstrip())
        said = "; ".join(f"{group}: {', '.join(rows)}" for group, rows in groups.items())
        yield f"Set-up, as documented: {said}."
    lines = [
        "| | documented | documented system | measured | measured / documented | note |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for key, row in rows.items():
        if row in setup or key.rpartition("_")[2] in FOLDED:
            continue
        lines.append(table_line(row, rows, values.get(key)))
    if len(lines) > 2:
        yield "\n".join(lines)


def table_line(row: Baseline, rows: dict[str, Baseline], found: dict[str, Any] | None) -> str:
    """One documented number beside its measured twin."""
    folded = {end: rows.get(f"{row.key}_{end}") for end in FOLDED}
    then = ", ".join(
        f"{word}{value_of(other)}"
        for (end, other), word in zip(folded.items(), ("", "margin ", "error "), strict=True)
        if other is not None
    )
    if found is None:
        measured, ratio, note = "–", "", MISSING.get(row.key.split(".")[1], "")
    else:
        measured = number(found["value"], found["unit"])
        same = folded["then"] or row
        ratio = f"{found['value'] / same.value:.3g}" if same.value else ""
        note = "; ".join(filter(None, (verdict(row, found["value"]), found.get("note"))))
    documented = str(row) if row.bound in ("max", "min") else value_of(row)
    if row.tolerance:
        documented = f"{value_of(row)} ({documented})"
    return f"| {name_of(row)} | {documented} | {then} | {measured} | {ratio} | {note} |"


def verdict(row: Baseline, measured: float) -> str:
    """'met' or 'missed', with the margin; nothing for a number that is no limit."""
    if row.bound not in ("max", "min"):
        return ""
    margin = row.margin(measured)
    shown = "" if margin == float("inf") else f" {float(f'{margin:.2g}'):,g}×"
    return ("met" if row.meets(measured) else "**missed**") + shown


MISSING = {
    "api": "`make bench-serve`",
    "load": "`make load-smoke load-steady load-spike`",
    "tests": "`make test`",
}
"""Where a number that is not there comes from."""


def number(value: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "relative":
        return f"{100 * value:.4g} %"
    shown = f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return f"{shown} {unit}".rstrip()


def value_of(row: Baseline) -> str:
    """A row's value with its unit."""
    return number(row.value, row.unit)


def name_of(row: Baseline) -> str:
    """A row's name without what all of them share."""
    return row.key.split(".", 1)[1].replace("_", " ").replace(".", ", ")


def test_values(tests: dict[str, Any]) -> dict[str, Any]:
    """The test counts as values."""
    units = {"coverage": "relative"}
    return {
        f"documented.tests.{name}": {"value": found, "unit": units.get(name, "tests")}
        for name, found in tests.items()
    }


def own_table(rows: dict[str, Baseline]) -> str:
    """Our own baselines: what the gate compares with."""
    lines = [
        "| | fastest / calibration | noise between processes | mean | measured on |",
        "|---|---:|---:|---:|---|",
    ]
    for key, row in rows.items():
        if key.startswith("measured.") and key.endswith(".ratio"):
            mean = rows[key.removesuffix("ratio") + "mean"]
            name = name_of(row).removesuffix(", ratio")
            noise = f"{row.tolerance:.0%}"
            lines.append(
                f"| {name} | {row.value:.4g} | {noise} | {value_of(mean)} | {row.source} |"
            )
    return "\n".join(lines)


def peers_part(data: dict[str, Any] | None) -> list[str]:
    """The tables of `benchmarks.peers`."""
    if data is None:
        return ["Not measured yet: `python -m benchmarks.peers`."]
    from benchmarks.peers import show

    return [PEERS, show(data)]


def targets_table(rows: dict[str, Baseline]) -> str:
    """Every target, and the command that checks it."""
    lines = ["| | target | checked by |", "|---|---:|---|"]
    lines += [
        f"| {name_of(row)} | {row} | {row.source} |"
        for key, row in rows.items()
        if key.startswith("targets.") and row.bound in ("max", "min")
    ]
    return "\n".join(lines)


def draw_history(history: list[dict[str, Any]], path: Path) -> None:
    """A small chart: each row's ratio over its first, by commit."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = {
        "documented.simulation.demo.time": "simulation, demo",
        "documented.simulation.default.time": "simulation, default",
        "documented.features.demo.time": "features, demo",
        "documented.dataset.demo.time": "dataset, demo",
        "documented.core.training_step": "training step",
        "documented.scalability.grid_128.time": "128² × 200",
        "documented.scalability.grid_256.time": "256² × 100",
    }
    with plt.rc_context({"svg.hashsalt": "mfnjax", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
        for key, label in shown.items():
            points = [(i, p["ratios"][key]) for i, p in enumerate(history) if key in p["ratios"]]
            if points:
                x, ratios = zip(*points, strict=True)
                axes.plot(x, [ratio / ratios[0] for ratio in ratios], "o-", label=label)
        axes.set_xticks(range(len(history)), [p["commit"] for p in history], rotation=30)
        axes.axhline(1.0, color="0.8", zorder=0)
        axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
        axes.set_ylabel("time / first point")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            figure.savefig(beside, metadata={"Date": None})
        plt.close(figure)


INTRODUCTION = """# Performance baselines

This page is written by `python -m benchmarks.page` from `benchmarks/baselines.toml` and
`docs/performance_results.json`; a test fails if it is not up to date. Do not edit it by hand.

'Documented' is the limit or value that the baselines of MyceliumFractalNet v4.1 give, 'documented
system' what they say that system measured. 'Measured' is this project, on
{machine}, on {date}
(memory, science and tests: when they were last collected; the peers name their own machine). The
ratio is measured over what the documented system measured (where that is not told, over the
documented value): for a time or a size below 1 is better, for a rate above 1.

```bash
pytest tests/perf/test_mfn_performance.py -v         # §§ 1–4
pytest tests/perf/test_stress_scalability.py -v      # § 9.2
python benchmarks/benchmark_core.py                  # § 8
python benchmarks/benchmark_scalability.py           # § 9.1
mfn bench run -o new.json                            # all of them, in five fresh processes
mfn bench compare old.json new.json                  # what changed beyond the noise
mfn bench update new.json                            # our own baselines, where they got better
```"""

OWN = """A documented limit leaves room for a regression by a factor of thirty, so the tests hold
each case to our own baseline, too: the fastest run divided by the fastest run of a fixed NumPy
kernel that takes turns with it in the same process. A slow clock or a busy neighbour hits both.
(The tests leave out the dataset, whose ratio follows the disk and the other cores.)
The gate allows the documented 20 % and the noise seen between processes, and measures once more,
longer, before it says that something is slower; on a machine other than the one named it allows
more."""

HISTORY = """![How the calibrated times changed](images/performance_history.svg)

Calibrated time of some rows over the first point, by commit; below 1 is faster. `python -m
benchmarks.page --collect` adds a point."""

PEERS = """`python -m benchmarks.peers` (with the extra `bench`) runs one Gray–Scott problem on
other programs, in turn in one process, and compares the results. Compile time is the first call."""


def main() -> int:
    """Write the page; 1 if there are no results yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--collect", action="store_true", help="gather what was measured first")
    options = parser.parse_args()
    data = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    if options.collect:
        data = collect(data)
        write_text(RESULTS, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        draw_history(data.get("history", []), CHART)
        print(f"Wrote {RESULTS.relative_to(ROOT)} and {CHART.relative_to(ROOT)}")
    if "machine" not in data:
        parser.exit(1, "no results: mfn bench run -o out/bench/all.json, then --collect\n")
    write_text(PAGE, page(load_baselines(ROOT / "benchmarks" / "baselines.toml"), data))
    print(f"Wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
