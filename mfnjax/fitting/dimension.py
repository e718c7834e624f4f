"""Fields of a wanted fractal dimension, by gradient descent on soft box counts.

A mask has dimension D over the scales s₁ < … < sₙ if N(s) ∝ s^−D. Asking for the slope of a
straight line through the counts is not enough: descent meets it with a curve that has that slope
on average and no scaling at all. So every local slope

    dᵢ = ln(N(sᵢ)/N(sᵢ₊₁)) / ln(sᵢ₊₁/sᵢ)

is asked for: the mean of (dᵢ − D)² is (mean slope − D)² and the variance of the slopes, which is
the curvature. The mask is soft while it is moved, sigmoid((z − θ)/w), and w falls to almost a
step, so that the hard mask has what the soft one had.

The field is pink noise (amplitude ∝ 1/f), and what is moved is the white noise that it is made of.
So the start has structure on every scale to work with, and one step moves a large scale as easily
as a small one: moved cell by cell, the large boxes never empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax._checks import check_function, check_int, check_items, check_key, check_real
from mfnjax.core.pytree import register_pytree
from mfnjax.core.spectral import scale_modes
from mfnjax.errors import NumericalInstabilityError, ParameterError
from mfnjax.features import soft_box_counts
from mfnjax.fitting.objectives.objective import called
from mfnjax.fractal import box_counts

SIZES = (1, 2, 4, 8, 16, 32)
WIDTHS = (0.5, 0.003)

SETTLED = 0.8
"""Share of the descent after which the width stays at its last value."""


@final
@dataclass(frozen=True)
class DimensionFit:
    """What `fit_dimension` gives.

    Attributes:
        target: The dimension that was asked for.
        dimension: The slope of the hard counts, by least squares.
        local_slopes: dᵢ between neighbouring sizes, of the hard counts (n − 1,).
        counts: N(s) of the hard mask (n,).
        sizes: Box sizes in cells.
        start: The pink field at the end, mean 0 and variance 1 (H, W).
        field: What the mask is taken of: ``rollout(start)``, or the start itself (H, W).
        mask: The hard mask (H, W).
        history: The loss at every step (steps,).
        frames: The mask's own start, some stages, and the end (frames, H, W), boolean.
    """

    target: float
    dimension: float
    local_slopes: np.ndarray
    counts: np.ndarray
    sizes: tuple[int, ...]
    start: np.ndarray
    field: np.ndarray
    mask: np.ndarray
    history: np.ndarray
    frames: np.ndarray


def local_slopes(counts: jax.Array, sizes: Iterable[int]) -> jax.Array:
    """dᵢ = ln(N(sᵢ)/N(sᵢ₊₁)) / ln(sᵢ₊₁/sᵢ), the dimension between neighbouring sizes.

    Args:
        counts: N(s) > 0 (n,), for rising sizes.
        sizes: Box sizes in cells.

    Returns:
        (n − 1,) slopes [-].

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fitting.dimension import local_slopes
        >>> local_slopes(jnp.array([64.0, 16.0, 8.0]), (1, 2, 4)).tolist()
        [2.0, 1.0]
    """
    logs = jnp.log(counts)
    return (logs[:-1] - logs[1:]) / jnp.asarray(np.diff(np.log(tuple(sizes))), logs.dtype)


def dimension_loss(
    field: jax.Array, target: Any, width: Any, threshold: Any = 0.0, *, sizes: Iterable[int] = SIZES
) -> jax.Array:
    """Mean of (dᵢ − D)² over the local slopes of the soft mask sigmoid((z − θ)/w).

    z is the field in units of its own mean and standard deviation, so that the width means the
    same for every field.

    Args:
        field: (H, W), floating, not constant.
        target: D.
        width: w > 0, in standard deviations of the field.
        threshold: θ, in the same.
        sizes: Rising box sizes in cells, static.

    Returns:
        A scalar, 0 where every local slope is D.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax.fitting.dimension import dimension_loss
        >>> field = jax.random.normal(jax.random.key(0), (32, 32))
        >>> jax.grad(dimension_loss)(field, 1.5, 0.3, sizes=(1, 2, 4)).shape
        (32, 32)
    """
    sizes = tuple(sizes)
    z = (field - jnp.mean(field)) / jnp.std(field)
    soft = jax.nn.sigmoid((z - threshold) / width)
    return jnp.mean((local_slopes(soft_box_counts(soft, sizes), sizes) - target) ** 2)


def pink(white: jax.Array, *, exponent: float = 1.0) -> jax.Array:
    """White noise made pink: the amplitude of wavenumber q, in cycles/cell, times |q|^−exponent.

    Args:
        white: (H, W), floating; its mean is dropped.
        exponent: 1 for '1/f'; larger is smoother.

    Returns:
        A periodic field (H, W) of mean 0.
    """
    q = np.hypot(np.fft.fftfreq(white.shape[0])[:, None], np.fft.rfftfreq(white.shape[1])[None, :])
    q[0, 0] = np.inf
    modes = scale_modes(jnp.asarray(q**-exponent, white.dtype), jnp.fft.rfft2(white))
    return jnp.fft.irfft2(modes, s=white.shape)


def fit_dimension(
    target: float,
    *,
    shape: tuple[int, int] = (128, 128),
    sizes: Iterable[int] = SIZES,
    rollout: Callable[[jax.Array], jax.Array] | None = None,
    widths: tuple[float, float] = WIDTHS,
    steps: int = 300,
    learning_rate: float = 0.01,
    key: jax.Array,
) -> DimensionFit:
    """Move a random field by gradient descent until its mask has the wanted dimension.

    Adam on `dimension_loss`, over the white noise behind a `pink` field, while the width of the
    mask falls from ``widths[0]`` to ``widths[1]``, where the last fifth of the steps is spent: of
    those the field whose hard mask is nearest to the target is kept. With a ``rollout`` the mask
    is taken of what the rollout makes of the field, and the gradient runs through it to the field
    it started from.

    Args:
        target: D, in (0, 2).
        shape: (H, W) of the field.
        sizes: Rising box sizes in cells; the largest fits into the field.
        rollout: A differentiable function of the field (H, W) → (H, W), such as a
            reaction–diffusion run by `mfnjax.simulate` with ``adjoint=``; None: the field itself.
        widths: First and last width of the mask, in standard deviations of the field.
        steps: Steps of the descent.
        learning_rate: Of Adam, in standard deviations of the white noise.
        key: Key of the start.

    Returns:
        A `DimensionFit`; its dimension is that of the hard mask.

    Raises:
        ParameterError: An argument is not accepted.
        NumericalInstabilityError: The rollout gave a NaN or an infinity.

    Examples:
        >>> import jax
        >>> from mfnjax.fitting.dimension import fit_dimension
        >>> fit = fit_dimension(1.6, shape=(64, 64), sizes=(1, 2, 4, 8, 16), key=jax.random.key(0))
        >>> abs(fit.dimension - 1.6) < 0.02
        True
    """
    sizes = check_items("sizes", sizes, "three or more rising box sizes")
    shape = _check_pair("shape", shape)
    widths = _check_pair("widths", widths)
    key = check_key(key)
    target = check_real("target", target, 0.0, 2.0, open_low=True, open_high=True)
    check_int("steps", steps, 1, 10**6)
    check_real("learning_rate", learning_rate, 0.0, 10.0, open_low=True)
    for name, numbers in (("shape", shape), ("sizes", sizes)):
        for number in numbers:
            check_int(name, number, 1, 2**16)
    for width in widths:
        check_real("widths", width, 0.0, 100.0, open_low=True)
    if widths[0] < widths[1]:
        raise ParameterError(f"widths must fall from the first to the last, got {widths}")
    if len(sizes) < 3 or any(b <= a for a, b in pairwise(sizes)):
        raise ParameterError(f"sizes must be three or more rising box sizes, got {sizes!r}")
    if sizes[-1] > min(shape):
        raise ParameterError(f"the largest box, {sizes[-1]}, does not fit into a field {shape}")
    start = jax.random.normal(key, shape)
    _check_rollout(_made(rollout), start)
    _, _, first = _look(start, rollout=rollout)
    if not np.isfinite(first).all():
        raise NumericalInstabilityError("rollout", 0)
    threshold = _threshold(np.asarray(first), target, sizes)
    schedule = _Schedule(target, threshold, steps, learning_rate, widths)
    end, history, stages = _descend(rollout, sizes, start, schedule)
    moved, field, last = _look(end, rollout=rollout)
    if not np.isfinite(field).all():
        raise NumericalInstabilityError("rollout", steps)
    between = [_look(stage, rollout=rollout)[2] for stage in stages]
    frames = np.stack([np.asarray(z) > threshold for z in (first, *between, last)])
    counts, slopes = (np.asarray(part, float) for part in _hard_counts(frames[-1], sizes=sizes))
    slope = np.polyfit(-np.log(sizes), np.log(np.maximum(counts, 1)), 1)[0]
    return DimensionFit(
        target=target,
        dimension=float(slope),
        local_slopes=slopes,
        counts=counts,
        sizes=sizes,
        start=np.asarray(moved),
        field=np.asarray(field),
        mask=frames[-1],
        history=history,
        frames=frames,
    )


@partial(jax.jit, static_argnames="rollout")
def _look(
    white: jax.Array, *, rollout: Callable[[jax.Array], jax.Array] | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(the pink field, what the mask is taken of, the same in standard units) of white noise."""
    field = _made(rollout)(white)
    return _field(white), field, _standardise(field)


