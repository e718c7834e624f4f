"""The documented limits, read from ``benchmarks/baselines.toml``, and whether a run keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from benchmarks.harness.baselines import Baseline, baseline, baselines_under

ENDPOINTS = {
    "/health": "health",
    "/metrics": "metrics",
    "/nernst": "nernst",
    "/simulate (32x32)": "simulate",
    "/validate": "validate",
}
"""Rows of the documented endpoint table, by the names that calls have here."""

PERCENTILES = (50, 95, 99)
USER_CLASSES = (
    "MFNAPIUser",
    "MFNReadOnlyUser",
    "MFNHeavyUser",
    "MFNStressUser",
    "MFNScalabilityUser",
)


@final
@dataclass(frozen=True)
class Scenario:
    """A run of Locust that the document describes.

    Attributes:
        name: ``smoke``, ``steady``, ``spike`` or ``stress``.
        users: Simultaneous users.
        spawn_rate: Users started a second.
        duration_s: How long it runs.
        error_rate: The largest share of failed requests.
        rate: Requests a second to reach, if the document names them.
        classes: The user classes that run.
    """

    name: str
    users: int
    spawn_rate: float
    duration_s: float
    error_rate: Baseline
    rate: Baseline | None = None
    classes: tuple[str, ...] = ("MFNAPIUser",)

    def lasting(self, seconds: float | None) -> Scenario:
        """The same for another time, if one is given; users come within a tenth of it."""
        if seconds is None:
            return self
        spawn = max(self.spawn_rate, 10 * self.users / seconds)
        return replace(self, duration_s=seconds, spawn_rate=spawn)


def scenario(name: str) -> Scenario:
    """The documented scenario of that name (§ 5.4, and § 9.4 for ``stress``).

    The document gives the spike no spawn rate: all users come within two seconds. It gives the
    stress run no limit of errors: the spike's holds; all five user classes run in it.
    """
    rows = baselines_under(f"documented.load.{name}")
    users, duration_s = int(rows["users"].value), rows["duration"].value
    if name == "stress":
        spawn, errors = rows["spawn_rate"].value, baseline("documented.load.spike.error_rate")
        return Scenario(name, users, spawn, duration_s, errors, classes=USER_CLASSES)
    spawn = {"smoke": 1.0, "steady": baseline("documented.locust.spawn_rate").value}.get(name)
    return Scenario(
        name, users, spawn or users / 2, duration_s, rows["error_rate"], rows.get("rate")
    )


def scenario_like(users: int) -> Scenario:
    """The scenario whose limits hold for a run of so many users: the largest that is not larger."""
    names = [name for name in ("smoke", "steady", "spike") if scenario(name).users <= max(users, 1)]
    return scenario(names[-1])


def percentile(times: Sequence[float], percent: float) -> float:
    """The smallest time that is not exceeded by ``percent`` of them; NaN if there is none."""
    ordered = sorted(times)
    index = max(0, -(-len(ordered) * percent // 100) - 1)
    return ordered[int(index)] if ordered else float("nan")


@final
@dataclass(frozen=True)
class Row:
    """What was measured of one endpoint."""

    name: str
    requests: int
    failures: int
    percentiles_ms: Mapping[int, float]
    rate: float = 0.0


def rows_of(stats: Any) -> list[Row]:
    """Locust's statistics as rows."""
    return [
        Row(
            entry.name,
            entry.num_requests,
            entry.num_failures,
            {p: float(entry.get_response_time_percentile(p / 100) or 0) for p in PERCENTILES},
            float(entry.total_rps),
        )
        for entry in sorted(stats.entries.values(), key=lambda entry: entry.name)
    ]


def missed_percentiles(rows: Iterable[Row]) -> list[str]:
    """Which documented percentiles are missed, in words."""
    misses = []
    for row in rows:
        if row.name not in ENDPOINTS or not row.requests:
            continue
        table = baselines_under(f"documented.api.{ENDPOINTS[row.name]}")
        for percent in PERCENTILES:
            limit, measured = table[f"p{percent}"], row.percentiles_ms[percent]
            if not limit.meets(measured):
                misses.append(f"{row.name}: p{percent} is {measured:.1f} ms, expected {limit}")
    return misses


def totals(rows: Iterable[Row]) -> tuple[int, int, float]:
    """Requests, failures, and requests a second."""
    rows = list(rows)
    requests, failures = (sum(getattr(r, name) for r in rows) for name in ("requests", "failures"))
    return requests, failures, sum(row.rate for row in rows)


def missed_totals(rows: Iterable[Row], error_rate: Baseline, rate: Baseline | None) -> list[str]:
    """Whether too many requests failed, or too few were made."""
    requests, failures, made = totals(rows)
    if not requests:
        return ["no request was made"]
    misses = []
    if not error_rate.meets(failures / requests):
        told = f"{failures} of {requests} requests failed ({failures / requests:.2%})"
        misses.append(f"{told}, expected at most {error_rate.value:.0%}")
    if rate is not None and not rate.meets(made):
        misses.append(f"{made:.1f} requests/s were made, expected {rate}")
    return misses
