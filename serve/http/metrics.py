"""Prometheus metrics.

Resolving labels for each request costs a third of the throughput; here a request costs one
dictionary look-up.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from serve.http.logs import WRITER

LABELS = ("endpoint", "method", "status")
UNMATCHED = "unmatched"
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
BUCKETS = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
CACHE_SECONDS = 0.1
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

disable_created_metrics()


@final
class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mfn_http_requests_total", "Requests answered.", LABELS, registry=self.registry
        )
        self._durations = Histogram(
            "mfn_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            LABELS,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "mfn_http_requests_in_progress",
            "Requests being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.compilations = Counter(
            "mfn_compilations_total",
            "Programs that XLA compiled or read from the cache of compiled programs.",
            registry=self.registry,
        )
        self._waiting = Gauge(
            "mfn_queue_waiting",
            "Requests that wait for a lane, by kind of work.",
            ("kind",),
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._dropped = Gauge(
            "mfn_log_lines_dropped",
            "Pieces of the log that were dropped, because nobody reads it.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._templates: list[tuple[re.Pattern[str], str]] = []
        self._children: dict[tuple[str, str, str], tuple[Any, Any]] = {}
        self._rendered, self._rendered_at = b"", 0.0
        self._shared = MULTIPROCESS_VARIABLE in os.environ

    def prepare(self, endpoints: Iterable[tuple[str, str]]) -> None:
        """Create the 5xx counters of every endpoint: an absent series is not a zero.

        Their histograms, twenty series each, wait for a first answer: rendered all the time, they
        would cost every scrape several milliseconds.
        """
        for endpoint, method in endpoints:
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", endpoint))
            self._templates.append((pattern, endpoint))
            for status in ("500", "503"):
                self._requests.labels(endpoint, method, status)

    def register(self, collector: Collector) -> None:
        """Add a collector of the application's own."""
        self.registry.register(collector)

    def note_waiting(self, counts: Mapping[str, int]) -> None:
        """How many requests wait now, by kind; and what became of the log."""
        self._dropped.set(WRITER.dropped)
        for kind, count in counts.items():
            self._waiting.labels(kind).set(count)

    def render(self, waiting: Callable[[], Mapping[str, int]]) -> bytes:
        """The text of all series, at most `CACHE_SECONDS` old."""
        now = time.monotonic()
        if now - self._rendered_at > CACHE_SECONDS:
            self.note_waiting(waiting())
            self._rendered, self._rendered_at = generate_latest(self._source()), now
        return self._rendered

    def count(
        self, template: str | None, path: str, method: str, status: int, seconds: float
    ) -> None:
        """Count a request that is over; ``template`` is its route's, None where there is none."""
        endpoint = template or (self._template(path) if status == 405 else UNMATCHED)
        method = method if method in METHODS else "OTHER"
        count, duration = self._child(endpoint, method, str(status))
        count.inc()
        duration.observe(seconds)

    def count_refused(self, status: int) -> None:
        """Count what never became a request: too slow, too long, or not HTTP."""
        self._child(UNMATCHED, "OTHER", str(status))[0].inc()

    def _template(self, path: str) -> str:
        """The route of a path that exists; the router names none where it refuses the method."""
        found = (name for pattern, name in self._templates if pattern.fullmatch(path))
        return next(found, UNMATCHED)

    def _child(self, endpoint: str, method: str, status: str) -> tuple[Any, Any]:
        key = (endpoint, method, status)
        child = self._children.get(key)
        if child is None:
            child = self._requests.labels(*key), self._durations.labels(*key)
            self._children[key] = child
        return child

    def _source(self) -> CollectorRegistry:
        if not self._shared:
            return self.registry
        shared = CollectorRegistry()
        MultiProcessCollector(shared)
        return shared
