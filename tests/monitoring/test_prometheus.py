"""Prometheus itself reads the metrics: promtool is content, and the documented queries answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from load_tests import workload
from load_tests.running import Server, free_port, running_server

FOLDER = Path(__file__).parents[2] / "serve" / "monitoring"
# § 5.5 of the performance baselines, word for word
REQUEST_RATE = "rate(mfn_http_requests_total[1m])"
P95_LATENCY = "histogram_quantile(0.95, rate(mfn_http_request_duration_seconds_bucket[5m]))"
ERROR_RATE = 'rate(mfn_http_requests_total{status=~"5.."}[1m])'

COLD = {"MFN_WARM_GRID_SIZES": "none"}  # it runs nothing

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    with running_server(log=log, environment=COLD) as running:
        yield running


@needs_promtool
@pytest.mark.thorough
def test_example_configuration_and_alerts_are_valid() -> None:
    config = FOLDER / "prometheus.yml"
    told = subprocess.run(
        ["promtool", "check", "config", str(config)], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert "4 rules found" in told.stdout


@needs_promtool
def test_promtool_finds_nothing_to_say_about_the_metrics(server: Server) -> None:
    text = httpx.get(f"{server.url}/metrics").text
    told = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def queries() -> list[tuple[str, str]]:
    """Every query of the dashboard and of the alerts, with where it stands."""
    dashboard = json.loads((FOLDER / "grafana_dashboard.json").read_text(encoding="utf-8"))
    found = [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]
    found += [
        (f"variable {one['name']}", one["definition"])
        for one in dashboard["templating"]["list"]
        if one["type"] == "query"
    ]
    found.append(("alerts", (FOLDER / "alerts.yml").read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize(("where", "query"), queries())
def test_queries_name_metrics_and_labels_that_exist(server: Server, where: str, query: str) -> None:
    text = httpx.get(f"{server.url}/metrics").text
    series = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}
    declared = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    named = set(re.findall(r"mfn_[a-z0-9_]+", query))
    assert named, where
    assert named <= series | declared, where
    known = set(re.findall(r'[{,]([a-z_]+)="', text)) | {"instance", "job", "le", "severity"}
    selected = set(re.findall(r"([a-z_]+)=~?\"", query))
    grouped = {
        label for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(", ")
    }
    assert (selected | grouped) <= known, where


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes ``target`` every second; yields its address."""
    config = folder / "prometheus.yml"
    example = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    config.write_text(
        example.replace("15s", "1s")
        .replace("localhost:8000", target)
        .replace("alerts.yml", str(FOLDER / "alerts.yml")),
        encoding="utf-8",
    )
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def ask(address: str, query: str) -> list[dict]:
    """The series that answer a query now; none while Prometheus starts."""
    try:
        answer = httpx.get(f"{address}/api/v1/query", params={"query": query})
    except httpx.TransportError:
        return []
    if answer.status_code == 503:
        return []
    told = answer.json()
    return told["data"]["result"] if told["status"] == "success" else []


def value(series: list[dict], **labels: str) -> float | None:
    """The value of the series with these labels."""
    for one in series:
        if labels.items() <= one["metric"].items():
            return float(one["value"][1])
    return None


def check_documented_queries(server: Server, folder: Path) -> None:
    call = workload.nernst()
    labels = {"endpoint": "/nernst", "method": "POST", "status": "200"}
    sent = 0
    with prometheus(server.url.removeprefix("http://"), folder) as address:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            # a connection each, so that several workers share them
            for _ in range(4):
                assert httpx.post(server.url + call.path, json=dict(call.body or {})).is_success
                sent += 1
            if value(ask(address, REQUEST_RATE), **labels):
                break
            time.sleep(0.3)
        rate = value(ask(address, REQUEST_RATE), **labels)
        assert rate is not None
        assert 0 < rate < 100
        latency = value(ask(address, P95_LATENCY), **labels)
        assert latency is not None
        assert 0 < latency < 1
        errors = ask(address, ERROR_RATE)
        for endpoint in ("/nernst", "/simulate", "/health"):
            assert value(errors, endpoint=endpoint, status="500") == 0
        assert all(one["metric"]["status"].startswith("5") for one in errors)
        # the counter is exact, whatever worker answered, and has one series for all workers
        deadline = time.monotonic() + 10
        counter = "mfn_http_requests_total"
        while value(ask(address, counter), **labels) != sent and time.monotonic() < deadline:
            time.sleep(0.2)
        matching = [one for one in ask(address, counter) if labels.items() <= one["metric"].items()]
        assert [float(one["value"][1]) for one in matching] == [sent]
        assert value(ask(address, "mfn_http_requests_in_progress")) == 1  # the scrape itself
        assert ask(address, 'ALERTS{alertstate="firing"}') == []


@needs_prometheus
def test_documented_queries_with_one_worker(server: Server, tmp_path: Path) -> None:
    check_documented_queries(server, tmp_path)


@pytest.mark.slow
@needs_prometheus
def test_documented_queries_with_two_workers(tmp_path: Path) -> None:
    with running_server(workers=2, log=tmp_path / "server.log", environment=COLD) as two:
        check_documented_queries(two, tmp_path)
