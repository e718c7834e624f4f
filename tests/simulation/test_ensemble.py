"""What an ensemble is given: refused in clear words, and run as `simulate` alone would run it."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import numpy as np
import pytest

from mfnjax import (
    FisherKPPModel,
    GrayScottModel,
    Grid,
    MyceliumModel,
    ParameterError,
    StabilityError,
    State,
    simulate,
    simulate_ensemble,
)
from mfnjax.models.base import ReactionDiffusion

GRID = Grid((6, 8))
KEY = jax.random.key(5)
FIELD = np.random.default_rng(0).uniform(size=GRID.shape)
MANY = FisherKPPModel(growth_rate=np.linspace(0.05, 0.1, 5))
MAP = MyceliumModel()


def run_many(model: Any = MANY, state: Any = None, **options: Any) -> Any:
    state = {"u": FIELD} if state is None else state
    return simulate_ensemble(model, state, **{"grid": GRID, "steps": 3, **options})


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_threads_are_a_positive_integer(threads: Any) -> None:
    with pytest.raises(ParameterError, match="threads must be an integer from 1"):
        run_many(threads=threads)


@pytest.mark.parametrize("state", [5, (FIELD, FIELD), [], "u"])
def test_a_state_that_is_none_is_refused(state: Any) -> None:
    with pytest.raises(ParameterError, match="state must hold the fields u of FisherKPPModel"):
        run_many(state=state)


def test_a_state_may_be_any_mapping_and_a_model_is_a_model() -> None:
    left, right = run_many(state=MappingProxyType({"u": FIELD})), run_many()
    np.testing.assert_array_equal(left.state["u"], right.state["u"])
    with pytest.raises(ParameterError, match="model must be a Model, got 'fisher-kpp'"):
        run_many("fisher-kpp")


@pytest.mark.parametrize("step", [1.5, np.arange(5) + 0.5, 2**31, -1])
@pytest.mark.parametrize("way", [simulate, simulate_ensemble])
def test_a_step_is_a_count(way: Any, step: Any) -> None:
    model = MANY if way is simulate_ensemble else FisherKPPModel()
    with pytest.raises(ParameterError, match="step"):
        way(model, State(("u",), (FIELD,), step), grid=GRID, steps=3)


@pytest.mark.thorough
def test_a_key_is_one_key_and_keys_are_a_row() -> None:
    keys = jax.random.split(KEY, (3, 2))
    start = MAP.initial_state(GRID, key=KEY)
    with pytest.raises(ParameterError, match=r"key must be one key, .* of shape \(3,\)"):
        simulate(MAP, start, grid=GRID, steps=2, key=keys[:, 0])
    with pytest.raises(ParameterError, match=r"keys \(n,\), got keys of shape \(3, 2\)"):
        run_many(MAP, start, key=keys)
    with pytest.raises(ParameterError, match="key must be a typed key"):
        run_many(key=jax.random.PRNGKey(0))


@pytest.mark.parametrize("count", [8, 9])  # a whole block; one run alone beside it
def test_an_error_names_its_member(count: int) -> None:
    alpha = np.full(count, 0.1)
    alpha[-1] = 0.3
    start = MAP.initial_state(GRID, key=KEY)
    with pytest.raises(StabilityError, match=f"member {count - 1}: alpha = 0.3"):
        run_many(MyceliumModel(alpha=alpha), start, key=KEY, threads=1)
    with pytest.raises(ParameterError, match=r"^steps must be an integer"):
        run_many(MyceliumModel(alpha=alpha), start, key=KEY, steps=-1)
    steps = np.zeros(count, np.int64)
    steps[-1] = 2**40
    with pytest.raises(ParameterError, match=f"member {count - 1}: .*step"):
        run_many(FisherKPPModel(), State(("u",), (FIELD,), steps), threads=1)


def test_a_run_does_not_count_beyond_its_integers() -> None:
    """In 32 bits step·fields + field would wrap around, and a NaN pass for none."""
    broken = np.where(FIELD.max() == FIELD, np.nan, FIELD)
    model = GrayScottModel()
    last = 2**30 - 2
    with jax.enable_x64(False):
        run = simulate(model, State(("u", "v"), (FIELD, broken), last - 2), grid=GRID, steps=2)
        assert (run.status.first_bad_step, run.status.bad_field) == (last - 2, 1)
        with pytest.raises(
            ParameterError, match=rf"lie in \[0, {last}\], got {last} to {last + 1}"
        ):
            simulate(model, State(("u", "v"), (FIELD, broken), last), grid=GRID, steps=1)
    run = simulate(model, State(("u", "v"), (FIELD, broken), 2**31 - 2), grid=GRID, steps=1)
    assert (run.status.first_bad_step, run.status.bad_field) == (2**31 - 2, 1)


@pytest.mark.parametrize("is_on", [False, True])
@pytest.mark.parametrize("setting", [jax.enable_x64, jax.threefry_partitionable])
@pytest.mark.thorough
def test_threads_run_under_the_callers_settings(setting: Any, is_on: bool) -> None:
    drawn = MAP.initial_state(GRID, dtype="float64", key=KEY)
    start = {name: np.asarray(drawn[name]) for name in MAP.fields}
    with setting(is_on):
        many = run_many(MAP, start, steps=60, key=jax.random.split(KEY, 3), threads=2)
        for index, key in enumerate(jax.random.split(KEY, 3)):
            alone = simulate(MAP, start, grid=GRID, steps=60, key=key)
            for name in MAP.fields:
                assert many.state[name].dtype == alone.state[name].dtype
                np.testing.assert_array_equal(many.state[name][index], alone.state[name])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Decay(ReactionDiffusion):
    """A user's model, checked as it is made."""

    fields: ClassVar[tuple[str, ...]] = ("u",)
    reaction_fields: ClassVar[tuple[str, ...]] = ("u",)
    rate: Any
    diffusivity: Any = 0.1

    def __post_init__(self) -> None:
        for value in (self.rate, self.diffusivity):
            is_number = isinstance(value, (float, np.ndarray))
            if (is_number and not np.all(value > 0)) or isinstance(value, bool):
                raise ValueError(f"a rate must be positive, got {value!r}")

    def reaction(self, values: Any) -> Any:
        return (-self.rate * values[0],)

    def transport(self, values: Any, laplacian: Any) -> Any:
        return (self.diffusivity * laplacian(values[0]),)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        return State(self.fields, (np.ones(grid.shape, dtype),), 0)


def test_a_users_model_is_given_numbers_alone() -> None:
    rates = np.array([0.1, 0.2, 0.3])
    many = run_many(Decay(rates))
    for index, rate in enumerate(rates):
        alone = simulate(Decay(float(rate)), {"u": FIELD}, grid=GRID, steps=3)
        np.testing.assert_array_equal(many.state["u"][index], alone.state["u"])


@pytest.mark.thorough
def test_ctrl_c_does_not_wait_for_a_long_run() -> None:
    """10⁸ steps take minutes; a call ends a fraction of a second after Ctrl-C."""
    run_many(steps=10**6)  # compiled, so that the signal meets the run
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    began = time.process_time()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_many(steps=10**8)
    assert time.process_time() - began < 20  # of its own: others may hold the machine
