"""The terms of rates: what a reaction adds up, read off its own program.

A reaction is traced once and its program is run on quotients of polynomials instead of on numbers.
That gives the equations whose roots are the homogeneous states (see `mfnjax.stability.homotopy`)
and the scales on which their terms balance, so that nothing depends on the units of a model. What
is no quotient of polynomials (an exponential, say) counts as a number of size 1 whose argument is
of size 1: the scales are found all the same, the equations are not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Polynomial = dict[tuple[float, ...], float]
"""Powers of the fields ↦ coefficient."""

_MOST_TERMS = 300
_MOVES = frozenset(
    ["slice", "squeeze", "broadcast_in_dim", "reshape", "stack", "concatenate", "transpose"]
) | {"rev", "expand_dims", "split"}
_SAME = frozenset(
    ["convert_element_type", "copy", "copy_p", "optimization_barrier", "stop_gradient"]
)
_UNREADABLE = frozenset(
    ["while", "scan", "cond", "dot_general", "sort", "gather", "dynamic_slice", "cumsum"]
) | {"reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin"}


class _UnreadableError(Exception):
    """A program that is no sum of terms that one can list."""


@dataclass
class _Reading:
    """What was met while reading."""

    about_zero: bool = False
    arguments: list[Polynomial] = field(default_factory=list)
    is_exact: bool = True


class _Quotient:
    """A quotient of two polynomials of the fields."""

    __slots__ = ("above", "below")

    def __init__(self, above: Polynomial, below: Polynomial) -> None:
        if max(len(above), len(below)) > _MOST_TERMS:
            raise _UnreadableError
        if len(below) == 1 and not any(next(iter(below))):
            (zero,) = below
            above, below = {k: c / below[zero] for k, c in above.items()}, {zero: 1.0}
        self.above, self.below = above, below

    def __add__(self, other: _Quotient) -> _Quotient:
        if self.below == other.below:
            return _Quotient(_sum(self.above, other.above), self.below)
        crossed = _sum(_product(self.above, other.below), _product(other.above, self.below))
        return _Quotient(crossed, _product(self.below, other.below))

    def __neg__(self) -> _Quotient:
        return _Quotient({powers: -factor for powers, factor in self.above.items()}, self.below)

    def __sub__(self, other: _Quotient) -> _Quotient:
        return self + (-other)

    def __mul__(self, other: _Quotient) -> _Quotient:
        return _Quotient(_product(self.above, other.above), _product(self.below, other.below))

    def __truediv__(self, other: _Quotient) -> _Quotient:
        if not other.above:
            raise _UnreadableError
        return self * _Quotient(other.below, other.above)

    def __pow__(self, power: int) -> _Quotient:
        if power < 0:
            return _Quotient(self.below, self.above) ** -power if self.above else self / self
        one = {tuple(0.0 for _ in next(iter(self.below))): 1.0}
        return functools.reduce(_Quotient.__mul__, [self] * power, _Quotient(one, one))


def _sum(one: Polynomial, other: Polynomial) -> Polynomial:
    total = dict(one)
    for powers, factor in other.items():
        before = total.get(powers, 0.0)
        total[powers] = before + factor
        # What cancels but for rounding is gone.
        if abs(total[powers]) <= 1e-14 * max(abs(before), abs(factor)):
            del total[powers]
    return total


def _product(one: Polynomial, other: Polynomial) -> Polynomial:
    if len(one) * len(other) > _MOST_TERMS**2:
        raise _UnreadableError
    total: Polynomial = {}
    for powers, factor in one.items():
        shifted = {
            tuple(p + q for p, q in zip(powers, more, strict=True)): factor * by
            for more, by in other.items()
        }
        total = _sum(total, shifted)
    return total


@dataclass(frozen=True)
class Terms:
    """Rates as sums of terms.

    Attributes:
        count: n, the number of fields.
        above: The polynomial of each rate, times what it is divided by.
        below: What each rate is divided by.
        arguments: Polynomials that functions were asked for.
        is_exact: Whether the polynomials are all there is to the rates.
    """

    count: int
    above: tuple[Polynomial, ...]
    below: tuple[Polynomial, ...]
    arguments: tuple[Polynomial, ...]
    is_exact: bool

    @functools.cached_property
    def scales(self) -> np.ndarray:
        """The size of each field at which the terms of each rate are most alike, shape (n,).

        Least squares of the logarithms of all terms, as in A. P. Morgan (1987), Solving polynomial
        systems, ch. 5: a change of units changes the scales by just that.
        """
        rows, right = [], []
        for polynomial in (*self.above, *self.below, *self.arguments):
            if not polynomial:
                continue
            powers = np.array(list(polynomial))
            sizes = np.log([abs(factor) for factor in polynomial.values()])
            if any(polynomial is one for one in self.arguments):
                moving = powers.any(1)
                rows.append(powers[moving])
                right.append(-sizes[moving])
            else:  # of equations only the ratios of the terms matter
                rows.append(powers - powers.mean(0))
                right.append(sizes.mean() - sizes)
        if not rows:
            return np.ones(self.count)
        logs = np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=1e-9)[0]
        return np.exp(np.clip(logs, -300.0, 300.0))

    def equations(self) -> list[Polynomial]:
        """The equations in units of the scales, their largest factor 1."""
        found = []
        for polynomial in self.above:
            factors = {
                powers: factor * float(np.prod(self.scales ** np.array(powers)))
                for powers, factor in polynomial.items()
            }
            largest = max(map(abs, factors.values()), default=1.0)
            found.append({powers: factor / largest for powers, factor in factors.items()})
        return found


def terms_of(reaction: Callable[..., Any], count: int, *, about_zero: bool = False) -> Terms | None:
    """The terms of a reaction of ``count`` fields; None where its program cannot be read so.

    Args:
        reaction: f, from a tuple of n numbers to a tuple of any; traced in float64.
        count: n.
        about_zero: What a gradient is stopped in is 0: a wave is then all there is of a field (see
            `mfnjax.stability.plane_wave`).

    Examples:
        >>> import jax
        >>> from mfnjax.stability.terms import terms_of
        >>> with jax.enable_x64(True):
        ...     terms = terms_of(lambda u: (2 * u[0] * (1 - u[0] / 50),), 1)
        >>> print(terms.above, terms.scales.round(6))
        ({(1.0,): 2.0, (2.0,): -0.04},) [50.]
    """
    zero = (0.0,) * count
    one = {zero: 1.0}
    units = np.eye(count)
    fields = [_objects(_Quotient({tuple(unit.tolist()): 1.0}, one)) for unit in units]
    reading = _Reading(about_zero)
    try:
        program = jax.make_jaxpr(lambda *u: tuple(jnp.asarray(f) for f in reaction(u)))(
            *[jnp.ones(())] * count
        )
        rates = _run(program.jaxpr, program.consts, fields, reading, one)
        quotients = [_lifted(rate, one).reshape(-1)[0] for rate in rates]
        if not all(map(_is_finite, quotients)):
            return None
    except (_UnreadableError, OverflowError):
        return None
    return Terms(
        count,
        tuple(q.above for q in quotients),
        tuple(q.below for q in quotients),
        tuple(reading.arguments),
        reading.is_exact and all(map(_is_whole, quotients)),
    )


def _is_finite(quotient: _Quotient) -> bool:
    return all(map(math.isfinite, (*quotient.above.values(), *quotient.below.values())))


def _is_whole(quotient: _Quotient) -> bool:
    return all(float(p).is_integer() and p >= 0 for powers in quotient.above for p in powers)


def _objects(value: _Quotient) -> np.ndarray:
    array = np.empty((), object)
    array[()] = value
    return array


def _is_read(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def _lifted(value: Any, one: Polynomial) -> np.ndarray:
    """An array of quotients, from one of numbers."""
    if _is_read(value):
        array: np.ndarray = value
        return array
    numbers = np.asarray(value, float)
    (zero,) = one
    array = np.empty(numbers.shape, object)
    for place, number in np.ndenumerate(numbers):
        array[place] = _Quotient({zero: float(number)} if number else {}, one)
    return array


def _run(
    program: Any, consts: Iterable[Any], given: Iterable[Any], reading: _Reading, one: Polynomial
) -> list[Any]:
    """The results of a program: arrays of numbers, or of quotients."""
    known: dict[Any, Any] = dict(zip(program.constvars, consts, strict=True))
    known.update(zip(program.invars, given, strict=True))

    def value_of(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known[atom]

    for step in program.eqns:
        inputs = [value_of(atom) for atom in step.invars]
        if any(map(_is_read, inputs)):
            results = _step(step, inputs, reading, one)
        else:
            found = step.primitive.bind(*map(jnp.asarray, inputs), **step.params)
            results = list(found) if step.primitive.multiple_results else [found]
        known.update(zip(step.outvars, results, strict=True))
    return [value_of(atom) for atom in program.outvars]


def _step(step: Any, inputs: list[Any], reading: _Reading, one: Polynomial) -> list[Any]:
    name, params = step.primitive.name, step.params
    inner = next(
        (params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params), None
    )
    if inner is not None and name not in ("while", "scan"):
        return _run(
            getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), inputs, reading, one
        )
    if name == "stop_gradient" and reading.about_zero:
        return [np.zeros(np.shape(value)) for value in inputs]
    if name in _SAME:
        return inputs
    if name in _MOVES:
        return _moved(step, [_lifted(value, one) for value in inputs])
    if len(step.outvars) != 1 or name in _UNREADABLE:
        raise _UnreadableError
    if name == "select_n":
        arrays, name = [_lifted(value, one) for value in inputs[1:]], "max"
    else:
        arrays = [_lifted(value, one) for value in inputs]
    if name == "reduce_sum":
        total = np.add.reduce(arrays[0], tuple(params["axes"]))
        return [total if _is_read(total) else _objects(total)]
    combined = np.frompyfunc(
        lambda *values: _combined(name, params, values, reading, one), len(arrays), 1
    )(*arrays)
    return [combined if _is_read(combined) else _objects(combined)]


def _moved(step: Any, arrays: list[np.ndarray]) -> list[Any]:
    """What only moves entries about, moves their numbers in a list of all."""
    offsets = np.cumsum([0, *(array.size for array in arrays)])
    numbers = [
        jnp.arange(start, start + array.size).reshape(array.shape)
        for start, array in zip(offsets[:-1], arrays, strict=True)
    ]
    entries = np.concatenate([array.reshape(-1) for array in arrays])
    found = step.primitive.bind(*numbers, **step.params)
    places = list(found) if step.primitive.multiple_results else [found]
    return [
        entries[np.asarray(place)] if np.ndim(place) else _objects(entries[int(place)])
        for place in places
    ]


def _combined(
    name: str, params: Any, values: tuple[_Quotient, ...], reading: _Reading, one: Polynomial
) -> _Quotient:
    """One entry of a step that works entry by entry."""
    first = values[0]
    (zero,) = one
    constants = [_number(value, zero) for value in values]
    if name in ("add", "add_any"):
        return first + values[1]
    if name == "sub":
        return first - values[1]
    if name == "mul":
        return first * values[1]
    if name == "div":
        return first / values[1]
    if name == "neg":
        return -first
    if name in ("integer_pow", "square"):
        return first ** int(params.get("y", 2))
    if name in ("pow", "sqrt", "cbrt"):
        power = {"sqrt": 0.5, "cbrt": 1 / 3}.get(name, constants[-1])
        if power is not None and float(power).is_integer() and abs(power) < 30:
            return first ** int(power)
        reading.is_exact = False
        if power is not None and len(first.above) == len(first.below) == 1:
            return _Quotient(*(_root(each, power) for each in (first.above, first.below)))
        reading.arguments += [value.above for value in values if value.above]
        return _Quotient(one, one)
    reading.is_exact = False
    if name in ("max", "min", "clamp", "abs"):
        total = functools.reduce(_Quotient.__add__, map(_sized, values))
        return _Quotient(total.above, total.below)
    if name not in ("lt", "le", "gt", "ge", "eq", "ne", "sign", "is_finite", "and", "or", "not"):
        reading.arguments += [value.above for value in values if value.above]
    return _Quotient(one, one)


def _number(value: _Quotient, zero: tuple[float, ...]) -> float | None:
    """The number that a quotient is; None where it depends on a field."""
    if any(any(powers) for powers in (*value.above, *value.below)):
        return None
    return value.above.get(zero, 0.0) / value.below[zero]


def _root(polynomial: Polynomial, power: float) -> Polynomial:
    ((powers, factor),) = polynomial.items()
    return {tuple(power * p for p in powers): abs(factor) ** power}


def _sized(value: _Quotient) -> _Quotient:
    sizes = [{k: abs(c) for k, c in each.items()} for each in (value.above, value.below)]
    return _Quotient(*sizes)
