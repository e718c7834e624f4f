"""Linear stability of a model: its homogeneous states, and what becomes of each.

The kinetics are those of the model's ``reaction_fields`` alone, so that a model whose other fields
merely follow (the potential of the v4.1 model) is judged by the part that could form a pattern.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid, check_one_spacing
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model, concrete_parameters
from mfnjax.models.registry import parameter_names
from mfnjax.stability.linear import (
    LaplacianSymbol,
    continuum_laplacian,
    five_point_laplacian,
)
from mfnjax.stability.roots import as_guesses, critical_parameter, homogeneous_states
from mfnjax.stability.verdict import Mode, StabilityReport, Verdict, classify, fastest_mode

_STARTS = 96
_LARGEST_STATE = 1e4
_ORDER = (Verdict.TURING, Verdict.HOPF, Verdict.OTHER, Verdict.MARGINAL, Verdict.STABLE)
"""Which of several states speaks for the model: the one that forms a pattern comes first."""


@dataclasses.dataclass(frozen=True)
class ModelStability:
    """Linear stability of every homogeneous state that was found for a model.

    Attributes:
        model: Name of the model's class.
        fields: The components that were analysed.
        parameters: The model's numbers.
        spacing: Grid spacing whose 5-point Laplacian was used [length]; None is the continuum.
        reports: One report a state, in the order of the states.
    """

    model: str
    fields: tuple[str, ...]
    parameters: dict[str, float]
    spacing: float | None
    reports: tuple[StabilityReport, ...]

    @property
    def leading(self) -> StabilityReport | None:
        """The report that speaks for the model; None if no state was found."""
        ranked = sorted(self.reports, key=lambda report: _ORDER.index(report.verdict))
        return ranked[0] if ranked else None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the leading state."""
        return None if self.leading is None else self.leading.verdict

    @property
    def sentence(self) -> str:
        """The verdict in words: of the leading state, and of how many there are."""
        if self.leading is None:
            return "no homogeneous state was found"
        return self.leading.sentence

    @property
    def wavelength(self) -> float | None:
        """Predicted wavelength [length]; None unless a stationary pattern is predicted."""
        leading = self.leading
        if leading is None or not leading.forms_pattern:
            return None
        return leading.fastest.wavelength

    def to_dict(self) -> dict[str, Any]:
        """The analysis as plain JSON values (no dispersion curves)."""
        return {
            "model": self.model,
            "fields": list(self.fields),
            "parameters": dict(self.parameters),
            "spacing": self.spacing,
            "verdict": None if self.verdict is None else str(self.verdict),
            "sentence": self.sentence,
            "wavelength": self.wavelength,
            "states": [_report_dict(self.fields, report) for report in self.reports],
        }

    def text(self) -> str:
        """The analysis as a few lines of plain text."""
        where = "continuum" if self.spacing is None else f"5-point stencil, dx = {self.spacing:g}"
        numbers = ", ".join(f"{name} = {value:g}" for name, value in self.parameters.items())
        lines = [f"{self.model} ({where})", f"  {numbers}"]
        for report in self.reports:
            values = zip(self.fields, report.state, strict=True)
            lines += [
                "  state " + ", ".join(f"{name} = {value:.6g}" for name, value in values),
                f"    {report.verdict}: {report.sentence}",
                f"    growth rate {report.homogeneous.growth + 0.0:.4g} at q = 0, largest "
                f"{report.fastest.growth + 0.0:.4g} at q = {report.fastest.wavenumber:.4g}",
            ]
        if not self.reports:
            lines.append(f"  {self.sentence}")
        return "\n".join(lines)


def analyse(
    model: Model,
    *,
    grid: Grid | None = None,
    guesses: Any = None,
    bounds: Sequence[tuple[float, float]] | None = None,
    max_wavenumber: float | None = None,
) -> ModelStability:
    """Find a model's homogeneous states and what linear stability says of each.

    A perturbation v·exp(iqx + σt) of a state u* with f(u*) = 0 obeys σv = (∂f/∂u + L(q))v, with
    L(q) the symbol of the transport (see `mfnjax.stability.linear`). Of an iterated map with
    dt = 1 the same rates are those of the equations it steps through.

    Args:
        model: The model, with plain numbers for parameters.
        grid: None takes ∇² as in the continuum, −q². A grid takes its 5-point stencil along an
            axis, and waves of at least two cells: this is what a simulation on it does.
        guesses: Where to look for states, shape (m, n), beside the starts spread over all signs
            and the magnitudes 0.001…100.
        bounds: (low, high) for each field: look there only, and evenly.
        max_wavenumber: Last q of the curve [1/length]; None goes to where all decays (or π/dx).

    Returns:
        The analysis; ``.sentence`` says it in words, ``.reports`` holds the dispersion curves.

    Raises:
        ParameterError: A parameter is not a plain finite number, or an argument is not accepted.

    Examples:
        >>> from mfnjax import MyceliumModel
        >>> from mfnjax.stability import analyse
        >>> print(analyse(MyceliumModel()).sentence)
        marginal at q = 0 (det J = 0), decaying for q > 0: forms no pattern
    """
    model = _concrete(model)
    symbol, last = _laplacian_of(grid, max_wavenumber)
    states = _states(model, guesses, bounds)
    reports = tuple(
        classify(
            model.reaction, model.transport, state, max_wavenumber=last, laplacian_symbol=symbol
        )
        for state in states
    )
    return ModelStability(
        model=type(model).__name__,
        fields=model.reaction_fields,
        parameters={name: float(getattr(model, name)) for name in parameter_names(type(model))},
        spacing=None if grid is None else float(grid.spacing),
        reports=reports,
    )


