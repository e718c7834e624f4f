"""Whose a job is, how many wait, and what is left of them."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from serve.app import create_app
from serve.jobs import JobStore, store
from serve.settings import Settings

FIT = {
    "model": "fisher-kpp",
    "field": "u",
    "start": {"u": [1.0, 0.5, 0.0]},
    "steps": [2],
    "dt": 0.1,
    "values": [[0.9, 0.5, 0.1]],
}


def client(tmp_path: Path, **settings: Any) -> TestClient[Any]:
    """Without its runner: jobs wait."""
    return TestClient(create_app(Settings(state_dir=tmp_path, **settings)))


def test_a_key_sees_its_own_jobs_alone(tmp_path: Path) -> None:
    web = client(tmp_path, api_keys=("one-key", "another-key"), api_key_required=True)
    own, other = {"X-API-Key": "one-key"}, {"X-API-Key": "another-key"}
    address = f"/jobs/{web.post('/fit', json=FIT, headers=own).json()['id']}"
    assert web.get(address, headers=own).status_code == 200
    assert web.get(address, headers=other).status_code == 404
    assert web.get(f"{address}/events", headers=other).status_code == 404
    assert web.delete(address, headers=other).status_code == 404
    assert web.post(f"{address}/resume", headers=other).status_code == 404
    assert len(web.get("/jobs", headers=own).json()["jobs"]) == 1
    assert web.get("/jobs", headers=other).json()["jobs"] == []
    assert web.delete(address, headers=own).json()["status"] == "cancelled"
    assert "one-key" not in (tmp_path / store.FILE).read_bytes().decode("latin-1")


def test_where_no_key_is_asked_for_jobs_are_everybodys(tmp_path: Path) -> None:
    web = client(tmp_path)
    job = web.post("/fit", json=FIT).json()["id"]
    assert web.get(f"/jobs/{job}").status_code == 200


def test_the_bound_of_the_queue_holds_for_calls_at_once(tmp_path: Path) -> None:
    jobs = JobStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: jobs.add("fit", {}, "one"), range(40)))
    assert sum(job is not None for job in added) == store.MAX_QUEUED_OF_CLIENT
    assert jobs.add("fit", {}, "another") is not None
    web = client(tmp_path)
    answers = [web.post("/fit", json=FIT).status_code for _ in range(18)]
    assert answers == [202] * 16 + [503] * 2


def test_clients_take_turns(tmp_path: Path) -> None:
    jobs = JobStore(tmp_path)
    for name in ("greedy", "greedy", "greedy", "modest"):
        jobs.add("fit", {}, name)
    order = []
    for _ in range(4):
        job = jobs.claim("owner")
        assert job is not None
        order.append(job.client)
        jobs.finish(job.id, "done")
    assert order == ["greedy", "modest", "greedy", "greedy"]


def test_a_file_of_an_older_version_is_taken_over(tmp_path: Path) -> None:
    jobs = JobStore(tmp_path)
    job = jobs.add("fit", {})
    assert job is not None
    with sqlite3.connect(tmp_path / store.FILE) as database:
        database.execute("ALTER TABLE jobs DROP COLUMN client")
    found = JobStore(tmp_path).get(job.id)
    assert found is not None
    assert found.client == ""


@pytest.mark.parametrize("reason", ["age", "size"])
def test_checkpoints_of_jobs_that_ended_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    jobs = JobStore(tmp_path)
    ended = []
    for _ in range(4):
        job = jobs.add("fit", {})
        assert job is not None
        jobs.cancel(job.id)
        jobs.checkpoint(job.id).write_bytes(b"x" * 1000)
        ended.append(job.id)
        time.sleep(0.002)
    if reason == "size":
        monkeypatch.setattr(store, "MAX_CHECKPOINT_BYTES", 2500)
    else:
        with sqlite3.connect(tmp_path / store.FILE) as database:
            database.execute(
                "UPDATE jobs SET updated = updated - ? WHERE id IN (?, ?)",
                (store.CHECKPOINT_SECONDS + 1, *ended[:2]),
            )
    jobs.add("fit", {})
    assert [jobs.checkpoint(name).is_file() for name in ended] == [False, False, True, True]


def test_a_fit_of_days_is_refused(tmp_path: Path) -> None:
    body = {**FIT, "steps": [64_000], "starts": 64, "max_steps": 10_000, "dt": 1e-4}
    answer = client(tmp_path).post("/fit", json=body)
    assert answer.status_code == 400
    assert "cells × steps × starts × max_steps is 1.23e+11" in answer.json()["detail"]
