"""Spike-timing-dependent plasticity: the pair rule, and a three-factor update of a layer.

The pair rule turns spike times into weight changes. In training a third factor, how much better
than usual the network did on a sample, gives them a sign: pairings in good samples are
strengthened, in bad ones undone. Spike times are read off activations: the stronger, the earlier.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jax import Array

from mfnjax._checks import check_choice, check_real
from mfnjax.core.pytree import register_pytree

STDP_LAYERS = ("hidden", "half")
"""Layers whose inputs and outputs are both known activations."""


@register_pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class STDP:
    """Parameters of the pair rule; all traced.

    Attributes:
        tau_plus_s: Decay of potentiation τ₊, s, [0.005, 0.1].
        tau_minus_s: Decay of depression τ₋, s, [0.005, 0.1].
        a_plus: Amplitude of potentiation A₊, [0.001, 0.1].
        a_minus: Amplitude of depression A₋, [0.001, 0.1].

    Raises:
        ParameterError: A value is outside its range.
    """

    tau_plus_s: float | Array = 0.020
    tau_minus_s: float | Array = 0.020
    a_plus: float | Array = 0.01
    a_minus: float | Array = 0.012

    def __post_init__(self) -> None:
        for name in ("tau_plus_s", "tau_minus_s"):
            _check(name, getattr(self, name), 0.005, 0.1)
        for name in ("a_plus", "a_minus"):
            _check(name, getattr(self, name), 0.001, 0.1)


def _check(name: str, value: object, low: float, high: float) -> None:
    """Check a plain number; tracers, arrays and the placeholders of pytree surgery pass."""
    if isinstance(value, (int, float, str, np.number)) or value is None:
        check_real(name, value, low, high)


def stdp_window(delta_t: Array, params: STDP) -> Array:
    """The pair rule W(Δt), Δt = t_post − t_pre.

    +A₊·exp(−Δt/τ₊) for Δt > 0, −A₋·exp(Δt/τ₋) for Δt < 0, 0 at 0 and where Δt is not finite.

    Args:
        delta_t: Δt in s, any shape.
        params: `STDP`.

    Returns:
        Weight change, like ``delta_t``. The derivative at the jump Δt = 0 is 0.

    Examples:
        >>> import jax.numpy as jnp
        >>> [round(float(w), 5) for w in stdp_window(jnp.array([0.02, 0.0, -0.02]), STDP())]
        [0.00368, 0.0, -0.00441]

    Source: Bi & Poo, J. Neurosci. 18 (1998), doi:10.1523/JNEUROSCI.18-24-10464.1998.
    """
    dtype = delta_t.dtype
    tau_plus, tau_minus, a_plus, a_minus = (
        jnp.asarray(value, dtype)
        for value in (params.tau_plus_s, params.tau_minus_s, params.a_plus, params.a_minus)
    )
    acts = jnp.isfinite(delta_t) & (delta_t != 0)
    safe = jnp.where(acts, delta_t, 1)
    tau = jnp.where(safe > 0, tau_plus, tau_minus)
    amplitude = jnp.where(safe > 0, a_plus, -a_minus)
    return jnp.where(acts, amplitude * jnp.exp(-jnp.abs(safe) / tau), 0)


def stdp_update(
    pre_s: Array, post_s: Array, params: STDP | None = None, *, factor: Array | None = None
) -> Array:
    """Mean over a batch of the pair rule between every two neurons.

    Δw_ij = mean_b factor_b · W(post_bj − pre_bi).

    Args:
        pre_s: Spike times (batch, n_pre), s; NaN or +inf: no spike, which contributes 0.
        post_s: Spike times (batch, n_post), s.
        params: `STDP`; default the documented one.
        factor: Third factor (batch,), or None for 1.

    Returns:
        (n_pre, n_post).
    """
    # A missing spike is taken out before the difference: inf − inf, and its gradient, are NaN.
    has_pre, has_post = jnp.isfinite(pre_s), jnp.isfinite(post_s)
    pre, post = jnp.where(has_pre, pre_s, 0), jnp.where(has_post, post_s, 0)
    change = stdp_window(post[:, None, :] - pre[:, :, None], params or STDP())
    change = jnp.where(has_pre[:, :, None] & has_post[:, None, :], change, 0)
    if factor is not None:
        change = change * factor[:, None, None]
    return jnp.mean(change, axis=0)


def spike_latency(activation: Array, window_s: float | Array = 0.05) -> Array:
    """Time to first spike of an activation a: window/(1 + a), +inf (no spike) for a ≤ 0.

    A latency code: the stronger the drive, the earlier the spike (Thorpe, Delorme, Van Rullen,
    Neural Networks 14 (2001), doi:10.1016/S0893-6080(01)00083-1).

    Args:
        activation: Any shape.
        window_s: Latest time, s.

    Returns:
        Spike times in s, like ``activation``.
    """
    fires = activation > 0
    window = jnp.asarray(window_s, activation.dtype)
    return jnp.where(fires, window / (1 + jnp.where(fires, activation, 0)), jnp.inf)


@register_pytree
@dataclasses.dataclass(frozen=True, kw_only=True)
class STDPRule:
    """A three-factor update of one layer's weights, beside the optimiser's.

    Δw = rate · mean_b M_b · W(t_post − t_pre), with the spike times of `spike_latency` and the
    third factor M_b = (baseline − loss_b)/(baseline + loss_b) in [−1, 1], where the baseline is
    a running mean of the loss: positive where a sample went better than usual.

    Attributes:
        layer: ``hidden`` or ``half``; static.
        rate: Size of the update, [0, 100].
        params: The pair rule.

    Raises:
        ParameterError: An unknown layer or a rate out of range.

    Source: Frémaux & Gerstner, Front. Neural Circuits 9 (2016), doi:10.3389/fncir.2015.00085.
    """

    layer: str = dataclasses.field(default="hidden", metadata={"static": True})
    rate: float | Array = 0.1
    params: STDP = dataclasses.field(default_factory=STDP)

    def __post_init__(self) -> None:
        check_choice("layer", self.layer, STDP_LAYERS)
        _check("rate", self.rate, 0.0, 100.0)


def third_factor(losses: Array, baseline: Array) -> Array:
    """M = (baseline − loss)/(baseline + loss) per sample, 0 where both are 0."""
    total = baseline + losses
    safe = jnp.where(total > 0, total, 1)
    return jnp.where(total > 0, (baseline - losses) / safe, 0)
