"""A model from equations as text."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import shown
from mfnjax._parameter import Parameter
from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.models._common import noisy_state
from mfnjax.models.base import Equation, Values, check_smoothing
from mfnjax.text.equations import Equations, Formula, read_equations
from mfnjax.text.evaluate import Moment
from mfnjax.text.latex import equation_latex
from mfnjax.text.parameters import accepted_value, check_names, is_fixed, label_of, varies
from mfnjax.text.split import Split, split
from mfnjax.text.tree import Call, Sum


@final
@register_pytree
@dataclass(frozen=True, init=False, repr=False, eq=False)
class PDE(Equation):
    """A system of partial differential equations from text: ``PDE(text, **parameters)``.

    u_t = whatever the text says, one equation a line, ``name_t = expression``; a ``#`` begins a
    comment. There are ``+ - * / ^ **``, comparisons (1 or 0), ``and or not``, ``pi`` and ``e``;
    the time ``t`` and the place ``x y z``; ``lap(u)``, ``grad(u)``, ``div(F)``, ``dot(a, b)``,
    ``vec(a, b)``, ``dx(u) dy(u) dz(u)``; ``sin cos tan asin acos atan exp log sqrt abs sign tanh
    sinh cosh erf min max heaviside where(cond, a, b)``; and ``noise(s)``, which adds s·ξ with ξ
    white in space and time (Itô).

    ``div(D*grad(u))``, ``div(u*grad(c))``, ``div(vec(a, b)*u)`` and sums of such are conservative
    fluxes through the faces, and so is ``div(vec(a*dx(u), b*dy(u)))``, anisotropic diffusion.
    ``dx(dx(u))`` is the compact second difference. A function ``f(u, …)`` works cell by cell.

    Derivatives with respect to all of it are right. u^2, with a whole constant exponent, has one
    everywhere; sqrt(u) has an infinite one at 0, and log(u) none: write sqrt(u + 1e-12) where
    u may be 0.

    Args:
        equation: The equations, as one text or as a list of lines.
        **parameters: A value for every other name: a number, a field of the grid's shape, a text (a
            function of the place and the time), a function of what has ``t``, ``x``, ``y``, ``z``;
            and for a name that is called a function, or a module such as those of Flax, whose
            weights are then parameters too.

    Raises:
        ParameterError: One line that points at the place: an unknown word, a second equation of a
            field, a parameter that is missing or not used, a constant that is not finite.

    Examples:
        >>> from mfnjax import PDE
        >>> model = PDE("u_t = D*lap(u) + u*(1 - u)", D=0.5)
        >>> model.fields, model.D
        (('u',), 0.5)
        >>> print(model.split)
        u: D*lap(u) is exact under an exponential stepper; the rest is u*(1 - u)
    """

    _traced: dict[str, Any]
    _equations: Equations = field(metadata={"static": True})
    _fixed: tuple[tuple[str, Any], ...] = field(metadata={"static": True})
    _names: tuple[str, ...] = field(metadata={"static": True})

    def __init__(self, equation: Any = None, /, **parameters: Any) -> None:
        # The keyword is what `dataclasses.replace` passes; with the text at hand it is a parameter.
        text = parameters.pop("equation", None) if equation is None else equation
        if isinstance(text, (list, tuple)) and all(isinstance(line, str) for line in text):
            text = "\n".join(text)
        if not isinstance(text, str):
            raise ParameterError(f"the equations must be text, got {shown(text)}")
        equations = read_equations(text)
        check_names(equations, parameters, PDE)
        given = {name: accepted_value(equations, name, parameters[name]) for name in parameters}
        wanted = (*equations.used, *equations.called)
        fixed = tuple((name, given[name]) for name in wanted if is_fixed(given[name]))
        traced = {name: given[name] for name in wanted if name not in dict(fixed)}
        self.__dict__.update(_equations=equations, _traced=traced, _fixed=fixed, _names=wanted)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__
        if name in values.get("_names", ()):
            return values["_traced"][name] if name in values["_traced"] else dict(self._fixed)[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def fields(self) -> tuple[str, ...]:  # type: ignore[override]
        """The fields: those with an equation, in order."""
        return self._equations.fields

    @property
    def takes_key(self) -> bool:  # type: ignore[override]
        """Whether an equation has noise."""
        return any(self._equations.noises)

    def is_stochastic(self) -> bool:
        """Whether an equation has noise."""
        return self.takes_key

    @property
    def equation(self) -> str:
        """The equations, one a line, without comments."""
        return "\n".join(self._equations.lines)

    @property
    def parameters(self) -> dict[str, Any]:
        """The value of every parameter by name."""
        return {name: getattr(self, name) for name in self._names}

    @property
    def known_names(self) -> frozenset[str]:
        """The parameters that are no functions of fields."""
        return frozenset(self._equations.used)

    def parameters_at(self, at: Any) -> dict[str, Any]:
        """Values for `known_names`, as they are at the places of ``at``."""
        found = {}
        for name in self._equations.used:
            value = getattr(self, name)
            if isinstance(value, str):
                value = Formula(value, label_of(name))
            found[name] = value(at) if callable(value) else value
        return found

    @property
    def latex(self) -> str:
        """The equations as LaTeX, without dollar signs."""
        sides = []
        for rates, noises in zip(self._equations.rates, self._equations.noises, strict=True):
            noisy = [Call(one.place, (one,), "noise") for one in noises]
            terms = (*rates, *noisy)
            sides.append(Sum(terms[0].place, terms) if terms else None)
        return equation_latex(self.fields, sides)

    @property
    def split(self) -> str:
        """Which part of each equation an exponential stepper treats exactly, one a line."""
        pairs = zip(self.fields, self._splits(), strict=True)
        return "\n".join(one.words(name) for name, one in pairs)

    def linear(self, nabla: Any) -> dict[str, Any]:
        """Σ c_k (∇²)^k u of each field that has such a part with constant numbers c_k.

        And ∇·(D∇u) where D varies in space or time, which has no symbol.
        """
        moment = Moment(self._traced)
        found: dict[str, Any] = {}
        for name, one in zip(self.fields, self._splits(), strict=True):
            if one.linear:
                values = {power: moment.scalar(node) for power, node in one.linear.items()}
                found[name] = _polynomial(values, nabla.laplacian)
            for _, node in one.diffusive:
                at_place = Moment(self.parameters | self.parameters_at(nabla), nabla)
                diffusivity = at_place.scalar(node)
                if nabla.grid is not None:  # of a number, too, the bound of a step is known
                    diffusivity = jnp.broadcast_to(diffusivity, nabla.grid.shape)
                made = nabla.diffusion(diffusivity)
                made = dataclasses.replace(made, symbol=None, obstacle="varies in space or time")
                found[name] = found[name] + made if name in found else made
        return found

    def rates(self, values: Values, nabla: Any) -> Values:
        """All that is in the equations and neither in `linear` nor noise."""
        moment = self._moment(values, nabla)
        return tuple(
            _total([moment.term(term) for term in one.rate], u)
            for u, one in zip(values, self._splits(), strict=True)
        )

    def noise(self, values: Values, nabla: Any) -> tuple[tuple[Any, ...] | None, ...] | None:
        """For each field the amplitudes of its independent noises."""
        if not self.takes_key:
            return None
        moment = self._moment(values, nabla)
        return tuple(
            tuple(moment.scalar(one) for one in noises) or None for noises in self._equations.noises
        )

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        """Noise of standard deviation 0.01 about 0; a start of one's own may be text."""
        start = noisy_state((0.0,) * len(self.fields), grid, 0.01, dtype, key=key)
        return State(self.fields, start, jnp.int32(0))

    def check(self, grid: Grid, dt: float) -> None:
        """Concrete parameters are finite, and numbers or of the grid's shape."""
        for name, value in self._traced.items():
            if callable(value) or isinstance(value, jax.core.Tracer):
                continue
            if not np.all(np.isfinite(value)):
                raise ParameterError(f"parameter {name!r} must be finite, got {shown(value)}")
            if np.ndim(value) and np.shape(value) != grid.shape:
                raise ParameterError(
                    f"parameter {name!r} must be a number or have the grid's shape {grid.shape}, "
                    f"got the shape {np.shape(value)}"
                )
        check_smoothing(self, grid)

    def to_dict(self) -> dict[str, Any]:
        """The model as plain values: the lines of ``equation``, and ``parameters``.

        Raises:
            ParameterError: A parameter is a function.
        """
        plain_values = {}
        for name, value in self.parameters.items():
            if callable(value):
                raise ParameterError(f"parameter {name!r} is a function, and cannot be written out")
            plain_values[name] = value if isinstance(value, str) else np.asarray(value).tolist()
        return {"equation": list(self._equations.lines), "parameters": plain_values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PDE:
        """The model that `to_dict` wrote out.

        Raises:
            ParameterError: As the constructor, or other keys.
        """
        if not isinstance(values, Mapping) or not {"equation"} <= {*values} <= {*_KEYS}:
            raise ParameterError(f"a PDE has the keys {' and '.join(_KEYS)}, got {shown(values)}")
        parameters = values.get("parameters", {})
        if not isinstance(parameters, Mapping) or not all(isinstance(k, str) for k in parameters):
            raise ParameterError(f"parameters must be values by name, got {shown(parameters)}")
        return cls(values["equation"], **parameters)

    def _splits(self) -> tuple[Split, ...]:
        used = self._equations.used
        return split(self._equations, frozenset(n for n in used if varies(getattr(self, n))))

    def _moment(self, values: Values, nabla: Any) -> Moment:
        given = self.parameters | self.parameters_at(nabla)
        given |= zip(self.fields, values, strict=True)
        return Moment(given, nabla, frozenset(self.fields))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PDE) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self._equations, tuple(self.parameters.items())

    def __reduce__(self) -> tuple[Callable[..., PDE], tuple[str, dict[str, Any]]]:
        return _build, (self.equation, self.parameters)

    def __repr__(self) -> str:
        lines = self._equations.lines
        text = repr(lines[0]) if len(lines) == 1 else '"""\n    ' + "\n    ".join(lines) + '\n"""'
        given = [f"{name}={shown(value)}" for name, value in self.parameters.items()]
        return f"PDE({', '.join([text, *given])})"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


