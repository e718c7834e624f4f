"""What becomes of a homogeneous state: fastest mode, predicted wavelength, and a verdict."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_real
from mfnjax.stability.linear import (
    LaplacianSymbol,
    Reaction,
    Transport,
    as_state,
    continuum_laplacian,
    dispersion,
    jacobian,
    transport_symbol,
)

MARGINAL_TOLERANCE = 1e-6
"""A growth rate below this fraction of the rates of the problem (‖J‖₂) counts as zero."""

# Every evaluation of the curve has this many points: one array shape, compiled for once.
_POINTS = 512
_ZOOMS = 3


class Verdict(enum.StrEnum):
    """What linear stability says of a homogeneous state.

    STABLE: every mode decays. MARGINAL: no mode grows, and one neither grows nor decays.
    TURING: stable at q = 0, and a stationary mode grows at a finite wavelength.
    HOPF: an oscillation grows at q = 0. OTHER: anything else that grows.
    """

    STABLE = "stable"
    MARGINAL = "marginal"
    TURING = "Turing"
    HOPF = "Hopf"
    OTHER = "other"


@dataclasses.dataclass(frozen=True)
class Mode:
    """The fastest growing (or slowest decaying) mode.

    Attributes:
        wavenumber: q* [1/length]; 0 is the homogeneous mode.
        growth: σ(q*) [1/time].
        frequency: ω(q*) [rad/time]; 0 is a stationary mode.
    """

    wavenumber: float
    growth: float
    frequency: float

    @property
    def wavelength(self) -> float:
        """2π/q* [length]; infinite for the homogeneous mode."""
        return 2 * math.pi / self.wavenumber if self.wavenumber > 0 else math.inf


@dataclasses.dataclass(frozen=True)
class StabilityReport:
    """Linear stability of one homogeneous state.

    Attributes:
        state: u*, shape (n,).
        jacobian: J [1/time], shape (n, n).
        homogeneous: The mode at q = 0.
        fastest: The mode of the largest growth rate over 0 ≤ q ≤ the last wavenumber.
        verdict: What becomes of the state.
        sentence: The verdict in words.
        tolerance: Growth rates below this [1/time] counted as zero.
        wavenumbers: q of the dispersion curve [1/length], rising from 0.
        growth: σ(q) [1/time].
        frequency: ω(q) [rad/time].
    """

    state: np.ndarray
    jacobian: np.ndarray
    homogeneous: Mode
    fastest: Mode
    verdict: Verdict
    sentence: str
    tolerance: float
    wavenumbers: np.ndarray
    growth: np.ndarray
    frequency: np.ndarray

    @property
    def forms_pattern(self) -> bool:
        """Whether this state is predicted to give way to a stationary pattern."""
        return self.verdict is Verdict.TURING


def fastest_mode(
    reaction: Reaction,
    transport: Transport,
    state: Any,
    *,
    max_wavenumber: float | None = None,
    laplacian_symbol: LaplacianSymbol = continuum_laplacian,
) -> Mode:
    """The mode of the largest growth rate: a scan over q, then zooms around its maximum.

    In float64, whatever JAX's default precision (pass parameters as Python numbers: a float32
    array keeps its own rounding). Not to be traced; for two fields with plain diffusion,
    `turing_fastest_wavenumber` is the differentiable closed form.

    Args:
        reaction: f, from a tuple of n arrays to a tuple of n arrays.
        transport: L, from (tuple of n arrays, laplacian) to a tuple of n arrays.
        state: u*, n numbers.
        max_wavenumber: Last q of the scan [1/length]; None goes to where every transported
            field decays at four times ‖J‖₂. On a grid of spacing h give π/h.
        laplacian_symbol: q ↦ symbol of ∇²; −q² unless given.

    Returns:
        The mode, with its predicted wavelength.

    Raises:
        ParameterError: ``state`` or ``max_wavenumber`` is not accepted.

    Examples:
        Schnakenberg kinetics (a = 0.1, b = 0.9) at twice its critical diffusion ratio:

        >>> from mfnjax.stability import fastest_mode
        >>> def react(u):
        ...     return 0.1 - u[0] + u[0] ** 2 * u[1], 0.9 - u[0] ** 2 * u[1]
        >>> def spread(u, laplacian):
        ...     return laplacian(u[0]), 17.0 * laplacian(u[1])
        >>> mode = fastest_mode(react, spread, [1.0, 0.9])
        >>> print(f"wavelength {mode.wavelength:.2f}, growth rate {mode.growth:.3f}")
        wavelength 12.48, growth rate 0.221
    """
    with jax.enable_x64(True):
        curve = _Curve(reaction, transport, state, laplacian_symbol)
        wavenumbers = _scan_points(curve, max_wavenumber)
        return _peak(curve, wavenumbers, *curve(wavenumbers))


def classify(
    reaction: Reaction,
    transport: Transport,
    state: Any,
    *,
    max_wavenumber: float | None = None,
    laplacian_symbol: LaplacianSymbol = continuum_laplacian,
    tolerance: float = MARGINAL_TOLERANCE,
) -> StabilityReport:
    """Dispersion curve, fastest mode and verdict for one homogeneous state.

    Args:
        reaction: f, from a tuple of n arrays to a tuple of n arrays.
        transport: L, from (tuple of n arrays, laplacian) to a tuple of n arrays.
        state: u*, n numbers, with f(u*) = 0 (see `homogeneous_states`).
        max_wavenumber: Last q of the scan [1/length]; see `fastest_mode`.
        laplacian_symbol: q ↦ symbol of ∇²; −q² unless given.
        tolerance: Growth rates within this fraction of ‖J‖₂ count as zero, (0, 0.1].

    Returns:
        The report; ``report.sentence`` says it in words.

    Raises:
        ParameterError: ``state``, ``max_wavenumber`` or ``tolerance`` is not accepted.

    Examples:
        The v4.1 pair at its defaults:

        >>> from mfnjax.stability import classify
        >>> def react(u):
        ...     return 0.01 * (u[0] * (1 - u[0]) - u[1]), 0.02 * (u[0] - u[1])
        >>> def spread(u, laplacian):
        ...     return 0.1 * laplacian(u[0]), 0.05 * laplacian(u[1])
        >>> print(classify(react, spread, [0.0, 0.0]).sentence)
        marginal at q = 0 (det J = 0), decaying for q > 0: forms no pattern
    """
    tolerance = check_real("tolerance", tolerance, 0.0, 0.1, open_low=True)
    with jax.enable_x64(True):
        curve = _Curve(reaction, transport, state, laplacian_symbol)
        wavenumbers = _scan_points(curve, max_wavenumber)
        growth, frequency = curve(wavenumbers)
        fastest = _peak(curve, wavenumbers, growth, frequency)
    threshold = tolerance * curve.rate
    homogeneous = Mode(0.0, float(growth[0]), float(frequency[0]))
    at_edge = fastest.wavenumber == wavenumbers[-1]
    decays = bool((growth[1:] < 0).all())
    verdict, sentence = _judge(homogeneous, fastest, threshold, at_edge=at_edge, decays=decays)
    return StabilityReport(
        state=np.asarray(curve.state),
        jacobian=curve.jacobian,
        homogeneous=homogeneous,
        fastest=fastest,
        verdict=verdict,
        sentence=sentence,
        tolerance=threshold,
        wavenumbers=wavenumbers,
        growth=growth,
        frequency=frequency,
    )


def _judge(
    homogeneous: Mode, fastest: Mode, threshold: float, *, at_edge: bool, decays: bool
) -> tuple[Verdict, str]:
    """The verdict and its sentence from the two modes that decide it."""
    grows = fastest.growth > threshold
    oscillates = fastest.frequency > threshold
    where = f"q = {fastest.wavenumber:.4g} (wavelength {fastest.wavelength:.4g})"
    if homogeneous.growth > threshold:
        if homogeneous.frequency > threshold:
            period = 2 * math.pi / homogeneous.frequency
            return (
                Verdict.HOPF,
                f"oscillates with a growing amplitude at q = 0, period {period:.4g}",
            )
        return (
            Verdict.OTHER,
            "grows at q = 0 without oscillating: the whole field leaves this state",
        )
    at_zero = "" if homogeneous.growth < -threshold else _marginal_at_zero(homogeneous, threshold)
    if grows and at_edge:
        return Verdict.OTHER, "grows up to the shortest wavelength looked at: none is selected"
    if grows and at_zero:
        return Verdict.OTHER, f"{at_zero}, growing fastest at {where}"
    if grows and oscillates:
        return Verdict.OTHER, f"decays at q = 0, an oscillating wave grows fastest at {where}"
    if grows:
        return Verdict.TURING, f"decays at q = 0, grows fastest at {where}: forms a pattern"
    if at_zero:
        rest = "decaying for q > 0" if decays else "growing nowhere"
        return Verdict.MARGINAL, f"{at_zero}, {rest}: forms no pattern"
    if fastest.growth >= -threshold:
        return Verdict.MARGINAL, f"marginal at {where}, decaying elsewhere: at its threshold"
    return Verdict.STABLE, "decays at every q: stable, forms no pattern"


def _marginal_at_zero(mode: Mode, threshold: float) -> str:
    if mode.frequency > threshold:
        period = 2 * math.pi / mode.frequency
        return f"marginal at q = 0 (an undamped oscillation, period {period:.4g})"
    return "marginal at q = 0 (det J = 0)"


class _Curve:
    """The dispersion curve as a function of an array of wavenumbers, on the host in float64.

    Not jitted: a search for a critical parameter makes a new reaction for each value, and
    compiling each would take far longer than these few small operations.
    """

    def __init__(
        self,
        reaction: Reaction,
        transport: Transport,
        state: Any,
        laplacian_symbol: LaplacianSymbol,
    ) -> None:
        self.state = as_state(np.asarray(state, np.float64))
        self.jacobian = np.asarray(jacobian(reaction, self.state))
        self._reaction, self._transport, self._symbol = reaction, transport, laplacian_symbol
        # A transport may act at q = 0 too (Swift–Hohenberg's −(1 + ∇²)² does).
        still = transport_symbol(transport, self.state, 0.0, laplacian_symbol=laplacian_symbol)
        self.rate = max(
            float(np.linalg.norm(matrix, 2))
            for matrix in (self.jacobian, self.jacobian + np.asarray(still))
        )

    def __call__(self, wavenumbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sigma, omega = dispersion(
            self._reaction,
            self._transport,
            self.state,
            wavenumbers,
            laplacian_symbol=self._symbol,
        )
        return np.asarray(sigma), np.asarray(omega)

    def decay(self, wavenumbers: np.ndarray) -> np.ndarray:
        """How fast the transport alone damps each field, shape (m, n)."""
        symbols = jax.vmap(
            lambda q: transport_symbol(
                self._transport, self.state, q, laplacian_symbol=self._symbol
            )
        )(jnp.asarray(wavenumbers))
        return -np.diagonal(np.asarray(symbols), axis1=1, axis2=2)


def _scan_points(curve: _Curve, max_wavenumber: float | None) -> np.ndarray:
    """0, then wavenumbers spread evenly and geometrically up to the last one."""
    if max_wavenumber is None:
        candidates = np.geomspace(1e-8, 1e8, _POINTS)
        decay = curve.decay(candidates)
        moving = decay[:, (decay != 0).any(0)]
        # A transport that amplifies (a Cahn–Hilliard field) sets a rate of its own.
        rate = max(curve.rate, -moving.min(initial=0.0), 1e-12)
        undamped = np.flatnonzero((moving < 4 * rate).any(1))
        beyond = undamped[-1] + 1 if undamped.size else 0
        last = float(candidates[beyond]) if moving.size and beyond < _POINTS else 1.0
    else:
        last = check_real("max_wavenumber", max_wavenumber, 0.0, 1e12, open_low=True)
    even = np.linspace(0.0, last, _POINTS // 2, endpoint=False)
    return np.sort(np.concatenate([even, np.geomspace(1e-4 * last, last, _POINTS // 2)]))


def _peak(
    curve: _Curve, wavenumbers: np.ndarray, growth: np.ndarray, frequency: np.ndarray
) -> Mode:
    """The highest point of the curve, zooming in on it unless it lies at an end."""
    best = int(np.argmax(growth))
    for _ in range(_ZOOMS if 0 < best < _POINTS - 1 else 0):
        wavenumbers = np.linspace(wavenumbers[best - 1], wavenumbers[best + 1], _POINTS)
        growth, frequency = curve(wavenumbers)
        best = int(np.clip(np.argmax(growth), 1, _POINTS - 2))
    return Mode(float(wavenumbers[best]), float(growth[best]), float(frequency[best]))
