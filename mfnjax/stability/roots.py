"""Finding homogeneous states and critical parameters: root finding on the host, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax._checks import check_function, check_int
from mfnjax.errors import ParameterError
from mfnjax.stability.linear import Reaction, as_state

_ITERATIONS = 200
_RESIDUAL_TOLERANCE = 1e-10
_SAME_STATE = 1e-6


def homogeneous_states(
    reaction: Reaction,
    *,
    bounds: Sequence[tuple[float, float]] | None = None,
    guesses: Any = None,
    starts: int = 64,
) -> np.ndarray:
    """All homogeneous steady states, f(u*) = 0, that Newton's method finds from many starts.

    Damped Newton (Levenberg–Marquardt) in float64, whatever JAX's default precision; the starts
    are an even, deterministic cover of ``bounds``, after ``guesses``. States found twice are
    reported once. At a double root (det J = 0) a state is known to about half the digits, except
    where a coordinate is exactly 0. There is no proof that none was missed.

    Args:
        reaction: f, from a tuple of n arrays to a tuple of n arrays, elementwise.
        bounds: (low, high) for each of the n fields; states outside are dropped.
        guesses: Starts of the caller's own, shape (m, n); wanted if there are no bounds.
        starts: How many starts cover the bounds, 1…100 000.

    Returns:
        The states, shape (k, n), float64, sorted by their coordinates; k = 0 if none was found.

    Raises:
        ParameterError: Neither bounds nor guesses, or badly formed ones.

    Examples:
        >>> from mfnjax.stability import homogeneous_states
        >>> print(homogeneous_states(lambda u: (u[0] - u[0] ** 3,), bounds=[(-2, 2)]).round(6) + 0)
        [[-1.]
         [ 0.]
         [ 1.]]
    """
    check_function("reaction", reaction)
    box = None if bounds is None else _check_bounds(bounds)
    points = _start_points(box, guesses, check_int("starts", starts, 1, 100_000))
    with jax.enable_x64(True):
        evaluate = jax.jit(jax.vmap(_residual_and_jacobian(reaction)))
        points, residual, size = _newton(evaluate, points)
    good = np.isfinite(points).all(1) & (residual <= _RESIDUAL_TOLERANCE * size)
    if box is not None:
        slack = 1e-9 * (box[:, 1] - box[:, 0])
        good &= ((points >= box[:, 0] - slack) & (points <= box[:, 1] + slack)).all(1)
    return distinct(points[good], residual[good])


def steady_state(reaction: Reaction, guess: Any) -> jax.Array:
    """One homogeneous state near ``guess``, differentiable in whatever the reaction closes over.

    Newton's method in the dtype of ``guess``; the derivative is that of the implicit function,
    du*/dp = −J⁻¹·∂f/∂p, forward and reverse. It does not exist where det J = 0.

    Args:
        reaction: f, from a tuple of n arrays to a tuple of n arrays.
        guess: n numbers near the state; no derivative flows through them.

    Returns:
        u*, shape (n,). Far from any state the result need not be one: check f(u*).

    Examples:
        >>> import jax
        >>> from mfnjax.stability import steady_state
        >>> state = lambda p: steady_state(lambda u: (u[0] ** 2 - p,), [1.0])[0]
        >>> print(f"{float(state(4.0)):.4f}, {float(jax.grad(state)(4.0)):.4f}")
        2.0000, 0.2500
    """
    guess = lax.stop_gradient(as_state(guess))

    def rates(vector: jax.Array) -> jax.Array:
        return jnp.stack([jnp.asarray(rate, vector.dtype) for rate in reaction(tuple(vector))])

    def newton(function: Any, start: jax.Array) -> jax.Array:
        def improve(_: int, vector: jax.Array) -> jax.Array:
            return vector - jnp.linalg.solve(jax.jacfwd(function)(vector), function(vector))

        return lax.fori_loop(0, 50, improve, start)

    def tangent(linear: Any, right: jax.Array) -> jax.Array:
        return jnp.linalg.solve(jax.jacfwd(linear)(right), right)

    return lax.custom_root(rates, guess, newton, tangent)


def critical_parameter(
    growth: Callable[[float], Any], bracket: tuple[float, float], *, tolerance: float = 1e-12
) -> float:
    """The parameter at which a growth rate crosses zero, by Brent's method in float64.

    Args:
        growth: Parameter ↦ largest growth rate [1/time], such as that of `fastest_mode`.
            It must be computed in float64 to be worth the tolerance.
        bracket: Two parameters between which the growth rate changes its sign.
        tolerance: Absolute and relative tolerance of the parameter.

    Returns:
        The critical parameter. Its derivative with respect to anything else, p, is
        −(∂σ/∂p)/(∂σ/∂parameter) there, by the implicit function theorem.

    Raises:
        ParameterError: The growth rate has one sign at both ends, or is not finite there.

    Examples:
        >>> from mfnjax.stability import critical_parameter
        >>> print(f"{critical_parameter(lambda mu: mu - 2.0, (0.0, 5.0)):.6f}")
        2.000000
    """
    from scipy.optimize import brentq

    try:
        low, high = (float(end) for end in bracket)
    except (TypeError, ValueError):
        raise ParameterError(f"bracket must be two numbers (low, high), got {bracket!r}") from None
    ends = {end: float(growth(end)) for end in (low, high)}
    if not all(np.isfinite(value) for value in ends.values()):
        raise ParameterError(f"the growth rate must be finite at both ends of {bracket}: {ends}")
    if ends[low] * ends[high] > 0:
        raise ParameterError(
            f"the growth rate must change its sign in the bracket ({low:g}, {high:g}), "
            f"got {ends[low]:g} and {ends[high]:g}"
        )
    return float(
        brentq(lambda p: float(growth(p)), low, high, xtol=tolerance, rtol=max(tolerance, 9e-16))
    )


def _check_bounds(bounds: Sequence[tuple[float, float]]) -> np.ndarray:
    try:
        box = np.asarray(bounds, np.float64)
    except (TypeError, ValueError):
        box = np.empty(0)
    if box.ndim != 2 or box.shape[1] != 2 or not np.isfinite(box).all():
        raise ParameterError(f"bounds must be one finite (low, high) a field, got {bounds!r}")
    if (box[:, 0] >= box[:, 1]).any():
        raise ParameterError(f"bounds must have low < high, got {bounds!r}")
    return box


def as_guesses(guesses: Any) -> np.ndarray:
    """Starts of the caller's own, shape (m, n)."""
    try:
        return np.atleast_2d(np.asarray(guesses, np.float64))
    except (TypeError, ValueError):
        raise ParameterError(f"guesses must be finite, of shape (m, n), got {guesses!r}") from None


