"""Residuals that are correlated along x, as an autoregressive process of first order: ρ^|Δx|."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import jax
import numpy as np
from scipy.optimize import brentq

from mfnjax.errors import ParameterError
from mfnjax.fitting.objectives.pointwise import Pointwise
from mfnjax.fitting.result import FitResult


@final
@dataclass(frozen=True)
class Frames:
    """Rows of residuals along x, of one measured field or of a start.

    Attributes:
        first: Place of the first among all residuals.
        mask: Which count, (…, W).
        columns: Where they lie along x, (W,), in cells of the data.
        residuals: The residuals (…, W); None for a start, whose z are drawn to 0 where the other
            data say little, so that ρ is not estimated from them.
    """

    first: int
    mask: np.ndarray
    columns: np.ndarray
    residuals: np.ndarray | None


def correlated_along_x(result: FitResult, jacobian: np.ndarray) -> tuple[float, np.ndarray]:
    """ρ at the smallest distance of two columns, and RJ with R the correlation of the residuals.

    Raises:
        ParameterError: An objective that is not pointwise.
    """
    frames = _frames(result)
    gaps = [np.diff(np.sort(each.columns)) for each in frames if each.columns.size > 1]
    unit = min((float(gap.min()) for gap in gaps), default=1.0)
    rho = neighbour_correlation(frames, unit)
    out = jacobian.copy()
    for each in frames:
        distance = np.abs(np.subtract.outer(each.columns, each.columns)) / unit
        part = slice(each.first, each.first + each.mask.size)
        rows = jacobian[part].reshape(-1, each.columns.size, jacobian.shape[1])
        mixed = np.einsum("xy,nyp->nxp", rho**distance, rows)
        mixed *= each.mask.reshape(-1, each.columns.size)[:, :, None]
        out[part] = mixed.reshape(each.mask.size, -1)
    return rho, out


def neighbour_correlation(frames: list[Frames], unit: float) -> float:
    """ρ ≥ 0 at the distance ``unit``, from neighbouring residuals pooled over all frames.

    The correlation of neighbours is their mean ρ^distance: at even spacing ρ itself.
    """
    products, squares, distances = [], [], []
    for each in frames:
        if each.residuals is None:
            continue
        order = np.argsort(each.columns)
        mask, residuals = each.mask[..., order], each.residuals[..., order]
        both = mask[..., 1:] & mask[..., :-1]
        gaps = np.broadcast_to(np.diff(each.columns[order]) / unit, both.shape)[both]
        left, right = residuals[..., :-1][both], residuals[..., 1:][both]
        products.append(left * right)
        squares.append(np.stack([left**2, right**2]))
        distances.append(gaps)
    if not products:
        return 0.0
    first, second = np.concatenate(squares, axis=1).sum(axis=1)
    if first * second <= 0:
        return 0.0
    found = min(float(np.concatenate(products).sum() / np.sqrt(first * second)), 1.0)
    if found <= 0:
        return 0.0
    steps, counts = np.unique(np.concatenate(distances), return_counts=True)
    weights = counts / counts.sum()
    return float(brentq(lambda rho: float(weights @ rho**steps) - found, 0.0, 1.0))


def _frames(result: FitResult) -> list[Frames]:
    """Every measured field and every noisy start, in the order of the residuals."""
    models, unknowns = result.fitted_models, result.unknowns
    found: list[Frames] = []
    at = 0
    # A compiled function, such as the Jacobian's, is handed every dict in the order of its names.
    for label, objective in jax.tree.map(lambda leaf: leaf, result.objectives).items():
        if not isinstance(objective, Pointwise):
            raise ParameterError("along_x needs pointwise objectives")
        fields = objective.residual_fields(models[label], unknowns[label])
        chosen = objective.columns
        for name, values in fields.items():
            residuals = np.asarray(values, float)
            columns = np.arange(residuals.shape[-1]) if chosen is None else np.asarray(chosen)
            mask = np.asarray(objective.mask[name])
            found.append(Frames(at, mask, columns.astype(float), residuals))
            at += mask.size
        for sigma in objective.start_sigma.values():
            mask = np.ones(np.shape(sigma), bool)
            found.append(Frames(at, mask, np.arange(mask.shape[-1], dtype=float), None))
            at += mask.size
    return found