_KEYS = ("equation", "parameters")


@dataclass
class _Declared:
    """What the fields of a `PDE` are copied from."""

    equation: InitVar[Any] = None
    value: Any = None


_TEMPLATES = _Declared.__dataclass_fields__


class _OwnFields:
    """The fields of a `PDE` as a dataclass: its parameters, which are its own and not its class's.

    The equations are a variable of its construction, so that `dataclasses.replace` passes them on.
    """

    def __get__(self, model: PDE | None, cls: type) -> dict[str, Any]:
        if model is None:
            return {}
        found = {"equation": _TEMPLATES["equation"]}
        for name, value in model.parameters.items():
            number = isinstance(value, (int, float))
            default = float(value) if number else dataclasses.MISSING
            declared = Parameter(default, text=name, static=is_fixed(value))
            made = copy.copy(_TEMPLATES["value"])
            made.name, made.default = name, default
            made.metadata = MappingProxyType({"parameter": declared, "static": declared.static})
            found[name] = made
        return found


PDE.__dataclass_fields__ = _OwnFields()  # type: ignore[assignment]


def _build(equation: str, parameters: dict[str, Any]) -> PDE:
    return PDE(equation, **parameters)


def _polynomial(coefficients: Mapping[int, Any], laplacian: Any) -> Any:
    """Σ c_k L^k by Horner's rule."""
    highest = max(coefficients)
    result = coefficients[highest] * laplacian
    for power in range(highest - 1, 0, -1):
        if power in coefficients:
            result = coefficients[power] + result
        result = result @ laplacian
    return result


def _total(terms: list[Any], like: Any) -> Any:
    """The sum of the terms, of the shape and kind of the field."""
    total = sum(terms[1:], terms[0]) if terms else 0.0
    same = jnp.shape(total) == jnp.shape(like) and jnp.result_type(total) == like.dtype
    return total if same else jnp.zeros_like(like) + total
