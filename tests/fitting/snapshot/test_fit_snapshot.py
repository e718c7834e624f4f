"""Recovery from one picture, and the refusal of what is not at rest."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from mfnjax import DataError, ParameterError
from mfnjax.errors import FitError
from mfnjax.fitting import fit_snapshot
from mfnjax.fitting.snapshot.fit import _reach
from tests.fitting.snapshot.conftest import grown, noisy

KEY = jax.random.key(0)
GIVEN = {"d_u": 0.16, "d_v": 0.08}


def test_exact_v(targets):
    for name, target in targets.items():
        fit = fit_snapshot(target.v, **GIVEN, noise=0.0, replicates=0, key=KEY)
        assert fit.stationary, (name, fit)
        assert fit.parameters["feed"] == pytest.approx(target.model.feed, rel=0.01)
        assert fit.parameters["kill"] == pytest.approx(target.model.kill, rel=0.002)
        assert fit.pattern_class == name
        assert fit.intervals == {}
        assert fit.degeneracy is None


@pytest.mark.thorough
def test_a_first_fit_compiles_four_programs(targets, caplog):
    """Most of a first call's time is compilation: a fifth program has to be worth its while."""
    odd = targets["holes"].v[:50, :46]  # a shape that no other test compiles for
    with jax.log_compiles():
        fit_snapshot(odd, **GIVEN, noise=0.0, boundary="neumann", replicates=0, key=KEY)
    programs = [text for text in caplog.messages if text.startswith("Finished XLA compilation")]
    assert len(programs) == 4, programs


@pytest.mark.thorough
def test_v_with_noise(targets):
    for name, target in targets.items():
        fit = fit_snapshot(noisy(target.v), **GIVEN, replicates=0, key=KEY)
        assert fit.stationary, (name, fit)
        assert fit.parameters["feed"] == pytest.approx(target.model.feed, rel=0.05)
        assert fit.parameters["kill"] == pytest.approx(target.model.kill, rel=0.015)
        assert fit.noise == pytest.approx(0.05 * np.ptp(target.v), rel=0.1)
        assert fit.noise_is_estimated
        assert fit.pattern_class == name


def test_intervals_from_few_synthetic_images_hold_the_truth_as_often_as_they_say():
    """Errors drawn from N(0, 1), and the root mean square of eight others as their size."""
    draws = np.random.default_rng(0).normal(size=(40_000, 9))
    reach = _reach(1.0, 0.0, 8) * np.sqrt(np.mean(draws[:, 1:] ** 2, axis=1))
    share = np.mean(np.abs(draws[:, 0]) < reach)
    assert share == pytest.approx(0.9, abs=0.006)  # four standard errors


@pytest.fixture(scope="module")
def affine_fit(targets):
    return fit_snapshot(3.0 * noisy(targets["holes"].v, 0.02) + 1.0, **GIVEN, affine=True,
                        replicates=4, key=KEY)  # fmt: skip


@pytest.mark.thorough
def test_unknown_scale_and_offset(targets, affine_fit):
    truth = targets["holes"].model
    assert affine_fit.parameters["feed"] == pytest.approx(truth.feed, rel=0.1)
    assert affine_fit.parameters["kill"] == pytest.approx(truth.kill, rel=0.03)
    assert affine_fit.scale == pytest.approx(3.0, rel=0.1)
    assert affine_fit.offset == pytest.approx(1.0, abs=0.1)
    for name in ("feed", "kill"):
        low, high = affine_fit.intervals[name]
        assert low < affine_fit.parameters[name] < high


@pytest.mark.thorough
def test_degeneracy_is_reported_where_no_diffusivity_is_given(targets):
    fit = fit_snapshot(targets["holes"].v * 200 + 20, affine=True, noise=0.0, replicates=0, key=KEY)
    assert "c²F" in fit.degeneracy
    assert fit.parameters["d_u"] == 0.16
    assert fit.parameters["d_v"] == pytest.approx(0.08, rel=0.03)
    assert fit.parameters["feed"] == pytest.approx(0.039, rel=0.05)


@pytest.fixture(scope="module")
def chaos():
    """Pearson's β."""
    return grown(0.026, 0.051, 4_000)[1]


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_a_pattern_that_moves_is_refused(chaos, share):
    fit = fit_snapshot(noisy(chaos, share) if share else chaos, **GIVEN, replicates=0, key=KEY)
    assert fit.verdict == "not stationary"
    assert fit.parameters == {}
    assert fit.rejected.keys() == {"feed", "kill", "d_u", "d_v"}
    with pytest.raises(FitError, match="not stationary"):
        _ = fit.model


@pytest.mark.thorough
def test_the_result_is_written(affine_fit, tmp_path):
    text = affine_fit.to_json(tmp_path / "fit.json")
    assert json.loads((tmp_path / "fit.json").read_text()) == json.loads(text)
    assert json.loads(text)["shape"] == [64, 64]
    affine_fit.plot(tmp_path / "fit.png")
    assert (tmp_path / "fit.png").stat().st_size > 10_000
    assert "90 %" in repr(affine_fit)
    sharp = replace(
        affine_fit, parameters={"kill": 0.058}, intervals={"kill": (0.057988, 0.058012)}
    )
    assert "0.058000  (90 %: 0.057988 to 0.058012)" in repr(sharp)
    assert "k = 0.058000 ± 0.000012" in sharp.plot().get_suptitle()
    assert "s·v + o" in repr(affine_fit)
    assert affine_fit.model.feed == affine_fit.parameters["feed"]


@pytest.mark.parametrize(
    ("image", "settings", "error", "words"),
    [
        (np.zeros((8, 8)), {}, ParameterError, "at least 16 × 16"),
        (np.zeros((32, 32)), {}, DataError, "every cell is the same"),
        (np.eye(32) * np.nan, {}, DataError, "row 0, column 0"),
        (np.random.default_rng(0).random((32, 32)), {}, DataError, "no pattern above the noise"),
        (-np.arange(1024.0).reshape(32, 32), {}, DataError, "affine=True"),
        (np.eye(32) > 0, {}, ParameterError, "it is a mask; the fit needs the grey levels"),
        (np.eye(32) * 255, {"affine": True}, ParameterError, "before it was cut"),
        (np.eye(32), {"d_u": -1.0}, ParameterError, "d_u must"),
        (np.eye(32), {"noise": -1.0}, ParameterError, "noise must"),
        (np.eye(32), {"boundary": "open"}, ParameterError, "boundary must be one of"),
        (np.eye(32), {"model": "brusselator"}, ParameterError, "model must be one of"),
        (np.eye(32), {"replicates": -1}, ParameterError, "replicates must"),
    ],
)
def test_bad_input_is_named(image, settings, error, words):
    with pytest.raises(error, match=words):
        fit_snapshot(image, key=KEY, **settings)
