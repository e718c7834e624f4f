"""The documented 'Lyapunov' number of a stored history: how large its steps are, in the mean.

It is not a Lyapunov exponent: it says how far the field moves per step, not how fast two nearby
fields part. For the exponents of a dynamical system see `mfnjax.fractal.lyapunov`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from mfnjax._checks import check_real
from mfnjax.errors import ParameterError

SMALLEST_STEP = 1e-10
"""Steps with a norm at or below this are left out, as documented."""


def divergence_rate(history: ArrayLike, dt: float | Array = 1.0) -> Array:
    """Mean log-size of the steps of a history, per unit of time.

    (1/dt)·mean over t of ln‖V_t − V_{t−1}‖₂, over the steps with a norm over 1e-10.

    A NaN in the history gives NaN. Differentiable away from the cut at 1e-10.

    Args:
        history: Stored states, shape (T, …) with time first, T ≥ 2.
        dt: Time between two stored states, > 0.

    Returns:
        The rate in the unit of 1/dt, a scalar of the history's dtype; 0 if no step is over the
        cut.

    Raises:
        ParameterError: Fewer than two states, or a time step that is not positive.

    Examples:
        >>> import jax.numpy as jnp
        >>> history = jnp.asarray([0.0, 1.0, 3.0])[:, None]  # steps 1 and 2
        >>> round(float(divergence_rate(history)), 4)  # ln(2) / 2
        0.3466

    Source:
        MyceliumFractalNet v4.1, field history diagnostics.
    """
    if np.ndim(history) < 1 or np.shape(history)[0] < 2:
        raise ParameterError(f"history needs at least two states, got shape {np.shape(history)}")
    if isinstance(dt, (int, float)):
        check_real("dt", dt, 0.0, 1e300, open_low=True)
    return _divergence_rate(jnp.asarray(history), dt)


@jax.jit
def _divergence_rate(history: Array, dt: float | Array) -> Array:
    steps = history[1:] - history[:-1]
    squares = jnp.sum(steps.reshape(steps.shape[0], -1) ** 2, axis=1)
    # A float32 square of 1e-10 is 1e-20, far above the smallest float32 number. 'not ≤' lets
    # NaN through, so that a broken history is not quietly skipped.
    moved = ~(squares <= SMALLEST_STEP**2)
    logs = jnp.where(moved, 0.5 * jnp.log(jnp.where(moved, squares, 1.0)), 0.0)
    count = jnp.maximum(jnp.sum(moved), 1).astype(logs.dtype)
    return jnp.sum(logs) / count / jnp.asarray(dt, logs.dtype)
