"""What every membrane function does with its arguments first: check them, then give them a dtype.

Values that live on the host are checked; tracers (inside `jit`, `vmap`, `grad`) pass through,
because their numbers are not known yet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.errors import ParameterError

VALENCES = (-2, -1, 1, 2, 3)
TEMPERATURE_MIN_K = 273.0
TEMPERATURE_MAX_K = 373.0

_SMALLEST, _LARGEST = np.finfo(np.float32).tiny, np.finfo(np.float32).max


def check_values(
    name: str, value: Any, accepted: Callable[[np.ndarray], np.ndarray], expected: str
) -> None:
    """Raise a ParameterError that names the first entry of ``value`` not ``accepted``."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
        return
    try:
        array = np.asarray(value)
        if array.dtype.kind in "bcOSUMm":
            raise TypeError
        if array.dtype.kind != "f":  # integers, and JAX's own bfloat16
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be {expected}, got {value!r}") from None
    good = np.isfinite(array) & accepted(array)
    if good.all():
        return
    index = tuple(int(i) for i in np.argwhere(~good)[0])
    where = f"[{', '.join(map(str, index))}]" if index else ""
    raise ParameterError(f"{name}{where} must be {expected}, got {array[index]:g}")


def check_concentration(name: str, value: Any) -> None:
    """A concentration: finite and > 0."""
    check_values(name, value, lambda c: c > 0, "a finite concentration > 0")


def check_valence(value: Any, valences: tuple[int, ...] = VALENCES) -> None:
    """A valence from the accepted ones; 0 is not among them."""
    listed = ", ".join(map(str, valences)).replace("-", "−")
    check_values("valence", value, lambda z: np.isin(z, valences), f"one of {listed}")


def check_temperature(value: Any) -> None:
    """An absolute temperature between freezing and boiling."""
    check_values(
        "temperature",
        value,
        lambda t: (t >= TEMPERATURE_MIN_K) & (t <= TEMPERATURE_MAX_K),
        f"a temperature in [{TEMPERATURE_MIN_K:g}, {TEMPERATURE_MAX_K:g}] K",
    )


def check_finite(name: str, value: Any) -> None:
    """Any finite number."""
    check_values(name, value, lambda x: np.ones(x.shape, bool), "a finite number")


def check_weight(name: str, value: Any) -> None:
    """Permeabilities or conductances: ≥ 0, and some ion gets through in every row."""
    check_values(name, value, lambda p: p >= 0, "a finite number ≥ 0")
    check_values(
        f"the sum of {name} over the ions",
        value,
        # broadcast back, so that the index named is one of the caller's own
        lambda p: np.broadcast_to(p.sum(-1, keepdims=p.ndim > 0) > 0, p.shape),
        "> 0 (at least one ion must be let through)",
    )


def as_floats(*values: Any) -> list[Any]:
    """Arrays of one floating dtype: that of the floating arrays given, else JAX's default.

    Python numbers, lists and integer arrays (valences) follow; they never decide. What is not
    yet a JAX array becomes a NumPy one: a compiled function takes it in a tenth of the time.
    """
    deciding = [value.dtype for value in values if _decides(value)]
    dtype = functools.reduce(jnp.promote_types, deciding) if deciding else jnp.result_type(float)
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    return [_as_float(value, dtype) for value in values]


def _as_float(value: Any, dtype: Any) -> Any:
    if isinstance(value, jax.Array):
        return value if value.dtype == dtype and not value.weak_type else jnp.asarray(value, dtype)
    if any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value)):
        return jnp.asarray(value, dtype)
    if dtype == np.float64:
        return np.asarray(value, dtype)
    with np.errstate(over="ignore"):
        array = np.asarray(value, dtype)
    size = np.abs(array)
    kept = (size >= _SMALLEST) & (size <= _LARGEST)
    if not kept.all():
        # XLA takes what is smaller for 0, and 0/0 or ln 0 would be the answer.
        exact = np.asarray(value, np.float64)
        lost = ~kept & (exact != 0)
        if lost.any():
            raise ParameterError(f"{exact[lost].flat[0]:g} is outside the range of {dtype}")
    return array


def _decides(value: Any) -> bool:
    if isinstance(value, float) or not hasattr(value, "dtype"):
        return False  # np.float64 is a Python float too
    return jnp.issubdtype(value.dtype, jnp.floating) and not getattr(value, "weak_type", False)


def check_shapes(**arrays: Any) -> tuple[int, ...]:
    """The shape that the arrays broadcast to, or a ParameterError that lists theirs."""
    # A list may hold tracers, which NumPy cannot read: only the leaves' shapes matter here.
    shapes = {
        name: np.shape(jax.tree.map(lambda leaf: np.empty(np.shape(leaf)), value))
        for name, value in arrays.items()
    }
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ParameterError(f"the shapes do not broadcast: {listed}") from None