def critical_value(
    model: Model,
    parameter: str,
    bracket: tuple[float, float] | None = None,
    *,
    state: Any = None,
    grid: Grid | None = None,
    tolerance: float = 1e-12,
) -> float:
    """The value of a parameter at which a homogeneous state gains or loses its stability.

    The largest growth rate over all q is followed, with the state, through the parameter, and its
    zero is found by Brent's method.

    Args:
        model: The model, with plain numbers for parameters.
        parameter: Name of the parameter to move, or its paper symbol.
        bracket: Two values with the threshold between them; None looks for the nearest change of
            stability within a factor of 1000 of the model's own value, which must not be 0.
        state: The state to follow, n numbers, at the model's own parameters; None takes the state
            that speaks for the model (see `ModelStability.leading`).
        grid: As for `analyse`.
        tolerance: Of the parameter, absolute and relative.

    Returns:
        The critical value.

    Raises:
        ParameterError: Unknown parameter, no state to follow, or no change of stability there.

    Examples:
        >>> from mfnjax.models import SchnakenbergModel
        >>> from mfnjax.stability import critical_value
        >>> print(f"{critical_value(SchnakenbergModel(), 'D_v'):.5f}")
        8.56763
    """
    model = _concrete(model)
    name = type(model).symbols.get(parameter, parameter)
    if name not in parameter_names(type(model)):
        known = ", ".join(parameter_names(type(model)))
        raise ParameterError(
            f"{type(model).__name__} has no parameter {parameter!r}; its parameters are {known}"
        )
    if state is None:
        leading = analyse(model, grid=grid).leading
        if leading is None:
            raise ParameterError(f"no homogeneous state of {type(model).__name__} was found")
        state = leading.state
    growth = _Followed(model, name, np.asarray(state, np.float64), grid)
    if bracket is None:
        bracket = _find_bracket(growth, float(getattr(model, name)), name)
    return critical_parameter(growth, bracket, tolerance=tolerance)


class _Followed:
    """The largest growth rate of one state as a function of one parameter."""

    def __init__(self, model: Model, name: str, state: np.ndarray, grid: Grid | None) -> None:
        self._model, self._name = model, name
        self._symbol, self._last = _laplacian_of(grid, None)
        self._known = {float(getattr(model, name)): state}

    def __call__(self, value: float) -> float:
        model = dataclasses.replace(self._model, **{self._name: float(value)})  # type: ignore[type-var]
        nearest = min(self._known, key=lambda known: abs(known - value))
        state = _newton(model, self._known[nearest])
        if state is None:
            return math.nan
        self._known[float(value)] = state
        mode: Mode = fastest_mode(
            model.reaction,
            model.transport,
            state,
            max_wavenumber=self._last,
            laplacian_symbol=self._symbol,
        )
        return mode.growth


def _find_bracket(growth: _Followed, here: float, name: str) -> tuple[float, float]:
    """The nearest pair of values, going out from ``here`` both ways, with a change of sign."""
    if here == 0.0:
        raise ParameterError(f"{name} is 0: give a bracket to look for its critical value in")
    factors = np.geomspace(1.0, 1000.0, 25)
    edges = {+1: (here, growth(here)), -1: (here, growth(here))}
    for factor in factors[1:]:
        for direction, (previous, before) in edges.items():
            value = here * factor**direction
            after = growth(value)
            if before * after < 0:
                return min(previous, value), max(previous, value)
            edges[direction] = (value, after)
    raise ParameterError(
        f"no change of stability for {name} from {here / 1000:g} to {here * 1000:g}: "
        "give a bracket if there is one elsewhere"
    )


def _rates_and_jacobian(model: Model, vector: Any) -> tuple[jax.Array, jax.Array]:
    # A user's own class, registered by JAX, is told apart by its kind (see `mfnjax.core.pytree`).
    return _compiled_rates(model, vector, kind=type(model))


