"""Iterated function systems: random and named ones, and the chaos game that draws them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mfnjax._checks import check_choice, check_int, check_key, shown
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError

POINTS_MAX = 10_000_000
CHAINS = 256
"""Chaos games played side by side: a scan over single points would be slow on any machine."""

_BURN_IN = 32


@register_pytree
@dataclass(frozen=True)
class AffineSystem:
    """Maps x ↦ A_k·x + t_k of the plane, each chosen with a probability ∝ weight.

    Attributes:
        matrices: A, shape (n, 2, 2).
        translations: t, shape (n, 2).
        weights: Positive numbers, shape (n,); they need not add up to 1.
    """

    matrices: Array
    translations: Array
    weights: Array

    def to_affine(self) -> AffineSystem:
        """The system itself."""
        return self


@register_pytree
@dataclass(frozen=True)
class SimilaritySystem:
    """Maps x ↦ s_k·R(φ_k)·x + t_k of the plane, each chosen with a probability ∝ weight.

    Attributes:
        ratios: s in (0, 1), shape (n,).
        angles: φ in radians, shape (n,).
        translations: t, shape (n, 2).
        weights: Positive numbers, shape (n,).
    """

    ratios: Array
    angles: Array
    translations: Array
    weights: Array

    def to_affine(self) -> AffineSystem:
        """The same maps with their matrices written out."""
        cosine, sine = jnp.cos(self.angles), jnp.sin(self.angles)
        turn = jnp.stack([jnp.stack([cosine, -sine], -1), jnp.stack([sine, cosine], -1)], -2)
        return AffineSystem(self.ratios[:, None, None] * turn, self.translations, self.weights)


@register_pytree
@dataclass(frozen=True)
class ChaosRun:
    """What the chaos game drew.

    Attributes:
        points: Points on the attractor, shape (N, 2).
        contraction_exponent: Mean of ln|det A_k| over the maps that were applied. The documented
            system calls it 'Lyapunov exponent'; it is the *sum of both* exponents of the run,
            2·mean(ln s) for similarities, of which each single exponent is the half.
    """

    points: Array
    contraction_exponent: Array


def random_similarity_system(num_maps: int = 4, *, key: Array) -> SimilaritySystem:
    """Draw similarities with s ~ U(0.2, 0.5), φ ~ U(0, 2π), t ~ U(−1, 1)², all equally likely.

    Args:
        num_maps: Number of maps, 2…8.
        key: Random key.

    Raises:
        ParameterError: ``num_maps`` is out of range.

    Examples:
        >>> import jax
        >>> random_similarity_system(3, key=jax.random.key(0)).ratios.shape
        (3,)

    Source:
        MyceliumFractalNet v4.1; M. Barnsley 1988, *Fractals Everywhere*.
    """
    num_maps = check_int("num_maps", num_maps, 2, 8)
    key_s, key_phi, key_t = jax.random.split(check_key(key), 3)
    return SimilaritySystem(
        ratios=jax.random.uniform(key_s, (num_maps,), minval=0.2, maxval=0.5),
        angles=jax.random.uniform(key_phi, (num_maps,), maxval=2.0 * math.pi),
        translations=jax.random.uniform(key_t, (num_maps, 2), minval=-1.0, maxval=1.0),
        weights=jnp.ones(num_maps),
    )


_H = math.sqrt(3.0) / 2.0
_THIRDS = [(i / 3, j / 3) for j in range(3) for i in range(3)]
_SIMILARITIES: dict[str, tuple[float, list[float], list[tuple[float, float]]]] = {
    "sierpinski_triangle": (1 / 2, [0.0] * 3, [(0.0, 0.0), (0.5, 0.0), (0.25, _H / 2)]),
    "sierpinski_carpet": (1 / 3, [0.0] * 8, [t for k, t in enumerate(_THIRDS) if k != 4]),
    "vicsek": (1 / 3, [0.0] * 5, [_THIRDS[k] for k in (1, 3, 4, 5, 7)]),
    "koch_curve": (
        1 / 3,
        [0.0, math.pi / 3, -math.pi / 3, 0.0],
        [(0.0, 0.0), (1 / 3, 0.0), (0.5, _H / 3), (2 / 3, 0.0)],
    ),
    "cantor_dust": (1 / 3, [0.0] * 4, [_THIRDS[k] for k in (0, 2, 6, 8)]),
}
_FERN = np.array(
    [
        # a, b, c, d, e, f, probability:  (x, y) ↦ (a·x + b·y + e, c·x + d·y + f)
        [0.0, 0.0, 0.0, 0.16, 0.0, 0.0, 0.01],
        [0.85, 0.04, -0.04, 0.85, 0.0, 1.6, 0.85],
        [0.2, -0.26, 0.23, 0.22, 0.0, 1.6, 0.07],
        [-0.15, 0.28, 0.26, 0.24, 0.0, 0.44, 0.07],
    ]
)

EXACT_DIMENSIONS = {
    "sierpinski_triangle": math.log(3) / math.log(2),
    "sierpinski_carpet": math.log(8) / math.log(3),
    "vicsek": math.log(5) / math.log(3),
    "koch_curve": math.log(4) / math.log(3),
    "cantor_dust": math.log(4) / math.log(3),
}
"""Dimensions of the named self-similar sets. The Barnsley fern is not self-similar: none."""

NAMED_SYSTEMS = (*_SIMILARITIES, "barnsley_fern")


def named_system(name: str) -> SimilaritySystem | AffineSystem:
    """One of the named systems: `NAMED_SYSTEMS`.

    The similarity systems live on the unit square; the fern spans about [−2.2, 2.7] × [0, 10].

    Args:
        name: ``sierpinski_triangle``, ``sierpinski_carpet``, ``vicsek``, ``koch_curve``,
            ``cantor_dust`` or ``barnsley_fern``.

    Raises:
        ParameterError: No system has this name.

    Examples:
        >>> named_system("vicsek").ratios.shape
        (5,)
    """
    check_choice("name", name, NAMED_SYSTEMS)
    if name == "barnsley_fern":
        matrices = jnp.asarray(_FERN[:, :4].reshape(4, 2, 2), dtype=float)
        return AffineSystem(
            matrices, jnp.asarray(_FERN[:, 4:6], dtype=float), jnp.asarray(_FERN[:, 6], dtype=float)
        )
    ratio, angles, translations = _SIMILARITIES[name]
    return SimilaritySystem(
        ratios=jnp.full(len(angles), ratio, dtype=float),
        angles=jnp.asarray(angles, dtype=float),
        translations=jnp.asarray(translations, dtype=float),
        weights=jnp.ones(len(angles)),
    )


def chaos_game(
    system: SimilaritySystem | AffineSystem, num_points: int = 10_000, *, key: Array
) -> ChaosRun:
    """Points on the attractor of a system: x ← A_k·x + t_k, with k drawn anew each time.

    256 games run side by side, each from the fixed point of the first map (which lies on the
    attractor) and each 32 moves long before its points count. Differentiable in the
    system (the choices of maps are not).

    Args:
        system: The maps.
        num_points: N, 1…10 000 000 (static).
        key: Random key.

    Returns:
        A `ChaosRun` of the system's dtype.

    Raises:
        ParameterError: ``num_points`` is out of range, or the system's shapes do not fit.

    Examples:
        >>> import jax
        >>> run = chaos_game(named_system("sierpinski_carpet"), 1000, key=jax.random.key(0))
        >>> run.points.shape, round(float(run.contraction_exponent), 3)  # 2·ln(1/3)
        ((1000, 2), -2.197)

    Source:
        M. Barnsley, S. Demko 1985, Proc. R. Soc. A 399:243, doi:10.1098/rspa.1985.0057.
    """
    num_points = check_int("num_points", num_points, 1, POINTS_MAX)
    if not isinstance(system, (SimilaritySystem, AffineSystem)):
        raise ParameterError(
            f"system must be a SimilaritySystem or an AffineSystem, got {shown(system)}"
        )
    affine = system.to_affine()
    n = affine.weights.shape[0]
    if affine.matrices.shape != (n, 2, 2) or affine.translations.shape != (n, 2):
        raise ParameterError(
            f"a system of {n} maps needs matrices (n, 2, 2) and translations (n, 2), got "
            f"{affine.matrices.shape} and {affine.translations.shape}"
        )
    return _play(affine, check_key(key), num_points=num_points)


@partial(jax.jit, static_argnames=("num_points",))
def _play(system: AffineSystem, key: Array, *, num_points: int) -> ChaosRun:
    chains = min(CHAINS, num_points)
    moves = -(-num_points // chains)
    dtype = system.matrices.dtype
    ladder = jnp.cumsum(system.weights) / jnp.sum(system.weights)
    draws = jax.random.uniform(key, (_BURN_IN + moves, chains), dtype)
    last = system.weights.shape[0] - 1
    choices = jnp.minimum(jnp.sum(draws[..., None] >= ladder, axis=-1), last)

    def move(x: Array, choice: Array) -> tuple[Array, Array]:
        a, t = system.matrices[choice], system.translations[choice]
        x = a[:, :, 0] * x[:, :1] + a[:, :, 1] * x[:, 1:] + t
        return x, x

    start = jnp.linalg.solve(jnp.eye(2, dtype=dtype) - system.matrices[0], system.translations[0])
    _, path = jax.lax.scan(move, jnp.broadcast_to(start, (chains, 2)), choices)
    a = system.matrices
    log_det = jnp.log(jnp.abs(a[:, 0, 0] * a[:, 1, 1] - a[:, 0, 1] * a[:, 1, 0]))
    return ChaosRun(
        points=path[_BURN_IN:].reshape(-1, 2)[:num_points],
        contraction_exponent=jnp.mean(log_det[choices[_BURN_IN:].reshape(-1)[:num_points]]),
    )


def similarity_dimension(ratios: Array) -> Array:
    """Dimension of a self-similar set by Moran's equation Σ s_k^D = 1.

    It is the Hausdorff and box dimension if the pieces do not overlap (open set condition).
    Newton on ln Σ e^(D·ln s), which is convex and falling in D, so that the steps from D = 0
    never overshoot. Differentiable to any order, by the implicit function theorem.

    Args:
        ratios: Contraction ratios, each in (0, 1), shape (n,), n ≥ 1.

    Returns:
        D, a scalar of the ratios' dtype.

    Raises:
        ParameterError: A ratio lies outside (0, 1), or there is none.

    Examples:
        >>> import jax.numpy as jnp
        >>> round(float(similarity_dimension(jnp.full(3, 0.5))), 4)
        1.585

    Source:
        P. A. P. Moran 1946, Math. Proc. Camb. Phil. Soc. 42:15, doi:10.1017/S0305004100022684.
    """
    try:
        ratios = jnp.asarray(ratios)
    except (TypeError, ValueError):
        raise ParameterError(f"ratios must be numbers in (0, 1), got {shown(ratios)}") from None
    ratios = jnp.asarray(ratios, dtype=jnp.result_type(ratios, 0.0))
    if ratios.ndim != 1 or ratios.size == 0:
        raise ParameterError(f"ratios must have shape (n,) with n ≥ 1, got {ratios.shape}")
    if not isinstance(ratios, jax.core.Tracer) and not bool(jnp.all((ratios > 0) & (ratios < 1))):
        raise ParameterError(f"ratios must lie in (0, 1), got {np.asarray(ratios).tolist()}")
    logs = jnp.log(ratios)

    def excess(d: Array) -> Array:
        return jax.scipy.special.logsumexp(d * logs)

    def newton(f: object, start: Array) -> Array:
        def one(_: int, d: Array) -> Array:
            value, slope = jax.value_and_grad(excess)(d)
            return d - value / slope

        return jax.lax.fori_loop(0, 40, one, start)

    zero = jnp.zeros((), ratios.dtype)
    return jax.lax.custom_root(excess, zero, newton, lambda g, y: y / g(jnp.ones((), ratios.dtype)))
