"""Every door of `mfnjax.fractal`: what it does not take is named in one line."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mfnjax.errors import ParameterError
from mfnjax.fractal import (
    chaos_game,
    correlation_dimension,
    divergence_rate,
    fractal_dimension,
    generalised_dimensions,
    lacunarity,
    lyapunov_exponents,
    min_cover_counts,
    named_system,
    percolation_cluster,
)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: lacunarity(np.ones((4, 4)), 3), "sizes"),
        (lambda: lacunarity(np.ones((4, 4)), (1.5,)), "sizes"),
        (lambda: lacunarity([[1.0], [1.0, 2.0]], (1,)), "mask"),
        (lambda: generalised_dimensions(np.ones((4, 4)), (1.5, 3)), "sizes"),
        (lambda: generalised_dimensions(np.ones((4, 4)), (1, 2), ()), "orders"),
        (lambda: generalised_dimensions(np.ones((4, 4)), (1, 2), (np.nan,)), "orders"),
        (lambda: min_cover_counts(np.ones((4, 4)), (0,)), "sizes"),
        (lambda: min_cover_counts(np.ones((4, 4)), (1,), offsets=0), "offsets"),
        (lambda: fractal_dimension(np.eye(64), sizes=5), "sizes"),
        (lambda: fractal_dimension([[1, 0], [0]]), "mask"),
        (lambda: divergence_rate(np.array([[1.0], [2.0]]), 0.0), "dt"),
        (lambda: chaos_game("vicsek", key=jax.random.key(0)), "system"),
        (lambda: chaos_game(named_system("vicsek"), key=0), "key"),
        (lambda: correlation_dimension([["a"]] * 100), "points"),
        (lambda: lyapunov_exponents(lambda x: x[:1], np.ones(2), 1, steps=20), "step"),
        (lambda: lyapunov_exponents(3, np.ones(2), 1, steps=20), "step"),
        (lambda: percolation_cluster(8, seed=-1), "seed"),
    ],
)
def test_wrong_arguments_are_named(call, name: str) -> None:
    with pytest.raises(ParameterError, match=rf"^{name} "):
        call()
