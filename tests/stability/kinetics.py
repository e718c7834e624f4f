"""Reactions and transports written out for the tests, with their states known by hand."""

from __future__ import annotations

from mfnjax.stability.linear import Reaction, Transport


def schnakenberg(a: float, b: float) -> Reaction:
    """u' = a − u + u²v, v' = b − u²v; u* = a + b, v* = b/(a + b)²."""
    return lambda u: (a - u[0] + u[0] ** 2 * u[1], b - u[0] ** 2 * u[1])


def brusselator(a: float, b: float) -> Reaction:
    """u' = A − (B + 1)u + u²v, v' = Bu − u²v; u* = A, v* = B/A."""
    return lambda u: (a - (b + 1) * u[0] + u[0] ** 2 * u[1], b * u[0] - u[0] ** 2 * u[1])


def v41_pair(r_a: float = 0.01, r_i: float = 0.02) -> Reaction:
    """The v4.1 activator–inhibitor pair; its only state is (0, 0), a double root."""
    return lambda u: (r_a * (u[0] * (1 - u[0]) - u[1]), r_i * (u[0] - u[1]))


def diffusion(*diffusivities: float) -> Transport:
    """D_j ∇² u_j."""
    return lambda u, laplacian: tuple(
        d * laplacian(v) for d, v in zip(diffusivities, u, strict=True)
    )
