"""What a model is judged by: the idea of an objective, and sums of them.

An objective gives a loss for a model, and, where it is a sum of squares, its residuals. Some know
less than they need: the state that a run started from, say. Such unknowns are declared by the
objective and estimated together with the parameters.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import shown
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model
from mfnjax.simulation import Trajectory, simulate
from mfnjax.simulation.checks import is_traced

Unknowns = Mapping[str, Any]
"""What an objective itself leaves unknown, by name: arrays of numbers of order 1."""


class Objective(abc.ABC):
    """A loss of a model.

    An objective is a pytree whose leaves are its data: to put other data in its place compiles
    nothing. ``a * 2.0 + b`` weighs and adds objectives.
    """

    @abc.abstractmethod
    def loss(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """The loss, a scalar; ½Σr² where the objective is a least-squares one."""

    @property
    def unknowns(self) -> dict[str, Any]:
        """Start values of what the objective leaves unknown; most leave nothing."""
        return {}

    @property
    def prior(self) -> dict[str, tuple[Any, Any]]:
        """(mean, σ) of the unknowns that were measured themselves; most were not.

        Such an unknown is z = (value − mean)/σ, and z is among the residuals.
        """
        return {}

    @property
    def is_least_squares(self) -> bool:
        """Whether the loss is half a sum of squared residuals."""
        return False

    @property
    def noise_is_known(self) -> bool:
        """Whether the residuals are in units of a known noise, so that Σr² is a χ²."""
        return False

    @property
    def num_residuals(self) -> int:
        """The residuals that count (missing data do not)."""
        return 0

    def residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """The residuals (n,) of a least-squares objective, in units of the noise.

        Raises:
            ParameterError: It is not one.
        """
        raise ParameterError(f"{type(self).__name__} is no least-squares objective: no residuals")

    def measured_residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """`residuals` without those of the `prior`."""
        return self.residuals(model, unknowns)

    def measured_loss(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """`loss` without that of the `prior`."""
        return self.loss(model, unknowns)

    def with_prior(self, prior: Mapping[str, tuple[Any, Any]]) -> Objective:
        """The same objective with these measurements of its unknowns, where it has them."""
        return self

    def redraw(self, model: Model, unknowns: Unknowns, *, scale: Any, key: jax.Array) -> Objective:
        """The same objective on synthetic data: the model's own, with noise of ``scale``·σ.

        Raises:
            ParameterError: The objective has no model of its noise.
        """
        raise ParameterError(f"{type(self).__name__} has no model of its noise to draw from")

    def __call__(self, model: Model) -> jax.Array:
        """The loss with the unknowns at their start values."""
        return self.loss(model, self.unknowns)

    def __mul__(self, weight: Any) -> Objective:
        return WeightedSum((self,), (weight,))

    __rmul__ = __mul__

    def __add__(self, other: Objective) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented
        parts = [_as_sum(self), _as_sum(other)]
        return WeightedSum(parts[0].terms + parts[1].terms, parts[0].weights + parts[1].weights)


@final
@register_pytree
@dataclass(frozen=True)
class WeightedSum(Objective):
    """Σ wₖ·lossₖ. A least-squares objective if all its terms are: residuals √wₖ·rₖ.

    Unknowns of one name in several terms are one unknown. What was measured of it (a noisy start)
    is one measurement: it counts once, with the largest weight of those terms.

    Attributes:
        terms: The objectives; those of a sum among them stand in its place.
        weights: wₖ ≥ 0, traced.

    Raises:
        ParameterError: A weight is negative or not finite; an unknown has two shapes, or was
            measured twice.
    """

    terms: tuple[Objective, ...]
    weights: tuple[Any, ...]

    def __post_init__(self) -> None:
        for weight in self.weights:
            if isinstance(weight, (int, float, np.number)) and not 0 <= weight < np.inf:
                raise ParameterError(f"the weight of an objective must be ≥ 0, got {weight!r}")
        flat = list(zip(self.terms, self.weights, strict=True))
        while any(isinstance(term, WeightedSum) for term, _ in flat):
            flat = [pair for term, weight in flat for pair in _unfolded(term, weight)]
        object.__setattr__(self, "terms", tuple(term for term, _ in flat))
        object.__setattr__(self, "weights", tuple(weight for _, weight in flat))
        self._check_unknowns()

    def _check_unknowns(self) -> None:
        shapes: dict[str, tuple[int, ...]] = {}
        priors: dict[str, Any] = {}
        for term in self.terms:
            for name, value in getattr(term, "unknowns", {}).items():
                shape = np.shape(value)
                if shapes.setdefault(name, shape) != shape:
                    raise ParameterError(
                        f"the unknown {name!r} has the shapes {shapes[name]} and {shape} in two "
                        "terms of one objective"
                    )
            for name, prior in getattr(term, "prior", {}).items():
                if not _same(priors.setdefault(name, prior), prior):
                    raise ParameterError(
                        f"the unknown {name!r} was measured twice, with two results, in two terms "
                        "of one objective; give those that start apart as data sets: "
                        "fit(model, {'a': …, 'b': …})"
                    )

    @property
    def unknowns(self) -> dict[str, Any]:
        """All unknowns of the terms."""
        return {name: value for term in self.terms for name, value in term.unknowns.items()}

    @property
    def prior(self) -> dict[str, tuple[Any, Any]]:
        """Those of the terms."""
        return {name: prior for term in self.terms for name, prior in term.prior.items()}

    @property
    def is_least_squares(self) -> bool:
        """Whether every term is."""
        return all(term.is_least_squares for term in self.terms)

    @property
    def noise_is_known(self) -> bool:
        """Whether every term's is, and no weight is other than 1."""
        plain = all(isinstance(w, (int, float)) and w == 1 for w in self.weights)
        return plain and all(term.noise_is_known for term in self.terms)

    @property
    def num_residuals(self) -> int:
        """The sum over the terms; 0 where one does not know beforehand."""
        counts = [term.num_residuals for term in self.terms]
        return sum(counts) - self.num_repeated if all(counts) else 0

    @property
    def num_repeated(self) -> int:
        """Residuals of shared unknowns that the terms count one by one, and the sum once."""
        sizes = [{n: np.size(term.unknowns[n]) for n in term.prior} for term in self.terms]
        once = {name: size for each in sizes for name, size in each.items()}
        return sum(sum(each.values()) for each in sizes) - sum(once.values())

    def loss(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """Σ wₖ·lossₖ."""
        measured = self.measured_loss(model, unknowns)
        return measured + sum(half_square(z) for z in self._prior_residuals(unknowns))

    def measured_loss(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """The same without the prior."""
        losses = [term.measured_loss(model, _part(term, unknowns)) for term in self.terms]
        weighted = [jnp.asarray(w, l.dtype) * l for w, l in zip(self.weights, losses, strict=True)]
        return sum(weighted[1:], weighted[0])

    def residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """√wₖ·rₖ, one term after the other; then the z of every prior, once."""
        measured = self.measured_residuals(model, unknowns)
        return jnp.concatenate([measured, *self._prior_residuals(unknowns)])

    def measured_residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """The same without the prior."""
        parts = [term.measured_residuals(model, _part(term, unknowns)) for term in self.terms]
        return jnp.concatenate([_root(w, r) for w, r in zip(self.weights, parts, strict=True)])

    def _prior_residuals(self, unknowns: Unknowns) -> list[jax.Array]:
        weights: dict[str, Any] = {}
        for term, weight in zip(self.terms, self.weights, strict=True):
            for name in term.prior:
                weights[name] = jnp.maximum(weights.get(name, 0.0), weight)
        return [_root(weight, jnp.ravel(unknowns[name])) for name, weight in weights.items()]

    def redraw(self, model: Model, unknowns: Unknowns, *, scale: Any, key: jax.Array) -> Objective:
        """Every term redrawn, each from its own key; what they share is drawn once."""
        keys = jax.random.split(key, len(self.terms))
        terms: list[Objective] = []
        drawn: dict[str, tuple[Any, Any]] = {}
        for term, term_key in zip(self.terms, keys, strict=True):
            term = term.redraw(model, _part(term, unknowns), scale=scale, key=term_key)
            drawn = {**term.prior, **drawn}
            terms.append(term.with_prior(drawn))
        return WeightedSum(tuple(terms), self.weights)


def _as_sum(objective: Objective) -> WeightedSum:
    if isinstance(objective, WeightedSum):
        return objective
    return WeightedSum((objective,), (1.0,))


def _unfolded(term: Objective, weight: Any) -> list[tuple[Objective, Any]]:
    if not isinstance(term, WeightedSum):
        return [(term, weight)]
    return [(t, w * weight) for t, w in zip(term.terms, term.weights, strict=True)]


def _root(weight: Any, residuals: jax.Array) -> jax.Array:
    """√w·r."""
    return jnp.sqrt(jnp.asarray(weight, residuals.dtype)) * residuals


def _same(one: Any, other: Any) -> bool:
    """Whether two measurements are one and the same, as far as that can be told now."""
    leaves = jax.tree.leaves((one, other))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return True
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _part(term: Objective, unknowns: Unknowns) -> Unknowns:
    return {name: unknowns[name] for name in term.unknowns}


@final
@register_pytree
@dataclass(frozen=True)
class CallableObjective(Objective):
    """A loss written by hand, as an objective.

    Attributes:
        function: model → scalar loss (static: the same function object compiles once); or, with
            ``squares``, model → residuals of any shape.
        squares: Whether it gives residuals (static).

    Examples:
        >>> from mfnjax import FisherKPPModel
        >>> speed = CallableObjective(lambda m: 2 * (m.diffusivity * m.growth_rate) ** 0.5 - 1.0,
        ...                           squares=True)
        >>> print(f"{float(speed(FisherKPPModel(1.0, 1.0))):.1f}")
        0.5
    """

    function: Any = field(metadata={"static": True})
    squares: bool = field(default=False, metadata={"static": True})

    @property
    def is_least_squares(self) -> bool:
        """As ``squares`` says."""
        return self.squares

    @property
    def num_residuals(self) -> int:
        """Not known beforehand: 0."""
        return 0

    def loss(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """The function's value, or half the sum of its squares."""
        if self.squares:
            return half_square(self.residuals(model, unknowns))
        return called(self.function, model)

    def residuals(self, model: Model, unknowns: Unknowns) -> jax.Array:
        """The function's values, in a row."""
        if not self.squares:
            return super().residuals(model, unknowns)
        return jnp.ravel(called(self.function, model))


def called(function: Any, argument: Any, *, name: str = "objective") -> jax.Array:
    """What a user's function gives, as an array.

    Raises:
        ParameterError: It gives no numbers, or it treats a traced number as a plain one.
    """
    try:
        value = function(argument)
    except jax.errors.JAXTypeError as error:
        raise ParameterError(
            f"the {name} must be made of jax.numpy: JAX differentiates it, so float(…), NumPy "
            f"and 'if' cannot be applied to what is fitted ({type(error).__name__})"
        ) from error
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the {name} must return numbers, got {shown(value)}") from error


def fields_of_start(start: Any, observed: str) -> dict[str, jax.Array]:
    """The fields of a start by name, of which ``observed`` must be one."""
    fields = start.asdict() if isinstance(start, State) else dict(start)
    if observed not in fields:
        raise ParameterError(f"observed must be one of {', '.join(fields)}; got {observed!r}")
    return {name: jnp.asarray(value) for name, value in fields.items()}


def run_of(
    objective: Any, model: Model, start: Mapping[str, Any], steps: int, **saved: Any
) -> Trajectory:
    """The model's run from ``start`` on the grid, and in the way, that the objective holds."""
    return simulate(
        model,
        State(tuple(start), tuple(start.values())),
        grid=objective.grid,
        steps=steps,
        dt=objective.dt,
        stepper=objective.stepper,
        adjoint=objective.adjoint,
        key=key_of(model, objective.key),
        **saved,
    )


def key_of(model: Model, key: Any) -> Any:
    """The key of a run; one that decides nothing for a traced model that needs none.

    In a fit every parameter is traced, so that `simulate` cannot see that a probability is 0 and
    asks for a key. `fit` has traced the objective with the model's own numbers before, and that
    raises where a key is really missing.
    """
    needs_one = key is None and model.takes_key and is_traced(model)
    return jax.random.key(0) if needs_one else key


def half_square(residuals: jax.Array) -> jax.Array:
    """½Σr²."""
    return 0.5 * jnp.vdot(residuals, residuals)
