"""Two workers are one server: answers, metrics, limits, and an end when their parent is gone."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.serve.conftest import ServerProcess
from tests.serve.mixture import ONE_SHAPE, check_answers

LARGE = {"grid_size": 32, "steps": 1000, "spike_probability": 1.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two workers that compile nothing before they are asked; its tests stand in an order."""
    patient = {"MFN_QUEUE_SECONDS": "300", "MFN_DEADLINE_SECONDS": "300"}
    settings = {"MFN_WARM_GRID_SIZES": "none", **patient}
    with ServerProcess(tmp_path_factory.mktemp("server"), workers=2, **settings) as process:
        yield process.wait_ready()


def ask(server: ServerProcess, path: str) -> httpx.Response:
    """A request over a connection of its own, so that either worker may take it."""
    return httpx.get(server.url + path, timeout=60)


def seen(server: ServerProcess, pattern: str) -> float:
    """The sum of the series that match, in the eyes of whichever worker answers."""
    found = re.findall(rf"^{pattern} (\S+)$", ask(server, "/metrics").text, re.M)
    return sum(map(float, found))


def test_an_answer_is_the_librarys_whichever_worker_gives_it(server: ServerProcess) -> None:
    check_answers(server.url, ONE_SHAPE, repeats=4)


def test_either_worker_tells_what_both_have_counted(server: ServerProcess) -> None:
    pattern = r'mfn_http_requests_total\{endpoint="/nernst",method="POST",status="200"\}'
    time.sleep(0.2)  # longer than an old text of the metrics is answered
    assert {seen(server, pattern) for _ in range(8)} == {24.0}


def test_either_worker_tells_when_a_queue_is_empty_again(server: ServerProcess) -> None:
    waiting = r'mfn_queue_waiting\{kind="simulate\w*"\}'

    def post(seed: int) -> None:
        httpx.post(f"{server.url}/simulate", json={**LARGE, "seed": seed}, timeout=120)

    threads = [threading.Thread(target=post, args=(seed,)) for seed in range(60)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen(server, waiting)  # most of them while something waits
    time.sleep(0.5)  # a few times as long as a worker takes to tell
    assert {seen(server, waiting) for _ in range(8)} == {0.0}


def test_workers_stop_when_their_parent_is_killed(server: ServerProcess) -> None:
    workers = psutil.Process(server.process.pid).children(recursive=True)
    assert len(workers) >= 2
    server.process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    with pytest.raises(httpx.TransportError):
        ask(server, "/health")
