"""The waves that fit a grid, against the eigenvalues of the whole linearised grid."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfnjax import PDE, FisherKPPModel, Grid
from mfnjax.core.sides import Dirichlet, Robin
from mfnjax.models import SchnakenbergModel, SwiftHohenbergModel
from mfnjax.stability import Verdict, analyse
from mfnjax.stability.modes import Modes
from mfnjax.stability.whole import rates_on

KLAUSMEIER = PDE(
    "w_t = a - w - w*n^2 + nu*dx(w)\nn_t = w*n^2 - m*n + lap(n)", a=2.0, nu=182.5, m=0.45
)


def oracle(model, grid: Grid, state: np.ndarray) -> float:
    """The largest growth rate of the Jacobian of all cells."""
    with jax.enable_x64(True):
        start = np.broadcast_to(
            np.reshape(state, (-1, *[1] * len(grid.shape))), (len(state), *grid.shape)
        ).copy()
        slope = jax.jacfwd(lambda u: rates_on(model, u, grid, kind=type(model)))(start)
    matrix = np.asarray(slope).reshape(start.size, start.size)
    return float(np.linalg.eigvals(matrix).real.max())


QUICK = [
    (SchnakenbergModel(0.1, 0.9, 1.0, 17.0), Grid((6, 6))),
    (SchnakenbergModel(0.1, 0.9, 1.0, 17.0), Grid((5, 8), (1.5, 1.0), boundary="neumann")),
    (KLAUSMEIER, Grid((6, 8), 3.0)),
    (PDE("u_t = lap(u) + 0.5*u - u^3"), Grid((6, 7), boundary=Dirichlet(0.0))),
]
SLOW = [
    (SchnakenbergModel(0.1, 0.9, 1.0, 17.0), Grid((8, 8))),
    (SchnakenbergModel(0.1, 0.9, 1.0, 12.0), Grid((1, 13), boundary="neumann")),
    (SwiftHohenbergModel(0.2), Grid((8, 5), 0.7)),
    (SwiftHohenbergModel(0.2), Grid(7, 1.1, boundary="neumann")),
    (PDE("u_t = -dx(u) - 2*dy(u) - lap(u) - lap(lap(u)) - u*0.1"), Grid((5, 7), 1.3)),
    (PDE("u_t = lap(u) + 0.5*u - u^3"), Grid((6, 3), boundary=Dirichlet(0.0))),
    (PDE("u_t = lap(u) + 0.1*u"), Grid(6, boundary=Dirichlet(0.0))),
]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("model", "grid"), [*QUICK, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)]
)
def test_the_fastest_mode_is_that_of_the_whole_grid(model, grid: Grid) -> None:
    analysis = analyse(model, grid=grid)
    assert analysis.reports
    for report in analysis.reports:
        expected = oracle(model, grid, report.state)
        assert report.fastest.growth == pytest.approx(expected, rel=1e-7, abs=1e-9)
        if report.forms_pattern:
            assert expected > 0


def test_no_wavelength_is_promised_where_every_mode_decays() -> None:
    model = SchnakenbergModel(0.1, 0.9, 1.0, 17.0)
    analysis = analyse(model, grid=Grid((6, 6)))
    assert analyse(model).wavelength == pytest.approx(12.48, abs=0.01)
    assert analysis.verdict is Verdict.STABLE
    assert analysis.wavelength is None
    along = analyse(model, grid=Grid((6, 6)), direction=(1, 0))
    assert along.verdict is Verdict.TURING


def test_waves_along_the_diagonal_count() -> None:
    """Along an axis of eight cells nothing grows, along its diagonal a wave does."""
    model = SwiftHohenbergModel(0.1, 1.0)
    grid = Grid((8, 8))
    line = analyse(model, grid=Grid(8))
    assert line.verdict is Verdict.STABLE
    analysis = analyse(model, grid=grid)
    assert analysis.verdict is Verdict.TURING
    assert analysis.wavelength == pytest.approx(8 / np.sqrt(2))


def test_a_state_that_the_sides_do_not_keep_is_left_out() -> None:
    analysis = analyse(FisherKPPModel(), grid=Grid((8, 8), boundary=Dirichlet(1.0)))
    assert [report.state.tolist() for report in analysis.reports] == [[1.0]]
    assert "a state was left out that the sides of the grid do not keep" in analysis.remarks


def test_sides_without_modes_are_said_to_have_none() -> None:
    analysis = analyse(PDE("u_t = lap(u) - u"), grid=Grid(8, boundary=Robin(1.0, 0.0)))
    assert any("modes of such sides are not known" in one for one in analysis.remarks)
    masked = Grid((8, 8), mask=np.arange(64).reshape(8, 8) > 3)
    analysis = analyse(SchnakenbergModel(), grid=masked)
    assert any("modes of such sides are not known" in one for one in analysis.remarks)


def test_of_a_large_grid_no_mode_is_passed_over() -> None:
    tables = [np.arange(700.0), np.arange(701.0)]
    peak = np.array([333.0, 501.0])
    modes = Modes(tables)
    assert len(modes.vectors()) <= 2**17
    found = modes.fastest(lambda k: -np.square(k - peak).sum(1))
    assert found.tolist() == peak.tolist()
