"""Linear stability of a model: its homogeneous states, and what becomes of each.

All of a model's rates are linearised: reaction, fluxes, cross-diffusion, advection. They are those
of its ``reaction_fields`` alone, so that a model whose other fields merely follow (the potential of
the v4.1 model) is judged by the part that could form a pattern.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from mfnjax._parameter import parameters_of
from mfnjax.core.grid import Grid
from mfnjax.errors import ParameterError
from mfnjax.models.base import Equation, Model, concrete_parameters
from mfnjax.stability.curve import POINTS, Curve
from mfnjax.stability.modes import modes_of
from mfnjax.stability.plane_wave import PlaneWave, Waves, waves_along
from mfnjax.stability.rest import Rest
from mfnjax.stability.roots import critical_parameter
from mfnjax.stability.verdict import Fitting, StabilityReport, Verdict, report_of
from mfnjax.stability.whole import directions_of, rates_on, wave_matrices

_ORDER = (
    Verdict.TURING,
    Verdict.CONSERVED,
    Verdict.WAVE,
    Verdict.HOPF,
    Verdict.OTHER,
    Verdict.MARGINAL,
    Verdict.STABLE,
)
"""Which of several states speaks for the model: the one that forms a pattern comes first."""


@dataclasses.dataclass(frozen=True, repr=False)
class ModelStability:
    """Linear stability of every homogeneous state that was found for a model.

    Attributes:
        model: Name of the model's class.
        fields: The components that were analysed.
        parameters: The model's numbers.
        spacing: Grid spacing whose 5-point Laplacian was used [length], along x, y, z if they
            differ; None is the continuum.
        reports: One report a state, in the order of the states.
        is_continuum: Whether states fill a line, plane or more, of which a few were analysed.
        conserved: The totals that no closed domain lets change, in words: ``"u"``, ``"u + v"``.
        remarks: What else one should know, in sentences.
        stays_positive: Whether fields that begin ≥ 0 stay so, as concentrations do: then a state
            with a negative one speaks for the model only if there is no other.
    """

    model: str
    fields: tuple[str, ...]
    parameters: dict[str, float]
    spacing: float | tuple[float, ...] | None
    reports: tuple[StabilityReport, ...]
    is_continuum: bool = False
    conserved: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    stays_positive: bool = False

    @property
    def leading(self) -> StabilityReport | None:
        """The report that speaks for the model; None if no state was found."""

        def rank(report: StabilityReport) -> tuple[bool, int, int]:
            is_out = self.stays_positive and bool((report.state < 0).any())
            return is_out, _ORDER.index(report.verdict), int((report.state <= 0).sum())

        # Of equals, the one with the most positive fields.

        return min(self.reports, key=rank, default=None)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the leading state."""
        return None if self.leading is None else self.leading.verdict

    @property
    def sentence(self) -> str:
        """The verdict in words, of the leading state."""
        if self.leading is None:
            return "no homogeneous state was found"
        if not self.is_continuum:
            return self.leading.sentence
        return f"of a continuum of states, {self._words(self.leading)}: {self.leading.sentence}"

    def _words(self, report: StabilityReport) -> str:
        pairs = zip(self.fields, report.state, strict=True)
        return ", ".join(f"{name} = {value + 0.0:.6g}" for name, value in pairs)

    @property
    def wavelength(self) -> float | None:
        """Predicted wavelength [length]; None unless a pattern is predicted."""
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
            "continuum": self.is_continuum,
            "conserved": list(self.conserved),
            "remarks": list(self.remarks),
            "verdict": None if self.verdict is None else str(self.verdict),
            "sentence": self.sentence,
            "wavelength": self.wavelength,
            "states": [_report_dict(self.fields, report) for report in self.reports],
        }

    def __repr__(self) -> str:
        many = f"{len(self.reports)} state{'' if len(self.reports) == 1 else 's'}"
        return f"ModelStability({self.model}, {many}: {self.sentence})"

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The analysis as a few lines of plain text."""
        steps = self.spacing if isinstance(self.spacing, tuple) else (self.spacing,)
        dx = ", ".join(f"{step:g}" for step in steps if step is not None)
        where = f"5-point stencil, dx = {dx}" if dx else "continuum"
        numbers = ", ".join(f"{name} = {value:g}" for name, value in self.parameters.items())
        above = [f"{self.model} ({where})", numbers, *self.remarks]
        lines = "\n  ".join(filter(None, above)).split("\n")
        for report in self.reports:
            lines += [
                f"  state {self._words(report)}",
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
    total: float | Sequence[float] | None = None,
    max_wavenumber: float | None = None,
    direction: Sequence[float] | None = None,
) -> ModelStability:
    """Find a model's homogeneous states and what linear stability says of each.

    A perturbation v·exp(iqx + λt) of a state u* at rest obeys λv = M(q)v, with M(q) the derivative
    of all rates at u*, ∇ being that of the wave (see `mfnjax.stability.plane_wave`). σ = Re λ is
    the growth rate, ω = −Im λ the frequency and dω/dq the group velocity of the leading mode. Of an
    iterated map with dt = 1 the same rates are those of the equations it steps through. Noise is
    left out.

    Of rates that are quotients of polynomials all states are found; of others, those that Newton's
    method finds from many starts. Starts and tolerances are in units in which the terms of the
    rates balance, so that a change of the units of fields, time or space changes nothing.

    Where states fill a continuum, as with a conserved total, give the mean of the total, or those
    next to ``guesses`` (the means of the fields) speak for it.

    Args:
        model: The model, with plain numbers for parameters.
        grid: None takes ∇² as in the continuum, −q². A grid takes its stencils, and of the waves
            those that fit it and its sides, in all directions: this is what a simulation on it
            does. The curve is along x, and has waves of at least two cells.
        guesses: Where to look for states, shape (m, n), beside the usual starts; alone, where there
            is a continuum.
        bounds: (low, high) for each field: look there only, and evenly.
        total: The mean over the domain of each conserved total, in the order of ``.conserved``: one
            number for ``("u + v",)``. Only states with these are analysed.
        max_wavenumber: Last q of the curve [1/length]; None goes to where all decays (or π/dx).
        direction: Along which the waves run, one number for each direction of space in the order x,
            y, z, whether they fit a grid or not; None is along x, or all that fit the grid.

    Returns:
        The analysis; ``.sentence`` says it in words, ``.reports`` holds the dispersion curves.

    Raises:
        ParameterError: A parameter is not a plain finite number, an argument is not accepted, or
            the rates depend on the place or the time.

    Examples:
        >>> from mfnjax import MyceliumModel
        >>> from mfnjax.stability import analyse
        >>> print(analyse(MyceliumModel()).sentence)
        marginal at q = 0 (det J = 0), decaying for q > 0: forms no pattern
    """
    model = _concrete(model)
    with jax.enable_x64(True):
        waves = _waves(model, grid, direction)
        last = max_wavenumber if max_wavenumber is not None else waves.shortest
        rest = Rest(model, waves)
        totals = np.zeros((0, len(rest.names)))
        if total is not None:
            totals = rest.conserved()
            rest.fix(totals, total)
        found, is_continuum = rest.states(guesses, bounds)
        states = [state for state in found if _is_smooth(model, waves, state)]
        if total is None and states and all(map(rest.lacks_rank, states)):
            totals = rest.conserved()
        conserved = rest.words(totals)
        names = " and ".join(f"the total of {one}" for one in conserved)
        names += (" are conserved" if len(totals) > 1 else " is conserved") if names else ""
        fit = None if grid is None or direction is not None else _Fit(model, waves, grid)
        held = [state for state in states if fit is None or fit.keeps(state)]
        reports = tuple(
            report_of(
                _curve(model, waves, state),
                last,
                totals=totals,
                names=names,
                fitting=None if fit is None else fit.of(state, max_wavenumber),
            )
            for state in held
        )
        stays_positive = rest.stays_positive
    spacing: Any = waves.spacings
    if spacing is not None and len(set(spacing)) == 1:
        spacing = spacing[0]
    remarks = []
    if names:
        remarks.append(names)
    if is_continuum:
        whose = "those next to the guesses" if guesses is not None else "a few"
        remarks.append(f"the homogeneous states are a continuum: {whose} were analysed")
    if len(states) < len(found):
        remarks.append("a state was left out where the rates have no derivative")
    if len(held) < len(states):
        remarks.append("a state was left out that the sides of the grid do not keep")
    if fit is not None and not fit.is_known:
        remarks.append(
            "modes of such sides are not known: waves along x that meet no side were looked at"
        )
    if isinstance(model, Equation) and model.is_stochastic():
        remarks.append("noise was left out")
    return ModelStability(
        model=type(model).__name__,
        fields=tuple(model.reaction_fields),
        parameters=_numbers(model),
        spacing=spacing,
        reports=reports,
        is_continuum=is_continuum,
        conserved=conserved,
        remarks=tuple(remarks),
        stays_positive=stays_positive,
    )


def critical_value(
    model: Model,
    parameter: str,
    bracket: tuple[float, float] | None = None,
    *,
    state: Any = None,
    grid: Grid | None = None,
    direction: Sequence[float] | None = None,
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
        direction: As for `analyse`.
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
    name, names = type(model).symbols.get(parameter, parameter), _numbers(model)
    if name not in names:
        raise ParameterError(
            f"{type(model).__name__} has no parameter {parameter!r}; its parameters are "
            f"{', '.join(names)}"
        )
    if state is None:
        leading = analyse(model, grid=grid, direction=direction).leading
        if leading is None:
            raise ParameterError(f"no homogeneous state of {type(model).__name__} was found")
        state = leading.state
    with jax.enable_x64(True):
        waves = _waves(model, grid, direction)
    growth = _Followed(
        model, name, np.asarray(state, np.float64), waves, grid if direction is None else None
    )
    if bracket is None:
        bracket = _find_bracket(growth, float(getattr(model, name)), name)
    return critical_parameter(growth, bracket, tolerance=tolerance)


class _Followed:
    """The largest growth rate of one state as a function of one parameter."""

    def __init__(
        self, model: Model, name: str, state: np.ndarray, waves: Waves, grid: Grid | None
    ) -> None:
        self._model, self._name, self._waves, self._grid = model, name, waves, grid
        self._known = {float(getattr(model, name)): state}
        with jax.enable_x64(True):
            self._rest = Rest(model, waves)

    def __call__(self, value: float) -> float:
        model = dataclasses.replace(self._model, **{self._name: float(value)})  # type: ignore[type-var]
        nearest = min(self._known, key=lambda known: abs(known - value))
        with jax.enable_x64(True):
            state = self._rest.of(model).nearest(self._known[nearest])
            if state is None:
                return math.nan
            self._known[float(value)] = state
            fit = None if self._grid is None else _Fit(model, self._waves, self._grid)
            fitting = None if fit is None else fit.of(state, None)
            if fitting is not None:
                return fitting.fastest.growth
            curve = _curve(model, self._waves, state)
            wavenumbers = curve.points(self._waves.shortest)
            return curve.peak(wavenumbers, *curve(wavenumbers)).growth


class _Fit:
    """What the waves do that fit a grid.

    Attributes:
        is_known: Whether the grid's sides have modes; else plane waves along x stand for them.
    """

    def __init__(self, model: Model, waves: Waves, grid: Grid) -> None:
        self._model, self._waves, self._grid = model, waves, grid
        generic = np.array([[0.71, 0.43, 0.29][: len(waves.axes)]]) / max(waves.spacings or (1.0,))
        at = np.ones(len(model.reaction_fields))
        self._travels = bool(np.any(wave_matrices(_float64(model), waves, at)(generic)[1]))
        sides = {grid.boundary.along(axis).transform for axis in grid.axes}
        modes = modes_of(grid, model.reaction_fields, both_ways=self._travels)
        # Where waves run one way, two of them do not make one that stands between walls.
        self._modes = modes if not self._travels or sides == {"fourier"} else None
        self.is_known = self._modes is not None

    def keeps(self, state: np.ndarray) -> bool:
        """Whether a homogeneous state is one between the sides, too."""
        grid = self._grid
        fields = np.broadcast_to(
            np.reshape(state, (-1, *[1] * len(grid.shape))), (len(state), *grid.shape)
        )
        rates = np.asarray(rates_on(_float64(self._model), fields, grid, kind=type(self._model)))
        if grid.mask is not None:
            rates = np.where(np.asarray(grid.mask) > 0, rates, 0.0)
        slope = np.abs(_curve(self._model, self._waves, state).jacobian) @ np.abs(state)
        rough = [4 / float(spacing) ** 2 for spacing in grid.spacings]
        wave = np.full((1, len(self._waves.axes)), math.sqrt(sum(rough)))
        swept = wave_matrices(_float64(self._model), self._waves, state)(wave)[0]
        size = slope + np.abs(np.asarray(swept)[0]) @ np.abs(state)
        flat = np.abs(rates).reshape(len(state), -1).max(1)
        return bool((flat <= 1e-9 * size + 1e-300).all())

    def of(self, state: np.ndarray, largest: float | None) -> Fitting | None:
        """What they do to a state; None where they are not known."""
        if self._modes is None:
            return None
        curve = _curve(self._model, self._waves, state)
        vectors = self._modes.vectors(largest)
        growth, _ = curve(vectors)
        best = self._modes.fastest(lambda waves: curve(waves)[0], largest)
        q = math.hypot(*best)
        # ``curve`` takes wavevectors, too; what it says of one mode it says along its direction.
        along = curve
        if q > 0 and best[0] != q:
            turned = Waves(self._waves.axes, tuple((best / q).tolist()), self._waves.spacings)
            along = _curve(self._model, turned, state)
        (sigma,), (omega,) = curve(best[None])
        fastest = along.mode(q, float(sigma), float(omega))
        moving = vectors.any(1)
        return Fitting(
            fastest,
            along.scale(fastest),
            at_edge=self._modes.is_last(best) and self._rises(curve),
            decays=bool((growth[moving] < 0).all()),
            travels=self._travels,
            has_rest=not moving.all(),
        )

    def _rises(self, curve: Curve) -> bool:
        """Whether, along x, growth rises up to waves of two cells."""
        wavenumbers = curve.points(self._waves.shortest)
        return curve.peak(wavenumbers, *curve(wavenumbers)).wavenumber == wavenumbers[-1]


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


def _curve(model: Model, waves: Waves, state: np.ndarray) -> Curve:
    matrices = wave_matrices(_float64(model), waves, state)
    return Curve(state, np.asarray(matrices(np.zeros(POINTS))[0][0]), matrices)


def _float64(model: Model) -> Model:
    cast: Model = jax.tree.map(np.float64, model)
    return cast


def _waves(model: Model, grid: Grid | None, direction: Any) -> Waves:
    if grid is not None:
        axes = directions_of(model, (grid.axes,))
    elif isinstance(direction, (tuple, list, np.ndarray)) and 0 < len(direction) <= 3:
        axes = directions_of(model, (("x", "y", "z")[: len(direction)],))
    else:
        axes = directions_of(model)
    return waves_along(direction, axes, grid)


def _is_smooth(model: Model, waves: Waves, state: np.ndarray) -> bool:
    """Whether transport, too, has a derivative there."""
    found = wave_matrices(model, waves, state)(np.linspace(0.0, 1.0, POINTS))
    return all(bool(np.isfinite(x).all()) for x in found)


def _numbers(model: Model) -> dict[str, float]:
    """The parameters that are numbers, by name."""
    known = concrete_parameters(model)
    traced = [name for name, one in parameters_of(model).items() if not one.static]
    return {name: float(known[name]) for name in traced if not _is_function(known[name])}


def _is_function(value: Any) -> bool:
    """A function, a module or its weights: what a rate may call."""
    return callable(value) or isinstance(value, dict)


def _concrete(model: Model) -> Model:
    """The model with Python floats for parameters: float64 whatever JAX's precision."""
    if not isinstance(model, Model):
        raise ParameterError(f"model must be a Model, got {type(model).__name__}")
    known = concrete_parameters(model)
    values: dict[str, float] = {}
    for name, declared in parameters_of(model).items():
        value = known.get(name)
        if callable(value):
            _check_placeless(f"{type(model).__name__}.{name}", value)
        if _is_function(value) or (declared.static and not isinstance(value, str)):
            continue
        if value is None or not _is_plain_number(value):
            raise ParameterError(
                f"stability analysis needs a plain finite number for "
                f"{type(model).__name__}.{name}, got {getattr(model, name)!r}"
            )
        values[name] = float(value)
    return dataclasses.replace(model, **values)  # type: ignore[type-var]


def _check_placeless(label: str, function: Any) -> None:
    """Refuse a function of the place and the time, which would be asked for it with a ∇."""
    try:
        function(PlaneWave(0.0, waves_along(None, ("x", "y", "z"))))
    except ParameterError as error:
        raise ParameterError(f"{label}: {error}") from None
    except Exception:  # a function of fields, whatever it makes of this
        return


def _is_plain_number(value: Any) -> bool:
    try:
        return np.ndim(value) == 0 and math.isfinite(value)
    except (TypeError, ValueError):
        return False


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
        "group_velocity": report.fastest.group_velocity,
        "wavelength": report.fastest.wavelength if report.fastest.wavenumber > 0 else None,
    }
