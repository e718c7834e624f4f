"""Sides as text: ``x-: dirichlet 1; x+: neumann; y: periodic``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mfnjax._checks import shown
from mfnjax.core.boundary import BOUNDARIES, ByField, Sides, as_boundary
from mfnjax.core.sides import (
    AXES,
    Boundary,
    Dirichlet,
    Ghost,
    Neumann,
    Periodic,
    Robin,
    Side,
)
from mfnjax.errors import ParameterError
from mfnjax.text.equations import Formula
from mfnjax.text.names import hint

_KINDS: dict[str, type[Side]] = {
    "periodic": Periodic,
    "neumann": Neumann,
    "dirichlet": Dirichlet,
    "robin": Robin,
    "ghost": Ghost,
}
_USAGE = "periodic, neumann [slope], dirichlet VALUE, robin A B C, ghost VALUE"
_LONGEST = 10_000
_SIDE = re.compile(r"[xyz][+-]?")
_PLACE = re.compile(r"(?:(?P<field>[A-Za-z]\w*)\.)?(?P<side>[xyz][+-]?)|(?P<whole>[A-Za-z]\w*)")

Entries = dict[tuple[str, str], Boundary]
"""(field or "" for all, side or "" for all) → what is there."""


def read_sides(given: Any, shape: tuple[int, ...], fields: tuple[str, ...]) -> Boundary:
    """A boundary from plain values.

    Args:
        given: A text of entries ``PLACE: KIND …``, with ``;`` between them; or a mapping of places
            to such kinds. A place is a side (``x-``; ``y`` is both), a field's side (``u.x-``) or a
            field (``u``); a kind without a place is for all sides. Kinds: ``periodic``, ``neumann
            [slope]``, ``dirichlet VALUE``, ``robin A B C``, ``ghost VALUE``, and the bare word
            ``dirichlet`` for a whole grid, ``ghost 0``. A value is a number or a formula of t, x, y
            and z. In a mapping a kind may be a list, ``["dirichlet", [1.0, 2.0]]``, whose values
            may be arrays.
        shape: Shape of the grid.
        fields: The fields of the model.

    Raises:
        ParameterError: Something of it is not accepted; one line.

    Examples:
        >>> from mfnjax.simulation.plain_sides import read_sides
        >>> read_sides("x-: dirichlet 1; x+: neumann", (8,), ("u",)).pairs
        ((Dirichlet(value=1.0), Neumann(slope=0.0)),)
    """
    entries: Entries = {}
    for place, kind in _pairs(given):
        key = _key(place, fields)
        if key in entries:
            raise ParameterError(f"boundary names {place or 'all sides'} twice")
        entries[key] = _side(place, kind, is_whole=not key[1])
    own = {field for field, _ in entries if field}
    if not own:
        return _joined(entries, "", shape)
    return ByField({name: _joined(entries, name, shape) for name in fields})


def _pairs(given: Any) -> Iterator[tuple[str, Any]]:
    """The places and what is there, of a text, a list (one kind) or a mapping."""
    if isinstance(given, str):
        if len(given) > _LONGEST:
            raise ParameterError(f"boundary may have {_LONGEST} characters, got {len(given)}")
        for entry in filter(None, map(str.strip, re.split(r"[;\n]", given))):
            place, colon, kind = entry.partition(":")
            yield (place.strip(), kind.strip()) if colon else ("", entry)
    elif isinstance(given, Mapping):
        for place, kind in given.items():
            if not isinstance(place, str):
                raise ParameterError(f"boundary must name sides or fields, got {shown(place)}")
            if isinstance(kind, Mapping):
                inner: Any = kind.items()
                yield from ((f"{place}.{side}", one) for side, one in inner)
            else:
                yield place, kind
    else:
        yield "", given


def _key(place: str, fields: tuple[str, ...]) -> tuple[str, str]:
    if not place:
        return "", ""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ParameterError(
            f"boundary: {shown(place)} is no place; places are x-, x+, x (both), and u.x- or u for "
            "one field"
        )
    field = found["field"] or found["whole"] or ""
    if field and field not in fields:
        raise ParameterError(
            f"boundary: no field {field!r}{hint(field, fields)}; fields: {', '.join(fields)}"
        )
    return field, found["side"] or ""


def _side(place: str, given: Any, *, is_whole: bool) -> Boundary:
    """What stands at one place."""
    where = f"boundary{f' at {place}' if place else ''}"
    if isinstance(given, str):
        word, _, rest = given.strip().partition(" ")
        numbers = _words(rest) if word == "robin" else [rest.strip()] if rest.strip() else []
        values = [_value(one) for one in numbers]
    elif isinstance(given, (list, tuple)) and given and isinstance(given[0], str):
        word, values = given[0], list(given[1:])
    else:
        word, values = shown(given), []
    if is_whole and not values and word in BOUNDARIES:
        return BOUNDARIES[word]
    kind = _KINDS.get(word)
    if kind is None:
        raise ParameterError(
            f"{where} must be one of {_USAGE}; got {shown(word)}{hint(word, _KINDS)}"
        )
    most = len(dataclasses.fields(kind))  # type: ignore[arg-type]
    if not (0 if kind is Neumann else most) <= len(values) <= most:
        raise ParameterError(f"{where}: {word} takes {_takes(word)}, got {shown(given)}")
    return kind(*values)


def _takes(word: str) -> str:
    usage = next(one for one in _USAGE.split(", ") if one.startswith(word)).removeprefix(word)
    return usage.strip() or "no value"


def _words(text: str) -> list[str]:
    """The words between spaces that stand in no parentheses."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == " " and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return list(filter(None, found))


