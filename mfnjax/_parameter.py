"""A parameter, declared once: default, symbols, unit, range and words.

Whatever speaks of a parameter (options of the command line, the server's schema, tables of models,
units of a dataset, checks, help()) reads it here. Nothing in this file needs JAX.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mfnjax._checks import check_bool, check_choice, check_int, check_real, shown
from mfnjax.errors import ParameterError, StabilityError

_WIDEST = 2**63


@final
@dataclass(frozen=True)
class Parameter:
    """What is declared of one parameter of a model, or one field of a configuration.

    Attributes:
        default: Its default, or ``dataclasses.MISSING``; of a tuple each item lies in the range.
        symbols: Its symbols in formulas; any of them works as a name.
        unit: Unit of the value, ``1`` where it has no dimension.
        low: Least value, or None.
        high: Largest value, or None.
        open_low: The least value itself is not accepted.
        open_high: The largest value itself is not accepted.
        text: What it is, in words.
        choices: The accepted values of one that is a word or one of a few numbers.
        static: A flag that changes the code, not a traced number.
        stability_bound: ``high`` is the bound of an explicit step, and over it is a StabilityError.
        name: Its name, where `parameters_of` found it.
    """

    default: Any
    symbols: tuple[str, ...] = ()
    unit: str = ""
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    text: str = ""
    choices: tuple[Any, ...] = ()
    static: bool = False
    stability_bound: bool = False
    name: str = ""

    @property
    def kind(self) -> type:
        """int, float, bool, str …: the type of the default; of one that may be None, of ``low``."""
        sample = self.default[0] if isinstance(self.default, tuple) else self.default
        return type(self.low if sample in (None, dataclasses.MISSING) else sample)

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest value, infinite where there is none."""
        low = -math.inf if self.low is None else self.low
        return low, math.inf if self.high is None else self.high

    @property
    def range(self) -> str:
        """The accepted values as people write them: ``4…1024``, ``(0, 0.25]``, ``≥ 0``, or none."""
        if self.low is None and self.high is None:
            return ""
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        if self.high is None:
            return f"{'>' if self.open_low else '≥'} {self.low:g}"
        if self.low is None:
            return f"{'<' if self.open_high else '≤'} {self.high:g}"
        if self.kind is int:
            return "…".join(
                f"{n:,}".replace(",", "\u00a0" if n > 9999 else "") for n in self.bounds
            )
        return f"{left}{self.low:g}, {self.high:g}{right}"

    @property
    def words(self) -> str:
        """All of it but the default in one line: what it is, symbol, unit, range."""
        symbol = min(self.symbols, key=len, default="")
        unit = "dimensionless" if self.unit == "1" else self.unit
        return ", ".join(filter(None, (self.text or self.name, symbol, unit, self.range)))

    def to_dict(self) -> dict[str, Any]:
        """The declaration as plain values, as ``/models`` and ``mfn models --json`` give it."""
        return {
            "name": self.name,
            "symbols": list(self.symbols),
            "default": None if self.default is dataclasses.MISSING else self.default,
            "unit": self.unit,
            "minimum": self.low,
            "maximum": self.high,
            "range": self.range,
            "description": self.words,
        }

    def check(self, name: str, value: Any) -> Any:
        """Return a plain value as what it is declared to be; None, where it is the default.

        Raises:
            ParameterError: Another type, or outside the range; the message names both.
            StabilityError: A diffusivity over the bound of an explicit step.
        """
        if isinstance(self.default, tuple):
            return self._check_items(name, value)
        if value is None and self.default is None:
            return None
        if self.choices:
            return check_choice(name, value, self.choices)
        if self.kind is bool:
            return check_bool(name, value)
        if self.kind is int:
            low = -_WIDEST if self.low is None else int(self.low)
            return check_int(name, value, low, _WIDEST if self.high is None else int(self.high))
        return self.check_real(name, value) if self.kind is float else value

    def check_real(self, name: str, value: Any) -> float:
        """Return a finite number in the range as a float, or raise as `check` does."""
        low, high = self.bounds
        if self.stability_bound:
            _check_stable(name, value, high, self.open_high)
        open_low, open_high = self.open_low or self.low is None, self.open_high or self.high is None
        return check_real(name, value, low, high, open_low=open_low, open_high=open_high)

    def check_elements(self, name: str, value: Any) -> tuple[float, ...]:
        """Check every element of a number or a concrete array; return the least and the largest."""
        if type(value) is float:  # the usual case, at every run
            low, high = self.bounds
            return (value,) if low < value < high else (self.check_real(name, value),)
        array = np.asarray(value)
        if array.dtype.kind not in "fiu" or array.size == 0:
            raise ParameterError(f"{name} must be a number, got {value!r}")
        # The shortest decimal of a float32 at a bound is that bound: 0.1, not 0.1000000015.
        return tuple(self.check_real(name, float(str(end))) for end in (array.min(), array.max()))

    def _check_items(self, name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            raise ParameterError(f"{name} must be a list with at least one value, got {value!r}")
        one = dataclasses.replace(self, default=self.default[0])
        try:
            return tuple(one.check(name, item) for item in value)
        except ParameterError as error:
            if self.kind is not float:
                raise
            raise ParameterError(f"{name} must lie inside {self.range}, got {value!r}") from error


_PLAIN = Parameter(dataclasses.MISSING)


def parameter(
    default: Any = dataclasses.MISSING,
    *,
    symbol: str | tuple[str, ...] | None = None,
    like: Parameter = _PLAIN,
    **declared: Any,
) -> Any:
    """Declare a parameter of a model, or a field of a configuration: a dataclass field.

    Args:
        default: Its default.
        symbol: Its symbol in formulas, or several; they work as names.
        like: A declaration from which all comes that is not given here.
        **declared: ``unit``, ``low``, ``high``, ``open_low``, ``open_high``, ``text``, ``choices``,
            ``static``: see `Parameter`.

    Examples:
        >>> from dataclasses import dataclass
        >>> from mfnjax.models import parameter, parameters_of
        >>> @dataclass(frozen=True)
        ... class Decay:
        ...     rate: float = parameter(0.5, symbol="λ", unit="1/time", low=0.0, text="Decay rate")
        >>> parameters_of(Decay)["rate"].words
        'Decay rate, λ, 1/time, ≥ 0'
    """
    if default is not dataclasses.MISSING:
        declared["default"] = default
    if symbol is not None:
        declared["symbols"] = (symbol,) if isinstance(symbol, str) else tuple(symbol)
    made = dataclasses.replace(like, **declared)
    metadata = {"parameter": made, "static": made.static}
    return dataclasses.field(default=made.default, metadata=metadata)


def _read_parameters(owner: Any) -> dict[str, Parameter]:
    named: Mapping[str, str] = getattr(owner, "symbols", {})
    found = {}
    for field in dataclasses.fields(owner):
        static = bool(field.metadata.get("static"))
        declared = field.metadata.get("parameter") or Parameter(field.default, static=static)
        symbols = declared.symbols or tuple(s for s, name in named.items() if name == field.name)
        found[field.name] = dataclasses.replace(declared, name=field.name, symbols=symbols)
    return found


_parameters_of_class = functools.cache(_read_parameters)


def parameters_of(owner: Any) -> dict[str, Parameter]:
    """Name → declaration for every field of a dataclass (or of an instance), in order.

    A field without a declaration has its name and default, and the symbols that the class lists.
    """
    cls: Any = owner if isinstance(owner, type) else type(owner)
    if owner.__dataclass_fields__ is not cls.__dataclass_fields__:
        return _read_parameters(owner)  # it has fields of its own
    return _parameters_of_class(cls)


def declare(cls: Any) -> None:
    """Write what a class declares into its ``symbols`` and under ``Attributes:`` of its docstring.

    Called while the class is made (``__init_subclass__``), before `dataclasses.dataclass` sees it.
    """
    declared = {
        name: dataclasses.replace(value.metadata["parameter"], name=name)
        for name, value in vars(cls).items()
        if isinstance(value, dataclasses.Field) and "parameter" in value.metadata
    }
    if declared:
        lines = [f"    {name}: {one.words}." for name, one in declared.items()]
        doc = inspect.cleandoc(cls.__doc__ or "")
        cls.__doc__ = "\n".join([doc, "", "Attributes:", *lines, ""])
    symbols = {symbol: name for name, one in declared.items() for symbol in one.symbols}
    cls.symbols = {**getattr(cls, "symbols", {}), **symbols}


def _check_stable(name: str, value: Any, bound: float, is_open: bool) -> None:
    kinds = (int, float, np.integer, np.floating)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if is_number and (value > bound or (is_open and value == bound)) and value != math.inf:
        relation = "not below" if value == bound else "over"
        raise StabilityError(
            f"{name} = {shown(value)} is {relation} the stability bound {bound:g} (dt·D·4/dx² ≤ 1)"
        )
