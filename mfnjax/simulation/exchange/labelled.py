"""A run as an `xarray.Dataset` with coordinates, and back, without loss.

A field whose frames were saved is one variable (time, …) of the frames, with the last state behind
them if it is none of them; any other is its last state. All that is no array is in the attribute
``mfnjax`` as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mfnjax._version import __version__
from mfnjax.core.quantity import Quantity
from mfnjax.core.sides import AXES
from mfnjax.errors import DataError, ParameterError

ABOUT = "mfnjax"
"""The attribute of all that is no array."""


@final
@dataclass(frozen=True)
class Layout:
    """Where the cells of a run lie, and what its fields hold.

    Attributes:
        spacings: Distance of the cells along each axis of an array.
        origins: Where the first cell begins, likewise.
        dt: Time of a step.
        quantities: Field name → what it holds.
        title: The run in words.
    """

    spacings: tuple[float, ...]
    origins: tuple[float, ...]
    dt: float
    quantities: Mapping[str, Quantity]
    title: str

    @property
    def space(self) -> tuple[str, ...]:
        """The directions of space in the order of an array's axes."""
        return tuple(reversed(AXES[: len(self.spacings)]))


def labelled(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray], layout: Layout) -> Any:
    """What a file of a run holds as an `xarray.Dataset` with CF-style coordinates.

    Raises:
        ParameterError: xarray is not installed, or a field has the name of a coordinate.
    """
    xarray = require("xarray")
    space, fields = layout.space, meta["fields"]
    lead = ("member",) if np.ndim(meta["step"]) else ()
    if taken := {*space, "time", "step", "member"}.intersection(fields):
        raise ParameterError(f"a field and a coordinate would be named {min(taken)!r}: rename it")
    steps = np.asarray(meta["step"], np.int32)
    saved, own_times = arrays.get("history_steps"), arrays.get("history_times")
    times: Any = None if meta.get("time") is None else np.asarray(meta["time"], np.float64)
    count = None if saved is None else saved.shape[-1]
    is_last = saved is not None and _ends_with_state(meta, arrays, saved, steps)
    if saved is not None:
        last = () if is_last else (steps[..., None],)
        steps = np.concatenate([saved, *last], axis=-1)
        if own_times is not None and times is not None:
            times = np.concatenate([own_times, *(times[..., None] for _ in last)], axis=-1)
    if lead and (steps == steps[:1]).all():  # the members have one clock
        steps = steps[0]
    variables: dict[str, Any] = {}
    for name in fields:
        dims, values = (*lead, *space), arrays[name]
        if (frames := arrays.get(f"{name}_history")) is not None:
            dims, axis = (*lead, "time", *space), len(lead)
            end = () if is_last else (np.expand_dims(values, axis),)
            values = np.concatenate([frames, *end], axis=axis)
        quantity = layout.quantities.get(name, Quantity(name))
        about = {"long_name": quantity.label}
        if quantity.unit:
            about["units"] = _stored_unit(quantity)
        variables[name] = (dims, values, about)
    shape = arrays[fields[0]].shape
    for name, values in arrays.items():
        if name == "grid_mask" or name.startswith("parameter_"):
            variables[name] = (_dims(name, values.shape, shape, (*lead, *space)), values)
    coordinates: dict[str, Any] = {
        name: (name, origin + spacing * (np.arange(size) + 0.5), _axis(name, spacing))
        for name, origin, spacing, size in zip(
            space, layout.origins, layout.spacings, shape[len(lead) :], strict=True
        )
    }
    own_clock = lead if steps.ndim > (saved is not None) else ()
    dims = (*own_clock, "time") if saved is not None else own_clock
    coordinates["step"] = (dims, steps, {"long_name": "steps taken"})
    if times is None and not own_clock:
        times = steps * layout.dt
    if times is not None and times.ndim > steps.ndim and (times == times[:1]).all():
        times = times[0]
    if times is not None and times.shape == steps.shape and not own_clock:
        coordinates["time"] = (dims, times, {"long_name": "time", "axis": "T"})
    elif times is not None:
        coordinates["own_time"] = ((*lead, "time")[: times.ndim], times, {"long_name": "time"})
    about = {
        "Conventions": "CF-1.11",
        "title": layout.title,
        "source": f"mfnjax {__version__}",
        ABOUT: json.dumps({**meta, "frames": count, "times": _kind(own_times)}),
    }
    return xarray.Dataset(variables, coordinates, about)


