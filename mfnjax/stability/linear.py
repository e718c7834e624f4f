"""Linear stability of a homogeneous state: Jacobian, growth rates, dispersion curve.

A perturbation v·exp(iqx + λt) of a homogeneous state u* of u_t = L u + f(u) obeys
λ v = (J + L(q)) v, with J = ∂f/∂u at u* and L(q) the symbol of the transport. The growth rate is
σ(q) = max Re λ.

A *reaction* takes a tuple of n arrays to a tuple of n arrays, and a *transport* takes such a tuple
and the Laplacian; both are what a model of `mfnjax.models` offers under these names.

Source: A. M. Turing (1952), doi:10.1098/rstb.1952.0012; J. D. Murray (2003), Mathematical Biology
II, doi:10.1007/b98869.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mfnjax.errors import ParameterError

Values = tuple[jax.Array, ...]
Reaction = Callable[[Values], Values]
Transport = Callable[[Values, Callable[[jax.Array], jax.Array]], Values]
LaplacianSymbol = Callable[[Any], Any]


def continuum_laplacian(wavenumber: Any) -> Any:
    """Symbol of ∇² in the continuum: −q² [1/length²], for q in [1/length]."""
    return -(wavenumber * wavenumber)


def five_point_laplacian(wavenumber: Any, spacing: float = 1.0) -> Any:
    """Symbol of the 5-point ∇² for waves along an axis: −(2/h)²·sin²(qh/2) [1/length²].

    This, not −q², decides what a simulation on a grid of spacing h does, |q| ≤ π/h.
    """
    return -((2 / spacing * jnp.sin(wavenumber * spacing / 2)) ** 2)


def jacobian(reaction: Reaction, state: Any) -> jax.Array:
    """J_jk = ∂f_j/∂u_k of a reaction at one homogeneous state, by forward-mode autodiff.

    Args:
        reaction: f, from a tuple of n arrays to a tuple of n arrays.
        state: u*, n numbers.

    Returns:
        J [1/time], shape (n, n).

    Raises:
        ParameterError: ``state`` is not a vector, or the reaction gives another number of rates.

    Examples:
        >>> from mfnjax.stability import jacobian
        >>> j = jacobian(lambda u: (u[0] * u[1], u[0] - u[1]), [2.0, 3.0])
        >>> print(j.tolist())
        [[3.0, 2.0], [1.0, -1.0]]
    """
    state = as_state(state)

    def rates(vector: jax.Array) -> jax.Array:
        return _stack(reaction(tuple(vector)), vector, "reaction")

    return jax.jacfwd(rates)(state)


def transport_symbol(
    transport: Transport,
    state: Any,
    wavenumber: Any,
    *,
    laplacian_symbol: LaplacianSymbol = continuum_laplacian,
) -> jax.Array:
    """L(q): what a linear transport does to a wave of wavenumber q, as a matrix.

    The transport is called with multiplication by the Laplacian's symbol in place of the
    Laplacian, and differentiated with respect to the fields, so that cross-diffusion comes out
    too; for plain diffusion L(q) = diag(−D_j q²). A transport that is not linear is linearised
    about the state: what the wave adds to a field has the symbol, and the ∇² of the rest is 0.

    Args:
        transport: L, from (tuple of n arrays, laplacian) to a tuple of n arrays.
        state: u*, n numbers; matters only to a transport that depends on them.
        wavenumber: q [1/length], one number.
        laplacian_symbol: q ↦ symbol of ∇²; −q² unless given.

    Returns:
        L(q) [1/time], shape (n, n).

    Raises:
        ParameterError: ``state`` is not a vector, or the transport gives another number of rates.

    Examples:
        >>> from mfnjax.stability import transport_symbol
        >>> diffuse = lambda u, laplacian: (1.0 * laplacian(u[0]), 10.0 * laplacian(u[1]))
        >>> print(transport_symbol(diffuse, [0.0, 0.0], 2.0).diagonal().tolist())
        [-4.0, -40.0]
    """
    state = as_state(state)
    eigenvalue = jnp.asarray(laplacian_symbol(jnp.asarray(wavenumber, state.dtype)), state.dtype)

    at_rest: list[Any] = []

    def of_the_state(field: Any) -> Any:
        at_rest.append(field)
        return jnp.zeros_like(field)

    transport(tuple(state), of_the_state)

    def rates(vector: jax.Array) -> jax.Array:
        rest = iter(at_rest)
        perturbed = transport(tuple(vector), lambda field: eigenvalue * (field - next(rest)))
        return _stack(perturbed, vector, "transport")

    return jax.jacfwd(rates)(state)


def leading_eigenvalue(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Real part and |imaginary part| of the eigenvalue with the largest real part.

    In closed form for n ≤ 2 (so it runs and differentiates on every device); above, by
    `jnp.linalg.eigvals`, which XLA offers on the CPU only. Not differentiable where two real
    eigenvalues meet (the derivative is infinite there): its finite part, the trace's, is returned.

    Args:
        matrix: J + L(q) [1/time], shape (…, n, n).

    Returns:
        (Re λ, |Im λ|) [1/time], each of shape (…).
    """
    size = matrix.shape[-1]
    if size == 1:
        return matrix[..., 0, 0], jnp.zeros_like(matrix[..., 0, 0])
    if size > 2:
        values = jnp.linalg.eigvals(matrix)
        leader = jnp.argmax(values.real, axis=-1, keepdims=True)
        value = jnp.take_along_axis(values, leader, axis=-1)[..., 0]
        return value.real, jnp.abs(value.imag)
    a, b = matrix[..., 0, 0], matrix[..., 0, 1]
    c, d = matrix[..., 1, 0], matrix[..., 1, 1]
    # ((a−d)/2)² + bc rather than (trace/2)² − det: fewer digits lost when a, d ≫ b, c.
    discriminant = ((a - d) / 2) ** 2 + b * c
    is_real, is_complex = discriminant > 0, discriminant < 0
    one, zero = jnp.ones_like(discriminant), jnp.zeros_like(discriminant)
    real_root = jnp.sqrt(jnp.where(is_real, discriminant, one))
    imaginary_root = jnp.sqrt(jnp.where(is_complex, -discriminant, one))
    half_trace = (a + d) / 2
    # With a negative trace and λ₊ near 0, trace/2 + root cancels: λ₊ = det/λ₋ does not.
    lower = half_trace - real_root
    cancels = is_real & (half_trace < 0)
    upper = jnp.where(
        cancels,
        (a * d - b * c) / jnp.where(cancels, lower, one),
        half_trace + jnp.where(is_real, real_root, zero),
    )
    return upper, jnp.where(is_complex, imaginary_root, zero)


