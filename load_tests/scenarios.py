"""Run a documented load scenario: ``python -m load_tests.scenarios smoke|steady|spike|stress``.

Starts `mfn-api` on a free port unless ``MFN_LOADTEST_BASE_URL`` names a server, runs Locust
against it and, beside it, a light probe that measures the percentiles, and writes the tables to
``out/load/``. The exit status is 1 when a documented limit is missed: errors and the rate by
Locust, percentiles by the probe.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from load_tests import limits
from load_tests.limits import PERCENTILES, Row, Scenario
from load_tests.running import Server, in_one_line, running_server
from mfnjax._files import write_text
from benchmarks.harness.baselines import baselines_under

ROOT = Path(__file__).resolve().parents[1]
LOCUSTFILE = ROOT / "load_tests" / "locustfile.py"


@final
@dataclass(frozen=True)
class Outcome:
    """What came of a scenario.

    Attributes:
        scenario: What was run.
        load: What Locust saw, a row for each name.
        probe: What the probe saw, a row for each endpoint of the documented table.
        memory_mb: Resident memory of the server before and after, if it was ours.
        misses: The limits that were missed, in words.
    """

    scenario: Scenario
    load: list[Row]
    probe: list[Row]
    memory_mb: tuple[float, float] | None
    misses: list[str]

    @property
    def requests(self) -> int:
        """Requests that Locust made."""
        return sum(row.requests for row in self.load)

    @property
    def failures(self) -> int:
        """Those that failed."""
        return sum(row.failures for row in self.load)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return sum(row.rate for row in self.load)


def run(scenario: Scenario, url: str, folder: Path, server: Server | None = None) -> Outcome:
    """Run a scenario against ``url``; leaves Locust's own files in ``folder``."""
    before = server.memory_mb() if server else 0.0
    seconds = max(1, round(scenario.duration_s))
    locust = [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url),
        *("--headless", "--only-summary", "--errors-only", "--csv", str(folder / "locust")),
        *("-u", str(scenario.users), "-r", f"{scenario.spawn_rate:g}", "-t", f"{seconds}s"),
        *(() if scenario.classes == ("MFNAPIUser",) else scenario.classes),
    ]
    prober = [sys.executable, "-m", "load_tests.probe", url, "--seconds", str(seconds)]
    # Locust reads the time to run from this variable too; the scenario's own goes before it.
    environment = {k: v for k, v in os.environ.items() if k != "MFN_LOADTEST_DURATION"}
    with (
        (folder / "locust.log").open("wb") as log,
        _ended_at_exit(locust, stdout=log, stderr=log, env=environment) as load,
        _ended_at_exit(prober, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as probe,
    ):
        _watch(scenario, load)
        told, _ = probe.communicate(timeout=seconds + 120)
    rows = read_rows(folder / "locust_stats.csv")
    probed = [_probe_row(name, seen) for name, seen in json.loads(told).items()]
    misses = limits.missed_totals(rows, error_rate=scenario.error_rate, rate=scenario.rate)
    misses += limits.missed_percentiles(probed)
    misses += [
        f"probe of {name}: {seen['first_problem']}"
        for name, seen in json.loads(told).items()
        if seen["failures"] and scenario.error_rate.value == 0
    ]
    if load.returncode and not misses:
        misses.append(f"Locust ended with {load.returncode}: see {folder / 'locust.log'}")
    memory = (before, server.memory_mb()) if server else None
    return Outcome(scenario, rows, probed, memory, misses)


@contextmanager
def _ended_at_exit(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)


def _watch(scenario: Scenario, load: subprocess.Popen[bytes]) -> None:
    """Show how far the run is, on a terminal; wait for its end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(scenario.name, total=scenario.duration_s)
        started = time.monotonic()
        while load.poll() is None:
            time.sleep(0.2)
            bar.update(task, completed=time.monotonic() - started)


def read_rows(path: Path) -> list[Row]:
    """The rows of the table that Locust writes, without its last one, the sum."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                name=line["Name"],
                requests=int(line["Request Count"]),
                failures=int(line["Failure Count"]),
                percentiles_ms={p: float(line[f"{p}%"]) for p in PERCENTILES},
                rate=float(line["Requests/s"]),
            )
            for line in csv.DictReader(file)
            if line["Name"] != "Aggregated" and int(line["Request Count"])
        ]


