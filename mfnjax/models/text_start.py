"""Starts as text: ``{"u": "1 - 0.5*(abs(x - 64) < 10)", "v": "0.01*uniform()"}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from mfnjax._checks import shown
from mfnjax.core.grid import Grid
from mfnjax.core.rng import normal_field, uniform_field
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.text.equations import check_directions, read_formula
from mfnjax.text.evaluate import Moment
from mfnjax.text.names import hint
from mfnjax.text.tree import Call, Node, walk

_DRAWS: dict[str, Callable[..., jax.Array]] = {"normal": normal_field, "uniform": uniform_field}


def start_from_text(
    start: Mapping[str, Any],
    fields: tuple[str, ...],
    grid: Grid,
    *,
    dtype: Any = None,
    parameters: Mapping[str, Any] | None = None,
    key: jax.Array,
) -> State:
    """The state of a run from a text for each field.

    Args:
        start: Field → text, a number or an array. A text may hold t (0), x, y, z, the functions of
            equations, the parameters, and ``normal()`` and ``uniform()``: independent cells, of
            each call and each field its own.
        fields: The fields of the model, in order.
        grid: The grid, whose cell centres are x, y and z.
        dtype: Kind of the numbers; None is JAX's default.
        parameters: Numbers and arrays that a text may name.
        key: Key of all draws.

    Returns:
        A `State` of arrays of the grid's shape.

    Raises:
        ParameterError: A field without a start, an unknown one, or a text that may not be said, or
            names a direction that the grid does not have.

    Examples:
        >>> import jax
        >>> from mfnjax import Grid
        >>> from mfnjax.models.text_start import start_from_text
        >>> state = start_from_text({"u": "x + 10*y"}, ("u",), Grid((2, 3)), key=jax.random.key(0))
        >>> state["u"][1].tolist()
        [15.5, 16.5, 17.5]
    """
    given = {} if parameters is None else dict(parameters)
    trees = read_start(start, fields, frozenset(given))
    dtype = jnp.result_type(float) if dtype is None else dtype
    at = grid.place(0.0, dtype)
    values = []
    for number, name in enumerate(fields):
        value = start[name]
        if name in trees:
            tree = trees[name]
            check_directions(tree, grid.axes)
            draws = _draws(tree, grid.shape, dtype, jax.random.fold_in(key, number))
            value = Moment(given, at, random=draws).scalar(tree)
        try:
            values.append(jnp.broadcast_to(jnp.asarray(value, dtype), grid.shape))
        except (TypeError, ValueError):
            raise ParameterError(
                f"the start of {name!r} must be a text, a number or an array of the grid's shape "
                f"{grid.shape}, got {getattr(value, 'shape', shown(value))}"
            ) from None
    return State(fields, tuple(values), jnp.int32(0))


def read_start(
    start: Mapping[str, Any], fields: tuple[str, ...], known: frozenset[str]
) -> dict[str, Node]:
    """The expressions of a start by field, where a field has one; ``known`` may be named.

    Raises:
        ParameterError: A field without a start, an unknown one, or a text that may not be said.
    """
    for name in start:
        if name not in fields:
            near = hint(str(name), fields)
            raise ParameterError(
                f"the start names {shown(name)}{near}; the fields are {', '.join(fields)}"
            )
    missing = [name for name in fields if name not in start]
    if missing:
        raise ParameterError(f"the start says nothing of {', '.join(missing)}")
    texts = {name: start[name] for name in fields if isinstance(start[name], str)}
    return {
        name: read_formula(text, f"start of {name!r}", tuple(_DRAWS), known)
        for name, text in texts.items()
    }


def _draws(
    tree: Node, shape: tuple[int, ...], dtype: Any, key: jax.Array
) -> dict[str, Callable[[Any], jax.Array]]:
    """Each call draws by a key of its own, which its number in the text gives."""
    calls = [node.place for node in walk(tree) if isinstance(node, Call) and node.name in _DRAWS]

    def drawing(draw: Callable[..., jax.Array]) -> Callable[[Any], jax.Array]:
        return lambda place: draw(shape, dtype, key=jax.random.fold_in(key, calls.index(place)))

    return {name: drawing(draw) for name, draw in _DRAWS.items()}
