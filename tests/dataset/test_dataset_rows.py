"""What is in a row: the documented run's numbers, whatever the batch, the workers and the path."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pytest
from dataset_sweeps import small_config, values_of

from mfnjax import (
    NumericalInstabilityError,
    SimulationConfig,
    compute_fractal_features,
    run_mycelium_simulation_with_history,
)
from mfnjax.dataset import DatasetSummary, engine, generate_dataset, kernel
from mfnjax.dataset.documented import DocumentedTable

COUNTERS = ("growth_events", "turing_activations", "clamping_events")


@pytest.mark.parametrize("sim_id", [0, 2])
def test_a_row_is_the_documented_run_bit_for_bit(small: DatasetSummary, sim_id: int) -> None:
    row = small.table.slice(sim_id, 1).to_pylist()[0]
    names = ("grid_size", "steps", "alpha", "spike_probability", "turing_threshold")
    config = SimulationConfig(
        **{name: row[name] for name in names},
        turing_enabled=row["turing_enabled"],
        seed=row["random_seed"],
    )
    result = run_mycelium_simulation_with_history(config)
    expected = compute_fractal_features(result).to_dict()
    assert {name: row[name] for name in expected} == expected
    assert [row[name] for name in COUNTERS] == [getattr(result, name) for name in COUNTERS]


def test_the_rows_that_are_compared_cover_both_switches_and_sizes(small: DatasetSummary) -> None:
    rows = [small.table.slice(k, 1).to_pylist()[0] for k in (0, 2)]
    assert {row["turing_enabled"] for row in rows} == {True, False}
    assert {row["grid_size"] for row in rows} == {12, 16}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.thorough
def test_batches_and_workers_change_no_byte(
    small: DatasetSummary, batch_size: int, workers: int
) -> None:
    again = generate_dataset(small_config(), workers=workers, batch_size=batch_size)
    assert values_of(again.table).equals(values_of(small.table))


def test_a_longer_sweep_begins_with_the_same_rows(small: DatasetSummary) -> None:
    """Across parts too: a part has 256 rows."""
    longer = generate_dataset(small_config(num_samples=600), workers=2)
    assert values_of(longer.table.slice(0, 30)).equals(values_of(small.table))
    assert longer.table["sim_id"].to_pylist() == list(range(600))


@pytest.mark.thorough
def test_runs_too_large_for_one_call_give_the_same_rows(
    small: DatasetSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go through the public door, which works in chunks."""
    monkeypatch.setattr(engine, "CHUNK_CELL_STEPS", 1)
    called = []
    monkeypatch.setattr(kernel, "run_rows", lambda *a, **k: called.append(1))
    large = generate_dataset(small_config(num_samples=6), workers=1)
    assert values_of(large.table).equals(values_of(small.table.slice(0, 6)))
    assert not called


@pytest.fixture
def compilations() -> Iterator[list[str]]:
    """Grows by one with every program that XLA compiles."""
    seen: list[str] = []

    def listen(event: str, duration: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.thorough
def test_compilations_do_not_depend_on_the_rows(compilations: list[str]) -> None:
    """One program a grid size, whatever is sampled; then none, for any number of rows.

    Four threads that ask for a program at once do not compile it twice.
    """
    config = small_config(grid_sizes=(10, 14), num_samples=20)
    before = kernel.run_rows._cache_size()
    generate_dataset(config, workers=4, batch_size=1)
    assert kernel.run_rows._cache_size() - before == 2
    assert len(compilations) == 2
    for changes in (
        {"num_samples": 300},
        {"base_seed": 99, "steps_range": (3, 60), "alpha_range": (0.01, 0.2)},
    ):
        generate_dataset(dataclasses.replace(config, **changes), workers=2, batch_size=5)
    assert len(compilations) == 2


def _spoiled(monkeypatch: pytest.MonkeyPatch, seeds: set[int], *, raising: bool) -> None:
    """Make the runs of some seeds fail: with a NaN, or as a crash of the whole call."""
    whole = kernel.run_rows

    def rows(
        simulations: Any, arguments: dict[str, Any], count: Any, every: Any, **static: Any
    ) -> Any:
        bad = np.isin(arguments["random_seed"][:count], list(seeds))
        if raising and bad.any():
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        features, counts, first_bad, fields = whole(simulations, arguments, count, every, **static)
        first_bad = np.array(first_bad)
        first_bad[:count][bad] = 3 * 5 + 1
        return features, counts, first_bad, fields

    monkeypatch.setattr(kernel, "run_rows", rows)


@pytest.mark.parametrize(
    ("raising", "reason"),
    [
        (False, "field 'activator' holds a NaN or an infinity after step 5"),
        (True, "RESOURCE_EXHAUSTED: out of memory"),
    ],
)
def test_a_failed_simulation_is_logged_counted_and_skipped(
    small: DatasetSummary,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    raising: bool,
    reason: str,
) -> None:
    _spoiled(monkeypatch, {7 + 4, 7 + 11}, raising=raising)
    with caplog.at_level(logging.ERROR, "mfnjax.dataset"):
        summary = generate_dataset(small_config(), workers=2)
    assert (summary.written, summary.failed) == (28, 2)
    assert [failure.sim_id for failure in summary.failures] == [4, 11]
    assert summary.failures[0].error == reason
    sampled = small.table.slice(4, 1).to_pylist()[0]
    for name, value in summary.failures[0].parameters.items():
        assert sampled[name] == value
    keep = pa.array([k not in (4, 11) for k in range(30)])
    assert values_of(summary.table).equals(values_of(small.table.filter(keep)))
    messages = sorted(record.getMessage() for record in caplog.records)
    assert len(messages) == 2
    assert messages[1].startswith(f"simulation 4 failed: {reason} (random_seed=11, grid_size=")
    assert f"alpha={sampled['alpha']!r}" in messages[1]


def test_every_simulation_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    _spoiled(monkeypatch, set(range(7, 11)), raising=True)
    summary = generate_dataset(small_config(num_samples=4), workers=1)
    assert (summary.written, summary.failed, summary.table.num_rows) == (0, 4, 0)


def test_a_mistake_in_the_program_is_not_a_failed_simulation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(kernel, "run_rows", broken)
    with pytest.raises(TypeError, match="a bug"):
        generate_dataset(small_config(num_samples=4), workers=2)


def test_runs_too_large_for_one_call_fail_one_by_one(
    small: DatasetSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = DocumentedTable.measured

    def measured(table: DocumentedTable, row: dict[str, Any]) -> Any:
        if row["random_seed"] == 8:
            raise NumericalInstabilityError("potential", 2)
        return whole(table, row)

    monkeypatch.setattr(engine, "CHUNK_CELL_STEPS", 1)
    monkeypatch.setattr(DocumentedTable, "measured", measured)
    summary = generate_dataset(small_config(num_samples=3), workers=1)
    assert [failure.sim_id for failure in summary.failures] == [1]
    assert summary.table["sim_id"].to_pylist() == [0, 2]
    row = summary.table["V_std"].to_pylist()[1]
    assert row == small.table["V_std"][2].as_py()
