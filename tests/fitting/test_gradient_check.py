"""The gradient report: it passes what is right, and names what is not."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import Grid, MyceliumModel, ParameterError, simulate, smooth_twin
from mfnjax.fitting import check_gradient


@jax.custom_jvp
def wrong_cube(x):
    return x**3


@wrong_cube.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return x**3, 2.9 * x**2 * t


def test_a_right_gradient_passes_with_its_numbers() -> None:
    point = {"a": 0.7, "b": jnp.array([1.0, -2.0]), "field": jnp.linspace(0.1, 1.0, 20)}

    def objective(p):
        return jnp.sin(p["a"]) * jnp.sum(p["b"] ** 3) + jnp.sum(jnp.exp(p["field"]))

    report = check_gradient(objective, point)
    assert report.ok, str(report)
    assert report.value == pytest.approx(float(objective(point)))
    rows = {row.name: row for row in report.rows}
    assert list(rows) == ["a", "b[0]", "b[1]", "field (direction 1)", "field (direction 2)"]
    assert rows["a"].reverse == pytest.approx(-7 * np.cos(0.7))
    assert rows["b[1]"].forward == pytest.approx(12 * np.sin(0.7))
    assert all(row.mode_error < 1e-14 and row.difference_error < 1e-8 for row in report.rows)
    # The study shows second order where curvature rules.
    errors = [abs(q - rows["a"].forward) for _, q in rows["a"].study[:3]]
    np.testing.assert_allclose(np.log10(np.array(errors[:-1]) / errors[1:]), 2, atol=0.1)


def test_a_wrong_rule_is_found_and_named() -> None:
    report = check_gradient(lambda p: wrong_cube(p["x"]) + p["y"] ** 2, {"x": 2.0, "y": 1.0})
    assert [row.name for row in report.parted] == ["x"]
    worst = report.parted[0]
    assert worst.verdict == "differences part"
    assert (worst.reverse, worst.difference) == pytest.approx((11.6, 12.0))
    assert "1 of 2 part; worst: x (differences part)" in str(report)


@pytest.mark.parametrize(
    ("objective", "at", "verdict"),
    [
        (jnp.abs, 0.0, "kink"),
        (lambda x: jnp.maximum(x, 1.0) * x, 1.0, "kink"),
        (lambda x: jnp.where(x > 1.0, x, 0.0), 1.0, "differences part"),
        (lambda x: jnp.sqrt(x * x), 0.0, "not finite"),
        (lambda x: x**2, 0.0, "ok"),
        (lambda x: 1e3 + jnp.cos(50 * x), 0.3, "ok"),
        (lambda x: 0 * x + 3.0, 0.3, "ok"),
    ],
)
def test_verdicts(objective, at: float, verdict: str) -> None:
    report = check_gradient(objective, at)
    assert report.rows[0].verdict == verdict, str(report)
    assert report.rows[0].name == "x"


def test_it_prints_a_table_and_writes_json(tmp_path) -> None:
    report = check_gradient(lambda p: p["<x>"] ** 2, {"<x>": 3.0})
    lines = str(report).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("quantity")
    assert "&lt;x&gt;" in report._repr_html_()
    read = json.loads(report.to_json(tmp_path / "report.json"))
    assert read["rows"][0]["reverse"] == 6
    assert read["ok"] is True
    assert json.loads((tmp_path / "report.json").read_text()) == read
    broken = json.loads(check_gradient(lambda x: jnp.sqrt(x * x), 0.0).to_json())
    assert broken["rows"][0]["reverse"] is None


@pytest.mark.thorough
def test_it_checks_a_run_and_shows_what_a_smooth_twin_gains() -> None:
    """Over a smooth twin all parameters agree; the step in V of the hard one is found."""
    grid, key = Grid((4, 5)), jax.random.key(1)
    model = MyceliumModel(turing_threshold=0.05)
    start = model.initial_state(grid, dtype="float64", key=key)

    def objective(inputs):
        model, fields = inputs
        run = simulate(model, fields, grid=grid, steps=5, adjoint="per_step", key=key)
        return jnp.sum(run.state["potential"] ** 2)

    twin = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), smooth_twin(model, 2.0))
    report = check_gradient(objective, (twin, start.values))
    assert report.ok, str(report)
    by_name = {row.name: row for row in report.rows}
    assert abs(by_name["0.spike_probability"].reverse) > 1e-6
    assert len(by_name) == 14 + 3 * 2


@pytest.mark.parametrize(
    ("objective", "parameters", "options", "message"),
    [
        (lambda x: jnp.stack([x, x]), 1.0, {}, "objective must return one floating number"),
        (lambda x: x, 1, {}, "'x' must be floating point, got int"),
        (lambda p: p["a"], {"a": "fast"}, {}, "'a' must be a number"),
        (lambda p: 0.0, {}, {}, "at least one number"),
        (lambda x: x, 1.0, {"steps": [1e-3]}, "two or more positive falling"),
        (lambda x: x, 1.0, {"steps": [1e-3, 1e-2]}, "two or more positive falling"),
    ],
)
def test_wrong_arguments_are_named(objective, parameters, options, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_gradient(objective, parameters, **options)


def test_modes_that_part_are_named() -> None:
    """A reverse rule that disagrees with the forward one (by a transpose that is wrong)."""

    def objective(x):
        return jax.lax.custom_linear_solve(lambda y: y, x, lambda _, b: 2 * b, lambda _, b: 3 * b)

    row = check_gradient(objective, 0.5).rows[0]
    assert (row.verdict, row.forward, row.reverse) == ("modes part", 2.0, 3.0)
