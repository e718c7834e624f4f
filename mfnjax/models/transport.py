"""Whether a model's transport is what a spectral stepper takes it for, and if not, why not.

A spectral stepper multiplies every mode of every field by one number, the symbol of L. That is L
itself only where L is linear, leaves each field to itself, and is a polynomial in ∇² with
coefficients that are the same everywhere. Whether it is so is tried out, by no promise of the
model's: L on generic fields of a small torus against its symbol on their Fourier modes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

_SHAPE = (4, 5)
_SCALES = (1.0, 1000.0)
"""Sizes of the generic fields: what depends on the size of a field, like a limit, may be far."""

_AXES = [2 * np.cos(2 * np.pi * np.arange(size) / size) - 2 for size in _SHAPE]
_EIGENVALUES = _AXES[0][:, None] + _AXES[1][None, :]


class Kind(enum.Enum):
    """In which way a transport is not its symbol."""

    NONLINEAR = "is not linear in the fields"
    VARYING = "varies in space"
    COUPLED = "couples the fields"
    OTHER = "is no polynomial in ∇² with constant coefficients"


@final
@dataclass(frozen=True)
class Obstacle:
    """Why a transport has no symbol: the kind, and the same in words with the names at fault."""

    kind: Kind
    words: str


def transport_obstacle(model: Any) -> Obstacle | None:
    """Why the transport of ``model`` has no symbol; None where it has one.

    Parameters whose values are not known (tracers) are taken to be generic numbers: a
    cross-diffusion that might be 0 counts as one. Where all parameters may be generic the answer
    is remembered for the class, so that a run does not pay for the question.

    Args:
        model: A model; each parameter a number, or a field.

    Returns:
        None, or an `Obstacle` whose words go on from "the transport of the model …".

    Examples:
        >>> from mfnjax import GrayScottModel
        >>> from mfnjax.models.transport import transport_obstacle
        >>> print(transport_obstacle(GrayScottModel()))
        None
    """
    leaves, structure = jax.tree.flatten(model)
    fields = tuple([getattr(leaf, "ndim", 0) > 0 for leaf in leaves])
    kind: Any = type(model)
    obstacle = _generic_obstacle(kind, structure, fields)
    if obstacle is None:
        return None
    known = [
        generic if is_field or isinstance(leaf, jax.core.Tracer) else np.asarray(leaf, np.float64)
        for leaf, generic, is_field in zip(leaves, _generic(fields), fields, strict=True)
    ]
    return _judge(structure, known)


@lru_cache(maxsize=64)
def _generic_obstacle(kind: Any, structure: Any, fields: tuple[bool, ...]) -> Obstacle | None:
    # ``kind``: a user's own class may be told apart by nothing else (see `mfnjax.core.pytree`).
    return _judge(structure, _generic(fields))


def _generic(fields: tuple[bool, ...]) -> list[np.ndarray]:
    """A value for each parameter, from ½ to 1½: no two alike, and no field alike everywhere."""
    rng = np.random.default_rng(1)
    return [rng.uniform(0.5, 1.5, _SHAPE if is_field else ()) for is_field in fields]


def _judge(structure: Any, leaves: list[np.ndarray]) -> Obstacle | None:
    for numpy in (np, jnp):  # NumPy is ready at once; a transport may need arrays of JAX
        try:
            with jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
                return _Probe(structure, leaves, numpy).obstacle()
        except Exception as error:  # whatever a user's transport raises
            reason = str(error).split("\n")[0]
    return Obstacle(Kind.OTHER, f"cannot be tried out ({reason})")


class _Probe:
    """A transport with known numbers, on a small torus."""

    def __init__(self, structure: Any, leaves: list[np.ndarray], numpy: ModuleType) -> None:
        self._structure, self._leaves, self._numpy = structure, leaves, numpy
        self._model = self._with(leaves)
        self._names = self._model.reaction_fields
        pairs = np.random.default_rng(0).normal(size=(2, len(self._names), *_SHAPE))
        self._fields = [scale * pairs for scale in _SCALES]

    def obstacle(self) -> Obstacle | None:
        if all(_close(self._apply(u), self._by_modes(u)) for u, _ in self._fields):
            return None
        if not all(_close(self._apply(3 * u - w), self._sum(u, w)) for u, w in self._fields):
            return Obstacle(Kind.NONLINEAR, Kind.NONLINEAR.value)
        if names := self._varying():
            return Obstacle(Kind.VARYING, f"{Kind.VARYING.value} ({names} given as a field)")
        if names := self._coupled():
            return Obstacle(Kind.COUPLED, f"{Kind.COUPLED.value} {names}")
        return Obstacle(Kind.OTHER, Kind.OTHER.value)

    def _with(self, leaves: list[np.ndarray]) -> Any:
        return jax.tree.unflatten(self._structure, [self._numpy.asarray(x) for x in leaves])

    def _apply(self, fields: np.ndarray, model: Any = None) -> list[np.ndarray]:
        """L u."""
        roll = self._numpy.roll

        def laplacian(u: Any) -> Any:
            return sum(roll(u, by, axis) for by in (1, -1) for axis in (0, 1)) - 4 * u

        model = self._model if model is None else model
        rates = model.transport(tuple(map(self._numpy.asarray, fields)), laplacian)
        return [np.broadcast_to(rate, _SHAPE) for rate in rates]

    def _sum(self, u: np.ndarray, w: np.ndarray) -> list[np.ndarray]:
        """3 L u − L w."""
        return [3 * a - b for a, b in zip(self._apply(u), self._apply(w), strict=True)]

    def _by_modes(self, fields: np.ndarray) -> list[np.ndarray]:
        """What a spectral stepper takes L u for; NaN where it has nothing to go by."""
        eigenvalues = self._numpy.asarray(_EIGENVALUES)
        ones = tuple(self._numpy.asarray(1.0) for _ in self._names)
        try:
            symbols = self._model.transport(ones, lambda u: eigenvalues * u)
        except Exception:  # it asks for the place of a cell, say
            symbols = (np.nan,) * len(fields)
        return [
            np.fft.ifft2(np.asarray(symbol) * np.fft.fft2(u)).real.astype(_dtype(symbol))
            for symbol, u in zip(symbols, fields, strict=True)
        ]

    def _varying(self) -> str:
        """The parameters, given as fields, that L depends on."""
        (u, _), names = self._fields[0], []
        paths = jax.tree_util.tree_flatten_with_path(self._model)[0]
        for index, (path, leaf) in enumerate(paths):
            if np.ndim(leaf):
                other = [2 * x if k == index else x for k, x in enumerate(self._leaves)]
                if not _close(self._apply(u), self._apply(u, self._with(other))):
                    names.append(jax.tree_util.keystr(path).lstrip("."))
        return ", ".join(names)

    def _coupled(self) -> str:
        """Fields whose L depends on another's."""
        (u, _), names = self._fields[0], []
        for index, name in enumerate(self._names):
            alone = u.copy()
            alone[index] = 0
            felt = [np.any(rate) for rate in self._apply(u - alone)]
            names += [
                f"{other!r} with {name!r}"
                for k, other in enumerate(self._names)
                if k != index and felt[k]
            ]
        return ", ".join(names)


def _dtype(value: Any) -> Any:
    return getattr(value, "dtype", np.dtype(float))


def _close(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    """Whether two lists of arrays agree, each but for the rounding of its dtype."""
    for a, b in zip(left, right, strict=True):
        coarser = max(np.finfo(x.dtype).eps for x in (a, b) if x.dtype.kind == "f")
        size = max(np.max(np.abs(a)), np.max(np.abs(b)))
        if not np.max(np.abs(a - b)) <= np.sqrt(coarser) * size:
            return False
    return True
