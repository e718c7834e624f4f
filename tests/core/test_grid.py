"""Grid, boundary, state and random fields."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import Grid, ParameterError, State
from mfnjax.core import Dirichlet, Neumann, as_boundary
from mfnjax.core.rng import normal_field, uniform_field


@pytest.mark.parametrize("shape", [(), (3, 4, 5, 6), (0, 4), (4, -1), (4.0, 4), "44", None])
def test_a_wrong_shape_is_named(shape: object) -> None:
    with pytest.raises(ParameterError, match=r"shape is \(W,\), \(H, W\)"):
        Grid(shape)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spacing",
    [0.0, -1.0, float("nan"), float("inf"), np.float32("nan"), np.array(-1.0), "1", None, True],
)
def test_a_wrong_spacing_is_named(spacing: object) -> None:
    with pytest.raises(ParameterError, match="spacing"):
        Grid((4, 4), spacing)


def test_an_unknown_boundary_is_named_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match="periodic, neumann, dirichlet; got 'robin'"):
        Grid((4, 4), 1.0, "robin")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="periodic, neumann, dirichlet; got None"):
        Grid((4, 4), 1.0, None)


def test_spacings_may_be_traced_or_a_batch() -> None:
    spacings = jnp.asarray([0.5, 2.0])
    np.testing.assert_array_equal(jax.vmap(lambda dx: Grid((4, 4), dx).spacing)(spacings), spacings)
    assert Grid((4, 4), spacings).spacing is spacings


def test_boundaries_by_name_or_object() -> None:
    assert Grid((4, 4), 1.0, "neumann") == Grid((4, 4), 1.0, Neumann())
    assert as_boundary(Dirichlet()) == Dirichlet()


def test_pytree_round_trip_keeps_shape_static_and_spacing_traced() -> None:
    grid = Grid((3, 5), 0.5, "dirichlet")
    leaves, tree = jax.tree.flatten(grid)
    assert leaves == [0.5]
    assert jax.tree.unflatten(tree, leaves) == grid
    assert grid.num_cells == 15
    assert (grid.num_axes, Grid((1, 5)).num_axes) == (2, 1)


@pytest.mark.parametrize(
    ("boundary", "left", "right"), [("periodic", 3, 1), ("neumann", 1, 3), ("dirichlet", 0, 0)]
)
def test_what_a_halo_is_filled_with(boundary: str, left: int, right: int) -> None:
    field = jnp.asarray([[1.0, 2.0, 3.0]])
    padded = as_boundary(boundary).pad(field)
    np.testing.assert_array_equal(padded, [[left, 1, 2, 3, right]])


def test_state_by_name() -> None:
    state = State.of(u=jnp.ones((2, 2)), v=jnp.zeros((2, 2)))
    assert list(state) == ["u", "v"]
    assert float(state.replace(v=state["u"])["v"][0, 0]) == 1.0
    with pytest.raises(KeyError, match="no field 'w'; the fields are u, v"):
        state["w"]
    with pytest.raises(KeyError, match="the fields are u, v"):
        state.replace(w=state["u"])


@pytest.mark.parametrize("draw", [normal_field, uniform_field])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_random_cell_does_not_know_the_size_of_the_grid(draw, dtype: str) -> None:
    """What a padded grid relies on; JAX promises it for its partitionable Threefry."""
    key = jax.random.key(7)
    large = draw((12, 40), dtype, key=key)
    small = draw((5, 9), dtype, key=key)
    assert small.dtype == dtype
    np.testing.assert_array_equal(small, large[:5, :9])


def test_random_fields_have_their_moments() -> None:
    normal = np.asarray(normal_field((200, 200), "float64", key=jax.random.key(0)))
    uniform = np.asarray(uniform_field((200, 200), "float64", key=jax.random.key(0)))
    error = 4 / np.sqrt(normal.size)  # four standard errors of a mean of unit variance
    assert abs(normal.mean()) < error
    assert abs(normal.std() - 1) < error
    assert abs(uniform.mean() - 0.5) < error / np.sqrt(12)
    assert abs(np.corrcoef(normal[:, :-1].ravel(), normal[:, 1:].ravel())[0, 1]) < error
