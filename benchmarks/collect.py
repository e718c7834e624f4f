"""What the page of baselines shows, gathered from what was measured: see `benchmarks.page`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from mfnjax.bench.baselines import baseline
from mfnjax.bench.results import Results
from mfnjax.bench.run import SCALE

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "out"
RESULTS = ROOT / "docs" / "performance_results.json"

Values = dict[str, dict[str, Any]]
"""Documented key → {"value": number, "unit": text, "note": text}."""

SCIENCE = {
    "K⁺ Nernst (mammalian)": "nernst_k",
    "Na⁺ Nernst (mammalian)": "nernst_na",
    "Cl⁻ Nernst (mammalian)": "nernst_cl",
    "Ca²⁺ Nernst (mammalian)": "nernst_ca",
    "RT/F (37 °C)": "rt_over_f",
    "Fractal dimension of the field": "fractal_dimension",
}


def collect(old: dict[str, Any]) -> dict[str, Any]:
    """Everything that can be found or measured in a minute; the rest stays as it was."""
    new = {"values": dict(old.get("values", {})), **{k: v for k, v in old.items() if k != "values"}}
    path = OUT / "bench" / "all.json"
    if path.is_file():
        results = Results.load(path)
        new |= {"machine": results.machine, "date": results.date}
        new["values"] |= timed_values(results)
        new["history"] = with_point(old.get("history", []), results)
    for values in (memory_values(), growth_values(), science_values(), api_values(), load_values()):
        new["values"] |= values
    tests = tests_of(OUT / "test")
    if tests:
        new["tests"] = tests
    peers = OUT / "bench" / "peers.json"
    if peers.is_file():
        new["peers"] = json.loads(peers.read_text(encoding="utf-8"))
    return new


def value(number: float, unit: str, note: str = "") -> dict[str, Any]:
    """One measured value, to four digits."""
    return {"value": float(f"{number:.4g}"), "unit": unit, "note": note}


def timed_values(results: Results) -> Values:
    """The rows of `mfn bench run`, and what follows from them."""
    values = {
        row.key: value(
            row.value,
            row.unit,
            f"{min(row.values):.3g} … {max(row.values):.3g} over {len(row.values)} processes",
        )
        for row in results.rows
    }
    samples = baseline("documented.dataset.demo.num_samples").value
    for key, source, share in (
        ("documented.dataset.demo.time_per_sample", "documented.dataset.demo.time", samples),
        ("documented.pipeline.demo.simulation", "documented.simulation.demo.time", 1),
        ("documented.pipeline.demo.features", "documented.features.demo.time", 1),
    ):
        if source in values:
            values[key] = value(values[source]["value"] / share, baseline(key).unit)
    return values


def with_point(history: list[dict[str, Any]], results: Results) -> list[dict[str, Any]]:
    """The history with this result's fastest ratios; one point a commit."""
    told = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    point = {
        "date": results.date,
        "commit": told.stdout.strip(),
        "ratios": {row.key: float(f"{min(row.ratios):.4g}") for row in results.rows if row.ratios},
    }
    return [old for old in history if old["commit"] != point["commit"]] + [point]


def memory_values() -> Values:
    """§§ 1–3: Python's account and XLA's."""
    from mfnjax.bench.cases import perf_cases
    from mfnjax.bench.memory import compiled_peak, traced_peak

    values: Values = {}
    for case in perf_cases():
        if not case.key.endswith(".time"):
            continue
        key = case.key.removesuffix("time") + "memory"
        unit, call = baseline(key).unit, case.prepare()
        call()
        seen, account = traced_peak(call) / SCALE[unit], compiled_peak(call) / SCALE[unit]
        note = f"tracemalloc {seen:.0f}, XLA {account:.0f} {unit}; the larger one counts"
        values[key] = value(max(seen, account), unit, note)
    return values


def growth_values() -> Values:
    """§ 9.3: growth of a child process."""
    values: Values = {}
    script = str(ROOT / "tests" / "perf" / "stress_child.py")
    for size in ("small", "medium", "large", "xlarge"):
        grid = int(baseline(f"documented.memory.{size}_grid").value)
        command = [sys.executable, script, str(grid), "100", "history"]
        told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        note = f"growth; the process holds {told['peak'] / SCALE['MB']:.0f} MB"
        values[f"documented.memory.{size}"] = value(told["growth"] / SCALE["MB"], "MB", note)
    return values


def science_values() -> Values:
    """§ 8: the documented validations, recomputed."""
    import jax

    from mfnjax.science.documented import documented_rows

    jax.config.update("jax_enable_x64", True)
    try:
        rows = documented_rows()
    finally:
        jax.config.update("jax_enable_x64", False)
    values = {
        f"documented.science.{SCIENCE[row.name]}": value(
            float(str(row.computed).replace("−", "-").split()[0]), row.computed.partition(" ")[2]
        )
        for row in rows
        if row.name in SCIENCE
    }
    values["documented.science.passed"] = value(sum(r.status == "pass" for r in rows), "of 11")
    return values


def api_values() -> Values:
    """§ 5.3: what ``benchmarks/serve.py`` found."""
    path = OUT / "serve" / "serve.json"
    if not path.is_file():
        return {}
    from load_tests.limits import ENDPOINTS

    values: Values = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        name = ENDPOINTS.get(row["part"].partition(" ")[2])
        # A run in which nothing was answered has no percentile; its zeros are no result.
        if name and row["value"] and row["what"] in ("p50", "p95", "p99", "rate"):
            values[f"documented.api.{name}.{row['what']}"] = value(row["value"], row["unit"])
    return values


def load_values() -> Values:
    """§ 5.4: the first line of the tables that the load scenarios wrote."""
    values: Values = {}
    pattern = r"([\d.]+) s\.\*\* (\d+) requests, (\d+) failed .*?, ([\d.]+) requests/s"
    for name in ("smoke", "steady", "spike"):
        path = OUT / "load" / f"{name}.md"
        found = re.search(pattern, path.read_text(encoding="utf-8")) if path.is_file() else None
        if found:
            share, note = int(found[3]) / max(int(found[2]), 1), f"a run of {found[1]} s"
            values[f"documented.load.{name}.error_rate"] = value(share, "relative", note)
            values[f"documented.load.{name}.rate"] = value(float(found[4]), "requests/s", note)
    return values


def tests_of(folder: Path) -> dict[str, Any]:
    """Numbers of tests and the coverage that ``make test`` left behind."""
    counts = dict.fromkeys(("total", "failed", "skipped"), 0)
    for path in folder.glob("*.xml"):
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):
            counts["total"] += int(suite.get("tests", 0))
            counts["skipped"] += int(suite.get("skipped", 0))
            counts["failed"] += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    coverage = folder / "coverage.json"
    if not counts["total"] or not coverage.is_file():
        return {}
    share = json.loads(coverage.read_text(encoding="utf-8"))["totals"]["percent_covered"] / 100
    passed = counts["total"] - counts["skipped"] - counts["failed"]
    return {
        "total": counts["total"],
        "passed": passed,
        "skipped": counts["skipped"],
        "coverage": round(share, 4),
    }
