"""A simulation as plain values: what files, the command line and HTTP hold of it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from mfnjax._checks import check_bool, check_choice, check_int, check_real, shown
from mfnjax._parameter import parameters_of
from mfnjax.core.grid import Grid
from mfnjax.core.sides import BOUNDARIES
from mfnjax.errors import ParameterError
from mfnjax.models.registry import build_model, get_model, registered_name
from mfnjax.simulation.checks import is_traced
from mfnjax.steppers import STEPPERS

LARGEST_SIDE = 4096
"""Cells along a side, at most, of a grid that is described by plain values."""

MOST_STEPS = 10**8

RUN_KEYS = ("steps", "dt", "stepper", "save_every", "save", "adjoint", "start")
GRID_KEYS = ("grid_size", "shape", "spacing", "boundary")
KEYS = ("model", "preset", "parameters", *GRID_KEYS, *RUN_KEYS)


def plain_values(simulation: Any) -> dict[str, Any]:
    """A `Simulation` as plain values; parameters that are arrays stay NumPy arrays.

    Raises:
        ParameterError: The model, the stepper or the boundary is one that no name stands for; or a
            number is traced.
    """
    model, grid = simulation.model, simulation.grid
    if is_traced((simulation, simulation.steps)):
        raise ParameterError("a simulation inside a transformation has no plain values")
    parameters = {
        field.name: _plain(getattr(model, field.name)) for field in dataclasses.fields(model)
    }
    stepper = simulation.stepper
    if stepper is not None and not isinstance(stepper, str):
        if STEPPERS.get(stepper.name) != stepper:
            raise ParameterError(f"no name stands for the stepper {shown(stepper)}")
        stepper = stepper.name
    side = grid.boundary.name
    if type(BOUNDARIES.get(side)) is not type(grid.boundary):
        raise ParameterError(f"no name stands for the boundary {shown(grid.boundary)}")
    values = {
        "model": registered_name(type(model)),
        "parameters": parameters,
        "shape": list(grid.shape),
        "spacing": _plain(grid.spacing),
        "boundary": side,
        "steps": simulation.steps,
        "dt": _plain(simulation.dt),
        "stepper": stepper,
        "save_every": simulation.save_every,
        "save": simulation.save,
        "adjoint": simulation.adjoint,
        "start": simulation.start,
    }
    return {name: value for name, value in values.items() if value is not None}


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
    name = values.get("model", "mycelium")
    entry = get_model(name)
    preset = values.get("preset")
    parameters = values.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise ParameterError(
            f"parameters must be a table of names and values, got {shown(parameters)}"
        )
    flat = {key: value for key, value in values.items() if key not in KEYS}
    names = [field.name for field in dataclasses.fields(entry.model)]  # type: ignore[arg-type]
    for key in flat:
        if key not in (*names, *entry.model.symbols):
            near = difflib.get_close_matches(str(key), [*names, *KEYS], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ParameterError(
                f"no setting and no parameter {key!r}{hint}; settings: {', '.join(KEYS)}; "
                f"parameters of {name}: {', '.join(names)}"
            )
        if key in parameters:
            raise ParameterError(f"parameter {key!r} is given twice")
    model = build_model(name, _numbers({**parameters, **flat}, entry.model), preset=preset)
    usual = entry.presets[preset] if preset is not None else None
    arguments: dict[str, Any] = {
        "model": model,
        "grid": _grid(values, entry.grid_size),
        "steps": entry.steps if usual is None else usual.steps,
        "dt": 1.0 if usual is None else usual.dt,
    }
    given = {key: values[key] for key in RUN_KEYS if values.get(key) is not None}
    if "steps" in given:
        given["steps"] = check_int("steps", given["steps"], 0, MOST_STEPS)
    if "dt" in given:
        given["dt"] = check_real("dt", given["dt"], 0.0, 1e12, open_low=True)
    if not isinstance(given.get("stepper", ""), str):
        raise ParameterError(f"stepper must be a name, got {shown(given['stepper'])}")
    return {**arguments, **given}


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


def _grid(values: Mapping[str, Any], usual_size: int) -> Grid:
    if values.get("grid_size") is not None and values.get("shape") is not None:
        raise ParameterError("grid_size is the side of a square, shape is (H, W): give one")
    shape = values.get("shape")
    if shape is None:
        size = values.get("grid_size")
        size = usual_size if size is None else check_int("grid_size", size, 4, LARGEST_SIDE)
        shape = (size, size)
    elif not isinstance(shape, (list, tuple)) or len(shape) != 2:
        raise ParameterError(f"shape must be two integers (H, W), got {shown(shape)}")
    else:
        shape = tuple(check_int("shape", size, 1, LARGEST_SIDE**2) for size in shape)
    spacing = check_real("spacing", values.get("spacing", 1.0), 0.0, 1e12, open_low=True)
    boundary = check_choice("boundary", values.get("boundary", "periodic"), tuple(BOUNDARIES))
    return Grid(shape, spacing=spacing, boundary=boundary)
