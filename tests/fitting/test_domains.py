"""Fits on lines, in space and on grids with a mask: what takes no part does not count."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import PDE, Dirichlet, Grid, ParameterError, simulate
from mfnjax.features import soft_features
from mfnjax.fitting import pointwise, snapshot_statistic, soft_feature_targets

MODEL = PDE("u_t = D*lap(u) + u*(1 - u)", D=0.1)
SHAPES = [(12,), (1, 12), (4, 6), (3, 4, 5)]


def start_on(shape: tuple[int, ...]) -> np.ndarray:
    return np.linspace(0.1, 0.6, int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_fits_itself_in_any_number_of_dimensions(shape: tuple[int, ...]) -> None:
    grid, start = Grid(shape, boundary="neumann"), {"u": start_on(shape)}
    seen = [simulate(MODEL, start, grid=grid, steps=n, dt=0.1).state["u"] for n in (2, 4)]
    objective = pointwise({"u": np.stack(seen)}, start=start, grid=grid, steps=[2, 4], dt=0.1)
    assert float(objective(MODEL)) < 1e-20
    other = PDE("u_t = D*lap(u) + u*(1 - u)", D=0.2)
    residual = simulate(other, start, grid=grid, steps=2, dt=0.1).state["u"] - seen[0]
    first = objective.residual_fields(other, {})["u"][0]
    np.testing.assert_allclose(first, residual, rtol=1e-9, atol=1e-15)


def test_a_coarse_line_and_solid_are_means_over_their_cells() -> None:
    for shape in ((12,), (4, 6, 8)):
        grid = Grid(shape, boundary="neumann")
        coarse = start_on(tuple(n // 2 for n in shape))
        objective = pointwise(
            {"u": np.zeros((1, *coarse.shape))}, start={"u": coarse}, grid=grid, steps=[1],
            dt=1e-9, coarsen=2,
        )  # fmt: skip
        np.testing.assert_allclose(objective.predict(MODEL, {})["u"][0], coarse, rtol=1e-6)


def test_a_cell_counts_by_the_part_of_it_that_takes_part() -> None:
    grid = Grid.disc(8)
    mask = np.asarray(grid.mask)
    start = {"u": start_on((8, 8))}
    data = np.where(mask > 0, 0.3, 99.0)[None]  # what lies outside is not looked at
    objective = pointwise({"u": data}, start=start, grid=grid, steps=[1], dt=0.1, sigma=0.1)
    assert objective.num_residuals == int((mask > 0).sum()) < 64
    end = np.asarray(simulate(MODEL, start, grid=grid, steps=1, dt=0.1).state["u"])
    expected = 0.5 * float((mask * ((end - 0.3) / 0.1) ** 2).sum())
    assert float(objective(MODEL)) == pytest.approx(expected, rel=1e-9)


def test_soft_features_of_a_fit_are_of_the_cells_that_take_part() -> None:
    grid, start = Grid.disc(8), {"u": start_on((8, 8))}
    objective = soft_feature_targets(
        {"V_std": 1.0}, start=start, grid=grid, steps=1, dt=0.1, observed="u", scale=1e-3
    )
    end = simulate(MODEL, start, grid=grid, steps=1, dt=0.1).state["u"][None] * 1e-3
    own = objective.predict(MODEL)["V_std"]
    assert float(own) == pytest.approx(float(soft_features(end, 2.0, mask=grid.mask)["V_std"]))
    assert abs(float(own) - float(soft_features(end, 2.0)["V_std"])) > 1e-3


def test_what_a_fit_cannot_do_on_a_domain_is_refused() -> None:
    disc, start = Grid.disc(8), {"u": start_on((8, 8))}
    data = {"u": np.zeros((1, 4, 4))}
    walls = Grid((8, 8), boundary={"x": Dirichlet(1.0), "y": "neumann"})
    for grid in (disc, walls):
        with pytest.raises(ParameterError, match="coarsen needs a grid without a mask"):
            pointwise(data, start={"u": np.ones((4, 4))}, grid=grid, steps=[1], coarsen=2)
    for grid in (disc, Grid((8, 8), (1.0, 2.0))):
        with pytest.raises(ParameterError, match="without a mask: take pointwise"):
            snapshot_statistic("length", jnp.eye(8), observed="u", start=start, grid=grid, steps=1)