def growth_rate(jacobian: jax.Array, symbol: jax.Array) -> jax.Array:
    """σ = max Re eig(J + L): how fast a perturbation with the transport symbol L grows.

    Args:
        jacobian: J [1/time], shape (…, n, n).
        symbol: L(q) [1/time], shape (…, n, n).

    Returns:
        σ [1/time], shape (…). Differentiable but where two real eigenvalues meet.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.stability import growth_rate
        >>> j = jnp.array([[1.0, -1.0], [2.0, -1.5]])
        >>> print(f"{float(growth_rate(j, jnp.diag(jnp.array([-0.2, -4.0])))):.3f}")
        0.465
    """
    return leading_eigenvalue(jacobian + symbol)[0]


def dispersion(
    reaction: Reaction,
    transport: Transport,
    state: Any,
    wavenumbers: Any,
    *,
    laplacian_symbol: LaplacianSymbol = continuum_laplacian,
) -> tuple[jax.Array, jax.Array]:
    """The dispersion curve: growth rate σ(q) and angular frequency ω(q) of the leading mode.

    Args:
        reaction: f, from a tuple of n arrays to a tuple of n arrays.
        transport: L, from (tuple of n arrays, laplacian) to a tuple of n arrays.
        state: u*, n numbers.
        wavenumbers: q [1/length], shape (m,).
        laplacian_symbol: q ↦ symbol of ∇²; −q² unless given.

    Returns:
        (σ, ω) [1/time], each of shape (m,).

    Raises:
        ParameterError: ``state`` or ``wavenumbers`` is not a vector.

    Examples:
        >>> from mfnjax.stability import dispersion
        >>> logistic, diffuse = lambda u: (u[0] * (1 - u[0]),), lambda u, lap: (0.5 * lap(u[0]),)
        >>> print(dispersion(logistic, diffuse, [0.0], [0.0, 1.0, 2.0])[0].tolist())
        [1.0, 0.5, -1.0]
    """
    state = as_state(state)
    wavenumbers = jnp.asarray(wavenumbers, state.dtype)
    if wavenumbers.ndim != 1:
        raise ParameterError(f"wavenumbers must be a vector, got the shape {wavenumbers.shape}")
    symbols = jax.vmap(
        lambda q: transport_symbol(transport, state, q, laplacian_symbol=laplacian_symbol)
    )(wavenumbers)
    return leading_eigenvalue(jacobian(reaction, state) + symbols)


def as_state(state: Any) -> jax.Array:
    """One homogeneous state as a vector of a floating dtype."""
    vector = jnp.asarray(state)
    if not jnp.issubdtype(vector.dtype, jnp.floating):
        vector = vector.astype(jnp.result_type(float))
    if vector.ndim != 1 or vector.size == 0:
        raise ParameterError(
            "a homogeneous state must be a vector of one number a field, "
            f"got the shape {vector.shape}"
        )
    return vector


def _stack(rates: Values, like: jax.Array, name: str) -> jax.Array:
    if len(rates) != like.size:
        raise ParameterError(
            f"the {name} gives {len(rates)} rates for a state of {like.size} numbers"
        )
    # A rate may be a constant, or (a mode of no transport) the number 0.
    return jnp.stack([jnp.broadcast_to(jnp.asarray(rate, like.dtype), ()) for rate in rates])
