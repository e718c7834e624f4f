"""The scientific report: its rows hold, it cannot be fooled, and it is complete."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from mfnjax.errors import DataError
from mfnjax.science import Row, compute_report, report, write_report
from mfnjax.science.documented import documented_rows, turing_difference
from mfnjax.science.domains import domain_rows
from mfnjax.science.fractals import colony_rows
from mfnjax.science.membrane import membrane_rows
from mfnjax.science.rows import at_most, close, inside, more_than, same
from mfnjax.science.stability import threshold_rows

DOCUMENTED = [
    "K⁺ Nernst (mammalian)",
    "Na⁺ Nernst (mammalian)",
    "Cl⁻ Nernst (mammalian)",
    "Ca²⁺ Nernst (mammalian)",
    "K⁺ Nernst (squid)",
    "Na⁺ Nernst (squid)",
    "Cl⁻ Nernst (squid)",
    "RT/F (37 °C)",
    "Fractal dimension of the field",
    "Potential within its bounds",
    "Turing on against off",
]


@pytest.mark.thorough
def test_the_documented_rows_come_by_name_and_hold() -> None:
    rows = documented_rows()
    assert [row.name for row in rows] == DOCUMENTED
    assert [row.name for row in rows if row.status != "pass"] == []
    assert "+132.3" in rows[3].note
    assert "not a measurement of mycelium" in rows[8].note


@pytest.mark.parametrize("section", [membrane_rows, threshold_rows, domain_rows])
def test_closed_forms_hold(section) -> None:
    assert [row.name for row in section() if row.status != "pass"] == []


@pytest.mark.thorough
def test_the_pair_changes_nothing_at_the_defaults_and_something_over_the_threshold() -> None:
    assert turing_difference(0.75) == (0.0, 0)
    difference, activations = turing_difference(0.05)
    assert difference > 1e-3
    assert activations > 0


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (close("x", 1.0, 1.1, 0.11, "-"), "pass"),
        (close("x", 1.0, 1.1, 0.09, "-"), "FAIL"),
        (close("x", 100.0, 101.0, 0.02, "-", relative=True), "pass"),
        (close("x", 100.0, 103.0, 0.02, "-", relative=True), "FAIL"),
        (close("x", 1.0, math.nan, 10.0, "-"), "FAIL"),
        (at_most("x", 1.0, math.nan, "-"), "FAIL"),
        (more_than("x", 1.0, 1.0, "-"), "FAIL"),
        (inside("x", 1.0, (0.9, 1.1), "-"), "pass"),
        (inside("x", 1.0, (math.nan, 1.1), "-"), "FAIL"),
        (same("x", [3, 9], [3, 8], "-"), "FAIL"),
    ],
)
def test_a_row_passes_only_within_its_tolerance(row: Row, status: str) -> None:
    assert row.status == status


def _failing_section() -> list[Row]:
    raise DataError("no such set")


def test_a_section_that_raises_is_a_failed_row(tmp_path) -> None:
    found = compute_report([("One", lambda: [close("1", 1, 1, 0, "-")]), ("Two", _failing_section)])
    assert [row.status for row in found.rows] == ["pass", "FAIL"]
    page, values = write_report(found, tmp_path)
    assert "no such set" in page.read_text(encoding="utf-8")
    told = json.loads(values.read_text(encoding="utf-8"))
    assert told["passed"] is False
    assert told["summary"] == "2 rows: 1 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize(("expected", "status"), [(4.0, 0), (5.0, 1)])
def test_a_wrong_expectation_is_the_exit_status(expected, status, tmp_path, monkeypatch) -> None:
    from mfnjax.cli import main

    planted = (("Planted", lambda: [close("2 + 2", expected, 2 + 2, 1e-9, "arithmetic")]),)
    monkeypatch.setattr(report, "SECTIONS", planted)
    told = CliRunner().invoke(main, ["science", "--no-cache", "-o", str(tmp_path)])
    assert told.exit_code == status, told.output
    assert (tmp_path / "scientific_validation.md").exists()
    assert ("FAIL" in told.output) == bool(status)
    assert "[/" not in told.output  # colours are styles, never markup that is printed


def test_missing_photographs_are_said_to_be_missing(tmp_path) -> None:
    (row,) = colony_rows(tmp_path)
    assert row.status == "skipped"
    assert "data not present" in row.note


def test_the_committed_page_is_complete() -> None:
    from pathlib import Path

    page = Path(__file__).parents[2] / "docs" / "scientific_validation.md"
    text = page.read_text(encoding="utf-8")
    assert [text.index(f"| {name} |") for name in DOCUMENTED] == sorted(
        text.index(f"| {name} |") for name in DOCUMENTED
    )
    assert all(f"## {title}" in text for title, _ in report.SECTIONS)
    assert "FAIL" not in text


@pytest.mark.slow
def test_the_whole_report_holds(shared_data) -> None:
    found = compute_report()
    assert [row.name for row in found.failed] == []
