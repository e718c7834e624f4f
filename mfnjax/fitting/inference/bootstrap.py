"""Parametric bootstrap: fit synthetic data of the fitted model, many times in one program.

Source: B. Efron, R. Tibshirani (1993), An Introduction to the Bootstrap, ch. 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_int, check_key, check_kind, check_real
from mfnjax.errors import FitError
from mfnjax.fitting.engines import VALUE_NAN, Lane
from mfnjax.fitting.fit import default_engine
from mfnjax.fitting.inference.uncertainty import noise_scale
from mfnjax.fitting.lanes import Problem, descend
from mfnjax.fitting.result import FitResult

BLOCK = 64
"""Repeats in one compiled call."""


@final
@dataclass(frozen=True)
class Bootstrap:
    """Fits of synthetic data.

    Attributes:
        samples: Parameter → its fitted values (repeats,), those that failed left out.
        failed: How many repeats met a NaN.
    """

    samples: dict[str, np.ndarray]
    failed: int

    def intervals(self, level: float = 0.9) -> dict[str, tuple[float, float]]:
        """Percentile intervals: parameter → (low, high)."""
        check_real("level", level, 0.0, 1.0, open_low=True, open_high=True)
        ends = (0.5 - level / 2, 0.5 + level / 2)
        pairs = {name: np.quantile(s, ends).tolist() for name, s in self.samples.items()}
        return {name: (low, high) for name, (low, high) in pairs.items()}

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard deviation of every parameter over the repeats."""
        return {name: float(np.std(s, ddof=1)) for name, s in self.samples.items()}


def bootstrap(
    result: FitResult,
    *,
    repeats: int = 200,
    scale: float | None = None,
    max_steps: int = 100,
    progress: Callable[[int, int], None] | None = None,
    key: jax.Array,
) -> Bootstrap:
    """Draw synthetic data from the fitted model, with its noise, and fit each anew.

    A noisy start is drawn anew as well.

    Args:
        result: The fit; its objectives must know their noise (`pointwise`).
        repeats: How many, ≥ 2.
        scale: Factor s² on the variance of the noise, as for `covariance`.
        max_steps: Iterations of a repeat, at most.
        progress: Called with (repeats done, repeats in all).
        key: Key of the noise.

    Returns:
        A `Bootstrap`.

    Raises:
        ParameterError: An objective has no model of its noise.
        FitError: Every repeat met a NaN.
    """
    check_kind("result", result, FitResult)
    key = check_key(key)
    check_int("repeats", repeats, 2, 10**7)
    factor, _ = noise_scale(result, scale)
    layout = result.layout
    keys = jax.random.split(key, repeats)
    spread = jnp.asarray(np.sqrt(factor), layout.dtype)
    rows: list[np.ndarray] = []
    failed = 0
    for first in range(0, repeats, BLOCK):
        # Every block has one size, so that there is one program; what is over is dropped.
        chosen = np.minimum(np.arange(first, first + min(BLOCK, repeats)), repeats - 1)
        lanes, _ = fit_synthetic(result, spread, max_steps, keys=keys[chosen])
        wanted = np.arange(len(chosen)) < repeats - first
        good = np.asarray(lanes.code) < VALUE_NAN
        failed += int(np.sum(wanted & ~good))
        rows.append(np.asarray(lanes.best)[wanted & good])
        if progress is not None:
            progress(min(first + len(chosen), repeats), repeats)
    ends = np.concatenate(rows)
    if not len(ends):
        raise FitError(f"not one of {repeats} repeats of the bootstrap led to a finite loss")
    samples = {
        entry.name: np.asarray(entry.transform.forward(jnp.asarray(ends[:, k])), float)
        for k, entry in enumerate(layout.entries)
    }
    return Bootstrap(samples, failed)


def fit_synthetic(
    result: FitResult, spread: Any, max_steps: int, *, keys: jax.Array
) -> tuple[Lane, Any]:
    """Fit one set of synthetic data a key, all as one program; returns the data sets, too."""
    models, unknowns = result.fitted_models, result.unknowns

    def draw(key: jax.Array) -> Any:
        return {
            label: objective.redraw(
                models[label], unknowns[label], scale=spread, key=jax.random.fold_in(key, index)
            )
            for index, (label, objective) in enumerate(result.objectives.items())
        }

    drawn = jax.vmap(draw)(keys)
    starts = result.layout.start(models, result.objectives)
    # At a bound that was rounded to, the way back from the value to y would be infinite.
    count = result.layout.num_parameters
    starts[:count] = result.free[:count]
    lanes, _ = descend(
        np.tile(starts, (len(keys), 1)),
        Problem(result.models, drawn),
        layout=result.layout,
        engine=default_engine(result.objectives, result.layout),
        max_steps=max_steps,
        batched=True,
    )
    return lanes, drawn
