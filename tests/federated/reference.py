"""The rules written down plainly in float64 NumPy, from the papers: what the code must equal."""

from __future__ import annotations

import numpy as np


def squared_distances(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    return np.array([[np.sum((a - b) ** 2) for b in x] for a in x])


def krum_scores(x: np.ndarray, f: int) -> np.ndarray:
    n = len(x)
    distances = squared_distances(x)
    number = max(n - f - 2, 1)
    return np.array([np.sort(np.delete(distances[j], j))[:number].sum() for j in range(n)])


def bulyan_selection(x: np.ndarray, f: int) -> list[int]:
    remaining = list(range(len(x)))
    chosen = []
    while len(chosen) < len(x) - 2 * f:
        scores = krum_scores(np.asarray(x)[remaining], f) if len(remaining) > 1 else [0.0]
        chosen.append(remaining.pop(int(np.argmin(scores))))
    return chosen


def bulyan(x: np.ndarray, f: int) -> np.ndarray:
    picked = np.asarray(x, np.float64)[bulyan_selection(x, f)]
    number = len(picked) - 2 * f
    median = np.median(picked, axis=0)
    order = np.argsort(np.abs(picked - median), axis=0, kind="stable")[:number]
    return np.take_along_axis(picked, order, axis=0).mean(axis=0)


def trimmed_mean(x: np.ndarray, f: int) -> np.ndarray:
    ordered = np.sort(np.asarray(x, np.float64), axis=0)
    return ordered[f : len(x) - f].mean(axis=0)
