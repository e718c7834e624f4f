"""ImageJ hyperstacks (.tif): frames, slices and a channel a field, with spacing and interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mfnjax._files import replacing
from mfnjax.errors import ParameterError
from mfnjax.simulation.exchange.labelled import (
    ABOUT,
    describe,
    described,
    distance,
    fields_of,
    require,
)


def write_hyperstack(dataset: Any, path: Path) -> None:
    """Write a run's fields as channels.

    Raises:
        ParameterError: An ensemble; float64, which ImageJ does not have; frames of some fields
            alone; over 4 GB.
    """
    if "member" in dataset.dims:
        raise ParameterError("a .tif file holds one run, not an ensemble: take a member, or .nc")
    fields = [dataset[name] for name in fields_of(dataset)]
    if any(field.dtype != np.float32 for field in fields):
        raise ParameterError("a .tif file for ImageJ has no float64: compute in float32, or .nc")
    if len({field.dims for field in fields}) > 1:
        raise ParameterError("a .tif file for ImageJ has frames of all fields, or of none: or .nc")
    has_time = "time" in fields[0].dims
    size = [dataset.sizes.get(name, 1) for name in ("z", "y", "x")]
    stack = np.stack([field.values.reshape(-1, *size) for field in fields], axis=2)
    metadata: dict[str, Any] = {
        "axes": "TZCYX",
        "mode": "composite",
        "spacing": distance(dataset, "z") if "z" in dataset.dims else 1.0,
        "Info": describe(dataset),
        "Labels": [str(field.name) for field in fields] * (stack.shape[0] * stack.shape[1]),
    }
    if has_time:
        metadata["finterval"] = distance(dataset, "time")
    along = [1 / distance(dataset, name if name in dataset.dims else "x") for name in ("x", "y")]
    how = {"imagej": True, "resolution": along, "metadata": metadata}
    try:
        with replacing(path) as beside:
            require("tifffile").imwrite(beside, stack, **how)
    except ValueError as error:
        raise ParameterError(f"a .tif file for ImageJ cannot hold the run: {error}") from error


def holds_hyperstack(path: Path) -> bool:
    """Whether a TIFF is one of a run."""
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            return f'"{ABOUT}"' in str((file.imagej_metadata or {}).get("Info", ""))
    except Exception:  # no tifffile, no such file, or no TIFF: whoever reads it as an image says so
        return False


def read_hyperstack(path: Path) -> Any:
    """Read what `write_hyperstack` wrote, as the dataset."""
    with require("tifffile").TiffFile(path) as file:
        dataset = described((file.imagej_metadata or {})["Info"])
        stack = file.asarray()
    axes = [name for name in "zyx" if name in dataset.dims]
    has_time = "time" in dataset.dims
    fields = fields_of(dataset)
    size = [dataset.sizes.get(name, 1) for name in ("z", "y", "x")]
    stack = stack.reshape(-1, size[0], len(fields), *size[1:]).astype(np.float32)
    for at, name in enumerate(fields):
        values = stack[:, :, at].reshape(-1, *(dataset.sizes[one] for one in axes))
        dataset[name] = (("time", *axes), values) if has_time else (axes, values[0])
    return dataset
