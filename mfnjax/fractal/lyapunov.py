"""Lyapunov exponents of a dynamical system from its tangent dynamics (Benettin's method)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from mfnjax._checks import check_function, check_int, check_key, check_real
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import DataError, ParameterError


@register_pytree
@dataclass(frozen=True)
class LyapunovSpectrum:
    """What `lyapunov_exponents` found.

    Attributes:
        exponents: The leading k exponents, largest first, 1/time, shape (k,).
        log_volume_rate: Mean of ln|det J| per unit of time along the same orbit. Filled when k
            is the system's dimension (the exponents must add up to it), else NaN.
        standard_error: Of each exponent, from the scatter over 20 blocks of the orbit, shape (k,).
        state: The state at the end of the run, same pytree as the start.
    """

    exponents: Array
    log_volume_rate: Array
    standard_error: Array
    state: Any


_BLOCKS = 20


def lyapunov_exponents(
    step: Callable[[Any], Any],
    state: Any,
    k: int,
    *,
    steps: int,
    transient: int = 1000,
    dt: float = 1.0,
    qr_every: int = 1,
    key: Array | None = None,
) -> LyapunovSpectrum:
    """The leading k Lyapunov exponents of a map, an ODE step or a whole field.

    λ_i = lim (1/T)·Σ ln|R_ii|, where Q·R is the QR factorisation of the Jacobian of the step
    (by forward-mode differentiation) applied to the k orthonormal columns Q of the step before.

    Args:
        step: One step of the dynamics, state → state, differentiable; the state may be any
            pytree of floating arrays of one dtype. For an ODE use `rk4_step`.
        state: Where the orbit starts.
        k: How many exponents, 1 … number of state variables.
        steps: Steps averaged over, after the transient; rounded up to a multiple of
            20·``qr_every``.
        transient: Steps run before, for the orbit to reach its attractor and Q to turn into
            the leading directions.
        dt: Time that one step takes (1 for a map).
        qr_every: Steps between two factorisations. Over that many steps no direction may
            shrink under the others' rounding error: keep 1 unless the step is a small one.
        key: Draws the first directions (a fixed key by default). The result depends on it
            by no more than the standard error.

    Returns:
        A `LyapunovSpectrum`.

    Raises:
        ParameterError: k, steps, transient, dt or qr_every is out of range, or the state holds
            no floating numbers.
        DataError: The orbit ran into a NaN or an infinity.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fractal.attractors import logistic
        >>> found = lyapunov_exponents(lambda x: logistic(x), jnp.asarray([0.3]), 1, steps=4000)
        >>> abs(float(found.exponents[0]) - 0.6931) < 0.02
        True

    Source:
        G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn 1980, Meccanica 15:9,
        doi:10.1007/BF02128236.
    """
    check_function("step", step)
    flat, unravel = ravel_pytree(state)
    if flat.size == 0 or not jnp.issubdtype(flat.dtype, jnp.floating):
        raise ParameterError(f"state must hold floating-point numbers, got dtype {flat.dtype}")
    k = check_int("k", k, 1, flat.size)
    steps = check_int("steps", steps, 1, 2**31 - 1)
    transient = check_int("transient", transient, 0, 2**31 - 1)
    qr_every = check_int("qr_every", qr_every, 1, 10_000)
    dt = check_real("dt", dt, 0.0, float("inf"), open_low=True)
    key = jax.random.key(0) if key is None else check_key(key)
    _check_step(step, state)

    def flat_step(x: Array) -> Array:
        return ravel_pytree(step(unravel(x)))[0]

    block = -(-steps // (_BLOCKS * qr_every))
    warmup = -(-transient // qr_every)
    logs, volumes, last = _run(
        flat_step, flat, key, k=k, every=qr_every, block=block, warmup=warmup
    )
    time = block * qr_every * dt
    rates = logs / time
    if not bool(jnp.all(jnp.isfinite(last)) & jnp.all(~jnp.isnan(rates))):
        raise DataError("the orbit ran into a NaN or an infinity: no Lyapunov exponents")
    exponents = jnp.mean(rates, axis=0)
    order = jnp.argsort(-exponents)
    return LyapunovSpectrum(
        exponents=exponents[order],
        log_volume_rate=jnp.mean(volumes) / time,
        standard_error=(jnp.std(rates, axis=0, ddof=1) / _BLOCKS**0.5)[order],
        state=unravel(last),
    )


def _check_step(step: Callable[[Any], Any], state: Any) -> None:
    """A step gives a state like the one it was given."""
    before, after = jax.eval_shape(lambda x: (x, step(x)), state)
    structures: list[Any] = [jax.tree.structure(tree) for tree in (before, after)]
    if structures[0] != structures[1] or any(
        old.shape != new.shape
        for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    ):
        raise ParameterError(f"step must give a state like its own {before}, got {after}")


@partial(jax.jit, static_argnames=("flat_step", "k", "every"))
def _run(
    flat_step: Callable[[Array], Array],
    x: Array,
    key: Array,
    *,
    k: int,
    every: int,
    block: int,
    warmup: int,
) -> tuple[Array, Array, Array]:
    """Sums over each block of ln|R_ii| (B, k) and of ln|det J| (B,), and the last state.

    ln|det J| goes its own way, by the determinant of the whole Jacobian at every single step,
    so that the sum of the exponents is checked by something that is not Q·R.
    """
    size = x.size

    def push(x: Array, q: Array) -> tuple[Array, Array, Array]:
        volume = jnp.asarray(jnp.nan if k < size else 0.0, x.dtype)
        for _ in range(every):
            advanced, tangent = jax.linearize(flat_step, x)
            if k == size:
                jacobian = jax.vmap(tangent, in_axes=1, out_axes=1)(jnp.eye(size, dtype=x.dtype))
                volume = volume + _log_abs_det(jacobian)
            q = jax.vmap(tangent, in_axes=1, out_axes=1)(q)
            x = advanced
        return x, q, volume

    def advance(_: int, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        x, q, logs, volume = carry
        x, q, grown = push(x, q)
        q, stretch = _orthonormalise(q)
        return x, q, logs + jnp.log(stretch), volume + grown

    zeros = (jnp.zeros(k, x.dtype), jnp.zeros((), x.dtype))
    q, _ = jnp.linalg.qr(jax.random.normal(key, (size, k), x.dtype))
    x, q, *_ = jax.lax.fori_loop(0, warmup, advance, (x, q, *zeros))

    def one_block(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Any]:
        x, q, logs, volume = jax.lax.fori_loop(0, block, advance, (*carry, *zeros))
        return (x, q), (logs, volume)

    (x, q), (logs, volumes) = jax.lax.scan(one_block, (x, q), None, length=_BLOCKS)
    return logs, volumes, x


def _log_abs_det(matrix: Array) -> Array:
    if matrix.shape[0] <= 3:  # closed forms, ten times faster than a call into LAPACK
        return jnp.log(jnp.abs(jnp.linalg.det(matrix)))
    return jnp.linalg.slogdet(matrix)[1]


def _orthonormalise(q: Array) -> tuple[Array, Array]:
    """Q and |diag R| of the QR factorisation of a tall matrix.

    For a few columns by Gram–Schmidt, each column swept twice ('twice is enough', Giraud et
    al. 2005): it fuses into the loop, where a call into LAPACK costs more than the step.
    """
    if q.shape[1] > 4:
        q, r = jnp.linalg.qr(q)
        return q, jnp.abs(jnp.diagonal(r))
    done: list[Array] = []
    norms = []
    for j in range(q.shape[1]):
        column = q[:, j]
        for _ in range(2):
            for other in done:
                column = column - jnp.sum(other * column) * other
        norm = jnp.sqrt(jnp.sum(column * column))
        done.append(column / norm)
        norms.append(norm)
    return jnp.stack(done, axis=1), jnp.stack(norms)


def kaplan_yorke_dimension(exponents: Array) -> float:
    """The Kaplan–Yorke (Lyapunov) dimension of an attractor from its exponents.

    D = j + (λ₁ + … + λ_j) / |λ_{j+1}|, with j the largest number of leading exponents whose
    sum is not negative.

    Args:
        exponents: All exponents that matter (the sum must turn negative), any order, shape (k,).

    Returns:
        The dimension: 0 if every exponent is negative, k if the sum never turns negative.

    Raises:
        ParameterError: No exponents, or one is not finite.

    Examples:
        >>> round(kaplan_yorke_dimension([0.9056, 0.0, -14.5723]), 4)
        2.0621

    Source:
        J. L. Kaplan, J. A. Yorke 1979, Lecture Notes in Mathematics 730:204,
        doi:10.1007/BFb0064319.
    """
    values = np.sort(np.asarray(exponents, dtype=np.float64).ravel())[::-1]
    if values.size == 0 or not np.all(np.isfinite(values)):
        raise ParameterError(f"exponents must be finite numbers, got {exponents!r}")
    sums = np.cumsum(values)
    below = np.nonzero(sums < 0.0)[0]
    if below.size == 0:
        return float(values.size)
    j = int(below[0])
    return float(j + (sums[j - 1] / -values[j] if j > 0 else 0.0))
