"""A verdict is of the model, not of the units that its numbers are written in."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mfnjax import PDE, FisherKPPModel, Grid
from mfnjax.core import Nabla
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError
from mfnjax.models import (
    SchnakenbergModel,
    get_model,
    model_names,
)
from mfnjax.models.base import Equation
from mfnjax.stability import Verdict, analyse, homogeneous_states
from mfnjax.stability.plane_wave import PlaneWave
from mfnjax.stability.whole import all_rates

OREGONATOR = """
u_t = lap(u) + (u*(1 - u) - f*v*(u - q)/(u + q))/eps
v_t = 0.6*lap(v) + u - v
"""
TURING = """
u_t = lap(u) + 0.1 - u + u^2*v
v_t = 17*lap(v) + 0.9 - u^2*v
w_t = u_or_0 - k*w
"""
PAIR = """
u_t = 0.02*lap(u) + k*((u + v)/(0.7*(u + v) + 1)^2 - v)
v_t = lap(v) - k*((u + v)/(0.7*(u + v) + 1)^2 - v)
"""
TEXTS = {
    "oregonator": PDE(OREGONATOR, f=1.4, q=2e-3, eps=0.05),
    "turing with a bystander": PDE(TURING.replace("u_or_0", "0"), k=2.0),
    "conserved pair": PDE(PAIR, k=-2.5),
    "bistable": PDE("u_t = lap(u) + u - u^3 - v\nv_t = 0.1*(u - 3*v)"),
    "saturating": PDE("u_t = lap(u) + a - u*v/(1 + u) \nv_t = 9*lap(v) + u - v^1.5", a=0.4),
    "exponential": PDE("u_t = 0.1*lap(u) + 1 - u*exp(-v/30)\nv_t = lap(v) + u - 0.5*v"),
}


@dataclass(frozen=True)
class Rescaled(Equation):
    """A model in other units: u' = u/size, t' = t/time, x' = x/length."""

    inner: Any = field(metadata={"static": True})
    sizes: tuple[float, ...] = field(metadata={"static": True})
    time: float = field(metadata={"static": True})
    length: float = field(metadata={"static": True})

    @property
    def fields(self):
        return self.inner.reaction_fields

    def rates(self, values, nabla):
        own = tuple(size * value for size, value in zip(self.sizes, values, strict=True))
        if isinstance(nabla, PlaneWave):
            moved = object.__new__(PlaneWave)
            moved.axes, moved._halves = nabla.axes, nabla._halves
            moved._slopes = {k: slope / self.length for k, slope in nabla._slopes.items()}
        else:
            grid = Grid(nabla.grid.shape, nabla.grid.spacing * self.length)
            moved = Nabla(grid, self.fields, own)
            own = moved.fields
        rates = all_rates(self.inner, own, moved)
        return tuple(self.time / size * rate for size, rate in zip(self.sizes, rates, strict=True))

    def initial_state(self, grid, *, dtype=None, key):
        raise NotImplementedError


register_pytree(Rescaled)


def model_of(name: str):
    return TEXTS[name] if name in TEXTS else get_model(name).example()


NAMES = [*model_names(), *TEXTS]
QUICK = ["fitzhugh-nagumo", "cahn-hilliard", "oregonator", "conserved pair", "exponential"]
POWERS = st.floats(-9.0, 9.0)
UNITS = st.tuples(st.lists(POWERS, min_size=4, max_size=4), POWERS, POWERS)


@pytest.mark.thorough
@settings(max_examples=5, deadline=None, derandomize=True)
@given(name=st.sampled_from(QUICK), units=UNITS)
def test_a_change_of_units_changes_no_verdict(name: str, units) -> None:
    check_in_other_units(name, units)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(units=UNITS)
def test_a_change_of_units_changes_no_verdict_of_any_model(name: str, units) -> None:
    check_in_other_units(name, units)


def check_in_other_units(name: str, units) -> None:
    model = model_of(name)
    sizes = 10.0 ** np.array(units[0][: len(model.reaction_fields)])
    time, length = 10.0 ** units[1], 10.0 ** units[2]
    mine = analyse(model)
    its = analyse(Rescaled(model, tuple(sizes.tolist()), time, length))
    assert its.verdict is mine.verdict
    assert its.is_continuum is mine.is_continuum
    assert len(its.conserved) == len(mine.conserved)
    assert [one.verdict for one in its.reports] == [one.verdict for one in mine.reports]
    room = 1e-6 * np.max([np.abs(one.state) for one in mine.reports], axis=0)
    for one, other in zip(mine.reports, its.reports, strict=True):
        assert (np.abs(other.state * sizes - one.state) <= room + 1e-9 * np.abs(one.state)).all()
    if mine.wavelength is None:
        assert its.wavelength is None
    else:
        assert its.wavelength * length == pytest.approx(mine.wavelength, rel=1e-5)


# The cases one by one.


