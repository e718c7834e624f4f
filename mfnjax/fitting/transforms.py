"""Bounded parameters as functions of free ones, so that an optimiser never leaves the bounds.

An optimiser works on y ∈ ℝ; the model is given θ = T(y). Each transform is increasing, smooth, and
of a scale at which a step of 1 in y is a sizeable step in θ.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_real
from mfnjax.errors import ParameterError


class Transform(abc.ABC):
    """An increasing map from ℝ onto the values that a parameter may take."""

    @abc.abstractmethod
    def forward(self, free: Any) -> Any:
        """θ = T(y)."""

    @abc.abstractmethod
    def inverse(self, value: Any) -> Any:
        """y = T⁻¹(θ), for θ inside the bounds."""

    @abc.abstractmethod
    def log_det(self, free: Any) -> Any:
        """ln T′(y): what a density over θ gains when it is written over y."""

    @abc.abstractmethod
    def contains(self, value: float) -> bool:
        """Whether θ lies inside the (open) bounds."""


@final
@dataclass(frozen=True)
class Identity(Transform):
    """θ = s·y: any real number. The scale s makes a step of 1 in y a sizeable one in θ.

    Examples:
        >>> Identity(scale=10.0).inverse(5.0)
        0.5

    Raises:
        ParameterError: The scale is not positive and finite.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_real("scale", self.scale, 0.0, math.inf, open_low=True)

    def forward(self, free: Any) -> Any:
        """θ = s·y."""
        return free * self.scale

    def inverse(self, value: Any) -> Any:
        """y = θ/s."""
        return value / self.scale

    def log_det(self, free: Any) -> Any:
        """ln s."""
        return jnp.full_like(jnp.asarray(free), math.log(self.scale))

    def contains(self, value: float) -> bool:
        """Whether θ is finite."""
        return math.isfinite(value)

    def __str__(self) -> str:
        return "any"


@final
@dataclass(frozen=True)
class Positive(Transform):
    """θ = e^y: a positive number.

    Examples:
        >>> float(Positive().forward(Positive().inverse(3.0)))
        3.0
    """

    def forward(self, free: Any) -> Any:
        """θ = e^y."""
        return jnp.exp(free)

    def inverse(self, value: Any) -> Any:
        """y = ln θ."""
        return jnp.log(value)

    def log_det(self, free: Any) -> Any:
        """y."""
        return jnp.asarray(free)

    def contains(self, value: float) -> bool:
        """Whether 0 < θ < ∞."""
        return 0 < value < math.inf

    def __str__(self) -> str:
        return "> 0"


@final
@dataclass(frozen=True)
class Interval(Transform):
    """θ between two bounds; one of them may be infinite.

    a + (b − a)·σ(y) for a < θ < b, with σ the logistic function; a + e^y for θ > a; b − e^(−y) for
    θ < b.

    Attributes:
        low: a, or −∞.
        high: b, or +∞.

    Raises:
        ParameterError: The bounds are not numbers a < b, or both are infinite.

    Examples:
        >>> float(Interval(0.0, 2.0).forward(0.0))
        1.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if np.asarray(end).dtype.kind not in "fiu":
                raise ParameterError(f"bounds must be two numbers low < high, got {end!r}")
        is_open = math.isinf(self.low) and math.isinf(self.high)
        if is_open or not self.low < self.high:
            raise ParameterError(f"bounds must be two numbers low < high, got {self}")

    def forward(self, free: Any) -> Any:
        """θ = T(y)."""
        if math.isinf(self.high):
            return self.low + jnp.exp(free)
        if math.isinf(self.low):
            return self.high - jnp.exp(-free)
        return self.low + (self.high - self.low) * jax.nn.sigmoid(free)

    def inverse(self, value: Any) -> Any:
        """y = T⁻¹(θ)."""
        if math.isinf(self.high):
            return jnp.log(value - self.low)
        if math.isinf(self.low):
            return -jnp.log(self.high - value)
        return jnp.log(value - self.low) - jnp.log(self.high - value)

    def log_det(self, free: Any) -> Any:
        """ln T′(y)."""
        if math.isinf(self.high):
            return jnp.asarray(free)
        if math.isinf(self.low):
            return -jnp.asarray(free)
        width = math.log(self.high - self.low)
        return width + jax.nn.log_sigmoid(free) + jax.nn.log_sigmoid(-free)

    def contains(self, value: float) -> bool:
        """Whether a < θ < b."""
        return self.low < value < self.high

    def __str__(self) -> str:
        return f"{self.low:g} … {self.high:g}"


def as_transform(name: str, bounds: Any, start: float) -> Transform:
    """The transform for ``bounds``: None, a pair (None or ±∞ for an open end), or a `Transform`.

    Without bounds a parameter that starts positive stays positive, and one that does not may take
    any value; ``(None, None)`` lets any take any value.

    Raises:
        ParameterError: The bounds are no such thing, or the start value lies outside them.
    """
    if bounds is None:
        transform: Transform = Positive() if start > 0 else Identity(abs(start) or 1.0)
    elif isinstance(bounds, Transform):
        transform = bounds
    else:
        transform = _from_pair(name, bounds, start)
    if not transform.contains(start):
        raise ParameterError(
            f"{name} starts at {start:g}, which is not inside its bounds ({transform})"
        )
    return transform


def _from_pair(name: str, bounds: Any, start: float) -> Transform:
    try:
        low, high = bounds
        low = -math.inf if low is None else float(low)
        high = math.inf if high is None else float(high)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise ParameterError(
            f"bounds of {name} must be a pair (low, high) with low < high, None for an open end; "
            f"got {bounds!r}"
        )
    if np.isinf(low) and np.isinf(high):
        return Identity(abs(start) or 1.0)
    return Positive() if low == 0 and np.isinf(high) else Interval(low, high)
