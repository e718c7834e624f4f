"""Beyond one dimension: how clumpy a set is (lacunarity), and the generalised dimensions D_q."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mfnjax._checks import check_items, check_real
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import DataError, ParameterError
from mfnjax.fractal.box_counting import check_sizes, image_array


def lacunarity(mask: ArrayLike, sizes: tuple[int, ...]) -> Array:
    """Gliding-box lacunarity Λ(r) = ⟨M²⟩/⟨M⟩² of a set or a density.

    M is the mass in a box of side r, and the mean runs over all positions of the box inside the
    image. Λ = 1 for an even set; a random set of density p has Λ = 1 + (1 − p)/(p·r²).
    Differentiable in a density. Batch with ``jax.vmap``.

    Args:
        mask: Boolean image or non-negative density, shape (H, W).
        sizes: Box sides r, 1 ≤ r ≤ min(H, W) (static).

    Returns:
        Λ, floating, shape (len(sizes),); 0 for an empty image.

    Raises:
        ParameterError: A size does not fit into the image.
        DataError: A density, outside of jit, is negative or not finite.

    Examples:
        >>> import jax.numpy as jnp
        >>> [round(float(v), 3) for v in lacunarity(jnp.eye(4), (1, 2, 4))]
        [4.0, 1.44, 1.0]

    Source:
        C. Allain, M. Cloitre 1991, Phys. Rev. A 44:3552, doi:10.1103/PhysRevA.44.3552.
    """
    density = _density("mask", mask)
    sizes = check_sizes(sizes)
    if max(sizes) > min(density.shape):
        raise ParameterError(f"sizes must lie in 1…{min(density.shape)}, got {max(sizes)}")
    return _lacunarity(density, sizes)


def _density(name: str, values: ArrayLike) -> Array:
    """Values (H, W) as floating numbers; checked where they are known."""
    density = image_array(name, values)
    if not jnp.issubdtype(density.dtype, jnp.floating):
        density = density.astype(jnp.result_type(float))
    if not isinstance(density, jax.core.Tracer) and not bool(
        jnp.all(jnp.isfinite(density) & (density >= 0))
    ):
        raise DataError(f"{name} must hold finite numbers ≥ 0, got {_offender(density)!r} in it")
    return density


def _offender(values: Array) -> float:
    broken = ~(jnp.isfinite(values) & (values >= 0))
    return float(values.ravel()[jnp.argmax(broken)])


@partial(jax.jit, static_argnames=("sizes",))
def _lacunarity(density: Array, sizes: tuple[int, ...]) -> Array:
    def one(size: int) -> Array:
        mass = _sliding_sum(_sliding_sum(density, size).T, size)
        mean = jnp.mean(mass)
        safe = jnp.where(mean > 0, mean, 1.0)
        # Relative to the mean first: float32 squares of large masses would lose digits.
        return jnp.where(mean > 0, jnp.mean((mass / safe) ** 2), 0.0)

    return jnp.stack([one(size) for size in sizes])


def _sliding_sum(rows: Array, size: int) -> Array:
    """Sums of ``size`` neighbouring rows, from sums of 1, 2, 4, … (no cumulative sum: it
    would subtract large numbers)."""
    count = rows.shape[0] - size + 1
    total: Any = None
    start, power, width = 0, rows, 1
    while True:
        if size & width:
            part = power[start : start + count]
            total = part if total is None else total + part
            start += width
        width *= 2
        if width > size:
            return total
        power = jax.lax.optimization_barrier(power[: -width // 2] + power[width // 2 :])


@register_pytree
@dataclass(frozen=True)
class GeneralisedDimensions:
    """What `generalised_dimensions` found.

    Attributes:
        orders: q, as given.
        sizes: Box sides, as given.
        dimensions: D_q, shape (len(orders),).
        r_squared: Of each fit, shape (len(orders),).
        log_partition: ln Σ p^q/(q − 1), or Σ p·ln p for q = 1, per order and size.
    """

    orders: tuple[float, ...] = field(metadata={"static": True})
    sizes: tuple[int, ...] = field(metadata={"static": True})
    dimensions: Array
    r_squared: Array
    log_partition: Array


def generalised_dimensions(
    measure: ArrayLike, sizes: tuple[int, ...], orders: tuple[float, ...] = (0.0, 1.0, 2.0)
) -> GeneralisedDimensions:
    """Rényi dimensions D_q of a set or a density, by a fixed grid of boxes.

    D_q = slope against ln s of ln Σ p_i^q/(q − 1), and of Σ p_i·ln p_i for q = 1; p_i is the share
    of the mass in box i. D₀ is the box-counting, D₁ the information, D₂ the correlation dimension.
    The grid starts at the image's corner and reaches over its edge. Differentiable in a density
    (D₀ is constant where no box empties). Batch with ``jax.vmap``.

    Args:
        measure: Boolean image or non-negative density, shape (H, W).
        sizes: At least two box sides, each ≥ 1 (static); powers of the set's own base make
            the result exact.
        orders: q ≥ 0 (static).

    Returns:
        `GeneralisedDimensions`; NaN for an empty image.

    Raises:
        ParameterError: Fewer than two sizes, a size below 1, or a negative order (empty boxes
            would need a rule of their own).
        DataError: A density, outside of jit, is negative or not finite.

    Examples:
        >>> import jax.numpy as jnp
        >>> found = generalised_dimensions(jnp.ones((16, 16)), (1, 2, 4))
        >>> [round(float(d), 4) for d in found.dimensions]
        [2.0, 2.0, 2.0]

    Source:
        H. G. E. Hentschel, I. Procaccia 1983, Physica D 8:435, doi:10.1016/0167-2789(83)90235-X.
    """
    density = _density("measure", measure)
    sizes = check_sizes(sizes)
    if len(sizes) < 2:
        raise ParameterError(f"sizes needs at least two different values ≥ 1, got {sizes!r}")
    listed = check_items("orders", orders, "a list of numbers ≥ 0")
    orders = tuple(check_real("orders", q, 0.0, 1e6) for q in listed)
    if not orders:
        raise ParameterError("orders needs at least one number ≥ 0, got none")
    return _generalised_dimensions(density, sizes, orders)


@partial(jax.jit, static_argnames=("sizes", "orders"))
def _generalised_dimensions(
    density: Array, sizes: tuple[int, ...], orders: tuple[float, ...]
) -> GeneralisedDimensions:
    density = density / jnp.sum(density)
    columns = [_partition(_sum_pool(density, size), orders) for size in sizes]
    values = jnp.stack(columns, axis=1)
    x = jnp.log(jnp.asarray(sizes, density.dtype))
    x = x - jnp.mean(x)
    y = values - jnp.mean(values, axis=1, keepdims=True)
    slopes = y @ x / (x @ x)
    explained, total = slopes**2 * (x @ x), jnp.sum(y * y, axis=1)
    return GeneralisedDimensions(
        orders=orders,
        sizes=sizes,
        dimensions=slopes,
        r_squared=jnp.where(total > 0, explained / jnp.where(total > 0, total, 1.0), 1.0),
        log_partition=values,
    )


def _sum_pool(density: Array, size: int) -> Array:
    padded = jnp.pad(density, [(0, -side % size) for side in density.shape])
    rows, columns = padded.shape
    return padded.reshape(rows // size, size, columns // size, size).sum((1, 3))


def _partition(share: Array, orders: tuple[float, ...]) -> Array:
    # Empty boxes hold no term; without the inner `where` their gradient would be NaN.
    filled = share > 0
    logs = jnp.log(jnp.where(filled, share, 1.0))

    def one(q: float) -> Array:
        if q == 1:
            return jnp.sum(share * logs)
        if abs(q - 1) < 0.5:
            # Σp^q − 1 without the 1, in which float32 loses what is divided by q − 1.
            change = jnp.sum(share * jnp.expm1((q - 1) * logs))
            return jnp.log1p(change) / (q - 1)
        exponents = jnp.where(filled, q * logs, -jnp.inf)
        return jax.scipy.special.logsumexp(exponents) / (q - 1)

    return jnp.stack([one(q) for q in orders])
