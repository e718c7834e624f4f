"""How a static loop remembers its way back: the memory policies of reverse mode.

Reverse mode through T steps needs every step's inputs again. The policies, with S the size of a
state and R the residuals inside one step:

==============  ====================  =======================================
``adjoint``     memory                extra work in the backward pass
==============  ====================  =======================================
``"direct"``    T·(S + R)             none
``"per_step"``  T·S                   each step once more
``"nested"``    about 2√T·S           each step twice more
a number (MiB)  at most that (est.)   the cheapest of the above that fits
==============  ====================  =======================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from mfnjax.errors import ParameterError

POLICIES = ("direct", "per_step", "nested")
RESIDUALS_PER_STATE = 1
"""R in states, as the budget estimates it. By XLA's own account of a reverse gradient R is about 0
for the v4.1 step and 1 for an Euler step of Gray–Scott; a stepper of several stages keeps more."""


def choose_policy(adjoint: Any, steps: int, state_bytes: int) -> str:
    """Return the policy that ``adjoint`` names, or the cheapest that fits its MiB.

    Raises:
        ParameterError: Neither a policy nor a number; or no policy fits, with what would.
    """
    if isinstance(adjoint, str):
        if adjoint not in POLICIES:
            raise ParameterError(
                f"adjoint must be None, {', '.join(map(repr, POLICIES))} or a memory in MiB; "
                f"got {adjoint!r}"
            )
        return adjoint
    if isinstance(adjoint, bool) or not isinstance(adjoint, (int, float)) or not adjoint > 0:
        raise ParameterError(f"adjoint as a memory in MiB must be positive, got {adjoint!r}")
    need = {
        "direct": steps * state_bytes * (1 + RESIDUALS_PER_STATE),
        "per_step": (steps + RESIDUALS_PER_STATE) * state_bytes,
        "nested": (2 * math.isqrt(steps) + 2 + RESIDUALS_PER_STATE) * state_bytes,
    }
    for policy in POLICIES:
        if need[policy] <= adjoint * 2**20:
            return policy
    raise ParameterError(
        f"adjoint = {adjoint!r} MiB is too small for {steps} steps: the most frugal policy "
        f"('nested') needs about {need['nested'] / 2**20:.3g} MiB"
    )


def static_loop(body: Callable[[Any], Any], carry: Any, steps: int, policy: str) -> Any:
    """Apply ``body`` to ``carry`` ``steps`` times (static), remembering by ``policy``."""
    if policy == "direct":
        return _scan(body, carry, steps)
    checkpointed = jax.checkpoint(body)
    if policy == "per_step":
        return _scan(checkpointed, carry, steps)
    inner = max(math.isqrt(steps), 1)
    block = jax.checkpoint(lambda c: _scan(checkpointed, c, inner))
    carry = _scan(block, carry, steps // inner)
    return _scan(checkpointed, carry, steps % inner)


def _scan(body: Callable[[Any], Any], carry: Any, steps: int) -> Any:
    if steps == 0:
        return carry
    return lax.scan(lambda c, _: (body(c), None), carry, None, length=steps)[0]
