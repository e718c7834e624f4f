"""The same table from a cluster, a worker of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dataset_sweeps import small_config, values_of

from mfnjax import DataError, ParameterError
from mfnjax.dataset import DatasetSummary, cluster, generate_dataset

pytestmark = pytest.mark.thorough

distributed = pytest.importorskip("distributed", reason="needs the extra mfnjax[cluster]")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A cluster inside this process: the scheduler's rules without its processes."""
    local = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    )
    with local, distributed.Client(local) as client:
        yield client


def test_a_cluster_gives_the_same_table(client: Any, small: DatasetSummary, tmp_path: Path) -> None:
    path = tmp_path / "cluster.parquet"
    seen: list[int] = []
    config = small_config(num_samples=600, output_path=str(path))
    summary = generate_dataset(config, client=client, progress=lambda done, _: seen.append(done))
    assert (summary.written, summary.failed) == (600, 0)
    assert sorted(seen) == seen
    assert seen[-1] == 600
    here = generate_dataset(small_config(num_samples=600), workers=1)
    assert values_of(pq.read_table(path)).equals(values_of(here.table))
    assert values_of(here.table.slice(0, 30)).equals(values_of(small.table))
    assert os.listdir(tmp_path) == ["cluster.parquet"]


def test_a_part_that_cannot_be_made_is_one_clear_error(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("the disk is gone")

    path = tmp_path / "broken.parquet"
    config = small_config(num_samples=300, output_path=str(path))
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "compute_parts", broken)
        patch.setattr(cluster, "RETRIES", 0)
        with pytest.raises(DataError, match=r"rows \d+ to \d+ could not be made: the disk is gone"):
            generate_dataset(config, client=client)
    assert generate_dataset(config, client=client, resume=True).written == 300


def test_workers_that_write_elsewhere_are_noticed(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(num_samples=300, output_path=str(tmp_path / "elsewhere.parquet"))
    monkeypatch.setattr(cluster.Store, "write_part", lambda self, part: None)
    with pytest.raises(DataError, match="the workers must share the output's folder"):
        generate_dataset(config, client=client)


def test_a_client_of_another_kind_is_refused(tmp_path: Path) -> None:
    config = small_config(output_path=str(tmp_path / "data.parquet"))
    with pytest.raises(ParameterError, match=r"client must be a distributed\.Client, got str"):
        generate_dataset(config, client="tcp://localhost")
    with pytest.raises(ParameterError, match="client need an output_path"):
        generate_dataset(small_config(), client="tcp://localhost")


@pytest.mark.slow
def test_a_killed_worker_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes; one is killed (SIGKILL) when some parts are there and it is at work."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    path = tmp_path / "killed.parquet"
    config = small_config(num_samples=6000, steps_range=(40, 64), output_path=str(path))
    local = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with local, distributed.Client(local) as client:
        pids = list(client.run(os.getpid).values())
        assert len(set(pids)) == 2
        assert os.getpid() not in pids
        folder = tmp_path / "killed.parquet.partial"
        killed: list[int] = []

        def kill() -> None:
            deadline = time.monotonic() + 120
            while len(list(folder.glob("part-*.parquet"))) < 4 and time.monotonic() < deadline:
                time.sleep(0.005)
            os.kill(pids[0], signal.SIGKILL)
            killed.append(len(list(folder.glob("part-*.parquet"))))

        killer = threading.Thread(target=kill)
        killer.start()
        summary = generate_dataset(config, client=client)
        killer.join()
    assert 4 <= killed[0] < 6000 // 256
    assert (summary.written, summary.failed) == (6000, 0)
    here = generate_dataset(small_config(num_samples=6000, steps_range=(40, 64)), workers=2)
    assert values_of(pq.read_table(path)).equals(values_of(here.table))
