"""The reader of outlines, an experiment: it can still be run."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.grown_patterns import squares, start_inside
from experiments.outlines.fit import fit_outlines
from mfnjax import GrayScottModel, Grid, simulate


@pytest.mark.thorough
def test_a_labyrinth_is_read_and_stripes_are_refused() -> None:
    rng, model, grid = np.random.default_rng(3), GrayScottModel(0.0385, 0.061), Grid((128, 128))
    start = start_inside(squares(grid.shape, 30, 8, rng), rng)
    v = np.asarray(simulate(model, start, grid=grid, steps=21_500, stepper="euler").state["v"])
    found = fit_outlines(v > v.min() + 0.5 * np.ptp(v))
    assert found.verdict == "approximate"
    for name in ("feed", "kill"):
        low, high = found.intervals[name]
        assert low < getattr(model, name) < high
    stripes = np.broadcast_to(np.arange(128) // 8 % 2 == 0, grid.shape)
    assert fit_outlines(stripes).verdict == "unlike a pattern of the model"
