"""A simulation as plain values: what files, the command line and HTTP hold of it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mfnjax._checks import check_bool, check_int, check_real, shown
from mfnjax._parameter import parameters_of
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model
from mfnjax.models.pde import PDE
from mfnjax.models.registry import build_model, get_model, registered_name
from mfnjax.simulation.checks import is_traced
from mfnjax.simulation.plain_grid import GRID_KEYS, plain_grid, read_grid
from mfnjax.steppers import STEPPERS, Adaptive, AtRest

MOST_STEPS = 10**8

RUN_KEYS = ("steps", "dt", "stepper", "save_every", "save", "adjoint", "start")
TIME_KEYS = ("until", "save_at", "at_rest", "solver", "rtol", "atol", "max_steps")
KEYS = ("model", "equation", "preset", "parameters", *GRID_KEYS, *RUN_KEYS, *TIME_KEYS)


def plain_values(simulation: Any) -> dict[str, Any]:
    """A `Simulation` as plain values; a mask and parameters that are arrays stay NumPy arrays.

    Raises:
        ParameterError: The model, the stepper or the boundary is one that no name stands for; or a
            number is traced.
    """
    model = simulation.model
    if is_traced((simulation, simulation.steps)):
        raise ParameterError("a simulation inside a transformation has no plain values")
    stepper = simulation.stepper
    timed = _plain_time(simulation)
    if timed:
        stepper = None
    elif stepper is not None and not isinstance(stepper, str):
        if STEPPERS.get(stepper.name) != stepper:
            raise ParameterError(f"no name stands for the stepper {shown(stepper)}")
        stepper = stepper.name
    start = simulation.start
    values = {
        **_plain_model(model),
        **plain_grid(simulation.grid),
        "steps": simulation.steps,
        "dt": None if timed else _plain(simulation.dt),
        **timed,
        "stepper": stepper,
        "save_every": simulation.save_every,
        "save": simulation.save,
        "adjoint": simulation.adjoint,
        "start": dict(start) if isinstance(start, tuple) else start,
    }
    return {name: value for name, value in values.items() if value is not None}


def _plain_time(simulation: Any) -> dict[str, Any]:
    """What a run until a time has in the place of steps; nothing of another."""
    if simulation.until is None:
        return {}
    stepper, stop = simulation.stepper or Adaptive(), simulation.stop
    return {
        "until": _plain(simulation.until),
        "save_at": None if simulation.save_at is None else [*map(_plain, simulation.save_at)],
        "at_rest": None if stop is None else _plain(stop.rate),
        **dataclasses.asdict(stepper),
    }


def _plain_model(model: Model) -> dict[str, Any]:
    """A model by its name, or by its equations; and its parameters."""
    names = [field.name for field in dataclasses.fields(model)]  # type: ignore[arg-type]
    parameters = {name: getattr(model, name) for name in names}
    for name, value in parameters.items():
        if callable(value):
            raise ParameterError(f"parameter {name!r} is a function, and cannot be written out")
    parameters = {name: _plain(value) for name, value in parameters.items()}
    if isinstance(model, PDE):
        return {"equation": model.equation.split("\n"), "parameters": parameters}
    return {"model": registered_name(type(model)), "parameters": parameters}


def _plain(value: Any) -> Any:
    """A number as Python has it; an array on the host."""
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else array


def simulation_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `Simulation` from plain values.

    A name that is none of `KEYS` is a parameter of the model, by name or paper symbol. What is not
    given is the preset's, else the model's own (`mfnjax.models.ModelEntry`).

    Raises:
        ParameterError: A name is unknown or a value is not accepted.
    """
    if not isinstance(values, Mapping):
        raise ParameterError(f"a simulation is a table of names and values, got {shown(values)}")
    model, usual = _model(values)
    arguments: dict[str, Any] = {
        "model": model,
        "grid": read_grid(values, usual.grid_size, model.fields),
        "steps": usual.steps,
        "dt": usual.dt,
    }
    given = {key: values[key] for key in RUN_KEYS if values.get(key) is not None}
    timed = {key: values[key] for key in TIME_KEYS if values.get(key) is not None}
    if timed:
        return _timed({**arguments, **given, "steps": given.get("steps")}, given, timed)
    if "steps" in given:
        given["steps"] = check_int("steps", given["steps"], 0, MOST_STEPS)
    if "dt" in given:
        given["dt"] = check_real("dt", given["dt"], 0.0, 1e12, open_low=True)
    if not isinstance(given.get("stepper", ""), str):
        raise ParameterError(f"stepper must be a name, got {shown(given['stepper'])}")
    return {**arguments, **given}


