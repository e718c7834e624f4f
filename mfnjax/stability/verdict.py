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
from mfnjax.stability.curve import Curve, Mode, leader_within
from mfnjax.stability.linear import (
    LaplacianSymbol,
    Reaction,
    Transport,
    as_state,
    continuum_laplacian,
    jacobian,
    transport_symbol,
)

MARGINAL_TOLERANCE = 1e-6
"""A growth rate below this fraction of the rates that make it up counts as zero."""


class Verdict(enum.StrEnum):
    """What linear stability says of a homogeneous state.

    STABLE: every mode decays. MARGINAL: no mode grows, and one neither grows nor decays.
    TURING: stable at q = 0, and a stationary mode grows at a finite wavelength. WAVE: the same of
    a travelling mode, in a medium that has a direction. CONSERVED: a total is conserved, and a
    stationary mode grows at a finite wavelength (phases separate, cells gather).
    HOPF: an oscillation grows at q = 0. OTHER: anything else that grows.
    """

    STABLE = "stable"
    MARGINAL = "marginal"
    TURING = "Turing"
    WAVE = "wave"
    CONSERVED = "conserved"
    HOPF = "Hopf"
    OTHER = "other"


@dataclasses.dataclass(frozen=True, repr=False)
class StabilityReport:
    """Linear stability of one homogeneous state.

    Attributes:
        state: u*, shape (n,).
        jacobian: J [1/time], shape (n, n); of a whole model it is M(0), of all its rates.
        homogeneous: The mode at q = 0.
        fastest: The mode of the largest growth rate over 0 ≤ q ≤ the last wavenumber, or of those
            that fit the grid.
        verdict: What becomes of the state.
        sentence: The verdict in words.
        tolerance: Growth rates below this [1/time] counted as zero.
        wavenumbers: q of the dispersion curve [1/length], rising from 0.
        growth: σ(q) [1/time].
        frequency: ω(q) [rad/time], with the sign that `Mode` gives it.
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

    def __repr__(self) -> str:
        state = ", ".join(f"{value:.6g}" for value in self.state)
        return f"StabilityReport(({state}), {self.verdict}: {self.sentence})"

    @property
    def forms_pattern(self) -> bool:
        """Whether this state is predicted to give way to a pattern of a certain wavelength."""
        return self.verdict in (Verdict.TURING, Verdict.CONSERVED, Verdict.WAVE)


@dataclasses.dataclass(frozen=True)
class Fitting:
    """What the waves do that are looked at.

    Attributes:
        fastest: The mode of the largest growth rate.
        scale: What that rate is made of [1/time] (see `Curve.scale`).
        at_edge: Whether growth rises up to the shortest waves looked at.
        decays: Whether all waves decay but that of q = 0.
        travels: Whether the medium has a direction.
        has_rest: Whether the wave of q = 0 is one of them.
    """

    fastest: Mode
    scale: float
    at_edge: bool
    decays: bool
    travels: bool
    has_rest: bool = True


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
            field decays at four times the rate of reaction. On a grid of spacing h give π/h.
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
        curve = _curve(reaction, transport, state, laplacian_symbol)
        wavenumbers = curve.points(max_wavenumber)
        return curve.peak(wavenumbers, *curve(wavenumbers))


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
        tolerance: Growth rates within this fraction of the rates that make them up count as
            zero, (0, 0.1].

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
    with jax.enable_x64(True):
        curve = _curve(reaction, transport, state, laplacian_symbol)
        return report_of(curve, max_wavenumber, tolerance=tolerance)


def _curve(
    reaction: Reaction, transport: Transport, state: Any, laplacian_symbol: LaplacianSymbol
) -> Curve:
    state = as_state(np.asarray(state, np.float64))
    local = jacobian(reaction, state)

    def matrix(q: Any) -> tuple[jax.Array, jax.Array]:
        symbol = transport_symbol(transport, state, q, laplacian_symbol=laplacian_symbol)
        return local + symbol, jnp.zeros_like(local)

    return Curve(np.asarray(state), np.asarray(local), jax.vmap(matrix))


def report_of(
    curve: Curve,
    max_wavenumber: float | None,
    *,
    tolerance: float = MARGINAL_TOLERANCE,
    totals: np.ndarray | None = None,
    names: str = "",
    fitting: Fitting | None = None,
) -> StabilityReport:
    """What the dispersion curve of a state says.

    Args:
        curve: The curve.
        max_wavenumber: Its last q [1/length]; see `fastest_mode`.
        tolerance: Growth rates within this fraction of the rates that make them up count as
            zero, (0, 0.1].
        totals: Combinations of the fields that no homogeneous mode changes, shape (r, n).
        names: The same in words.
        fitting: What the waves do that fit a grid; None takes those of the curve.
    """
    tolerance = check_real("tolerance", tolerance, 0.0, 0.1, open_low=True)
    wavenumbers = curve.points(max_wavenumber)
    growth, frequency = curve(wavenumbers)
    homogeneous = curve.mode(0.0, float(growth[0]), float(frequency[0]))
    if fitting is None:
        fastest = curve.peak(wavenumbers, growth, frequency)
        fitting = Fitting(
            fastest,
            curve.scale(fastest),
            at_edge=fastest.wavenumber == wavenumbers[-1],
            decays=bool((growth[1:] < 0).all()),
            travels=curve.travels(wavenumbers),
        )
    fastest, threshold = fitting.fastest, tolerance * fitting.scale
    within: Mode | None = homogeneous if fitting.has_rest else None
    if within and totals is not None and len(totals):
        within = leader_within(curve.jacobian, totals)
    still = tolerance * curve.scale(within or homogeneous)
    verdict, sentence = _judge(within, fitting, still, threshold, conserved=names)
    return StabilityReport(
        state=curve.state,
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
    homogeneous: Mode | None, fitting: Fitting, still: float, threshold: float, *, conserved: str
) -> tuple[Verdict, str]:
    """The verdict and its sentence from the two modes that decide it.

    ``homogeneous`` is the leader of those that keep the conserved totals; None: there is no such.
    At q = 0 what is within ``still`` is 0, elsewhere what is within ``threshold``.
    """
    fastest, decays = fitting.fastest, fitting.decays
    at_edge, travels = fitting.at_edge, fitting.travels
    at_rest = homogeneous or Mode(0.0, -math.inf, 0.0)
    grows = fastest.growth > threshold
    oscillates = abs(fastest.frequency) > threshold
    where = f"q = {fastest.wavenumber:.4g} (wavelength {fastest.wavelength:.4g})"
    if at_rest.growth > still:
        if at_rest.frequency > still:
            period = 2 * math.pi / at_rest.frequency
            return (
                Verdict.HOPF,
                f"oscillates with a growing amplitude at q = 0, period {period:.4g}",
            )
        return (
            Verdict.OTHER,
            "grows at q = 0 without oscillating: the whole field leaves this state",
        )
    at_zero = "" if at_rest.growth < -still else _marginal_at_zero(at_rest, still)
    held = "decays at q = 0" if fitting.has_rest else "held at the sides"
    calm = at_zero or conserved or held
    if grows and at_edge:
        return Verdict.OTHER, "grows up to the shortest wavelength looked at: none is selected"
    if grows and at_zero:
        return Verdict.OTHER, f"{at_zero}, growing fastest at {where}"
    if grows and oscillates and travels:
        speed = fastest.frequency / fastest.wavenumber
        return Verdict.WAVE, (
            f"{calm}, a wave grows fastest at {where}, its crests moving at {speed:.4g} and "
            f"packets of them at {fastest.group_velocity:.4g}: forms a travelling pattern"
        )
    if grows and oscillates:
        return Verdict.OTHER, f"{calm}, an oscillating wave grows fastest at {where}"
    if grows:
        verdict = Verdict.CONSERVED if conserved else Verdict.TURING
        return verdict, f"{calm}, grows fastest at {where}: forms a pattern"
    if at_zero or conserved:
        rest = "decaying for q > 0" if decays else "growing nowhere"
        return Verdict.MARGINAL, f"{calm}, {rest}: forms no pattern"
    if fastest.growth >= -threshold:
        return Verdict.MARGINAL, f"marginal at {where}, decaying elsewhere: at its threshold"
    return Verdict.STABLE, "decays at every q: stable, forms no pattern"


def _marginal_at_zero(mode: Mode, threshold: float) -> str:
    if mode.frequency > threshold:
        period = 2 * math.pi / mode.frequency
        return f"marginal at q = 0 (an undamped oscillation, period {period:.4g})"
    return "marginal at q = 0 (det J = 0)"
