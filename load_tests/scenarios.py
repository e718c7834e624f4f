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
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from benchmarks.harness.baselines import baselines_under
from benchmarks.harness.tables import ROOT, Table, judged, save_tables
from load_tests import limits
from load_tests.limits import PERCENTILES, Row, Scenario, totals
from load_tests.probe import Latencies
from load_tests.running import Server, in_one_line, running_server
from mfnjax._progress import ProgressBar

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
        ProgressBar(scenario.name) as progress,
    ):
        started = time.monotonic()
        while load.poll() is None:
            time.sleep(0.2)
            progress(min(seconds, int(time.monotonic() - started)), seconds)
        told, _ = probe.communicate(timeout=seconds + 120)
    seen = {name: Latencies(**latencies) for name, latencies in json.loads(told).items()}
    rows, probed = read_rows(folder / "locust_stats.csv"), [seen[name].row(name) for name in seen]
    misses = limits.missed_totals(rows, scenario.error_rate, scenario.rate)
    misses += limits.missed_percentiles(probed)
    if scenario.error_rate.value == 0:
        misses += [f"probe of {n}: {one.problems[0]}" for n, one in seen.items() if one.problems]
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


def read_rows(path: Path) -> list[Row]:
    """The rows of the table that Locust writes, without its last one, the sum."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(
                line["Name"],
                int(line["Request Count"]),
                int(line["Failure Count"]),
                {p: float(line[f"{p}%"]) for p in PERCENTILES},
                float(line["Requests/s"]),
            )
            for line in csv.DictReader(file)
            if line["Name"] != "Aggregated" and int(line["Request Count"])
        ]


def table_of(outcome: Outcome) -> Table:
    """The outcome as a table: a row for each endpoint, then the two sums."""
    scenario, rows = outcome.scenario, []
    loaded, probed = ({row.name: row for row in rows} for rows in (outcome.load, outcome.probe))
    for name in sorted(loaded | probed):
        row, seen, key = loaded.get(name), probed.get(name), limits.ENDPOINTS.get(name)
        held = baselines_under(f"documented.api.{key}") if key else {}
        line = {"endpoint": name, "requests": row and row.requests, "failed": row and row.failures}
        line |= {f"p{p}": seen and f"{seen.percentiles_ms[p]:.1f}" for p in PERCENTILES}
        line["limits"] = " / ".join(f"{held[f'p{p}'].value:g}" for p in PERCENTILES if held)
        own = row and " / ".join(f"{row.percentiles_ms[p]:.0f}" for p in PERCENTILES)
        rows.append({**line, "Locust's own": own})
    requests, failures, rate = totals(outcome.load)
    share = failures / requests if requests else 1.0
    note = {"_note": f"a run of {scenario.duration_s:g} s"}
    errors = {**judged(share, scenario.error_rate), "requests": requests, "failed": failures}
    if scenario.name == "stress":  # it borrows the spike's limit, and is not the spike
        del errors["_key"]
    rows.append({"endpoint": f"all: {share:.2%} failed", **errors, **note})
    rows.append({"endpoint": f"all: {rate:.1f} requests/s", **judged(rate, scenario.rate), **note})
    notes = ["Every limit kept." if not outcome.misses else "**Limits missed.**"]
    if outcome.memory_mb:
        before, after = outcome.memory_mb
        notes.append(f"Memory of the server: {before:.0f} MB before, {after:.0f} MB after.")
    title = f"{scenario.name.capitalize()}: {scenario.users} users, {scenario.duration_s:g} s"
    lines = "".join(f"\n- missed: {miss}" for miss in outcome.misses)
    return Table(title, rows, " ".join(notes) + lines)


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
    output, name = options.output, scenario.name
    output.mkdir(parents=True, exist_ok=True)
    given = os.environ.get("MFN_LOADTEST_BASE_URL")
    with tempfile.TemporaryDirectory(prefix="mfn-load-") as folder:
        log = Path(folder) / "server.log"
        ours = nullcontext() if given else running_server(workers=options.workers, log=log)
        with ours as server:
            url = given or server.url  # type: ignore[union-attr]
            outcome = run(scenario, url, Path(folder), server)
        for file, kept in (
            ("locust_stats.csv", f"{name}.csv"),
            ("locust.log", f"{name}.locust.log"),
            ("server.log", f"{name}.server.log"),
        ):
            if (Path(folder) / file).is_file():
                shutil.copy(Path(folder) / file, output / kept)
    table = table_of(outcome)
    table.print()
    save_tables([table], output / f"{name}.json", suite=name)
    for miss in outcome.misses:
        print(f"limit missed: {miss}", file=sys.stderr)
    return int(bool(outcome.misses))


if __name__ == "__main__":
    sys.exit(in_one_line(main))
