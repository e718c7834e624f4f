"""An independent oracle of the 18 features: float64 NumPy and SciPy, written from the definitions.

It takes the values of the given array as they are (a float32 history is measured exactly as
stored) and shares no code with the package.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import connected_components as graph_components

NAMES = [
    *("D_box", "D_r2", "V_min", "V_max", "V_mean", "V_std", "V_skew", "V_kurt"),
    *("dV_mean", "dV_max", "T_stable", "E_trend", "f_active"),
    *("N_clusters_low", "N_clusters_med", "N_clusters_high"),
    *("max_cluster_size", "cluster_size_std"),
]
COUNTS = {"N_clusters_low", "N_clusters_med", "N_clusters_high", "max_cluster_size"}
SCALES = {
    **dict.fromkeys(("V_min", "V_max", "V_mean", "V_std", "dV_mean", "dV_max"), 1e-3),
    **dict.fromkeys(("D_box", "D_r2", "V_skew", "V_kurt", "f_active", "cluster_size_std"), 1.0),
}


def sizes_of(n, config):
    m, k = config.min_box_size, config.num_scales
    top = config.max_box_size or max(m, min(m * 2 ** (k - 1), n // 2))
    found = []
    for j in range(k):
        size = int(np.floor(m * (top / m) ** (j / (k - 1)) + 1e-9))
        if size not in found:
            found.append(size)
    return found


def count_boxes(mask, size):
    height, width = mask.shape
    if size > min(height, width):
        return 0
    return sum(
        mask[row : row + size, column : column + size].any()
        for row in range(0, height - size + 1, size)
        for column in range(0, width - size + 1, size)
    )


def box_dimension(mask, sizes):
    pairs = [(size, count_boxes(mask, size)) for size in sizes]
    pairs = [(size, count) for size, count in pairs if count]
    if len(pairs) < 2:
        return 0.0, 0.0
    x = np.log([1 / size for size, _ in pairs])
    y = np.log([count for _, count in pairs])
    slope, intercept = np.polyfit(x, y, 1)
    total = np.sum((y - y.mean()) ** 2)
    if len({count for _, count in pairs}) == 1:
        return 0.0, 0.0
    residual = np.sum((y - slope * x - intercept) ** 2)
    return slope, float(np.clip(1 - residual / total, 0, 1))


def component_sizes(mask, connectivity=4, periodic=False):
    structure = np.ones((3, 3)) if connectivity == 8 else None
    labels, count = ndimage.label(mask, structure=structure)
    if not count:
        return np.zeros(0, int)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    if not periodic:
        return sizes
    # Wrap-around by brute force: every set cell of an edge against its wrapped neighbours.
    height, width = mask.shape
    steps = [(0, 1), (1, 0)] + ([(1, 1), (1, -1)] if connectivity == 8 else [])
    joined = np.zeros((count, count), bool)
    for row, column in zip(*np.nonzero(mask), strict=True):
        for down, right in steps:
            other = labels[(row + down) % height, (column + right) % width]
            if other:
                joined[labels[row, column] - 1, other - 1] = True
    merged = graph_components(joined, directed=False)[1]
    return np.bincount(merged, weights=sizes).astype(int)


def stable_steps(stds, total, config):
    """Every value that T_stable may take: stds within 1e-6 mV of the threshold go both ways."""
    if total < 2:
        return {None}
    threshold, window = config.stability_threshold_mv, config.stability_window
    near = np.flatnonzero(np.abs(stds - threshold) <= 1e-6)
    assert len(near) <= 10
    values = set()
    for choice in itertools.product((False, True), repeat=len(near)):
        calm = stds < threshold
        calm[near] = choice
        runs = (t for t in range(window - 1, len(calm)) if calm[t - window + 1 : t + 1].all())
        first = next(runs, None)
        values.add(total if first is None else first - window + 2)
    return values


def features(array, config):
    """(name → value, energy scale of E_trend); T_stable is the set of accepted values."""
    dtype = array.dtype
    history = array.reshape(-1, *array.shape[-2:]).astype(np.float64)
    final, total = history[-1], len(history)
    levels = [config.threshold_low_mv, config.threshold_med_mv, config.threshold_high_mv]
    masks = [array.reshape(-1, *array.shape[-2:])[-1] > dtype.type(mv / 1000) for mv in levels]
    out = {}
    out["D_box"], out["D_r2"] = box_dimension(masks[0], sizes_of(min(final.shape), config))
    mv = (final - final[0, 0]) * 1000
    mean, std = mv.mean(), mv.std()
    out |= {"V_min": final.min() * 1e3, "V_max": final.max() * 1e3}
    out |= {"V_mean": final[0, 0] * 1e3 + mean, "V_std": std}
    constant = std <= 1e-10
    out["V_skew"] = 0.0 if constant else np.mean((mv - mean) ** 3) / std**3
    out["V_kurt"] = 0.0 if constant else np.mean((mv - mean) ** 4) / std**4 - 3
    energy = np.sum((history * 1e3) ** 2, axis=(1, 2))
    change = np.abs(np.diff(history, axis=0)) * 1e3
    out["dV_mean"] = change.mean() if total > 1 else np.nan
    out["dV_max"] = change.max() if total > 1 else np.nan
    out["T_stable"] = stable_steps(change.std(axis=(1, 2)), total, config)
    out["E_trend"] = np.polyfit(np.arange(total), energy - energy[0], 1)[0] if total > 1 else np.nan
    out["f_active"] = masks[0].mean()
    kinds = {"connectivity": config.connectivity, "periodic": config.periodic}
    for name, mask in zip(("low", "med", "high"), masks, strict=True):
        out[f"N_clusters_{name}"] = len(component_sizes(mask, **kinds))
    sizes = component_sizes(masks[0], **kinds)
    out["max_cluster_size"] = int(sizes.max(initial=0))
    out["cluster_size_std"] = float(sizes.std()) if len(sizes) > 1 else 0.0
    return {name: out[name] for name in NAMES}, energy.max() / total


def assert_features(values, array, config):
    """Hold 18 values to the oracle at the documented precision."""
    expected, energy_scale = features(array, config)
    for name, value in zip(NAMES, np.asarray(values, np.float64), strict=True):
        reference = expected[name]
        if name in ("dV_mean", "dV_max", "T_stable", "E_trend") and array.ndim == 2:
            assert np.isnan(value), (name, value)
        elif name == "T_stable":
            assert value in reference, (name, value, reference)
        elif name in COUNTS:
            assert value == reference, (name, value, reference)
        else:
            scale = energy_scale if name == "E_trend" else SCALES[name]
            allowed = 1e-5 * max(abs(reference), scale)
            assert abs(value - reference) <= allowed, (name, value, reference, allowed)
