"""STDP: the closed form, missing spikes, a NumPy reference, gradients, and that it acts."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax.test_util import check_grads

from mfnjax.errors import ParameterError
from mfnjax.network import (
    STDP,
    NetworkConfig,
    STDPRule,
    TrainOptions,
    init_network,
    network_activations,
    spike_latency,
    stdp_update,
    stdp_window,
    train,
)
from mfnjax.network.stdp import third_factor

pytestmark = pytest.mark.compile_bound

# Whole microseconds: XLA takes a subnormal difference for 0, where the rule jumps; NumPy does not.
spikes_us = st.integers(0, 300_000).map(lambda us: us / 1e6)
times = st.one_of(spikes_us, st.just(float("nan")), st.just(float("inf")))


def reference(pre: np.ndarray, post: np.ndarray, p: STDP) -> np.ndarray:
    out = np.zeros((pre.shape[1], post.shape[1]))
    for b in range(pre.shape[0]):
        for i, t_pre in enumerate(pre[b]):
            for j, t_post in enumerate(post[b]):
                if not (np.isfinite(t_pre) and np.isfinite(t_post)):
                    continue
                delta = t_post - t_pre
                if delta > 0:
                    out[i, j] += p.a_plus * np.exp(-delta / p.tau_plus_s)
                elif delta < 0:
                    out[i, j] -= p.a_minus * np.exp(delta / p.tau_minus_s)
    return out / pre.shape[0]


def test_closed_form_at_plus_and_minus_tau_and_zero():
    params = STDP(tau_plus_s=0.02, tau_minus_s=0.04, a_plus=0.01, a_minus=0.012)
    window = stdp_window(jnp.array([0.02, -0.04, 0.0, 1e-12, -1e-12]), params)
    expected = [0.01 / np.e, -0.012 / np.e, 0.0, 0.01, -0.012]
    np.testing.assert_allclose(window, expected, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(times, min_size=6, max_size=6), st.lists(times, min_size=8, max_size=8))
@pytest.mark.thorough
def test_equals_the_reference_with_missing_spikes(pre, post):
    pre, post = np.reshape(pre, (2, 3)), np.reshape(post, (2, 4))
    params = STDP(tau_plus_s=0.03, tau_minus_s=0.01, a_plus=0.02, a_minus=0.05)
    ours = stdp_update(jnp.asarray(pre), jnp.asarray(post), params)
    np.testing.assert_allclose(ours, reference(pre, post, params), rtol=1e-12, atol=1e-18)


@settings(max_examples=30, deadline=None)
@given(st.lists(spikes_us, min_size=6, max_size=6), st.floats(-10, 10))
def test_only_differences_of_time_count(spikes, shift):
    pre = jnp.asarray(spikes, jnp.float64).reshape(2, 3)
    post = pre[:, ::-1] + 0.001
    np.testing.assert_allclose(
        stdp_update(pre + shift, post + shift), stdp_update(pre, post), rtol=1e-9, atol=1e-16
    )


@pytest.mark.thorough
def test_missing_spikes_contribute_nothing_to_value_or_gradient():
    pre = jnp.array([[0.01, jnp.nan, jnp.inf]])
    post = jnp.array([[0.02, jnp.inf, jnp.nan]])
    change = np.asarray(stdp_update(pre, post))
    assert change[0, 0] > 0
    assert np.count_nonzero(change) == 1
    gradients = jax.grad(lambda a, b: stdp_update(a, b).sum(), argnums=(0, 1))(pre, post)
    for gradient in gradients:
        assert np.all(np.isfinite(gradient))
        assert np.count_nonzero(gradient) == 1


def test_gradients_in_times_and_parameters():
    rng = np.random.default_rng(0)
    pre, post = jnp.asarray(rng.uniform(0, 0.1, (3, 2))), jnp.asarray(rng.uniform(0, 0.1, (3, 4)))

    @jax.jit
    def update(pre, post, tau_plus, a_minus):
        return 1e3 * stdp_update(pre, post, STDP(tau_plus_s=tau_plus, a_minus=a_minus))

    args = (pre, post, jnp.asarray(0.02), jnp.asarray(0.012))
    check_grads(update, args, order=1, modes=("fwd", "rev"), eps=1e-7, rtol=1e-4)


def test_third_factor_weights_the_samples():
    pre, post = jnp.array([[0.0], [0.0]]), jnp.array([[0.01], [0.03]])
    one = stdp_update(pre, post, factor=jnp.array([1.0, 0.0]))
    both = stdp_update(pre, post, factor=jnp.array([1.0, -1.0]))
    first, second = 0.01 * np.exp(-0.5), 0.01 * np.exp(-1.5)
    np.testing.assert_allclose(one, [[first / 2]], rtol=1e-12)
    np.testing.assert_allclose(both, [[(first - second) / 2]], rtol=1e-12)
    factor = third_factor(jnp.array([0.0, 1.0, 3.0]), jnp.asarray(1.0))
    np.testing.assert_allclose(factor, [1.0, 0.0, -0.5])
    assert third_factor(jnp.zeros(1), jnp.asarray(0.0)).tolist() == [0.0]


@pytest.mark.thorough
def test_stronger_activations_spike_earlier_and_silent_ones_never():
    latency = np.asarray(spike_latency(jnp.array([-1.0, 0.0, 0.5, 1.0, 9.0]), 0.05))
    assert np.all(np.isinf(latency[:2]))
    np.testing.assert_allclose(latency[2:], [0.05 / 1.5, 0.025, 0.005], rtol=1e-12)
    assert np.all(
        np.isfinite(
            jax.grad(lambda a: stdp_update(spike_latency(a), spike_latency(a)).sum())(
                jnp.array([[0.0, -1.0, 0.4, 2.0]])
            )
        )
    )


@pytest.mark.parametrize("layer", ["hidden", "half"])
@pytest.mark.thorough
def test_stdp_changes_the_weights_of_its_layer_as_the_rule_says(layer):
    """One batch, one step: the only difference to plain Adam is rate · mean M·W, in one kernel."""
    config = NetworkConfig(hidden_dim=8, dtype="float64")
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=6)
    params = init_network(config, key=jax.random.key(1))
    rule = STDPRule(layer=layer, rate=0.5)
    plain = TrainOptions(epochs=1, batch_size=6)
    with_rule = dataclasses.replace(plain, stdp=rule)
    a = train(config, x, y, options=plain, params=params).params
    b = train(config, x, y, options=with_rule, params=params).params
    acts = network_activations(config, params, jnp.asarray(x))
    pre, post = (acts.pooled, acts.hidden) if layer == "hidden" else (acts.hidden, acts.half)
    spikes = [np.where(np.asarray(v) > 0, 0.05 / (1 + np.asarray(v)), np.nan) for v in (pre, post)]
    losses = (np.asarray(acts.output)[:, 0] - y) ** 2
    factor = (losses.mean() - losses) / (losses.mean() + losses)
    one_by_one = [
        factor[s] * reference(spikes[0][s : s + 1], spikes[1][s : s + 1], STDP()) for s in range(6)
    ]
    expected = 0.5 * np.mean(one_by_one, axis=0)
    change = np.asarray(b[layer]["kernel"] - a[layer]["kernel"])
    assert np.abs(expected).max() > 1e-5
    np.testing.assert_allclose(change, expected, rtol=1e-8, atol=1e-14)
    rest = jax.tree.map(lambda p, q: float(jnp.max(jnp.abs(p - q))), a, b)
    rest[layer].pop("kernel")
    assert max(jax.tree.leaves(rest)) == 0


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: STDP(tau_plus_s=0.001), "tau_plus_s"),
        (lambda: STDP(tau_minus_s=0.2), "tau_minus_s"),
        (lambda: STDP(a_plus=0.5), "a_plus"),
        (lambda: STDP(a_minus=float("nan")), "a_minus"),
        (lambda: STDPRule(layer="head"), "layer"),
        (lambda: STDPRule(rate=-1.0), "rate"),
    ],
)
def test_out_of_range(build, name):
    with pytest.raises(ParameterError, match=name):
        build()


def test_numbers_of_numpy_are_checked_too() -> None:
    with pytest.raises(ParameterError, match="tau_plus_s must lie in"):
        STDP(tau_plus_s=np.float32(9.0))
    with pytest.raises(ParameterError, match="stdp must be a STDPRule, got True"):
        TrainOptions(stdp=True)