@partial(jax.jit, static_argnames="sizes")
def _hard_counts(mask: jax.Array, *, sizes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """(counts, local slopes) of a mask; an empty one has slopes 0."""
    counts = box_counts(mask, sizes)
    return counts, local_slopes(jnp.maximum(counts, 1).astype(float), sizes)


def _check_pair(name: str, value: Any) -> tuple[Any, Any]:
    pair = check_items(name, value, "a pair of numbers")
    if len(pair) != 2:
        raise ParameterError(f"{name} must be a pair of numbers, got {value!r}")
    return pair[0], pair[1]


def _check_rollout(made: Callable[[jax.Array], jax.Array], start: jax.Array) -> None:
    end = jax.eval_shape(made, start)
    if end.shape != start.shape or not jnp.issubdtype(end.dtype, jnp.floating):
        raise ParameterError(
            f"rollout must give a floating-point field {start.shape}, got {end.dtype} of shape "
            f"{end.shape}"
        )


def _made(
    rollout: Callable[[jax.Array], jax.Array] | None,
) -> Callable[[jax.Array], jax.Array]:
    """What the mask is taken of, from the white noise."""
    if rollout is None:
        return _field
    function = check_function("rollout", rollout)
    return lambda white: called(function, _field(white), name="rollout")


def _field(white: jax.Array) -> jax.Array:
    return _standardise(pink(white))


def _standardise(field: jax.Array) -> jax.Array:
    return (field - jnp.mean(field)) / jnp.std(field)


def _threshold(z: np.ndarray, target: float, sizes: tuple[int, ...]) -> float:
    """The level at which as many cells are inside as a set of that dimension has that meets half
    the largest boxes or more."""
    boxes = (z.shape[0] // sizes[-1]) * (z.shape[1] // sizes[-1])
    inside = boxes * float(sizes[-1] / sizes[0]) ** target * sizes[0] ** 2 / z.size
    return float(np.quantile(z, 1 - min(inside, 0.9)))


@final
@register_pytree
@dataclass(frozen=True)
class _Schedule:
    """What the descent follows: it changes no program.

    Attributes:
        target: D.
        threshold: θ.
        steps: Of the whole descent.
        learning_rate: At its start.
        widths: First and last width.
    """

    target: float
    threshold: float
    steps: int
    learning_rate: float
    widths: tuple[float, float]


def _descend(
    rollout: Callable[[jax.Array], jax.Array] | None,
    sizes: tuple[int, ...],
    start: jax.Array,
    schedule: _Schedule,
) -> tuple[jax.Array, np.ndarray, list[jax.Array]]:
    """The best end, the losses, and the white noise at 1/6 and 1/2 of the way.

    The last fifth runs at the last width. Cells still cross the threshold there, one or a few a
    step, and the hard counts jump with them; the hard mask that is nearest to the target is kept.
    """
    import optax

    optimizer = optax.scale_by_adam()
    steps = schedule.steps
    carry = (
        start,
        optimizer.init(start),
        jnp.zeros(steps, start.dtype),
        start,
        jnp.asarray(jnp.inf, start.dtype),
    )
    stages, done = [], 0
    for mark in (steps // 6, steps // 2, steps):
        carry = _segment(carry, done, mark, schedule, rollout=rollout, sizes=sizes)
        stages.append(carry[0])
        done = mark
    return carry[3], np.asarray(carry[2]), stages[:-1]


@partial(jax.jit, static_argnames=("rollout", "sizes"))
def _segment(
    carry: Any,
    first: Any,
    stop: Any,
    schedule: _Schedule,
    *,
    rollout: Callable[[jax.Array], jax.Array] | None,
    sizes: tuple[int, ...],
) -> Any:
    """Steps first … stop − 1 of the descent; carry: (noise, Adam, losses, best noise, its loss)."""
    import optax

    optimizer, made = optax.scale_by_adam(), _made(rollout)
    wide, narrow = schedule.widths

    def loss(white: jax.Array, width: Any) -> tuple[jax.Array, jax.Array]:
        field = made(white)
        soft = dimension_loss(field, schedule.target, width, schedule.threshold, sizes=sizes)
        return soft, field

    def step(index: Any, carry: Any) -> Any:
        white, state, losses, best, lowest = carry
        way = jnp.asarray(index, white.dtype) / schedule.steps
        width = wide * (narrow / wide) ** jnp.minimum(way / SETTLED, 1.0)
        (value, field), slope = jax.value_and_grad(loss, has_aux=True)(white, width)
        hard = _hard_loss(lax.stop_gradient(field), schedule, sizes)
        better = (way >= SETTLED) & (hard <= lowest)
        best, lowest = jnp.where(better, white, best), jnp.where(better, hard, lowest)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes
            direction, state = optimizer.update(slope, state)
        rate = schedule.learning_rate * (0.55 + 0.45 * jnp.cos(np.pi * way))
        return white - rate * direction, state, losses.at[index].set(value), best, lowest

    return lax.fori_loop(first, stop, step, carry)


def _hard_loss(field: jax.Array, schedule: _Schedule, sizes: tuple[int, ...]) -> jax.Array:
    """`dimension_loss` of the hard mask; infinite where a count is 0."""
    mask = (_standardise(field) > schedule.threshold).astype(field.dtype)
    slopes = local_slopes(soft_box_counts(mask, sizes), sizes)
    loss = jnp.mean((slopes - schedule.target) ** 2)
    return jnp.where(jnp.isfinite(loss), loss, jnp.inf)
