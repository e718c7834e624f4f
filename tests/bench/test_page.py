"""The page of baselines is up to date and complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_results import TIME, results, timed

from benchmarks.harness.baselines import baseline, load_baselines
from benchmarks.harness.tables import Table, judged, save_tables
from benchmarks.page.__main__ import FOLDED, PAGE, RESULTS, page, take_in


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date(text: str) -> None:
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert text == page(load_baselines(), data), "run: python -m benchmarks.page"


def test_every_documented_number_stands_on_the_page(text: str) -> None:
    for key, row in load_baselines().items():
        if key.startswith("documented."):
            shown = 100 * row.value if row.unit == "relative" else row.value
            forms = {f"{shown:g}", f"{shown:.4g}", f"{shown:,.0f}"}
            assert any(form in text for form in forms), key


def test_every_limit_has_its_measured_twin() -> None:
    values = json.loads(RESULTS.read_text(encoding="utf-8"))["values"]
    without = [
        key
        for key, row in load_baselines().items()
        if key.startswith("documented.")
        and row.bound in ("max", "min")
        and not key.endswith(tuple(FOLDED))
        and key not in values
    ]
    assert without == []


def test_results_and_tables_are_taken_in(tmp_path: Path) -> None:
    data = {"values": {}}
    take_in(data, results(timed()).save(tmp_path / "all.json"))
    assert data["values"][TIME]["value"] == 0.001
    assert data["values"]["documented.pipeline.demo.simulation"]["value"] == 0.001
    limit = baseline("documented.api.health.p50")
    rows = [{"what": "p50", **judged(2.5, limit)}, {"what": "told", "_note": "nothing"}]
    take_in(data, save_tables([Table("Rates", rows)], tmp_path / "serve.json", suite="serve"))
    assert data["values"][limit.key] == {"value": 2.5, "unit": "ms", "note": ""}
    assert "peers" not in data
