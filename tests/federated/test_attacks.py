"""Every attack × every rule: finite always, near the honest clients where that is promised."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.attack_matrix import HOSTILE, RULES, case, errors, spread, table
from mfnjax.federated import ATTACKS

OVERWHELMING = ("sign flip", "large Gaussian", "all NaN", "all Inf", "one NaN")
"""Attacks after which a robust answer is within the honest clients' spread."""


@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.thorough
def test_every_result_is_finite_and_near_the_honest(rule):
    """Krum returns one client, so its error is at most that of the farthest honest one; for the
    averages of several the honest spread bounds it too. The bound is for the attacks that a
    plain mean does not survive; the subtle ones stay within twice it."""
    for attack in ATTACKS:
        updates, honest = case(attack)
        result = RULES[rule](jnp.asarray(updates), HOSTILE)
        assert np.all(np.isfinite(result.update)), attack
        error = np.linalg.norm(result.update - honest.mean(axis=0)) / spread(honest)
        assert error <= (1.0 if attack in OVERWHELMING else 2.0), (attack, error)


@pytest.mark.parametrize("attack", OVERWHELMING)
def test_the_plain_mean_breaks(attack):
    updates, honest = case(attack)
    error = np.linalg.norm(updates.mean(axis=0) - honest.mean(axis=0))
    assert not error <= spread(honest)


@pytest.mark.thorough
def test_the_subtle_attacks_do_what_the_literature_reports():
    """ALIE, mimic and inner product are built to pass: their errors are stated in
    docs/federated.md, not bounded tightly (the bound is in the test above)."""
    alie = errors("ALIE")
    assert all(error > 0.01 for error in alie.values())  # it shifts every rule
    # One vector has Krum's whole vote, and a hostile one inside the cloud can win it.
    assert alie["Krum"] > alie["plain mean"]


@pytest.mark.thorough
def test_the_documented_table_has_every_attack_and_rule():
    lines = table(seeds=1).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == ["none", *ATTACKS]
    assert all(name in lines[0] for name in ("plain mean", *RULES))
    assert "lost" in lines[-1]  # the plain mean of a NaN


def test_attacks_are_what_their_papers_say():
    honest = jnp.asarray(np.random.default_rng(0).normal(size=(20, 5)))
    key = jax.random.key(0)
    mean = honest.mean(axis=0)
    np.testing.assert_allclose(ATTACKS["sign flip"](honest, 2, key=key)[1], -100 * mean)
    np.testing.assert_allclose(ATTACKS["inner product"](honest, 2, key=key)[0], -0.1 * mean)
    mimicked = ATTACKS["mimic"](honest, 3, key=key)
    assert any(np.array_equal(mimicked[0], row) for row in np.asarray(honest))
    # Baruch et al.: n = 50, f = 24 gives s = 2 supporters and z = Φ⁻¹(24/26) ≈ 1.43.
    many = jnp.asarray(np.random.default_rng(1).normal(size=(26, 3)))
    z = (many.mean(axis=0) - ATTACKS["ALIE"](many, 24, key=key)[0]) / many.std(axis=0)
    np.testing.assert_allclose(z, 1.426, atol=1e-3)


@pytest.mark.thorough
def test_no_warning_inside_the_contracts():
    updates, _ = case("sign flip")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rule in RULES.values():
            rule(jnp.asarray(updates), HOSTILE)
