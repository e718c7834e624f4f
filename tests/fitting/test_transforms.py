"""Bounds: inverses of each other, onto the interval, with the derivative they say."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mfnjax.errors import ParameterError
from mfnjax.fitting import Identity, Interval, Positive
from mfnjax.fitting.transforms import as_transform

ALL = [
    Identity(),
    Identity(3.0),
    Positive(),
    Interval(-1.0, 2.5),
    Interval(2.0, math.inf),
    Interval(-math.inf, 2.0),
]


@pytest.mark.parametrize("transform", ALL, ids=str)
@settings(max_examples=20, deadline=None)
@given(free=st.floats(-6, 6))
def test_inverse_bounds_and_derivative(transform, free: float) -> None:
    value = float(transform.forward(free))
    assert transform.contains(value)
    assert float(transform.inverse(value)) == pytest.approx(free, abs=1e-9)
    slope = float(jax.grad(lambda y: transform.forward(y) * 1.0)(free))
    assert slope > 0
    assert float(transform.log_det(free)) == pytest.approx(math.log(slope), abs=1e-9)


def test_a_parameter_without_bounds_keeps_its_sign_if_positive() -> None:
    assert as_transform("D", None, 2.0) == Positive()
    assert as_transform("r", None, -2.0) == Identity(2.0)
    assert as_transform("r", None, 0.0) == Identity(1.0)
    assert as_transform("r", (None, None), 2.0) == Identity(2.0)
    assert as_transform("r", (0, None), 2.0) == Positive()
    assert as_transform("r", (None, 3), 2.0) == Interval(-math.inf, 3.0)
    assert as_transform("r", Interval(0.0, 9.0), 2.0) == Interval(0.0, 9.0)


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (1,), "ab", 3, (math.nan, 1)])
def test_bounds_that_are_none(bounds) -> None:
    with pytest.raises(ParameterError, match="bounds of D must be a pair"):
        as_transform("D", bounds, 1.5)


def test_a_start_outside_its_bounds() -> None:
    with pytest.raises(ParameterError, match=r"D starts at 5, which is not inside .*0 … 2"):
        as_transform("D", (0.0, 2.0), 5.0)
    with pytest.raises(ParameterError, match="low < high"):
        Interval(-math.inf, math.inf)


def test_a_wide_interval_loses_no_digits_near_its_end() -> None:
    narrow = Interval(0.0, 1.0)
    for value in (1e-12, 1 - 1e-12):
        back = float(narrow.forward(narrow.inverse(value)))
        assert np.isclose(back, value, rtol=1e-12)
