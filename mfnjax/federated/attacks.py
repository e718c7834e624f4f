"""What hostile clients send: the attacks that aggregation rules are measured against.

Each attack sees all honest updates (an omniscient adversary) and returns what f hostile clients
send. They are for tests and experiments; `ATTACKS` names them all.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import jax
import jax.numpy as jnp
from jax import Array

Attack = Callable[..., Array]


def sign_flip(honest: Array, f: int, *, factor: float = 100.0, key: Array) -> Array:
    """−factor × the honest mean, f times."""
    return _repeat(-factor * jnp.mean(honest, axis=0), f)


def large_gaussian(honest: Array, f: int, *, deviation: float = 200.0, key: Array) -> Array:
    """Independent normal noise of the given standard deviation (Blanchard et al. 2017)."""
    return deviation * jax.random.normal(key, (f, honest.shape[1]), honest.dtype)


def inner_product(honest: Array, f: int, *, epsilon: float = 0.1, key: Array) -> Array:
    """−ε × the honest mean: small, and against the descent (Xie, Koyejo, Gupta, UAI 2019,
    arXiv:1903.03936)."""
    return _repeat(-epsilon * jnp.mean(honest, axis=0), f)


def alie(honest: Array, f: int, *, key: Array) -> Array:
    """A little is enough: mean − z·std per coordinate, with z the largest shift that enough
    honest clients exceed (Baruch, Baruch, Goldberg, NeurIPS 2019, arXiv:1902.06156)."""
    n = honest.shape[0] + f
    supporters = n // 2 + 1 - f
    share = min(max((n - f - supporters) / (n - f), 1e-3), 1 - 1e-3)
    z = max(NormalDist().inv_cdf(share), 0.0)
    return _repeat(jnp.mean(honest, axis=0) - z * jnp.std(honest, axis=0), f)


def mimic(honest: Array, f: int, *, key: Array) -> Array:
    """All copy one honest client, the one farthest along the direction of most variance
    (Karimireddy, He, Jaggi, ICLR 2022, arXiv:2006.09365)."""
    centred = honest - jnp.mean(honest, axis=0)
    direction = jax.random.normal(key, honest.shape[1:], honest.dtype)
    for _ in range(20):
        direction = centred.T @ (centred @ direction)
        length = jnp.sqrt(jnp.sum(direction**2))
        direction = direction / jnp.where(length > 0, length, 1)
    return _repeat(honest[jnp.argmax(centred @ direction)], f)


def all_nan(honest: Array, f: int, *, key: Array) -> Array:
    """Nothing but NaN."""
    return jnp.full((f, honest.shape[1]), jnp.nan, honest.dtype)


def all_inf(honest: Array, f: int, *, key: Array) -> Array:
    """Nothing but +infinity."""
    return jnp.full((f, honest.shape[1]), jnp.inf, honest.dtype)


def one_nan(honest: Array, f: int, *, key: Array) -> Array:
    """The honest mean with one coordinate NaN."""
    return _repeat(jnp.mean(honest, axis=0), f).at[:, 0].set(jnp.nan)


def _repeat(vector: Array, f: int) -> Array:
    return jnp.broadcast_to(vector, (f, *vector.shape))


ATTACKS: dict[str, Attack] = {
    "sign flip": sign_flip,
    "large Gaussian": large_gaussian,
    "inner product": inner_product,
    "ALIE": alie,
    "mimic": mimic,
    "all NaN": all_nan,
    "all Inf": all_inf,
    "one NaN": one_nan,
}
"""Name → attack(honest (n − f, d), f, key=…) → (f, d)."""
