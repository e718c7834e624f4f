"""Fits as jobs, over a real server: result, events, cancel, kill -9 and resume."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from mfnjax import FisherKPPModel, Grid, simulate
from serve.app import create_app
from serve.jobs import JobStore, store
from serve.settings import Settings
from tests.serve.conftest import ServerProcess

TRUTH = {"diffusivity": 0.8, "growth_rate": 0.1}
SIGMA = 1e-3


def start(folder: Path) -> ServerProcess:
    """A server that need not be ready: jobs wait for no warm-up."""
    return ServerProcess(folder, MFN_WARM_GRID_SIZES="none")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with start(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture(scope="module")
def body() -> dict[str, Any]:
    """Profiles of a front with known parameters."""
    start = np.where(np.arange(24) < 12, 0.8, 0.0).astype(np.float32)[None]
    seen = simulate(
        FisherKPPModel(**TRUTH),
        {"u": start},
        grid=Grid((1, 24), boundary="neumann"),
        steps=40,
        dt=np.float32(0.25),
        save_every=20,
        save="u",
    )
    return {
        "model": "fisher-kpp",
        "parameters": {"diffusivity": 0.4, "growth_rate": 0.2},
        "fixed": ["capacity"],
        "field": "u",
        "start": {"u": start[0].tolist()},
        "steps": [20, 40],
        "dt": 0.25,
        "values": np.asarray(seen.history)[:, 0].tolist(),
    }


def wait(server: ServerProcess, job_id: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job: dict[str, Any] = server.client.get(f"/jobs/{job_id}").json()
        if job["status"] in statuses:
            return job
        time.sleep(0.1)
    raise AssertionError(f"the job is {job}")


def slow(body: dict[str, Any]) -> dict[str, Any]:
    """The same fit in so small steps, and with so many starts, that it takes a while."""
    return {**body, "starts": 16, "sigma": 1e-9, "dt": 1e-4, "steps": [50_000, 100_000]}


def progress(server: ServerProcess, job_id: str, *, beyond: int) -> int:
    """Wait until a running job has done more than ``beyond`` iterations; how many it has then."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        job: dict[str, Any] = server.client.get(f"/jobs/{job_id}").json()
        if job["status"] == "running" and job["done"] != beyond:
            return int(job["done"])
        assert job["status"] in ("queued", "running"), job
        time.sleep(0.02)
    raise AssertionError(f"the job is {job}")


def test_a_fit_finds_the_truth_and_tells_its_progress(
    server: ServerProcess, body: dict[str, Any]
) -> None:
    noise = np.random.default_rng(0).normal(0.0, SIGMA, np.shape(body["values"]))
    noisy = {**body, "values": (np.array(body["values"]) + noise).tolist(), "sigma": SIGMA}
    answer = server.client.post("/fit", json=noisy)
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    with server.client.stream("GET", f"/jobs/{job_id}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        data = [line[6:] for line in events.iter_lines() if line.startswith("data: ")]
    last = json.loads(data[-1])
    assert last["status"] == "done", last
    for name, value in TRUTH.items():
        assert last["result"]["parameters"][name] == pytest.approx(value, rel=1e-2)
        interval = last["result"]["uncertainty"]["parameters"][name]
        assert interval["low"] < value < interval["high"]
    assert sorted(last["result"]["identifiability"]["identifiable"]) == sorted(TRUTH)
    assert last["result"]["misfit"]["reduced_chi_square"] < 2
    assert any("Identifiable" in sentence for sentence in last["result"]["sentences"])
    assert server.client.post(f"/jobs/{job_id}/resume").status_code == 409
    assert server.client.delete(f"/jobs/{job_id}").status_code == 409


def test_a_bad_fit_is_refused_at_once(server: ServerProcess, body: dict[str, Any]) -> None:
    answer = server.client.post("/fit", json={**body, "field": "w"})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "VALIDATION_ERROR"
    assert server.client.get(f"/jobs/{'0' * 32}").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"values": [[0.1] * 24, [0.1] * 23]}, "23"),
        ({"bounds": {"nothing": [0, 1]}}, "nothing"),
        ({"bounds": {"diffusivity": [5, 6]}}, "diffusivity"),
        ({"fixed": ["diffusivity", "growth_rate", "capacity"]}, "nothing is left"),
        ({"steps": [20, 100_000]}, "over the limit"),
        ({"spacing": 1e-300}, "spacing"),
        ({"stepper": "nothing"}, "stepper must be one of"),
        ({"stepper": "etdrk2", "boundary": "dirichlet"}, "'etdrk2' cannot serve"),
    ],
)
def test_what_cannot_be_fitted_is_refused_and_not_queued(
    tmp_path: Path, body: dict[str, Any], wrong: dict[str, Any], named: str
) -> None:
    settings = Settings(state_dir=tmp_path, max_cell_steps=2_000_000)
    web = TestClient(create_app(settings))
    answer = web.post("/fit", json={**body, **wrong})
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["detail"]
    assert web.get("/jobs").json() == {"jobs": []}


