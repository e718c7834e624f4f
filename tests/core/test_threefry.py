"""Threefry as straight-line code: the numbers of `jax.random`, bit for bit."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mfnjax.core.threefry import fold_in, uniform

IMPLEMENTATIONS = ("threefry2x32", "rbg")


def data(key: jax.Array) -> np.ndarray:
    return np.asarray(jax.random.key_data(key))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(0, 2**32 - 1))
def test_a_folded_key_is_that_of_jax(seed: int, number: int) -> None:
    key = jax.random.key(seed)
    np.testing.assert_array_equal(data(fold_in(key, number)), data(jax.random.fold_in(key, number)))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("count", [1, 5])
def test_uniform_numbers_are_those_of_jax(implementation: str, dtype: str, count: int) -> None:
    key = jax.random.key(11, impl=implementation)
    ours = uniform(key, count, dtype)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, jax.random.uniform(key, (count,), dtype))


def test_uniform_numbers_follow_the_layout_that_jax_is_set_to() -> None:
    key = jax.random.key(11)
    with jax.threefry_partitionable(False):
        theirs = jax.random.uniform(key, (5,), "float32")
        np.testing.assert_array_equal(uniform(key, 5, "float32"), theirs)
    assert (np.asarray(theirs) != np.asarray(uniform(key, 5, "float32"))).any()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_many_steps_at_once_get_the_numbers_of_each_alone(implementation: str) -> None:
    """Compiled and mapped, as the loop draws them, with the step traced."""
    key = jax.random.key(3, impl=implementation)

    def numbers(step: jax.Array) -> jax.Array:
        return uniform(fold_in(key, step), 5, "float32")

    def theirs(step: jax.Array) -> jax.Array:
        return jax.random.uniform(jax.random.fold_in(key, step), (5,), "float32")

    steps = np.arange(90, 122, dtype=np.int32)
    np.testing.assert_array_equal(
        jax.jit(jax.vmap(numbers))(steps), jax.jit(jax.vmap(theirs))(steps)
    )
