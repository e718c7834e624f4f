"""Which numbers are fitted, and how one free vector becomes models and unknowns.

The free vector y is (parameters…, unknowns of the objectives…). A `Layout` is static, so that a
second fit of the same shape compiles nothing.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_items, check_kind, shown
from mfnjax.errors import ParameterError
from mfnjax.fitting.objectives.objective import Objective
from mfnjax.fitting.transforms import Transform, as_transform
from mfnjax.models.base import Model
from mfnjax.models.registry import parameter_names

Models = dict[str, Model]
Objectives = dict[str, Objective]
Target = tuple[str, str]
"""(data set, parameter of its model)."""


@final
@dataclasses.dataclass(frozen=True)
class Entry:
    """One fitted number: its name, where it goes, and its transform."""

    name: str
    targets: tuple[Target, ...]
    transform: Transform


@final
@dataclasses.dataclass(frozen=True)
class Layout:
    """The meaning of a free vector.

    Attributes:
        entries: The fitted parameters, in order.
        unknowns: (data set, name, shape) of what the objectives leave unknown, in order.
        dtype: Name of the vector's dtype.
        pinned: Index of a parameter that is left out of the vector and given apart, or None.
        kinds: The classes of models and objectives, which tell a user's own apart (see
            `mfnjax.core.pytree`).
    """

    entries: tuple[Entry, ...]
    unknowns: tuple[tuple[str, str, tuple[int, ...]], ...]
    dtype: str
    pinned: int | None = None
    kinds: tuple[type, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fitted parameters."""
        return tuple(entry.name for entry in self.entries)

    @property
    def num_parameters(self) -> int:
        """How many parameters are fitted."""
        return len(self.entries)

    @property
    def num_unknowns(self) -> int:
        """How many unknowns of the objectives are estimated along."""
        return sum(int(np.prod(shape)) for _, _, shape in self.unknowns)

    def unpack(self, free: jax.Array, models: Models) -> tuple[Models, dict[str, dict[str, Any]]]:
        """Models and unknowns of every data set at y."""
        changes: dict[str, dict[str, Any]] = {label: {} for label in models}
        for index, entry in enumerate(self.entries):
            value = entry.transform.forward(free[index])
            for label, parameter in entry.targets:
                changes[label][parameter] = value
        built = {
            label: dataclasses.replace(model, **changes[label])  # type: ignore[type-var]
            for label, model in models.items()
        }
        unknowns: dict[str, dict[str, Any]] = {label: {} for label in models}
        at = len(self.entries)
        for label, name, shape in self.unknowns:
            size = int(np.prod(shape))
            unknowns[label][name] = free[at : at + size].reshape(shape)
            at += size
        return built, unknowns

    def start(self, models: Models, objectives: Objectives) -> np.ndarray:
        """y of the models' own values and the unknowns' start values."""
        values = [getattr(models[e.targets[0][0]], e.targets[0][1]) for e in self.entries]
        free = [e.transform.inverse(float(v)) for e, v in zip(self.entries, values, strict=True)]
        parts = [np.asarray([float(y) for y in free], self.dtype)]
        for label, name, _ in self.unknowns:
            parts.append(np.asarray(objectives[label].unknowns[name], self.dtype).reshape(-1))
        return np.concatenate(parts)

    def values(self, free: Any) -> dict[str, float]:
        """θ by name."""
        return {
            entry.name: float(entry.transform.forward(jnp.asarray(free[index])))
            for index, entry in enumerate(self.entries)
        }


def plan(
    models: Models,
    objectives: Objectives,
    *,
    bounds: Mapping[str, Any] | None,
    fixed: Collection[str] | Mapping[str, float],
    free: Collection[str] | None,
    shared: Sequence[str | tuple[str, ...]] | None,
) -> tuple[Models, Layout]:
    """Decide what is fitted; ``fixed`` as a mapping also sets values.

    Raises:
        ParameterError: An unknown name, nothing left to fit, bounds that do not hold.
    """
    kind = next(iter(models.values()))
    known = parameter_names(kind)
    names = {**kind.symbols, **{name: name for name in known}}
    check_kind("bounds", {} if bounds is None else bounds, Mapping)
    check_items("fixed", fixed, "names, or a mapping name → value")
    check_items("free", () if free is None else free, "names")
    ends = {} if bounds is None else bounds
    bounds = {name: ends[given] for name, given in _each(names, "bounds", ends).items()}
    held = _each(names, "fixed", fixed)
    if isinstance(fixed, Mapping):
        values = {name: finite(f"fixed: {given}", fixed[given]) for name, given in held.items()}
        models = {
            label: dataclasses.replace(model, **values)  # type: ignore[type-var]
            for label, model in models.items()
        }
    wanted = set(known if free is None else _each(names, "free", free))
    if free is not None and (both := held.keys() & wanted):
        raise ParameterError(f"{', '.join(sorted(both))} cannot be both free and fixed")
    fitted = [name for name in known if name in wanted - held.keys()]
    groups = _groups(names, shared, fitted)
    for name in bounds:
        if (first := groups[1].get(name, name)) != name:
            raise ParameterError(
                f"bounds are given for {name}, which takes the value of {first}: give them for that"
            )
    entries = _entries(models, fitted, bounds, groups)
    unknowns = tuple(
        (label, name, tuple(np.shape(value)))
        for label, objective in objectives.items()
        for name, value in objective.unknowns.items()
    )
    if not entries and not unknowns:
        raise ParameterError(f"nothing is left to fit; the parameters are {', '.join(known)}")
    for name in bounds:
        if name not in fitted:
            raise ParameterError(f"bounds are given for {name}, which is not fitted")
    kinds = tuple(type(part) for part in (*models.values(), *objectives.values()))
    return models, Layout(entries, unknowns, _dtype(models, objectives), kinds=kinds)


