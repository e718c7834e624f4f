"""A black-and-white picture of a pattern: what its outlines say of F and k, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import DataError, FitError, GrayScottModel, Grid, simulate
from mfnjax.fitting.snapshot import fit_snapshot, outline_fit
from mfnjax.fitting.snapshot.outline_hold import Outlines, hold
from mfnjax.fitting.snapshot.outline_statistics import BANDS, outline_statistics

GRID = Grid((128, 128))
GIVEN = {"d_u": 0.16, "d_v": 0.08}


@pytest.fixture(scope="module")
def grown():
    """(model, v at rest, v while it grows) of a labyrinth."""
    model, rng = GrayScottModel(0.0385, 0.061), np.random.default_rng(3)
    inside = np.zeros(GRID.shape, bool)
    for row, column in rng.integers(0, 120, (30, 2)):
        inside[row : row + 8, column : column + 8] = True
    start = tuple(
        jnp.asarray(np.where(inside, at, off), jnp.float32) for at, off in ((0.5, 1), (0.25, 0))
    )
    early = simulate(model, start, grid=GRID, steps=1_500, stepper="euler").state
    late = simulate(model, early, grid=GRID, steps=20_000, stepper="euler").state
    return model, np.asarray(late["v"]), np.asarray(early["v"])


def cut(v, level=0.5):
    return v > v.min() + level * np.ptp(v)


@pytest.mark.parametrize("level", [0.35, 0.6])
def test_intervals_hold_the_truth_whatever_the_level(grown, level):
    model, v, _ = grown
    found = fit_snapshot(cut(v, level), **GIVEN, key=jax.random.key(0))
    assert found.verdict == "approximate"
    assert found.pattern_class == "labyrinth"
    for name in ("feed", "kill"):
        low, high = found.intervals[name]
        assert low < getattr(model, name) < high
    # Outlines say no more than that: an interval narrower than 5 % would be a lie.
    assert found.intervals["feed"][1] / found.intervals["feed"][0] > 1.05
    assert any("approximate" in text for text in found.assumptions)
    # The pattern that is grown to be looked at is a mask with as much inside.
    assert np.mean(found.compared) == pytest.approx(cut(v, level).mean(), abs=0.01)


@pytest.mark.parametrize("off", [-0.12, 0.12])
@pytest.mark.parametrize("level", [0.35, 0.6])
def test_holding_finds_the_parameters_from_a_guess_that_is_off(grown, level, off):
    model, v, _ = grown
    truth = np.log([model.feed, model.kill])
    outlines = Outlines(cut(v, level), "periodic", 0.16, 0.08, 1.0)
    held = hold(outlines, truth + np.array([off, off / 5]))
    assert held is not None
    # The pattern still moves a little, so no more than this can be asked.
    np.testing.assert_array_less(np.abs(held.place - truth), [0.07, 0.015])
    assert held.push < 0.01
    assert held.deviations[0] < 0.06


def test_a_cut_out_is_held_as_well(grown):
    """Its edges are neither periodic nor without flux; a rim along them does not count."""
    model, v, _ = grown
    truth = np.log([model.feed, model.kill])
    held = hold(
        Outlines(cut(v)[:112, :104], "neumann", 0.16, 0.08, 1.0), truth + np.array([0.1, 0.018])
    )
    np.testing.assert_array_less(np.abs(held.place - truth), [0.09, 0.02])


def test_the_unit_of_length_may_change():
    """Three quarters of the length, 9/16 of the diffusivities: the same F and k."""
    model, grid = GrayScottModel(0.0385, 0.061, 0.09, 0.045), Grid((96, 96))
    seeds = np.kron(np.random.default_rng(1).random((16, 16)) < 0.3, np.ones((6, 6)))
    start = tuple(
        jnp.asarray(off + (at - off) * seeds, jnp.float32) for at, off in ((0.5, 1), (0.25, 0))
    )
    v = np.asarray(simulate(model, start, grid=grid, steps=20_000, stepper="euler").state["v"])
    truth = np.log([model.feed, model.kill])
    held = hold(Outlines(cut(v), "periodic", 0.09, 0.045, 0.75), truth + np.array([0.1, 0.018]))
    np.testing.assert_array_less(np.abs(held.place - truth), [0.07, 0.015])


def test_where_the_pattern_vanishes_nothing_is_held(grown, monkeypatch):
    """A v that is the same everywhere needs no pushing, which is no sign of the right F and k."""
    mask = cut(grown[1])
    assert hold(Outlines(mask, "periodic", 0.16, 0.08, 1.0), np.log([0.05, 0.05])) is None
    monkeypatch.setattr(outline_fit, "hold", lambda *_: None)
    found = fit_snapshot(mask, **GIVEN, key=jax.random.key(0))
    assert found.verdict == "unlike a pattern of the model"
    assert not found.parameters
    assert any("keeps no pattern" in text for text in found.assumptions)


def test_an_answer_that_grows_no_pattern_says_so(grown, monkeypatch, tmp_path):
    """What rounding leaves of a v that died is not shown as a pattern."""
    intervals = {"feed": (0.035, 0.042), "kill": (0.07, 0.08)}
    read = {"feed": 0.0385, "kill": 0.075}, intervals
    monkeypatch.setattr(outline_fit, "hold", lambda *_: ())
    monkeypatch.setattr(outline_fit, "read_place", lambda *_: read)
    found = fit_snapshot(cut(grown[1]), **GIVEN, key=jax.random.key(0))
    assert np.ptp(found.field) < 0.01
    assert not found.compared.any()
    assert any("the pattern vanished" in text for text in found.assumptions)
    figure = found.plot(tmp_path / "fit.png")
    assert figure.axes[1].get_title() == "grown anew: vanished"
    assert len(figure.axes[2].lines) == 1


def test_a_pattern_that_grows_is_refused(grown):
    found = fit_snapshot(cut(grown[2]), **GIVEN, key=jax.random.key(0))
    assert not found.stationary
    assert not found.parameters
    with pytest.raises(FitError, match="no fitted model"):
        _ = found.model


@pytest.mark.parametrize("picture", ["noise", "stripes", "disc", "elongated"])
def test_a_picture_of_something_else_is_refused(picture):
    x = np.arange(128)
    shown = {
        "noise": np.random.default_rng(0).random(GRID.shape) > 0.5,
        "stripes": np.broadcast_to(x // 8 % 2 == 0, GRID.shape),
        "disc": np.hypot(x[:, None] - 64, x[None] - 64) < 30,
        # Its longest waves are longer than its shorter side.
        "elongated": np.broadcast_to(np.arange(400) < 200, (96, 400)),
    }[picture]
    assert not fit_snapshot(shown, **GIVEN, key=jax.random.key(0)).stationary


@pytest.mark.parametrize(
    ("side", "given", "words"),
    [
        (128, {}, "d_u and d_v must be given"),
        (128, {"d_u": 0.16, "d_v": 0.04}, "d_v = d_u/2"),
        (128, {"d_u": 16.0, "d_v": 8.0}, "d_u from"),
        (64, GIVEN, "too little"),
    ],
)
def test_what_was_not_learned_is_refused(side, given, words):
    with pytest.raises(DataError, match=words):
        fit_snapshot(np.eye(side), **given, key=jax.random.key(0))


def test_statistics_do_not_change_with_the_place_nor_the_spectrum_with_the_resolution(grown):
    mask = cut(grown[1])
    there = np.roll(np.rot90(mask), (17, 40), (0, 1))
    np.testing.assert_allclose(outline_statistics(mask), outline_statistics(there), atol=1e-9)
    fine = outline_statistics(np.kron(mask, np.ones((2, 2), bool)), unit=2.0)
    bands = slice(len(BANDS) - 1)
    np.testing.assert_allclose(fine[bands], outline_statistics(mask)[bands], atol=0.03)
