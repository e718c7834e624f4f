"""Sparse attention against a plain NumPy loop, full attention as its special case, gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings, strategies as st
from jax.test_util import check_grads

from mfnjax.errors import ParameterError
from mfnjax.network import SparseAttention, sparse_attention
from mfnjax.network.attention import keep_largest

pytestmark = pytest.mark.compile_bound


def reference(q: np.ndarray, k: np.ndarray, v: np.ndarray, topk: int) -> np.ndarray:
    """One query at a time, as the definition says; the stable sort keeps the lower index."""
    out = np.zeros((q.shape[0], v.shape[1]))
    for i, query in enumerate(q):
        scores = k @ query / np.sqrt(q.shape[1])
        best = np.argsort(-scores, kind="stable")[:topk]
        weight = np.exp(scores[best] - scores[best].max())
        out[i] = (weight / weight.sum()) @ v[best]
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 7, 12]), st.booleans())
@pytest.mark.thorough
def test_equals_the_reference(seed, topk, with_ties):
    rng = np.random.default_rng(seed)
    q, k, v = (rng.normal(size=(7, 4)) for _ in range(3))
    if with_ties:
        q, k = np.round(q), np.round(k)
    ours = sparse_attention(*map(jnp.asarray, (q, k, v)), topk=topk)
    np.testing.assert_allclose(ours, reference(q, k, v, topk), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("topk", [7, 8, 1000])
@pytest.mark.thorough
def test_topk_of_the_sequence_or_more_is_full_attention(topk):
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(7, 4)) for _ in range(3))
    scores = q @ k.T / 2
    weight = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    ours = sparse_attention(*map(jnp.asarray, (q, k, v)), topk=topk)
    np.testing.assert_allclose(ours, weight @ v, rtol=1e-12)


def test_topk_one_copies_the_best_value():
    q = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    v = jnp.array([[1.0], [2.0], [3.0]])
    k = jnp.array([[3.0, 0.0], [0.0, 1.0], [1.0, 5.0]])
    assert sparse_attention(q, k, v, topk=1).tolist() == [[1.0], [3.0]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=6, max_size=6), st.sampled_from([1, 2, 5, 6]))
def test_exactly_topk_are_kept_and_ties_go_to_the_lower_index(values, topk):
    scores = np.array(values, np.float32)
    mask = np.asarray(keep_largest(jnp.asarray(scores), topk))
    assert np.flatnonzero(mask).tolist() == sorted(np.argsort(-scores, kind="stable")[:topk])


@pytest.mark.parametrize("topk", [2, 5])
def test_gradients(topk):
    rng = np.random.default_rng(1)
    args = [jnp.asarray(rng.normal(size=(5, 3))) for _ in range(3)]
    attend = jax.jit(lambda *a: sparse_attention(*a, topk=topk))
    check_grads(attend, args, order=1, modes=("fwd", "rev"))


def test_discarded_keys_get_no_gradient():
    rng = np.random.default_rng(2)
    q, k, v = (jnp.asarray(rng.normal(size=(6, 3))) for _ in range(3))
    gradient = jax.grad(lambda k: jnp.sum(sparse_attention(q[:1], k, v, topk=2) ** 2))(k)
    kept = np.asarray(keep_largest(q[:1] @ k.T, 2))[0]
    assert np.all(np.asarray(gradient)[~kept] == 0)
    assert np.all(np.any(np.asarray(gradient)[kept] != 0, axis=1))


def test_a_sequence_of_one_needs_no_scores():
    rng = np.random.default_rng(3)
    q, k, v = (jnp.asarray(rng.normal(size=(1, 3))) for _ in range(3))
    np.testing.assert_array_equal(sparse_attention(q, k, v, topk=4), v)


def test_a_nan_is_not_hidden():
    x = jnp.ones((6, 3)).at[2, 0].set(jnp.nan)
    assert np.all(np.isnan(np.asarray(sparse_attention(x, x, x, topk=2)).sum(axis=1)))


@pytest.mark.parametrize("heads", [1, 4])
def test_module_equals_the_reference_head_by_head(heads):
    layer = SparseAttention(
        8, num_heads=heads, topk=3, param_dtype=jnp.dtype(jnp.float64), rngs=nnx.Rngs(0)
    )
    x = np.random.default_rng(4).normal(size=(2, 6, 8))

    def project(part, values):
        return values @ np.asarray(part.kernel[...]) + np.asarray(part.bias[...])

    expected = np.empty_like(x)
    for b in range(2):
        q, k, v = (project(part, x[b]) for part in (layer.query, layer.key, layer.value))
        width = 8 // heads
        parts = [slice(h * width, (h + 1) * width) for h in range(heads)]
        mixed = np.concatenate([reference(q[:, s], k[:, s], v[:, s], 3) for s in parts], axis=1)
        expected[b] = project(layer.out, mixed)
    attend = jax.jit(lambda x: layer(x))
    np.testing.assert_allclose(attend(jnp.asarray(x)), expected, rtol=1e-11, atol=1e-12)
    one = attend(jnp.asarray(x[:, :1]))
    np.testing.assert_allclose(
        one, project(layer.out, project(layer.value, x[:, :1])), rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"embed_dim": 0}, "embed_dim"),
        ({"embed_dim": 8, "topk": 0}, "topk"),
        ({"embed_dim": 8, "num_heads": 0}, "num_heads"),
        ({"embed_dim": 8, "num_heads": 3}, "num_heads must divide embed_dim"),
    ],
)
def test_sizes_out_of_range(options, name):
    with pytest.raises(ParameterError, match=name):
        SparseAttention(**options, rngs=nnx.Rngs(0))