def _known(names: Mapping[str, str], where: str, name: str) -> str:
    if not isinstance(name, str) or name not in names:
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        known = ", ".join(dict.fromkeys(names.values()))
        raise ParameterError(f"{where}: no parameter {name!r}{hint}; parameters: {known}")
    return names[name]


def _each(names: Mapping[str, str], where: str, given: Collection[str]) -> dict[str, str]:
    """The parameters named, each → how; one that is named twice is refused."""
    found: dict[str, str] = {}
    for name in given:
        parameter = _known(names, where, name)
        if parameter in found:
            twice = f"{found[parameter]} and {name}" if name != found[parameter] else name
            raise ParameterError(f"{where}: {parameter} is named twice ({twice})")
        found[parameter] = name
    return found


def finite(name: str, value: Any) -> Any:
    """Return ``value`` if it is a finite real number (or an array of them), or raise."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or not np.all(np.isfinite(array)):
        raise ParameterError(f"{name} must be a finite number, got {shown(value)}")
    return value


def _groups(
    names: Mapping[str, str], shared: Sequence[str | tuple[str, ...]] | None, fitted: list[str]
) -> tuple[set[str], dict[str, str]]:
    """Names shared by all data sets, and name → the name whose value it takes."""
    if shared is None:
        return set(fitted), {}
    check_items("shared", shared, "names, or tuples of names")
    across: set[str] = set()
    leader: dict[str, str] = {}
    for item in shared:
        if isinstance(item, str):
            across.add(_known(names, "shared", item))
            continue
        listed = check_items("shared", item, "names, or tuples of names")
        group = [_known(names, "shared", name) for name in listed]
        for name in group:
            if name not in fitted:
                raise ParameterError(f"shared: {name} is not fitted")
            if name in leader:
                raise ParameterError(f"shared: {name} stands in two groups")
            leader[name] = group[0]
    return across, leader


def _entries(
    models: Models,
    fitted: list[str],
    bounds: Mapping[str, Any],
    groups: tuple[set[str], dict[str, str]],
) -> tuple[Entry, ...]:
    across, leader = groups
    entries: list[Entry] = []
    for name in fitted:
        if leader.get(name, name) != name:
            continue
        members = [n for n in fitted if leader.get(n, n) == name]
        one_for_all = len(models) == 1 or name in across
        for labels in [tuple(models)] if one_for_all else [(label,) for label in models]:
            value = np.asarray(getattr(models[labels[0]], name))
            if value.ndim or value.dtype.kind not in "fiu" or not np.isfinite(value):
                raise ParameterError(f"{name} must be one finite number to be fitted, got {value}")
            shown = "=".join(members) + ("" if one_for_all else f"[{labels[0]}]")
            transform = as_transform(name, bounds.get(name), float(value))
            targets = tuple((label, member) for label in labels for member in members)
            entries.append(Entry(shown, targets, transform))
    return tuple(entries)


def _dtype(models: Models, objectives: Objectives) -> str:
    """The dtype of the losses: that of the data."""

    def losses() -> Any:
        return [o.loss(models[label], o.unknowns) for label, o in objectives.items()]

    shapes = jax.eval_shape(losses)
    for label, loss in zip(objectives, shapes, strict=True):
        if loss.shape != () or not jnp.issubdtype(loss.dtype, jnp.floating):
            raise ParameterError(
                f"the loss of an objective must be a real scalar, got {loss.dtype} of shape "
                f"{loss.shape}{f' for {label}' if label else ''}"
            )
    return str(np.result_type(*[loss.dtype for loss in shapes]))