def unlabelled(dataset: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a file of a run holds, of such a dataset.

    Raises:
        DataError: It is none.
    """
    if ABOUT not in dataset.attrs:
        raise DataError(f"not a run saved by mfnjax (no attribute {ABOUT!r})")
    meta = json.loads(dataset.attrs[ABOUT])
    count, times_kind = meta.pop("frames"), meta.pop("times")
    lead = ("member",) if np.ndim(meta["step"]) else ()
    arrays: dict[str, np.ndarray] = {}
    steps = np.asarray(dataset["step"].values, np.int32)
    # A run that is being written ends before its arrays do.
    last = -1 if lead or count is None else int(np.flatnonzero(steps == meta["step"])[-1])
    for name in meta["fields"]:
        values = np.asarray(dataset[name].values)
        if "time" in dataset[name].dims:
            frames = np.moveaxis(values, len(lead), 0)
            arrays[name] = frames[last]
            arrays[f"{name}_history"] = np.moveaxis(frames[:count], 0, len(lead))
        else:
            arrays[name] = values
    if count is not None:
        shape = (len(meta["step"]), count) if lead else (count,)
        arrays["history_steps"] = np.broadcast_to(steps[..., :count], shape)
        if times_kind is not None:
            kind, ndim = times_kind
            times = dataset["own_time" if "own_time" in dataset.coords else "time"].values
            own_times = np.asarray(times[..., :count], kind)
            arrays["history_times"] = np.broadcast_to(own_times, shape if ndim > 1 else (count,))
    for name in dataset.data_vars:
        if name == "grid_mask" or str(name).startswith("parameter_"):
            arrays[str(name)] = np.asarray(dataset[name].values)
    return meta, arrays


def fields_of(dataset: Any) -> list[str]:
    """The names of a run's fields."""
    return list(json.loads(dataset.attrs[ABOUT])["fields"])


def describe(dataset: Any) -> str:
    """All of a dataset but its fields as JSON, for files that have no place for it."""
    rest = {
        str(name): [str(found.dtype), list(found.dims), found.values.tolist()]
        for name, found in dataset.variables.items()
        if name not in fields_of(dataset)
    }
    return json.dumps({"attributes": dataset.attrs, "rest": rest})


def described(text: str) -> Any:
    """The dataset without its fields."""
    about = json.loads(text)
    rest = about["rest"].items()
    found = {name: (dims, np.array(values, dtype)) for name, (dtype, dims, values) in rest}
    return require("xarray").Dataset(found, attrs=about["attributes"])


def distance(dataset: Any, name: str) -> float:
    """The distance of the cells along an axis, or of the first frames."""
    if "spacing" in dataset[name].attrs:
        return float(dataset[name].attrs["spacing"])
    along = dataset[name].values
    return float(along[1] - along[0]) if np.size(along) > 1 else 1.0


def require(module: str) -> Any:
    """A module of the extra, or a ParameterError that says how to get it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ParameterError(f"this needs {module}: pip install 'mfnjax[files]'") from error


def _ends_with_state(
    meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray], saved: np.ndarray, steps: np.ndarray
) -> bool:
    """Whether the last frames are the last state."""
    axis = saved.ndim - 1
    frames = [n for n in meta["fields"] if f"{n}_history" in arrays]
    return (
        saved.shape[-1] > 0
        and np.array_equal(saved[..., -1], steps)
        and all(
            np.array_equal(
                np.take(arrays[f"{n}_history"], -1, axis=axis), arrays[n], equal_nan=True
            )
            for n in frames
        )
    )


def _kind(times: np.ndarray | None) -> tuple[str, int] | None:
    return None if times is None else (str(times.dtype), times.ndim)


def _stored_unit(quantity: Quantity) -> str:
    """The unit of the stored values: V of a potential that is shown in mV."""
    if quantity.scale == 1:
        return quantity.unit
    if quantity.scale == 1e3 and quantity.unit.startswith("m"):
        return quantity.unit[1:]
    return f"{1 / quantity.scale:g} {quantity.unit}"


def _axis(name: str, spacing: float) -> dict[str, Any]:
    about = {"long_name": f"{name} of the cells' centres", "axis": name.upper()}
    return {**about, "spacing": spacing}


def _dims(
    name: str, shape: tuple[int, ...], field: tuple[int, ...], dims: tuple[str, ...]
) -> tuple[str, ...]:
    """The dimensions of a parameter or mask: those of the fields where its shape is theirs."""
    space = len(dims) - ("member" in dims)
    for start, stop in ((0, len(dims)), (len(dims) - space, len(dims)), (0, len(dims) - space)):
        if shape == field[start:stop]:
            return dims[start:stop]
    return tuple(f"{name}_{axis}" for axis in range(len(shape)))
