"""The page of baselines is up to date and complete."""

from __future__ import annotations

import json

import pytest

from benchmarks.collect import RESULTS
from benchmarks.page import FOLDED, MISSING, PAGE, page
from benchmarks.harness.baselines import load_baselines


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


def test_every_limit_has_its_measured_twin_or_says_what_measures_it() -> None:
    values = json.loads(RESULTS.read_text(encoding="utf-8"))["values"]
    without = [
        key
        for key, row in load_baselines().items()
        if key.startswith("documented.")
        and row.bound in ("max", "min")
        and not key.endswith(FOLDED)
        and key not in values
        and key.split(".")[1] not in MISSING
    ]
    assert without == []
