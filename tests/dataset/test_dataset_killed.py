"""A run that is killed with SIGKILL and resumed ends with the table of one that ran through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dataset_sweeps import small_config, values_of

from mfnjax.dataset import generate_dataset, inspect_dataset

HERE = Path(__file__).parent
ROWS = 4096

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


def killed_after(parts: int, path: Path, environment: dict[str, str]) -> int:
    """Run the sweep in a process of its own until so many parts are there; kill; count parts."""
    command = [sys.executable, str(HERE / "dataset_runner.py"), str(path), str(ROWS)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    folder = path.with_name(path.name + ".partial")

    def there() -> int:
        return len(list(folder.glob("part-*.parquet")))

    deadline = time.monotonic() + 120
    while there() < parts and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()
    return there()


@pytest.mark.thorough
def test_killed_at_three_moments(tmp_path: Path) -> None:
    """The killed processes run without 64-bit JAX, this one with it: that changes nothing."""
    path = tmp_path / "killed.parquet"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    left = [killed_after(parts, path, environment) for parts in (1, 4, 9)]
    assert 1 <= left[0] <= left[1] <= left[2] < ROWS // 256
    assert not path.exists()
    config = small_config(
        num_samples=ROWS, grid_sizes=(16,), steps_range=(40, 64), output_path=str(path)
    )
    # What a kill in the middle of a write leaves behind: a temporary file, and no part.
    (tmp_path / "killed.parquet.partial" / ".part-000003-abc.parquet").write_bytes(b"half")
    summary = generate_dataset(config, resume=True, workers=1)
    assert summary.resumed == 256 * left[2]
    assert summary.written == ROWS
    through = tmp_path / "through.parquet"
    generate_dataset(
        small_config(
            num_samples=ROWS, grid_sizes=(16,), steps_range=(40, 64), output_path=str(through)
        ),
        workers=2,
    )
    assert values_of(pq.read_table(path)).equals(values_of(pq.read_table(through)))
    info, other = inspect_dataset(path), inspect_dataset(through)
    assert info.problems == ()
    assert info.content_hash == other.content_hash
    assert sorted(os.listdir(tmp_path)) == ["killed.parquet", "through.parquet"]
