"""What all suites share: tables, child processes, one program."""

from __future__ import annotations

import doctest
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.harness import child
from benchmarks.harness.baselines import baseline
from benchmarks.harness.child import Child, available_cores, together
from benchmarks.harness.tables import Table, judged, put, suite
from mfnjax.errors import DataError, MfnError

MODULES = ("harness.baselines", "harness.tables", "harness.timing", "scaling.power_law")
LIMIT = baseline("targets.membrane.nernst")


def rows(value: float) -> list:
    return [{"what": "a call", "ms": 0.012341, **judged(value, LIMIT)}, {"what": "b", "more": None}]


def test_a_table_has_the_headings_of_all_rows_and_the_verdict_last() -> None:
    table = Table("Speed", rows(0.5), "A note.")
    lines = table.markdown().splitlines()
    assert table.head == ["what", "ms", "more", "target", "verdict"]
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: |"
    assert lines[2] == "| a call | 0.01234 |  | ≤ 1 ms for 40 000 values | pass |"
    assert lines[3].startswith("| b |  | – |")
    assert lines[-1] == "A note."
    assert (table.missed, Table("", rows(2.0)).missed) == (0, 1)


@pytest.mark.parametrize(("value", "status"), [(0.5, 0), (2.0, 1)])
def test_a_suite_prints_writes_and_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float, status: int
) -> None:
    path = tmp_path / "new" / "speed.json"
    done = suite("speed", "Text.", lambda _: [Table("Speed", rows(value))], argv=["-o", str(path)])
    said = capsys.readouterr().out
    assert done == status
    assert ("MISS" in said) == bool(status)
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["suite"] == "speed"
    assert kept["tables"][0]["rows"][0]["_value"] == value
    assert path.with_suffix(".md").read_text(encoding="utf-8").startswith("Speed:\n\n| what |")


def test_what_cannot_be_measured_is_one_line(refusal: Callable[..., str]) -> None:
    def tables(_: object) -> list[Table]:
        raise MfnError("numba is not installed")

    last = refusal(lambda argv: suite("speed", "Text.", tables, argv=argv), [])
    assert last == "python -m benchmarks.speed: numba is not installed"


def test_a_part_is_written_between_its_marks() -> None:
    text = "before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n"
    once = put(text, "a", "new \\1")
    assert once == text.replace("old", "new \\1")
    assert put(once, "a", "new \\1") == once
    with pytest.raises(DataError, match="no markers of 'b'"):
        put(text, "b", "new")


def test_children_are_pinned_answer_at_once_and_fail_in_a_line() -> None:
    cores = available_cores()[:1]
    with Child(cores) as one, Child() as two:
        one.ask(available_cores)
        assert two.call(available_cores) == available_cores()
        assert one.answer() == cores
        assert together([one, two], os.path.basename, "a/b") == ["b", "b"]
        with pytest.raises(MfnError, match=r"measuring process failed: ModuleNotFoundError.*none"):
            two.call(child.import_ms, "none")


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    done = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert done.attempted
    assert done.failed == 0
