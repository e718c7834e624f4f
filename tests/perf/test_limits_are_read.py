"""No file that judges speed, memory or load holds a limit of its own.

Every limit stands in ``benchmarks/baselines.toml``. So in these files no number may stand in an
order comparison, no decimal number in any comparison, and none may be given as a tolerance.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/perf", "tests/performance", "load_tests", "benchmarks")
INSTRUMENTS = {ROOT / "tests" / "performance" / "test_measuring.py"}
"""Tests of the measuring programs themselves, on servers whose answers take a known time."""
FILES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path not in INSTRUMENTS
)
ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
TOLERANCES = {"abs", "rel", "atol", "rtol", "tolerance", "limit"}
HARMLESS = (0, 1, 2)
"""'Is there any', 'is there more than one' and the like are questions, not limits."""

NOT_JUDGING = {
    "benchmarks/dataset.py": {-60.0, 60.0, 1e-3},  # the yardstick's own thresholds of features
    "benchmarks/page.py": {1e4},  # how a number is printed
    "benchmarks/serve.py": {100},  # the same
    "load_tests/locustfile.py": {0.9},  # how often a user pauses
    "load_tests/workload.py": {95, 40, 2e-6, 1e-3, 6e-3},  # whether an answer is right
}
"""Numbers in comparisons that judge neither speed nor memory nor load, and what they are."""


def literals(side: ast.expr, allowed: tuple[int, ...] = HARMLESS) -> list[ast.Constant]:
    """The numbers that a compared value is made of; those in calls and indices are none of it."""
    if isinstance(side, ast.Constant):
        is_number = isinstance(side.value, int | float) and not isinstance(side.value, bool)
        return [side] if is_number and side.value not in allowed else []
    if isinstance(side, ast.BinOp):
        return literals(side.left, allowed) + literals(side.right, allowed)
    if isinstance(side, ast.UnaryOp):
        return literals(side.operand, allowed)
    return []


def offences(source: str) -> list[str]:
    """Every limit that is written down in a file, as 'line: number'."""
    found: list[ast.Constant] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            inside = [n for side in (node.left, *node.comparators) for n in literals(side)]
            is_order = any(isinstance(op, ORDER) for op in node.ops)
            found += [n for n in inside if is_order or isinstance(n.value, float)]
        elif isinstance(node, ast.keyword) and node.arg in TOLERANCES:
            found += literals(node.value, allowed=())
    return [f"line {node.lineno}: {node.value}" for node in found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_limit_is_written_down(path: Path) -> None:
    allowed = NOT_JUDGING.get(path.relative_to(ROOT).as_posix(), set())
    found = offences(path.read_text(encoding="utf-8"))
    assert [line for line in found if float(line.rpartition(" ")[2]) not in allowed] == []


@pytest.mark.parametrize(
    "source",
    [
        "assert seconds < 0.048",
        "assert 1000 <= rate",
        "assert rate > 3 * other",
        "assert ratio == 1.5",
        "assert value == pytest.approx(expected, rel=1e-3)",
    ],
)
def test_a_limit_that_is_written_down_is_found(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source", ["assert limit.meets(seconds)", "assert status == 200", "assert missed > 0"]
)
def test_a_fact_is_no_limit(source: str) -> None:
    assert offences(source) == []
