"""A body that names a model: decoded, and made into the one `mfnjax.Simulation` that it is."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from mfnjax import Simulation, get_model
from mfnjax.errors import MfnError
from mfnjax.simulation.problem import check_physics
from mfnjax.simulation.spec import KEYS
from mfnjax.steppers import choose_stepper
from serve.http.body import decode_json
from serve.http.errors import ApiError, invalid
from serve.schemas import LARGEST_CELLS, ModelRun

T = TypeVar("T", bound=ModelRun)


def decode_model_run(body: bytes, form: type[T]) -> tuple[T, Simulation]:
    """The request, and its simulation, which is checked.

    Raises:
        ApiError: 400; it names the field.
    """
    data = decode_json(body, form)
    fields = form.__struct_fields__
    flat = {k: v for k, v in decode_json(body, dict[str, Any]).items() if k not in fields}
    for name, value in flat.items():
        if name in KEYS or isinstance(value, (list, dict, str)) or value is None:
            known = ", ".join(fields)
            raise invalid(name[:64], f"no such field; the fields are {known}, and parameters")
    given = {name: getattr(data, name, None) for name in KEYS if name in fields}
    values = {name: value for name, value in given.items() if value is not None} | flat
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
        raise _refusal(str(error), names - {"model"}) from None
    return data, simulation


def _refusal(message: str, names: set[str]) -> ApiError:
    """A 400 with the library's message; the field is the first of ``names`` that is in it."""
    words = re.findall(r"\w+", message)
    # "… has the starts centre and ring" speaks of the start.
    told = (one for word in words for one in (word, word.removesuffix("s")) if one in names)
    return invalid(next(told, "parameters"), message)
