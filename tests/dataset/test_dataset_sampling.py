"""Row k is drawn from (base_seed, k) alone, and the draws have the distributions they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from mfnjax import DatasetConfig, ParameterError, make_dataset_config_demo
from mfnjax.dataset import sweep_config
from mfnjax.dataset.sampling import sample_rows, uniforms

DOCUMENTED = (
    *("sim_id", "random_seed", "grid_size", "steps"),
    *("alpha", "turing_enabled", "spike_probability", "turing_threshold"),
)


@given(seed=st.integers(0, 2**32 - 100_000), first=st.integers(0, 99_900), count=st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_a_row_does_not_know_which_rows_are_drawn_with_it(
    seed: int, first: int, count: int
) -> None:
    config = DatasetConfig(num_samples=100_000, base_seed=seed)
    together = sample_rows(config, first, first + count)
    alone = sample_rows(config, first + count - 1, first + count)
    assert set(together) == set(DOCUMENTED)
    for name, values in together.items():
        assert values[-1] == alone[name][0]
    shorter = DatasetConfig(num_samples=first + count, base_seed=seed)
    again = sample_rows(shorter, first, first + count)
    assert all(np.array_equal(together[name], again[name]) for name in together)


def test_the_stream_is_pinned() -> None:
    """A new release of NumPy that changed these numbers would change every dataset."""
    assert uniforms(42, 0, 3).tolist() == PINNED
    assert not np.array_equal(uniforms(42, 1, 3), uniforms(42, 0, 3))
    assert not np.array_equal(uniforms(43, 0, 3), uniforms(42, 0, 3))


PINNED = [0.8201981478608876, 0.18924562408645496, 0.8676608148821462]


def test_columns_have_their_distributions_and_are_independent() -> None:
    config = DatasetConfig(num_samples=5000)
    rows = sample_rows(config, 0, 5000)
    for name, (low, high) in {
        "alpha": config.alpha_range,
        "spike_probability": config.spike_prob_range,
        "turing_threshold": config.turing_threshold_range,
    }.items():
        assert rows[name].min() >= low
        assert rows[name].max() <= high
        assert stats.kstest(rows[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3
    assert rows["steps"].min() == 50
    assert rows["steps"].max() == 200
    assert stats.chisquare(np.bincount(rows["steps"] - 50)).pvalue > 1e-3
    assert stats.chisquare(np.unique(rows["grid_size"], return_counts=True)[1]).pvalue > 1e-3
    assert stats.chisquare(np.bincount(rows["turing_enabled"])).pvalue > 1e-3
    numbers = np.stack([rows[name].astype(float) for name in DOCUMENTED[2:]])
    correlations = np.corrcoef(numbers) - np.eye(len(numbers))
    assert np.abs(correlations).max() < 5 / np.sqrt(5000)


def test_identity_columns() -> None:
    rows = sample_rows(DatasetConfig(base_seed=42), 3, 6)
    assert rows["sim_id"].tolist() == [3, 4, 5]
    assert rows["random_seed"].tolist() == [45, 46, 47]
    assert rows["grid_size"].dtype == rows["steps"].dtype == np.int64


def test_a_range_of_one_value_gives_that_value() -> None:
    rows = sample_rows(sweep_config("minimal"), 0, 20)
    assert set(rows["alpha"]) == {0.15}
    assert set(rows["steps"]) == {50}
    assert set(rows["grid_size"]) == {32}
    assert rows["turing_enabled"].all()


def test_documented_sweeps() -> None:
    assert sweep_config() == DatasetConfig()
    extended = sweep_config("extended", num_samples=9, base_seed=1)
    assert (extended.grid_sizes, extended.steps_range) == ((32, 64, 128), (50, 300))
    assert (extended.alpha_range, extended.num_samples) == ((0.08, 0.22), 9)
    assert make_dataset_config_demo().num_samples == 5


def test_unknown_sweeps_and_fields_are_refused() -> None:
    with pytest.raises(ParameterError, match="sweep must be one of minimal, default, extended"):
        sweep_config("huge")
    with pytest.raises(ParameterError, match="no field 'alpha'"):
        sweep_config("default", alpha=0.1)