@pytest.mark.parametrize("capacity", [1e-8, 300.0, 1e9])
def test_logistic_growth_has_its_capacity(capacity: float) -> None:
    states = [
        report.state.tolist() for report in analyse(FisherKPPModel(capacity=capacity)).reports
    ]
    assert states == [[0.0], [pytest.approx(capacity, rel=1e-12)]]


@pytest.mark.parametrize("size", [1e-6, 1e4])
def test_a_bistable_medium_is_one_in_any_units(size: float) -> None:
    model = PDE("u_t = lap(u) + u - u^3/S^2 - v\nv_t = 0.1*(u - 3*v)", S=size)
    analysis = analyse(model)
    u = math.sqrt(2 / 3) * size
    expected = [[-u, -u / 3], [0.0, 0.0], [u, u / 3]]
    for report, state in zip(analysis.reports, expected, strict=True):
        np.testing.assert_allclose(report.state, state, rtol=1e-9)
    assert analysis.verdict is Verdict.OTHER


@pytest.mark.parametrize("q", [8e-4, 2e-3, 0.01])
def test_the_oregonator_has_one_positive_state_and_it_speaks(q: float) -> None:
    """u = v with (1 − u)(u + q) = f(u − q)."""
    f = 1.4
    analysis = analyse(PDE(OREGONATOR, f=f, q=q, eps=0.05))
    roots = np.roots([1.0, f + q - 1, -q * (1 + f)])
    np.testing.assert_allclose(
        [report.state for report in analysis.reports],
        np.repeat(np.sort([0.0, *roots]), 2).reshape(3, 2),
        rtol=1e-9,
        atol=1e-15,
    )
    assert analysis.leading is not None
    np.testing.assert_allclose(analysis.leading.state, [max(roots)] * 2, rtol=1e-9)


@pytest.mark.thorough
@pytest.mark.parametrize(("source", "k"), [("0", 1e5), ("u", 1e12)])
def test_a_fast_field_beside_hides_no_pattern(source: str, k: float) -> None:
    alone = analyse(SchnakenbergModel(0.1, 0.9, 1.0, 17.0))
    analysis = analyse(PDE(TURING.replace("u_or_0", source), k=k))
    assert analysis.verdict is Verdict.TURING
    assert analysis.wavelength == pytest.approx(alone.wavelength, rel=1e-6)


def test_a_nearly_singular_system_has_one_state() -> None:
    text = "u_t = lap(u) + u - v\nv_t = lap(v) + u - v + c*(u - 1)"
    for c in (1e-6, 1e-9, 1e-11):
        analysis = analyse(PDE(text, c=c))
        assert not analysis.is_continuum
        (report,) = analysis.reports
        np.testing.assert_allclose(report.state, [1.0, 1.0], rtol=1e-3)


def test_the_total_chooses_among_a_continuum() -> None:
    """By eigenvalues over 20001 wavenumbers: σ = 0.00181188 at q = 0.690."""
    model = PDE(PAIR, k=-2.5)
    analysis = analyse(model, total=2.0)
    assert not analysis.is_continuum
    assert analysis.conserved == ("u + v",)
    assert analysis.verdict is Verdict.CONSERVED
    (report,) = analysis.reports
    np.testing.assert_allclose(report.state, [1.652778, 0.347222], atol=1e-6)
    assert report.fastest.growth == pytest.approx(0.00181188, rel=1e-5)
    assert analysis.wavelength == pytest.approx(9.106, rel=1e-4)
    open_ended = analyse(model)
    assert open_ended.is_continuum
    assert len(open_ended.reports) <= 2


def test_all_states_of_a_total_are_found() -> None:
    """Wave pinning: a cubic in a for each total, by hand."""
    text = "a_t = D*lap(a) + (k + a^2/(1 + a^2))*b - a\nb_t = lap(b) - (k + a^2/(1 + a^2))*b + a"
    total, k = 2.5, 0.067
    roots = np.roots([1.0 + 1.0 + k, -total * (1 + k), 1.0 + k, -total * k])
    expected = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
    analysis = analyse(PDE(text, D=0.1, k=k), total=[total])
    np.testing.assert_allclose([r.state[0] for r in analysis.reports], expected, rtol=1e-9)


@pytest.mark.parametrize("total", [math.nan, [1.0, 2.0], "a"])
def test_a_bad_total_is_refused(total: Any) -> None:
    with pytest.raises(ParameterError, match=r"total must be one finite number for each of u \+ v"):
        analyse(PDE(PAIR, k=-2.5), total=total)


def test_a_total_of_a_model_that_conserves_none_is_refused() -> None:
    with pytest.raises(ParameterError, match="SchnakenbergModel conserves none"):
        analyse(SchnakenbergModel(), total=1.0)


def test_states_between_bounds_are_judged_by_the_bounds() -> None:
    for size in (1e-9, 1e9):
        cubic = lambda u, size=size: (u[0] - u[0] ** 3 / size**2,)  # noqa: E731
        states = homogeneous_states(cubic, bounds=[(-2 * size, 2 * size)])
        np.testing.assert_allclose(states / size, [[-1.0], [0.0], [1.0]], atol=1e-12)
