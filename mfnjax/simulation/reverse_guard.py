"""An identity that lets forward mode through and stops reverse mode with a clear error.

A loop whose number of steps is traced has no reverse mode. JAX would say so in its own terms
('while_loop'); this says it in the user's, and names the way out.
"""

from __future__ import annotations

from typing import Any, NoReturn

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from mfnjax.errors import ParameterError

_guard = Primitive("mfnjax_forward_only")
_guard.def_impl(lambda x: x)
_guard.def_abstract_eval(lambda aval: aval)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise ParameterError(
        "reverse-mode differentiation of simulate() needs adjoint=: one of 'direct', 'per_step', "
        "'nested' or a memory in MiB (with adjoint=None the number of steps is traced, and only "
        "forward mode works)"
    )


def _jvp(primals: Any, tangents: Any) -> Any:
    (primal,), (tangent,) = primals, tangents
    if isinstance(tangent, ad.Zero):
        return _guard.bind(primal), tangent
    return _guard.bind(primal), _guard.bind(tangent)


ad.primitive_jvps[_guard] = _jvp
ad.primitive_transposes[_guard] = _refuse
batching.primitive_batchers[_guard] = lambda args, dims: (_guard.bind(*args), dims[0])
mlir.register_lowering(_guard, lambda ctx, x: [x])


def forward_only(tree: Any) -> Any:
    """Return ``tree``; a reverse pass through its floating leaves raises ParameterError."""
    return jax.tree.map(
        lambda x: _guard.bind(x) if jax.numpy.issubdtype(x.dtype, jax.numpy.inexact) else x, tree
    )
