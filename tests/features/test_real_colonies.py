"""Photographs of real yeast colonies: areas, components and box counts, to the last cell."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from PIL import Image

from mfnjax.features import cluster_statistics_host, compute_features
from mfnjax.features.config import FeatureConfig
from mfnjax.fractal import box_counting_dimension

SIZES = tuple(2**k for k in range(12))
NAMES = (
    *("awri796_500um_s2", "awri796_500um_s3", "awri796_50um_s1"),
    *("awri796_50um_s2", "simi_white_50um_s1", "simi_white_50um_s2"),
)


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_exact_and_quick(shared_data, name):
    folder = shared_data / "yeast_colonies"
    reference = json.loads((folder / "reference.json").read_text())[name]
    colony = np.asarray(Image.open(folder / f"{name}.tif")) == 0
    assert list(colony.shape) == reference["shape"]
    padded = np.zeros((2048, 2048), bool)
    padded[: colony.shape[0], : colony.shape[1]] = colony
    box_counting_dimension(padded, sizes=SIZES).counts.block_until_ready()  # compile
    start = time.perf_counter()
    result = box_counting_dimension(padded, sizes=SIZES)
    counts = dict(zip(map(str, SIZES), result.counts.tolist(), strict=True))
    four = cluster_statistics_host(padded)
    eight = cluster_statistics_host(padded, connectivity=8)
    elapsed = time.perf_counter() - start
    assert counts == reference["boxcount"]
    assert int(padded.sum()) == reference["area"]
    assert (four.count, eight.count) == (reference["n4"], reference["n8"])
    assert elapsed < 2.0
    # The published fit, on the same counts: boxes 4 … 256.
    fitted = np.polyfit(-np.log(SIZES[2:9]), np.log([counts[str(s)] for s in SIZES[2:9]]), 1)[0]
    assert round(fitted, 4) == pytest.approx(reference["D_mass_4_256"], abs=1e-4)
    found = box_counting_dimension(padded, sizes=SIZES[2:9]).dimension
    np.testing.assert_allclose(found, fitted, rtol=1e-10)


def test_features_of_a_photograph(shared_data):
    folder = shared_data / "yeast_colonies"
    reference = json.loads((folder / "reference.json").read_text())[NAMES[2]]
    colony = np.asarray(Image.open(folder / f"{NAMES[2]}.tif")) == 0
    config = FeatureConfig(connectivity=8)
    compute_features(colony, config)
    start = time.perf_counter()
    features = compute_features(colony, config)
    assert time.perf_counter() - start < 2.0
    assert features.N_clusters_low == 1
    assert features.max_cluster_size == reference["area"]
    assert features.f_active == reference["area"] / colony.size
