"""Our own baselines follow what got better: not the noise, and not in silence what got worse."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench_results import TIME, results, timed

from benchmarks.harness.baselines import find_baselines, load_baselines
from benchmarks.harness.update import MARK, WorseError, measured_key, update_baselines
from mfnjax.errors import DataError

OWN = measured_key(TIME) + ".ratio"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The checkout's limits, with one measured baseline of 2."""
    path = tmp_path / "baselines.toml"
    shutil.copy(find_baselines(), path)
    text = path.read_text().partition(MARK)
    path.write_text(text[0] + text[1])
    done = update_baselines(results(timed()), path=path)
    assert done["added"] == [TIME]
    return path


def test_a_new_row_is_its_ratio_with_its_noise(file: Path) -> None:
    row = load_baselines(file)[OWN]
    assert row.value == pytest.approx(2.0, rel=0.05)
    assert 0 < row.tolerance < 0.1
    assert row.bound == "max"


def test_a_better_result_moves_the_baseline(file: Path) -> None:
    assert update_baselines(results(timed(0.7, seed=1)), path=file)["better"] == [TIME]
    assert load_baselines(file)[OWN].value == pytest.approx(1.4, rel=0.05)


def test_the_noise_does_not(file: Path) -> None:
    before = file.read_text()
    for seed in range(1, 6):
        assert update_baselines(results(timed(seed=seed)), path=file)["kept"] == [TIME]
    assert file.read_text() == before


def test_a_worse_result_is_refused_and_nothing_is_written(file: Path) -> None:
    before = file.read_text()
    other = timed(key="documented.features.demo.time")
    with pytest.raises(WorseError, match=TIME):
        update_baselines(results(timed(1.5, seed=1), other), path=file)
    assert file.read_text() == before
    done = update_baselines(results(timed(1.5, seed=1), other), path=file, accept=[TIME])
    assert (done["worse"], done["added"]) == ([TIME], [other.key])
    assert load_baselines(file)[OWN].value == pytest.approx(3.0, rel=0.05)


def test_what_was_written_by_hand_stays(file: Path) -> None:
    hand = find_baselines().read_text().partition(MARK)[0]
    update_baselines(results(timed(0.5, seed=1)), path=file)
    assert file.read_text().startswith(hand)


def test_another_machine_is_refused_unless_it_is_made_the_reference(file: Path) -> None:
    elsewhere = results(timed(1.5, seed=1), processor="another")
    with pytest.raises(DataError, match="another machine"):
        update_baselines(elsewhere, path=file)
    assert update_baselines(elsewhere, path=file, replace=True)["added"] == [TIME]
    assert load_baselines(file)[OWN].source.startswith("another")


def test_one_process_is_not_enough(file: Path) -> None:
    with pytest.raises(DataError, match="at least 3 processes"):
        update_baselines(results(timed(processes=2)), path=file)


def test_a_file_without_its_mark_is_left_alone(file: Path) -> None:
    file.write_text(file.read_text().replace(MARK, ""))
    with pytest.raises(DataError, match="missing"):
        update_baselines(results(timed(0.5, seed=1)), path=file)
