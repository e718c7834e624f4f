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

Evaluate = Callable[[np.ndarray], Any]
_ITERATIONS = 200
_RESIDUAL_TOLERANCE = 1e-11
_ROUNDING = 4 * np.finfo(float).eps


def homogeneous_states(
    reaction: Reaction,
    *,
    bounds: Sequence[tuple[float, float]] | None = None,
    guesses: Any = None,
    starts: int = 64,
) -> np.ndarray:
    """All homogeneous steady states, f(u*) = 0, that Newton's method finds from many starts.

    Damped Newton (Levenberg–Marquardt) in float64, whatever JAX's default precision; the starts
    are an even, deterministic cover of ``bounds``, after ``guesses``. What is small is judged by
    the bounds (or the guesses) and by J, whatever the units. States found twice, as far as J says
    how well each is known, are reported once. At a double root (det J = 0) a state is known to
    about half the digits, except where a coordinate is exactly 0. There is no proof that none was
    missed; of quotients of polynomials `analyse` finds all.

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
    scales = np.abs(points).max(0) if box is None else (box[:, 1] - box[:, 0]) / 2
    evaluate = jax.jit(jax.vmap(_rates_and_jacobian(reaction)))
    return states_from(evaluate, points, np.where(scales > 0, scales, 1.0), box=box)


def states_from(
    evaluate: Evaluate,
    points: np.ndarray,
    scales: np.ndarray,
    *,
    box: np.ndarray | None = None,
    totals: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """The states that Newton's method finds from given points; see `homogeneous_states`.

    Args:
        evaluate: States (p, n) ↦ their rates (p, n) and Jacobians (p, n, n).
        points: Where to begin, shape (m, n).
        scales: The size of each field, shape (n,): all is done in these units.
        box: (low, high) of each field, shape (n, 2); states outside are dropped.
        totals: Combinations of the fields (r, n) and what they must come to, (r,).
    """

    def at(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f, j = (np.asarray(x) for x in evaluate(states))
        if totals is not None:
            rows, values = totals
            f = np.concatenate([f, states @ rows.T - values], 1)
            j = np.concatenate([j, np.broadcast_to(rows, (len(j), *rows.shape))], 1)
        return f, j

    def scaled(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f, j = at(where * scales)
        return f, j * scales

    with jax.enable_x64(True):
        points, uncertain, good = _newton(scaled, points / scales)
        states = _polished(at, distinct(points[good], uncertain[good]) * scales)
    if box is not None:
        slack = 1e-9 * (box[:, 1] - box[:, 0])
        states = states[((states >= box[:, 0] - slack) & (states <= box[:, 1] + slack)).all(1)]
    return states


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


def _rates_and_jacobian(reaction: Reaction) -> Callable[[jax.Array], Any]:
    def rates(vector: jax.Array) -> jax.Array:
        return jnp.stack([jnp.asarray(rate, vector.dtype) for rate in reaction(tuple(vector))])

    return lambda vector: (rates(vector), jax.jacfwd(rates)(vector))


def _newton(evaluate: Evaluate, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levenberg–Marquardt from all points at once; points, how well each is known, which are good.

    The fields are of size 1. Each rate counts in units of its own derivatives there.
    """
    count = points.shape[1]
    ends = np.outer([1.0, 0.5, -1.0], np.ones(count))
    usual = _largest(np.abs(evaluate(ends)[1]).sum(2))

    def at(where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        f, j = evaluate(where)
        f, j = f / usual, j / usual[:, None]
        norm = np.linalg.norm(f, axis=1)
        return f, j, np.where(np.isfinite(norm) & np.isfinite(j).all((1, 2)), norm, np.inf)

    f, j, norm = at(points)
    damping = np.full(len(points), 1e-3)
    for _ in range(_ITERATIONS):
        live = np.isfinite(norm)[:, None]
        safe_j, safe_f = np.where(live[..., None], j, 0.0), np.where(live, f, 0.0)
        # By singular values, not normal equations: at a double root J itself is singular.
        left, values, right = np.linalg.svd(safe_j, full_matrices=False)
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
        if (small.all(1) | (norm == 0) | ~np.isfinite(norm) | (damping >= 1e6)).all():
            break
    # A coordinate that is 0 but for rounding becomes 0, if the residual agrees.
    for tiny in (1e-7, 1e-13):
        snapped = np.where(np.abs(points) <= tiny, 0.0, points)
        f_new, j_new, norm_new = at(snapped)
        better = norm_new <= (norm if tiny == 1e-7 else norm + _ROUNDING)
        points = np.where(better[:, None], snapped, points)
        f, j = np.where(better[:, None], f_new, f), np.where(better[:, None, None], j_new, j)
        norm = np.where(better, norm_new, norm)
    return points, *_judged(at, points, f, j)


def _polished(evaluate: Evaluate, states: np.ndarray) -> np.ndarray:
    """The states after one more step in the units that they are asked for in, where it helps."""
    if not len(states):
        return states
    f, j = evaluate(states)
    size = np.abs(j) @ np.abs(states)[..., None]
    unit = np.where(size > 0, size, 1.0)
    step = np.linalg.pinv(j / unit, rcond=1e-13) @ (f[..., None] / unit)
    moved = states - step[..., 0]
    after = evaluate(moved)[0]
    helps = (np.abs(after) <= np.abs(f)).all(1) & np.isfinite(after).all(1)
    return np.where(helps[:, None], moved, states)


def _judged(
    at: Callable[..., Any], points: np.ndarray, f: np.ndarray, j: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How well each point is known as a root, and whether it is one."""
    sizes = []
    for shift in (0.0, 1.0, -1.0):
        moved = points + shift
        slopes = np.abs(at(moved)[1]) * np.maximum(np.abs(moved), 1.0)[:, None]
        sizes.append(np.where(np.isfinite(slopes), slopes, 0.0).sum(2))
    size = np.max(sizes, axis=0)
    finite = np.isfinite(f).all(1) & np.isfinite(j).all((1, 2)) & np.isfinite(points).all(1)
    # What fades at infinity has no root there.
    good = finite & ((size > 1e-100) | ~size.any(0)).all(1)
    unit = np.where(good[:, None] & (size > 0), size, 1.0)
    residual = np.where(good[:, None], np.abs(f) / unit, np.inf)
    good &= (residual <= _RESIDUAL_TOLERANCE).all(1)
    inverse = np.linalg.pinv(np.where(good[:, None, None], j / unit[..., None], 0.0), rcond=1e-13)
    room = np.maximum(np.abs(points), 1.0)
    off = np.einsum("kij,kj->ki", inverse, np.where(good[:, None], f / unit, 0.0))
    rounding = _ROUNDING * np.abs(inverse).sum(2)
    good &= (np.abs(off) <= np.minimum(1e-6 + 10 * rounding, 1e-2) * room).all(1)
    noise = np.where(good[:, None], residual, 0.0)
    return np.einsum("kij,kj->ki", np.abs(inverse), noise) + rounding, good


def _largest(rows: np.ndarray) -> np.ndarray:
    """The largest finite number of each column, 1 where there is none but 0."""
    largest = np.where(np.isfinite(rows), rows, 0.0).max(0)
    return np.where(largest > 0, largest, 1.0)


def distinct(points: np.ndarray, uncertain: np.ndarray) -> np.ndarray:
    """The points that differ by more than they are known to, the best of each cluster, sorted."""
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for number in np.argsort(uncertain.max(1, initial=0.0), kind="stable"):
        point, own = points[number], uncertain[number]
        if not any(_are_one(point, own, *other) for other in kept):
            kept.append((point, own))
    # Rounded keys, so that noise in a first coordinate does not decide the order.
    kept.sort(key=lambda one: [round(float(x), 9) for x in one[0]])
    return np.array([point for point, _ in kept]).reshape(len(kept), points.shape[1])


def _are_one(point: np.ndarray, own: np.ndarray, other: np.ndarray, its: np.ndarray) -> bool:
    size = np.maximum(np.abs(point), np.abs(other))
    room = 1e-9 * size + np.minimum(100 * (own + its), 1e-2 * np.maximum(size, 1.0))
    return bool((np.abs(point - other) <= room).all())
