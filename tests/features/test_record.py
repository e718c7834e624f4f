"""The record of 18 features: names, plain numbers, JSON, pytree."""

from __future__ import annotations

import copy
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax.errors import ParameterError
from mfnjax.features import COUNT_FEATURES, FEATURE_NAMES, FEATURE_UNITS, FeatureVector

VALUES = np.arange(1, 19, dtype=np.float32) + np.float32(0.5)


def record(**changes):
    values = VALUES.copy()
    for name in COUNT_FEATURES:
        values[FEATURE_NAMES.index(name)] -= 0.5
    for name, value in changes.items():
        values[FEATURE_NAMES.index(name)] = value
    return FeatureVector(jnp.asarray(values))


def test_order_and_units_are_the_documented_ones():
    expected = (
        "D_box D_r2 V_min V_max V_mean V_std V_skew V_kurt dV_mean dV_max T_stable E_trend "
        "f_active N_clusters_low N_clusters_med N_clusters_high max_cluster_size cluster_size_std"
    )
    assert " ".join(FEATURE_NAMES) == expected
    assert FEATURE_UNITS["E_trend"] == "mV²/step"
    assert FEATURE_UNITS["D_box"] == ""


def test_names_give_plain_numbers():
    features = record()
    assert type(features["V_mean"]) is float
    assert features.V_mean == features["V_mean"] == 5.5
    assert {name for name, value in features.items() if type(value) is int} == COUNT_FEATURES
    assert features.max_cluster_size == 17
    assert dict(features) == features.to_dict()
    assert list(features) == list(features.to_dict()) == list(FEATURE_NAMES)
    assert len(features) == 18
    assert "D_box" in features
    assert "D_boxes" not in features
    np.testing.assert_array_equal(features.to_array(), features.values)
    assert set(FEATURE_NAMES) <= set(dir(features))


def test_unknown_names():
    with pytest.raises(ParameterError, match=r"no feature 'V_median'.*D_box, D_r2"):
        record()["V_median"]
    with pytest.raises(AttributeError, match="V_median"):
        _ = record().V_median


def test_json_has_null_where_a_value_is_not_finite():
    features = record(V_mean=np.nan, N_clusters_med=np.nan, V_std=np.inf)
    assert np.isnan(features.to_dict()["N_clusters_med"])
    back = json.loads(json.dumps(features.to_json_dict(), allow_nan=False))
    assert [name for name, value in back.items() if value is None] == [
        "V_mean",
        "V_std",
        "N_clusters_med",
    ]


def test_it_is_a_pytree_and_travels():
    features = record()
    doubled = jax.jit(lambda f: jax.tree.map(lambda x: 2 * x, f))(features)
    assert doubled.V_max == 2 * features.V_max
    for twin in (copy.deepcopy(features), pickle.loads(pickle.dumps(features))):
        np.testing.assert_array_equal(twin.to_array(), features.to_array())


def test_batches_and_tracers_give_arrays():
    batch = FeatureVector(jnp.stack([record().values, 2 * record().values]))
    np.testing.assert_array_equal(batch.V_max, [4.5, 9.0])
    assert "array of shape (2, 18), float32" in repr(batch)
    assert jax.grad(lambda v: FeatureVector(v).V_max)(jnp.asarray(VALUES)).argmax() == 3
    seen = []
    jax.jit(lambda v: seen.append(repr(FeatureVector(v))) or v)(VALUES)
    assert "FeatureVector(" in seen[0]


def test_repr_shows_values_with_units():
    text = repr(record())
    assert "V_mean           = 5.5 mV\n" in text
    assert "max_cluster_size = 17 cells\n" in text
    assert "D_box            = 1.5\n" in text