def test_what_is_no_id_of_a_job_is_not_found(tmp_path: Path) -> None:
    answer = TestClient(create_app(Settings(state_dir=tmp_path))).get("/jobs/XYZ")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


def test_a_locked_store_is_a_503(
    tmp_path: Path, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.05)
    web = TestClient(create_app(Settings(state_dir=tmp_path)))
    other = sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = web.post("/fit", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "OVERLOADED")
    assert int(answer.headers["Retry-After"]) >= 1
    other.execute("ROLLBACK")
    other.close()
    assert web.post("/fit", json=body).status_code == 202


@pytest.mark.thorough
def test_a_job_of_another_process_is_its_own_until_that_ends(tmp_path: Path) -> None:
    jobs = JobStore(tmp_path)
    job_id = jobs.add("fit", {}).id
    code = (
        "import sys, pathlib; from serve.jobs import JobStore; from serve.jobs.owner import Owner;"
        "folder = pathlib.Path(sys.argv[1]); owner = Owner(folder);"
        "print(JobStore(folder).claim(owner.name).id, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline().decode().strip() == job_id
        assert jobs.interrupt_orphans() == 0
        other.kill()
        other.wait(10)
    assert jobs.interrupt_orphans() == 1
    found = jobs.get(job_id)
    assert found is not None
    assert found.status == "interrupted"


def test_the_oldest_jobs_that_have_ended_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_KEPT", 2)
    jobs = JobStore(tmp_path)
    ids = [jobs.add("fit", {}).id for _ in range(4)]
    jobs.checkpoint(ids[0]).touch()
    for job_id in ids:
        jobs.cancel(job_id)
    last = jobs.add("fit", {}).id
    assert {job.id for job in jobs.recent()} == {*ids[2:], last}
    assert not jobs.checkpoint(ids[0]).exists()


@pytest.mark.thorough
def test_a_job_goes_on_after_a_cancel_a_kill_and_a_stop(
    tmp_path: Path, body: dict[str, Any]
) -> None:
    first = start(tmp_path)
    job_id = first.client.post("/fit", json=slow(body)).json()["id"]
    progress(first, job_id, beyond=0)
    assert first.client.delete(f"/jobs/{job_id}").status_code == 200
    seen = wait(first, job_id, "cancelled")["done"]
    assert first.client.post(f"/jobs/{job_id}/resume").status_code == 202
    again = progress(first, job_id, beyond=seen)
    assert again > seen  # a job that began anew would have done fewer
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(10)
    first.client.close()
    second = start(tmp_path)
    try:
        left = wait(second, job_id, "interrupted", seconds=20)
        assert "stopped" in left["error"]
        assert second.client.post(f"/jobs/{job_id}/resume").status_code == 202
        assert progress(second, job_id, beyond=left["done"]) > left["done"]
    finally:
        assert second.stop() == 0
    job = JobStore(tmp_path).get(job_id)
    assert job is not None
    assert job.status == "interrupted"
    assert JobStore(tmp_path).checkpoint(job_id).is_file()
