"""How a static loop remembers its way back: the memory policies of reverse mode.

Reverse mode through T steps needs again what the steps computed. The policies, with S the size of
a state and Q what the backward pass needs of one step:

==============  ====================  =======================================
``adjoint``     memory                extra work in the backward pass
==============  ====================  =======================================
``"direct"``    T·Q                   none
``"per_step"``  T·S                   each step once more
``"nested"``    about √T·(S + Q)      each step once more
a number (MiB)  at most that (est.)   the cheapest of the above that fits
==============  ====================  =======================================

Q is half a state for the v4.1 map (it is linear in V, so no V is kept), two for an Euler step of
Gray–Scott, and grows with the stages of a stepper: ``"per_step"`` pays where Q is many states.
Measured costs stand in ``docs/gradients.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from mfnjax.errors import ParameterError

POLICIES = ("direct", "per_step", "nested")
KEPT_STATES = 2
"""Q in states, as the budget estimates it: that of an Euler step of Gray–Scott. By XLA's own
account the v4.1 map keeps a half; a stepper of several stages keeps more."""


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
    root = math.isqrt(steps)
    need = {
        "direct": steps * state_bytes * KEPT_STATES,
        "per_step": (steps + KEPT_STATES) * state_bytes,
        "nested": (root + 2 + (root + 1) * KEPT_STATES) * state_bytes,
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
    if policy == "per_step":
        return _scan(jax.checkpoint(body), carry, steps)
    inner = max(math.isqrt(steps), 1)
    block = jax.checkpoint(lambda c: _scan(body, c, inner))
    carry = _scan(block, carry, steps // inner)
    # The rest is a block too: what it keeps is then never beside what a whole block keeps.
    return jax.checkpoint(lambda c: _scan(body, c, steps % inner))(carry)


def _scan(body: Callable[[Any], Any], carry: Any, steps: int) -> Any:
    if steps == 0:
        return carry
    return lax.scan(lambda c, _: (body(c), None), carry, None, length=steps)[0]
