"""What is not known is NaN, and null in JSON and tables; what is counted is counted exactly."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from mfnjax import DatasetConfig
from mfnjax.dataset import generate_dataset, inspect_dataset, load_dataset
from mfnjax.features import (
    FEATURE_NAMES,
    TEMPORAL_FEATURES,
    compute_features,
    feature_vector,
    soft_features,
)

FIELD = np.random.default_rng(0).normal(-0.06, 0.01, (12, 9))


def test_one_field_has_no_features_over_time() -> None:
    features = compute_features(FIELD)
    values = json.loads(json.dumps(features.to_json_dict(), allow_nan=False))
    missing = [name for name, value in values.items() if value is None]
    assert missing == list(TEMPORAL_FEATURES)
    assert np.isnan(features.T_stable)
    assert f"{'T_stable':<16} = –\n" in repr(features)
    assert np.isnan(soft_features(FIELD, 1.0)["dV_mean"])
    padded = np.zeros((4, *FIELD.shape))
    padded[0] = FIELD
    np.testing.assert_array_equal(feature_vector(padded, 1), features.to_array())
    assert np.isfinite(compute_features(np.stack([FIELD, FIELD])).to_array()).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_nan_anywhere_leaves_no_feature(bad: float, dtype: str) -> None:
    field = FIELD.astype(dtype)
    field[3, 4] = bad
    assert np.isnan(feature_vector(field)).all()
    for place in range(3):
        history = np.stack([FIELD, FIELD * 0.99, FIELD]).astype(dtype)
        history[place, 3, 4] = bad
        assert np.isnan(feature_vector(history)).all()
    history = np.stack([FIELD, FIELD * 0.99, field]).astype(dtype)
    assert np.isfinite(feature_vector(history, 2)).all()


def test_a_nan_in_a_cell_that_takes_no_part_is_no_datum() -> None:
    mask = np.ones(FIELD.shape)
    mask[3, 4] = 0.0
    field = np.where(mask > 0, FIELD, np.nan)
    found = dict(zip(FEATURE_NAMES, np.asarray(feature_vector(field, mask=mask)), strict=True))
    assert [name for name in found if np.isnan(found[name])] == list(TEMPORAL_FEATURES)
    assert np.isfinite(feature_vector(np.stack([field, field]), mask=mask)).all()


@pytest.mark.slow
def test_clusters_beyond_the_whole_numbers_of_float32() -> None:
    image = np.ones((4097, 4097), bool)
    image[0, :] = image[:, 0] = False
    image[2000, 0] = True
    assert image.sum() == 2**24 + 1
    assert compute_features(image).max_cluster_size == 2**24 + 1
    assert compute_features(np.where(image, -0.05, -0.07).astype("float32")).max_cluster_size == (
        2**24 + 1
    )


def test_a_table_is_empty_where_a_run_has_one_frame(tmp_path) -> None:
    path = str(tmp_path / "rows.parquet")
    config = DatasetConfig(num_samples=6, grid_sizes=(8,), steps_range=(1, 2), output_path=path)
    summary = generate_dataset(config)
    assert summary.failed == 0
    rows = pq.read_table(path).to_pylist()
    assert {row["steps"] for row in rows} == {1, 2}
    for row in rows:
        missing = {name for name in FEATURE_NAMES if row[name] is None}
        assert missing == (set(TEMPORAL_FEATURES) if row["steps"] == 1 else set())
    info = inspect_dataset(path)
    assert info.problems == ()
    assert next(c.low for c in info.columns if c.name == "T_stable") == 2
    targets = load_dataset(path, "arrays", targets=["T_stable"]).train.targets
    assert set(np.unique(targets[np.isfinite(targets)])) <= {2.0}
    longer = dataclasses.replace(config, steps_range=(2, 3), output_path=path)
    generate_dataset(longer, overwrite=True)
    assert not pq.read_schema(path).field("T_stable").nullable
    assert inspect_dataset(path).problems == ()