def _timed(
    arguments: dict[str, Any], given: Mapping[str, Any], timed: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of a run until a time; what else it says is refused by `Simulation`."""
    if "until" not in timed:
        raise ParameterError(f"{next(iter(timed))} needs until, the time at which the run ends")
    for name in ("stepper", "dt"):
        if name in given:
            raise ParameterError(f"{name} belongs to fixed steps: with until give solver and rtol")
    times: dict[str, Any] = {
        "until": check_real("until", timed.pop("until"), 0.0, 1e12, open_low=True)
    }
    if "save_at" in timed:
        times["save_at"] = timed.pop("save_at")
    if "at_rest" in timed:
        times["stop"] = AtRest(check_real("at_rest", timed.pop("at_rest"), 0.0, 1e12))
    return {**arguments, **times, "dt": 1.0, "stepper": Adaptive(**timed)}


def read_model(values: Mapping[str, Any]) -> Model:
    """The model of plain values: of ``model`` and ``preset``, or ``equation``; and ``parameters``.

    Raises:
        ParameterError: A name is unknown or a value is not accepted.
    """
    return _model(values)[0]


def _model(values: Mapping[str, Any]) -> tuple[Model, _Usual]:
    parameters = values.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise ParameterError(
            f"parameters must be a table of names and values, got {shown(parameters)}"
        )
    flat = {key: value for key, value in values.items() if key not in KEYS}
    for key in flat:
        if key in parameters:
            raise ParameterError(f"parameter {key!r} is given twice")
    of_text = values.get("equation") is not None
    return (_equations if of_text else _registered)(values, dict(parameters), flat)


@final
@dataclass(frozen=True)
class _Usual:
    """What a run has that does not say."""

    grid_size: int = 128
    steps: int = 1000
    dt: float = 1.0


def _equations(
    values: Mapping[str, Any], parameters: dict[str, Any], flat: dict[str, Any]
) -> tuple[Model, _Usual]:
    """The model of equations as text."""
    for name in ("model", "preset"):
        if values.get(name) is not None:
            raise ParameterError(f"equation says what the model is: {name} must not be given, too")
    given = {**parameters, **flat}
    for name, value in given.items():
        if not isinstance(name, str) or isinstance(value, (bool, Mapping)) or value is None:
            raise ParameterError(f"{shown(name)} must be a number, an array or a text")
    return PDE(values["equation"], **given), _Usual()


def _registered(
    values: Mapping[str, Any], parameters: dict[str, Any], flat: dict[str, Any]
) -> tuple[Model, _Usual]:
    """The model of a name, perhaps with a preset."""
    name = values.get("model", "mycelium")
    entry, preset = get_model(name), values.get("preset")
    names = list(parameters_of(entry.model))
    for key in flat:
        if key not in (*names, *entry.model.symbols):
            near = difflib.get_close_matches(str(key), [*names, *KEYS], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ParameterError(
                f"no setting and no parameter {key!r}{hint}; settings: {', '.join(KEYS)}; "
                f"parameters of {name}: {', '.join(names)}"
            )
    model = build_model(name, _numbers({**parameters, **flat}, entry.model), preset=preset)
    if preset is None:
        return model, _Usual(entry.grid_size, entry.steps)
    return model, _Usual(entry.grid_size, entry.presets[preset].steps, entry.presets[preset].dt)


def _numbers(parameters: Mapping[str, Any], model: type) -> dict[str, Any]:
    """Parameters, each a number, a switch or an array of numbers, as the model declares it."""
    declared, symbols = parameters_of(model), getattr(model, "symbols", {})
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        one = declared.get(symbols.get(name, name))
        if one is not None and one.kind is bool:
            is_digit = isinstance(value, (int, float)) and value in (0, 1)  # as `--set` has it
            found[name] = check_bool(name, bool(value) if is_digit else value)
        elif one is not None and one.static and isinstance(value, (int, str)):
            found[name] = value  # it chooses code: 2 is not 2.0 to a loop
        elif isinstance(value, bool):
            raise ParameterError(f"{name} must be a number, got {value!r}")
        elif isinstance(value, (list, tuple, np.ndarray)):
            try:
                found[name] = np.asarray(value, np.result_type(np.float32, np.asarray(value)))
                np.isfinite(found[name])  # neither words nor objects
            except (TypeError, ValueError) as error:
                raise ParameterError(f"{name} must be numbers, got {shown(value)}") from error
        else:
            found[name] = check_real(name, value, -1e12, 1e12)
    return found