@partial(jax.jit, static_argnames="kind")
def _compiled_rates(model: Any, vector: jax.Array, *, kind: type) -> tuple[jax.Array, jax.Array]:
    # The model is a pytree: a new value of a parameter compiles nothing.
    def rates(u: jax.Array) -> jax.Array:
        return jnp.stack([jnp.asarray(rate, u.dtype) for rate in model.reaction(tuple(u))])

    return rates(vector), jax.jacfwd(rates)(vector)


def _newton(model: Model, start: np.ndarray) -> np.ndarray | None:
    """The state near ``start``, in float64; None where Newton's method finds none."""
    state = start.astype(np.float64)
    with jax.enable_x64(True):
        cast = jax.tree.map(lambda leaf: np.float64(leaf), model)
        for _ in range(60):
            rates, slope = (np.asarray(x) for x in _rates_and_jacobian(cast, state))
            if not (np.isfinite(rates).all() and np.isfinite(slope).all()):
                return None
            step = np.linalg.lstsq(slope, rates, rcond=None)[0]
            state = state - step
            if np.abs(step).max() <= 1e-14 * max(float(np.abs(state).max()), 1e-300):
                return state
        size = np.abs(slope).max() * max(float(np.abs(state).max()), 1.0)
        return state if np.abs(rates).max() <= 1e-10 * size else None


def _states(model: Model, guesses: Any, bounds: Sequence[tuple[float, float]] | None) -> np.ndarray:
    if bounds is not None:
        if len(bounds) != len(model.reaction_fields):
            raise ParameterError(
                f"bounds must be one (low, high) for each of {', '.join(model.reaction_fields)}, "
                f"got {bounds!r}"
            )
        return homogeneous_states(model.reaction, bounds=bounds, guesses=guesses)
    count = len(model.reaction_fields)
    rng = np.random.default_rng(0)
    # All magnitudes; positive first, because concentrations are.
    magnitudes = 10.0 ** rng.uniform(-3.0, 2.0, (_STARTS, count))
    signs = rng.choice([-1.0, 1.0], (_STARTS, count))
    signs[: _STARTS // 2] = 1.0
    starts = np.concatenate([np.zeros((1, count)), np.ones((1, count)), signs * magnitudes])
    if guesses is not None:
        own = as_guesses(guesses)
        if own.shape[1:] != (count,):
            raise ParameterError(
                f"guesses must have {count} numbers a state, got shape {own.shape}"
            )
        starts = np.concatenate([own, starts])
    states = homogeneous_states(model.reaction, guesses=starts)
    # A reaction that fades at infinity has spurious states there, and one that divides by a field
    # may have them on the way to 0/0.
    regular = [_is_regular(model, state) for state in states]
    return states[np.array(regular, bool) & (np.abs(states) <= _LARGEST_STATE).all(1)]


def _is_regular(model: Model, state: np.ndarray) -> bool:
    snapped = np.where(np.abs(state) < 1e-100, 0.0, state)
    with jax.enable_x64(True):
        cast = jax.tree.map(lambda leaf: np.float64(leaf), model)
        return all(bool(np.isfinite(x).all()) for x in _rates_and_jacobian(cast, snapped))


def _laplacian_of(
    grid: Grid | None, max_wavenumber: float | None
) -> tuple[LaplacianSymbol, float | None]:
    if grid is None:
        return continuum_laplacian, max_wavenumber
    check_one_spacing(grid)
    spacing = float(grid.spacing)
    last = math.pi / spacing if max_wavenumber is None else max_wavenumber
    return (lambda q: five_point_laplacian(q, spacing)), last


def _concrete(model: Model) -> Model:
    """The model with Python floats for parameters: float64 whatever JAX's precision."""
    if not isinstance(model, Model):
        raise ParameterError(f"model must be a Model, got {type(model).__name__}")
    names = parameter_names(type(model))
    known = concrete_parameters(model)
    values: dict[str, float] = {}
    for name in names:
        value = known.get(name)
        if value is None or np.ndim(value) or not np.isfinite(value):
            raise ParameterError(
                f"stability analysis needs a plain finite number for "
                f"{type(model).__name__}.{name}, got {getattr(model, name)!r}"
            )
        values[name] = float(value)
    return dataclasses.replace(model, **values)  # type: ignore[type-var]


def _report_dict(fields: tuple[str, ...], report: StabilityReport) -> dict[str, Any]:
    return {
        "state": dict(zip(fields, map(float, report.state), strict=True)),
        "verdict": str(report.verdict),
        "sentence": report.sentence,
        "jacobian": report.jacobian.tolist(),
        "growth_at_zero": report.homogeneous.growth,
        "frequency_at_zero": report.homogeneous.frequency,
        "fastest_wavenumber": report.fastest.wavenumber,
        "fastest_growth": report.fastest.growth,
        "fastest_frequency": report.fastest.frequency,
        "wavelength": report.fastest.wavelength if report.fastest.wavenumber > 0 else None,
    }
