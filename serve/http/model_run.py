"""A body that names a model: decoded, and made into the one `mfnjax.Simulation` that it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from mfnjax import Simulation, get_model
from mfnjax.errors import MfnError
from mfnjax.simulation.problem import check_physics
from mfnjax.simulation.spec import KEYS
from mfnjax.steppers import choose_stepper
from serve.http.body import decode_json
from serve.http.errors import ApiError, invalid
from serve.schemas import LARGEST_CELLS, LONGEST_TEXT, MOST_WORDS, ModelRun

T = TypeVar("T", bound=ModelRun)


class _Named(msgspec.Struct):
    """What tells a body that names a model or equations from one that does not."""

    model: Any = None
    equation: Any = None


_NAMED = msgspec.json.Decoder(_Named)


def names_model(body: bytes) -> bool:
    """Whether a JSON body has a model or equations; what is no JSON has none."""
    try:
        found = _NAMED.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return found.model is not None or found.equation is not None


def decode_model_run(
    body: bytes, form: type[T], usual_size: int | None = None
) -> tuple[T, Simulation]:
    """The request, and its simulation, which is checked.

    Args:
        body: The body of the request.
        form: What it is.
        usual_size: Side of the grid of a request that says nothing of it; None: the model's.

    Raises:
        ApiError: 400; it names the field.
    """
    data, raw = decode_json(body, form), decode_json(body, dict[str, Any])
    fields = form.__struct_fields__
    flat = {k: v for k, v in raw.items() if k not in fields}
    other = (dict,) if data.equation is not None else (list, dict, str)
    for name, value in flat.items():
        if name in KEYS or isinstance(value, other) or value is None:
            known = ", ".join(fields)
            raise invalid(name[:64], f"no such field; the fields are {known}, and parameters")
    given = {name: getattr(data, name) for name in KEYS if name in fields and name in raw}
    given["steps"] = data.steps  # type: ignore[attr-defined]
    values = {name: value for name, value in given.items() if value is not None} | flat
    if not {"grid_size", "shape", "mask"} & values.keys() and usual_size is not None:
        values["grid_size"] = usual_size
    check_texts(values)
    symbols: dict[str, str] = {}
    if data.model is not None:
        try:
            symbols = get_model(data.model).model.symbols
        except MfnError as error:
            raise invalid("model", str(error)) from None
    try:
        simulation = Simulation.from_dict(values)
        if simulation.grid.num_cells > LARGEST_CELLS:
            raise invalid("shape", f"shape is at most {LARGEST_CELLS} cells in all")
        stepper = choose_stepper(simulation.model, simulation.stepper)
        check_physics(simulation.model, simulation.grid, simulation.dt, stepper)
    except MfnError as error:
        parameters = {*data.parameters, *flat}
        names = parameters | {symbols.get(name, name) for name in parameters} | {*fields}
        usual = "parameters" if data.equation is None else "equation"
        raise _refusal(str(error), names - {"model"}, usual) from None
    return data, simulation


def check_texts(values: dict[str, Any]) -> None:
    """Refuse equations and formulas that are so long that they would take long to compile.

    Raises:
        ApiError: 400.
    """
    texts = list(_texts([v for k, v in values.items() if k not in _WORDS]))
    length = sum(map(len, texts))
    words = 0
    if length <= LONGEST_TEXT:
        words = sum(_WEIGHTS.get(word, 1) for text in texts for word in _WORD.findall(text))
    if length > LONGEST_TEXT or words > MOST_WORDS:
        raise invalid(
            "equation" if values.get("equation") is not None else "start",
            f"the equations and formulas of a request have at most {LONGEST_TEXT} characters and "
            f"{MOST_WORDS} words and signs in all; got {length} characters"
            + (f" and {words} words and signs" if words else ""),
        )


_WORDS = ("model", "preset", "stepper", "grid_size", "steps", "dt", "seed", "mask")
_WEIGHTS = {"noise": 20, "_t": 15}
"""What takes longest to compile counts as so many words: a noise, and an equation."""
_WORD = re.compile(r"_t\b(?=\s*=)|\w+?(?=_t\s*=)|\w+|[^\w\s]")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _refusal(message: str, names: set[str], usual: str) -> ApiError:
    """A 400 with the library's message; the field is the first of ``names`` that is in it."""
    words = re.findall(r"\w+", message)
    # "… has the starts centre and ring" speaks of the start.
    told = (one for word in words for one in (word, word.removesuffix("s")) if one in names)
    return invalid(next(told, usual), message)