def _value(text: str) -> Any:
    """A number, or a formula; parentheses about all of a formula are not part of it."""
    try:
        return float(text)
    except ValueError:
        return text[1:-1].strip() if _is_wrapped(text) else text


def _is_wrapped(text: str) -> bool:
    """Whether the first parenthesis of a text is closed by its last character."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return letter == ")" and index == len(text) - 1
    return False


def _joined(entries: Entries, field: str, shape: tuple[int, ...]) -> Boundary:
    """The boundary of one field: what is said of it goes over what is said of all."""
    axes = [AXES[k] for k, size in enumerate(reversed(shape)) if size > 1]
    found: dict[str, Boundary] = {}
    for owner in ("", field) if field else ("",):
        said = {side: one for (name, side), one in entries.items() if name == owner}
        if "" in said:
            found = dict.fromkeys((f"{axis}{end}" for axis in axes for end in "-+"), said[""])
            if owner == field and len(said) == 1:
                return said[""]
        here: set[str] = set()
        for side, one in said.items():
            names = {side} if len(side) == 2 else {f"{side}-", f"{side}+"} if side else set()
            if here & names:
                raise ParameterError(f"boundary names the side {min(here & names)} twice")
            here |= names
            found |= dict.fromkeys(names, one)
    if not found and ("", "") not in entries:
        raise ParameterError(
            f"boundary does not say what is at the sides{f' of {field}' * bool(field)}"
        )
    is_one = all(one is entries.get(("", "")) for one in found.values())
    return entries["", ""] if is_one else as_boundary(found, shape)


def plain_sides(boundary: Boundary) -> Any:
    """A boundary as `read_sides` takes it: as text, or with arrays as a mapping or a list.

    Raises:
        ParameterError: A side that no name stands for, or a function.
    """
    entries = list(_entries(boundary, boundary))
    if any(isinstance(value, list) for _, words in entries for value in words):
        listed = dict(entries)
        return listed.get("", listed)
    texts = [(place, " ".join(map(_text, words))) for place, words in entries]
    return "; ".join(f"{place}: {text}" if place else text for place, text in texts)


def sides_words(boundary: Boundary) -> str:
    """A boundary for people: as text, where it has one that is no longer than a line."""
    try:
        text = plain_sides(boundary)
    except ParameterError:
        text = None
    return text if isinstance(text, str) and len(text) < 80 else boundary.name


def _entries(
    boundary: Boundary, whole: Boundary, field: str = ""
) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(boundary, ByField):
        for name, one in boundary.fields.items():
            yield from _entries(one, whole, name)
        return
    dot = f"{field}." if field else ""
    if not isinstance(boundary, Sides):
        usual = BOUNDARIES.get(boundary.name)
        is_usual = type(usual) is type(boundary) and boundary.is_plain
        yield field, [boundary.name] if is_usual else _plain_side(boundary, whole)
        return
    for axis, pair in zip(AXES, reversed(boundary.pairs), strict=False):
        if pair is not None:
            before, after = (_plain_side(side, whole) for side in pair)
            if before == after:
                yield f"{dot}{axis}", before
            else:
                yield f"{dot}{axis}-", before
                yield f"{dot}{axis}+", after


def _plain_side(side: Boundary, whole: Boundary) -> list[Any]:
    """The word of a side and its values: numbers, formulas as they are, arrays as lists."""
    word = next((word for word, kind in _KINDS.items() if type(side) is kind), None)
    if word is None:
        raise ParameterError(f"no name stands for the boundary {shown(whole)}")
    if isinstance(side, Neumann) and side.is_plain:
        return [word]
    found: list[Any] = [word]
    for one in dataclasses.fields(side):  # type: ignore[arg-type]
        value = getattr(side, one.name)
        if callable(value) and not isinstance(value, Formula):
            raise ParameterError(
                f"{type(side).__name__}({one.name}=) is a function, and cannot be written out"
            )
        found.append(value.text if isinstance(value, Formula) else np.asarray(value).tolist())
    return found


def _text(value: Any) -> str:
    """A value as `_value` takes it."""
    if not isinstance(value, str):
        return repr(value)
    needs = " " in value or _is_wrapped(value) or _is_number(value)
    return f"({value})" if needs else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