def _start_points(box: np.ndarray | None, guesses: Any, starts: int) -> np.ndarray:
    parts = []
    if guesses is not None:
        own = as_guesses(guesses)
        if own.ndim != 2 or not np.isfinite(own).all():
            raise ParameterError(f"guesses must be finite, of shape (m, n), got {guesses!r}")
        if box is not None and own.shape[1] != len(box):
            raise ParameterError(f"guesses have {own.shape[1]} fields, bounds {len(box)}")
        parts.append(own)
    if box is not None:
        # Kronecker sequence on powers of the generalised golden ratio: even in any dimension.
        ratio = 2.0
        for _ in range(60):
            ratio = (1 + ratio) ** (1 / (len(box) + 1))
        steps = ratio ** -np.arange(1.0, len(box) + 1)
        unit = (0.5 + np.arange(starts)[:, None] * steps) % 1
        parts.append(box[:, 0] + unit * (box[:, 1] - box[:, 0]))
    if not parts:
        raise ParameterError("homogeneous_states needs bounds or guesses")
    return np.concatenate(parts)


def _residual_and_jacobian(reaction: Reaction) -> Callable[[jax.Array], Any]:
    def rates(vector: jax.Array) -> jax.Array:
        return jnp.stack([jnp.asarray(rate, vector.dtype) for rate in reaction(tuple(vector))])

    return lambda vector: (rates(vector), jax.jacfwd(rates)(vector))


def _newton(
    evaluate: Callable[..., Any], points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levenberg–Marquardt from all points at once; points, residuals, and what is large there."""

    def at(where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        f, j = (np.asarray(x) for x in evaluate(where))
        norm = np.linalg.norm(f, axis=1)
        return f, j, np.where(np.isfinite(norm) & np.isfinite(j).all((1, 2)), norm, np.inf)

    f, j, norm = at(points)
    damping = np.full(len(points), 1e-3)
    for _ in range(_ITERATIONS):
        live = np.isfinite(norm)[:, None]
        safe_j, safe_f = np.where(live[..., None], j, 0.0), np.where(live, f, 0.0)
        # By singular values, not normal equations: at a double root J itself is singular.
        left, values, right = np.linalg.svd(safe_j)
        largest = np.maximum(values[:, :1], 1e-150)
        gain = values / (values**2 + damping[:, None] * largest**2)
        along = gain * np.einsum("kji,kj->ki", left, safe_f)
        step = np.einsum("kij,ki->kj", right, along)
        trial = points - step
        f_new, j_new, norm_new = at(trial)
        better = norm_new < norm
        points = np.where(better[:, None], trial, points)
        f, j = np.where(better[:, None], f_new, f), np.where(better[:, None, None], j_new, j)
        norm = np.where(better, norm_new, norm)
        damping = np.clip(np.where(better, damping / 10, damping * 4), 1e-32, 1e6)
        small = np.abs(step) <= 1e-15 * np.abs(points) + 1e-100
        if (small.all(1) | (norm == 0) | ~np.isfinite(norm)).all():
            break
    # A coordinate that is 0 but for rounding becomes 0, if the residual agrees.
    tiny = np.abs(points) <= 1e-7 * np.maximum(np.abs(points).max(1, keepdims=True), 1.0)
    snapped = np.where(tiny, 0.0, points)
    f_new, j_new, norm_new = at(snapped)
    better = norm_new <= norm
    points = np.where(better[:, None], snapped, points)
    norm, j = np.where(better, norm_new, norm), np.where(better[:, None, None], j_new, j)
    size = np.linalg.norm(np.where(np.isfinite(j), j, 0.0), axis=(1, 2))
    return points, norm, size * np.maximum(np.linalg.norm(points, axis=1), 1.0)


def distinct(points: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """The points that differ, the best of each cluster, sorted by coordinates."""
    kept: list[np.ndarray] = []
    for point in points[np.argsort(residual, kind="stable")]:
        scale = max(1.0, float(np.abs(point).max()))
        if all(np.abs(point - other).max() > _SAME_STATE * scale for other in kept):
            kept.append(point)
    # Rounded keys, so that noise in a first coordinate does not decide the order.
    kept.sort(key=lambda p: [round(float(x), 9) for x in p])
    return np.array(kept).reshape(len(kept), points.shape[1])
