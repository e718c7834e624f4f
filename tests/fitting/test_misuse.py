"""Misuse of the fitting functions: one clear line that names the thing, never a trace or a NaN."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import FisherKPPModel, GrayScottModel, Grid, MfnError, fit
from mfnjax.fitting import (
    Identity,
    Interval,
    bootstrap,
    check_gradient,
    covariance,
    fit_dimension,
    fit_snapshot,
    gradient_horizon,
    identifiability,
    pointwise,
    profile,
)

KEY = jax.random.key(0)
START = {"u": jnp.where(jnp.arange(16) < 8, 0.8, 0.0)[None]}
DATA = {"u": np.full((2, 16), 0.5)}
WAVES = np.sin(np.arange(32) * 0.8)
PICTURE = 0.2 + 0.1 * WAVES[:, None] * WAVES
LINE = Grid((1, 16), boundary="neumann")
MODEL = FisherKPPModel(0.4, 0.2)


def data(**changed):
    given = {"data": DATA, "start": START, "steps": [1, 2], "dt": 0.5, "grid": LINE}
    return pointwise(**{**given, **changed})


def fitted(**changed):
    objective = changed.pop("objective", None)
    return fit(changed.pop("model", MODEL), data() if objective is None else objective, **changed)


def checked(objective=lambda p: jnp.sum(p["x"]), x=1.0, **changed):
    return check_gradient(objective, {"x": x}, **changed)


def horizon(model=MODEL, state=START, **changed):
    return gradient_horizon(model, state, **{"grid": LINE, "steps": 16, **changed})


def snapshot(image=PICTURE, **changed):
    return fit_snapshot(image, **{"key": KEY, "replicates": 0, **changed})


def dimension(target=1.5, **changed):
    given = {"shape": (32, 32), "sizes": (1, 2, 4), "steps": 2, "key": KEY}
    return fit_dimension(target, **{**given, **changed})


def with_one(value: float) -> dict[str, np.ndarray]:
    return {"u": np.where(np.arange(32).reshape(2, 16) == 5, value, 0.5)}


CASES = [
    (data, {"data": None}, "data must be a mapping field → values, got None"),
    (data, {"data": {}}, "data must hold at least one field"),
    (data, {"data": {"u": "x"}}, "data of 'u' must be numbers"),
    (data, {"data": {"u": [[1, 2], [3]]}}, "data of 'u' must be an array of numbers"),
    (data, {"data": {"w": DATA["u"]}}, "data has a field 'w' that the start has not"),
    (data, {"data": with_one(np.inf)}, "holds an infinity; a missing measurement is a NaN"),
    (data, {"data": {"u": np.full((2, 16), np.nan)}}, "not one measurement that counts"),
    (data, {"start": None}, "start must be a Mapping, got None"),
    (data, {"start": START["u"]}, "start must be a Mapping, got Array"),
    (data, {"start": {"u": START["u"] * np.nan}}, "the start of 'u' holds a NaN"),
    (data, {"start": {"u": "x"}}, "the start of 'u' must be numbers"),
    (data, {"steps": 5}, "steps must be rising integers ≥ 1, got 5"),
    (data, {"sigma": "x"}, "sigma of 'u' must be numbers"),
    (data, {"sigma": 0}, "sigma of 'u' must be positive"),
    (data, {"sigma": -1}, "sigma of 'u' must be positive"),
    (data, {"sigma": {"v": 1}}, "sigma has no 'u'; it has v"),
    (data, {"mask": [1]}, "mask must be a mapping"),
    (data, {"mask": {"u": np.ones(5, bool)}}, "mask of 'u' must broadcast"),
    (data, {"mask": {"v": np.ones((2, 16))}}, "mask has a field 'v' that the data has not"),
    (data, {"start_sigma": 0.1}, "start_sigma must be a mapping field → values, got 0.1"),
    (data, {"columns": 3}, "columns must be a list of columns, got 3"),
    (data, {"dt": np.nan}, "dt must be a finite number"),
    (data, {"dt": "x"}, "dt must be a finite number"),
    (data, {"dt": 0}, "dt must lie in"),
    (data, {"key": 5}, "key must be a typed key"),
    (fitted, {"model": 5}, "model must be one kind of Model, got int"),
    (fitted, {"model": GrayScottModel()}, "fields"),
    (fitted, {"objective": FisherKPPModel}, "an objective must be an Objective or a function"),
    (fitted, {"objective": lambda m: None}, "the objective must return numbers, got None"),
    (fitted, {"objective": lambda m: "x"}, "the objective must return numbers, got 'x'"),
    (fitted, {"objective": lambda m: float(m.diffusivity)}, "must be made of jax.numpy"),
    (fitted, {"objective": lambda m: np.sin(m.diffusivity)}, "must be made of jax.numpy"),
    (fitted, {"objective": lambda m: 1.0 if m.diffusivity > 0 else 0.0}, "made of jax.numpy"),
    (fitted, {"bounds": 5}, "bounds must be a Mapping, got 5"),
    (fitted, {"bounds": {"D": (2, 1)}}, "low < high"),
    (fitted, {"bounds": {"D": (2, 3)}}, "diffusivity starts at 0.4, which is not inside"),
    (fitted, {"fixed": None}, "fixed must be names"),
    (fitted, {"fixed": "D"}, "fixed must be names"),
    (fitted, {"fixed": [[]]}, "fixed: no parameter []"),
    (fitted, {"fixed": {"D": "x"}}, "fixed: D must be a finite number, got 'x'"),
    (fitted, {"fixed": {"D": np.nan}}, "fixed: D must be a finite number, got nan"),
    (fitted, {"free": 5}, "free must be names, got 5"),
    (fitted, {"shared": 5}, "shared must be names"),
    (fitted, {"shared": [5]}, "shared must be names"),
    (fitted, {"starts": [{"D": "x"}]}, "starts: D must be a finite number, got 'x'"),
    (fitted, {"starts": [{"D": None}]}, "starts: D must be a finite number, got None"),
    (fitted, {"starts": [{"D": -1.0}]}, "starts: diffusivity = -1.0 is not inside its bounds"),
    (fitted, {"starts": 3, "key": 5}, "key must be a typed key, jax.random.key(seed); got 5"),
    (fitted, {"progress": "yes"}, "progress must be true or false, got 'yes'"),
    (fitted, {"resume": "yes"}, "resume must be true or false, got 'yes'"),
    (fitted, {"checkpoint": 5}, "checkpoint must be the path of a file, got 5"),
    (fitted, {"optimizer": 5}, "optimizer must be"),
    (covariance, {"result": 5}, "result must be a FitResult, got 5"),
    (identifiability, {"result": None}, "result must be a FitResult, got None"),
    (partial(profile, name="D"), {"result": 5}, "result must be a FitResult, got 5"),
    (partial(bootstrap, key=KEY), {"result": 5}, "result must be a FitResult, got 5"),
    (Interval, {"low": "a", "high": 2.0}, "bounds must be two numbers low < high, got 'a'"),
    (Identity, {"scale": np.nan}, "scale must be a finite number"),
    (Identity, {"scale": 0.0}, "scale must lie in"),
    (checked, {"objective": 5}, "objective must be a function, got 5"),
    (checked, {"objective": lambda p: "x"}, "the objective must return numbers, got 'x'"),
    (checked, {"objective": lambda p: float(p["x"])}, "must be made of jax.numpy"),
    (checked, {"x": np.nan}, "parameter 'x' holds a NaN or an infinity"),
    (checked, {"x": np.zeros(0)}, "parameter 'x' is empty"),
    (checked, {"x": np.ones(9), "directions": 0}, "directions must be an integer from 1"),
    (checked, {"elements": "x"}, "elements must be an integer"),
    (checked, {"steps": 5}, "steps must be two or more positive falling numbers, got 5"),
    (checked, {"steps": ["a", "b"]}, "steps must be two or more positive falling numbers"),
    (checked, {"key": "x"}, "key must be a typed key"),
    (horizon, {"model": 5}, "model must be a Model, got 5"),
    (horizon, {"grid": 5}, "grid must be a Grid, got 5"),
    (horizon, {"state": {"u": jnp.ones((2, 2))}}, "u"),
    (horizon, {"dt": np.nan}, "dt must be"),
    (snapshot, {"image": "pattern.png"}, "image must be real numbers of shape (H, W)"),
    (snapshot, {"image": [[1, 2], [3]]}, "image must be real numbers of shape (H, W)"),
    (snapshot, {"image": np.zeros((0, 0))}, "at least 16 × 16"),
    (snapshot, {"image": PICTURE > 0.2}, "it is a mask; the fit needs the grey levels"),
    (snapshot, {"noise": -1.0}, "noise must lie in"),
    (snapshot, {"key": None}, "key must be a typed key"),
    (dimension, {"target": "x"}, "target must be a finite number"),
    (dimension, {"shape": 32}, "shape must be a pair of numbers, got 32"),
    (dimension, {"shape": (32.0, 32.0)}, "shape must be an integer"),
    (dimension, {"sizes": 4}, "sizes must be three or more rising box sizes, got 4"),
    (dimension, {"widths": 0.5}, "widths must be a pair of numbers, got 0.5"),
    (dimension, {"widths": (0.1, 0.5)}, "widths must fall"),
    (dimension, {"rollout": 5}, "rollout must be a function, got 5"),
    (dimension, {"rollout": lambda f: None}, "the rollout must return numbers, got None"),
    (dimension, {"rollout": lambda f: f[:4]}, "rollout must give a floating-point field (32, 32)"),
    (dimension, {"rollout": lambda f: f > 0}, "got bool"),
    (dimension, {"key": 5}, "key must be a typed key"),
]


@pytest.mark.parametrize(("function", "arguments", "message"), CASES)
def test_it_is_told_in_one_line(function, arguments, message) -> None:
    with pytest.raises(MfnError) as told:
        function(**arguments)
    text = str(told.value)
    assert message in text
    assert "\n" not in text
    assert len(text) < 300


@pytest.mark.thorough
def test_starts_go_by_paper_symbols_as_everything_else_does() -> None:
    by_symbol = fitted(starts=[{"D": 0.7}], fixed=["K"], max_steps=1)
    assert by_symbol.starts[0].start["diffusivity"] == pytest.approx(0.7)
