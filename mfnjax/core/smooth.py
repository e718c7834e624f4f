"""Smooth twins of the hard parts of a model, for gradients: threshold, clamp, chance.

Every twin here is the mean of its hard part under logistic noise of scale w (the relaxed Bernoulli
reuses the noise of the draw itself), so each has the same limit and the same tails: at a distance
d from the kink it differs from the hard part by O(e^(−d/w)), at the kink by O(w) (a clamp) or by
half the jump (a threshold).

===================  =========================================  ===================
hard                 smooth                                     function
===================  =========================================  ===================
[x > 0]              σ(x/w)                                     `soft_step`
clip(x, low, high)   x + w·s((low − x)/w) − w·s((x − high)/w)   `soft_clip`
[u < p]              σ((logit p − logit u)/w)                   `relaxed_bernoulli`
===================  =========================================  ===================

σ is the logistic function and s = ln(1 + eˣ). `smooth_twin` turns a model into one built of these;
it runs through the same `simulate`. `annealed_width` takes the width to the hard model.

Source: C. J. Maddison, A. Mnih, Y. W. Teh (2017), The concrete distribution, arXiv:1611.00712;
E. Jang, S. Gu, B. Poole (2017), Categorical reparameterization with Gumbel-softmax,
arXiv:1611.01144.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.errors import ParameterError


def soft_step(x: Any, width: Any) -> jax.Array:
    """σ(x/w), the smooth twin of [x > 0]; ½ at x = 0, with slope 1/(4w) there.

    Args:
        x: Distance from the threshold, any shape.
        width: w > 0, in the unit of x.

    Examples:
        >>> from mfnjax.core.smooth import soft_step
        >>> [round(float(soft_step(0.1, width)), 4) for width in (1.0, 0.1, 0.01)]
        [0.525, 0.7311, 1.0]
    """
    return jax.nn.sigmoid(x / width)


def soft_clip(x: Any, low: Any, high: Any, width: Any) -> jax.Array:
    """x + w·s((low − x)/w) − w·s((x − high)/w), the smooth twin of clip(x, low, high).

    It lies between the limits (to rounding), is monotone, and differs from the hard clip by at most
    w·ln 2. A clipped cell still has a gradient: e^(−d/w) at a distance d beyond the limit.

    Args:
        x: Values, any shape.
        low: Lower limit.
        high: Upper limit.
        width: w > 0, in the unit of x.

    Examples:
        >>> from mfnjax.core.smooth import soft_clip
        >>> [round(float(soft_clip(x, 0.0, 1.0, 0.05)), 4) for x in (-0.5, 0.0, 0.5, 1.5)]
        [0.0, 0.0347, 0.5, 1.0]
    """
    # Of the equal forms this one gives x back exactly where both limits are far.
    below, above = jax.nn.softplus((low - x) / width), jax.nn.softplus((x - high) / width)
    return x + width * below - width * above


def relaxed_bernoulli(probability: Any, uniform: Any, width: Any) -> jax.Array:
    """σ((logit p − logit u)/w), the smooth twin of [u < p] for one fixed uniform draw u.

    logit u is logistic noise: this is the binary concrete distribution of temperature w, drawn
    with the same u as the hard event, and for w → 0 it is that event. Its derivative in p is the
    true derivative of the relaxed draw; averaged over u it tends to 1 = d E[u < p]/dp as w → 0,
    while its variance grows like 1/w.

    Args:
        probability: p. Outside (0, 1) the draw is 0 or 1 with a derivative of 0, which is the limit
            from within for w < 1.
        uniform: u in [0, 1).
        width: w, dimensionless, 0 < w < 1.

    Examples:
        >>> import jax
        >>> from mfnjax.core.smooth import relaxed_bernoulli
        >>> [round(float(relaxed_bernoulli(0.25, u, 0.1)), 3) for u in (0.2, 0.25, 0.3)]
        [0.947, 0.5, 0.075]
        >>> print(f"{float(jax.grad(relaxed_bernoulli)(0.25, 0.26, 0.1)):.1f}")
        12.5
    """
    p = jnp.asarray(probability)
    inside = (p > 0) & (p < 1)
    # Double where: at p = 0 and 1 the logit is infinite and its derivative would be 0·∞.
    safe = jnp.where(inside, p, jnp.full_like(p, 0.5))
    u = jnp.maximum(uniform, jnp.finfo(p.dtype).tiny)
    relaxed = jax.nn.sigmoid((_logit(safe) - _logit(u)) / width)
    return jnp.where(inside, relaxed, (p >= 1).astype(p.dtype))


def _logit(x: jax.Array) -> jax.Array:
    return jnp.log(x) - jnp.log1p(-x)


def annealed_width(fraction: Any, *, start: float = 4.0, stop: float = 0.05) -> jax.Array:
    """start·(stop/start)^fraction: a width that goes from ``start`` to ``stop``, evenly in its log.

    Args:
        fraction: How far the annealing has come, 0 … 1 (traced; any shape; clipped to that range).
        start: Width at 0.
        stop: Width at 1, > 0.

    Raises:
        ParameterError: A width that is not positive and finite.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.core.smooth import annealed_width
        >>> annealed_width(jnp.linspace(0, 1, 4), start=8.0, stop=1.0).round(3).tolist()
        [8.0, 4.0, 2.0, 1.0]
    """
    for name, value in (("start", start), ("stop", stop)):
        if not 0 < value < float("inf"):
            raise ParameterError(f"{name} must be positive and finite, got {value!r}")
    fraction = jnp.clip(jnp.asarray(fraction, jnp.result_type(fraction, float)), 0, 1)
    return start * jnp.exp(fraction * np.log(stop / start).item())