def _probe_row(name: str, seen: dict[str, Any]) -> Row:
    percentiles = {percent: float(seen[f"p{percent}_ms"]) for percent in PERCENTILES}
    return Row(name, seen["requests"], seen["failures"], percentiles, 0.0)


def markdown(outcome: Outcome) -> str:
    """The outcome as a section of Markdown."""
    scenario = outcome.scenario
    share = outcome.failures / outcome.requests if outcome.requests else 1.0
    goal = f" (expected {scenario.rate})" if scenario.rate else ""
    lines = [
        f"**{scenario.name.capitalize()}: {scenario.users} users, {scenario.duration_s:g} s.** "
        f"{outcome.requests} requests, {outcome.failures} failed ({share:.2%}; expected at most "
        f"{scenario.error_rate.value:.0%}), {outcome.rate:.1f} requests/s{goal}. "
        + ("Every limit kept." if not outcome.misses else "**Limits missed.**"),
        "",
        "| endpoint | requests | failed | p50 | p95 | p99 | limits | Locust's own |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    loaded, probed = ({row.name: row for row in rows} for rows in (outcome.load, outcome.probe))
    for name in sorted(loaded | probed):
        seen = _cells(probed[name], "{:.1f}") if name in probed else ["–"] * 3
        row = loaded.get(name)
        counts = f"{row.requests} | {row.failures}" if row else "– | –"
        own = " / ".join(_cells(row, "{:.0f}")) if row else "–"
        lines.append(f"| {name} | {counts} | {' | '.join(seen)} | {_limits_of(name)} | {own} |")
    if outcome.memory_mb:
        before, after = outcome.memory_mb
        lines += ["", f"Memory of the server: {before:.0f} MB before, {after:.0f} MB after."]
    lines += [f"- missed: {miss}" for miss in outcome.misses]
    return "\n".join([*lines, ""])


def _cells(row: Row, form: str) -> list[str]:
    return [form.format(row.percentiles_ms[percent]) for percent in PERCENTILES]


def _limits_of(name: str) -> str:
    if name not in limits.ENDPOINTS:
        return ""
    table = baselines_under(f"documented.api.{limits.ENDPOINTS[name]}")
    return " / ".join(f"{table[f'p{percent}'].value:g}" for percent in PERCENTILES)


def seconds_of(text: str) -> float:
    """A time as Locust writes them: ``90``, ``30s``, ``5m``, ``1h30m``."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    if not found or not any(found.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; expected for instance 30s or 5m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one scenario; 0 if every limit is kept, 1 if not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("scenario", choices=("smoke", "steady", "spike", "stress"))
    parser.add_argument(
        "--duration",
        type=seconds_of,
        default=os.environ.get("MFN_LOADTEST_DURATION") or None,
        help="shorten it: 10s, 1m (or by MFN_LOADTEST_DURATION)",
    )
    parser.add_argument("--workers", type=int, default=1, help="of the server that is started")
    parser.add_argument("--output", type=Path, default=Path("out/load"))
    options = parser.parse_args(arguments)
    scenario = limits.scenario(options.scenario).lasting(options.duration)
    options.output.mkdir(parents=True, exist_ok=True)
    given = os.environ.get("MFN_LOADTEST_BASE_URL")
    with tempfile.TemporaryDirectory(prefix="mfn-load-") as folder:
        log = Path(folder) / "server.log"
        ours = nullcontext() if given else running_server(workers=options.workers, log=log)
        with ours as server:
            url = given or server.url  # type: ignore[union-attr]
            outcome = run(scenario, url, Path(folder), server)
        _keep(Path(folder), options.output, scenario.name)
    report = markdown(outcome)
    write_text(options.output / f"{scenario.name}.md", report)
    print(report)
    for miss in outcome.misses:
        print(f"limit missed: {miss}", file=sys.stderr)
    return int(bool(outcome.misses))


def _keep(folder: Path, output: Path, name: str) -> None:
    """Keep Locust's table, its log and the server's beside the report."""
    for file, kept in (
        ("locust_stats.csv", f"{name}.csv"),
        ("locust.log", f"{name}.locust.log"),
        ("server.log", f"{name}.server.log"),
    ):
        if (folder / file).is_file():
            write_text(output / kept, (folder / file).read_text(encoding="utf-8", errors="replace"))


if __name__ == "__main__":
    sys.exit(in_one_line(main))
