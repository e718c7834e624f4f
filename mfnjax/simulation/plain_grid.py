"""A grid as plain values: numbers and lists, sides as text, a mask as an array."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfnjax._checks import check_int, check_real, shown
from mfnjax.core.grid import Grid
from mfnjax.errors import DataError, ParameterError
from mfnjax.images import choose_threshold, half_range, mask_from_levels, read_image
from mfnjax.images.levels import MASK
from mfnjax.simulation.plain_sides import plain_sides, read_sides
from mfnjax.text.equations import Formula, check_directions, read_formula

LARGEST_SIDE = 4096
"""Cells along a side, at most, of a grid that is described by plain values."""

GRID_KEYS = ("grid_size", "shape", "spacing", "origin", "boundary", "mask")


def plain_grid(grid: Grid) -> dict[str, Any]:
    """A grid as plain values; a mask stays a NumPy array.

    Raises:
        ParameterError: No name stands for the boundary.
    """
    boundary = plain_sides(grid.boundary)
    values = {"shape": list(grid.shape), "spacing": _numbers(grid.spacing), "boundary": boundary}
    if np.any(grid.origin):
        values["origin"] = _numbers(grid.origin)
    if grid.mask is not None:
        values["mask"] = np.asarray(grid.mask)
    return values


def _numbers(value: Any) -> Any:
    return [float(one) for one in value] if isinstance(value, tuple) else np.asarray(value).tolist()


def read_grid(values: Mapping[str, Any], usual_size: int, fields: tuple[str, ...]) -> Grid:
    """The grid of plain values; ``fields`` are the model's, which sides may name.

    Raises:
        ParameterError: A value is not accepted.
    """
    mask = values.get("mask")
    is_text = isinstance(mask, str)
    if mask is not None and not is_text:
        mask = _array("mask", mask)
    shape = _shape(values, usual_size if mask is None or is_text else mask.shape)
    spacing = _per_axis("spacing", values.get("spacing", 1.0), len(shape), open_low=True, low=0.0)
    origin = _per_axis("origin", values.get("origin", 0.0), len(shape), low=-1e12)
    boundary = read_sides(values.get("boundary", "periodic"), shape, fields)
    if is_text:
        mask = _mask_of_text(str(mask), Grid(shape, spacing, "neumann", None, origin))
    return Grid(shape, spacing, boundary, mask, origin)


def _mask_of_text(text: str, grid: Grid) -> np.ndarray:
    """``disc``, a round dish that fills a square; or a formula of the place, as for a start."""
    if text.strip() == "disc":
        if len(grid.shape) != 2 or grid.shape[0] != grid.shape[1]:
            raise ParameterError(f"the mask 'disc' fills a square, not the shape {grid.shape}")
        return np.asarray(Grid.disc(grid.shape[0]).mask)
    try:
        check_directions(read_formula(text, "mask"), grid.axes)
        value = Formula(text, "mask")(grid.place(0.0, np.float32))
    except ParameterError as error:
        raise ParameterError(
            f"mask must be an array, 'disc' or a formula of the place; {error}"
        ) from error
    return np.broadcast_to(np.asarray(value, np.float32), grid.shape)


def _shape(values: Mapping[str, Any], usual: Any) -> tuple[int, ...]:
    """The shape that is said, a square of ``grid_size``, or the usual one (or size)."""
    size, shape = values.get("grid_size"), values.get("shape")
    if size is not None and shape is not None:
        raise ParameterError("grid_size is the side of a square, shape is (H, W): give one")
    if size is not None or (shape is None and isinstance(usual, int)):
        size = usual if size is None else check_int("grid_size", size, 4, LARGEST_SIDE)
        return (size, size)
    shape = usual if shape is None else shape
    sizes = shape if isinstance(shape, (list, tuple)) else [shape]
    if not 1 <= len(sizes) <= 3:
        raise ParameterError(f"shape must be W, (H, W) or (D, H, W), integers; got {shown(shape)}")
    sizes = tuple(check_int("shape", one, 1, LARGEST_SIDE**2) for one in sizes)
    if math.prod(sizes) > LARGEST_SIDE**2:
        raise ParameterError(f"shape is at most {LARGEST_SIDE**2} cells in all, got {shown(shape)}")
    return sizes


def _per_axis(name: str, value: Any, axes: int, *, low: float, open_low: bool = False) -> Any:
    """A number, or one an axis."""
    if not isinstance(value, (list, tuple)):
        return check_real(name, value, low, 1e12, open_low=open_low)
    if len(value) != axes:
        raise ParameterError(f"{name} must be a number or one an axis, {axes} in all; got {value}")
    return tuple(check_real(name, one, low, 1e12, open_low=open_low) for one in value)


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or not array.ndim:
        raise ParameterError(f"{name} must be an array of numbers, got {shown(value)}")
    return array


def read_mask(path: str | Path) -> np.ndarray:
    """The mask of a file: the bright pixels of an image, or the array of an ``.npy``.

    Raises:
        DataError: The file cannot be read.
    """
    array = read_array(path)
    return array if Path(path).suffix == ".npy" else mask_from_levels(array)


def read_levels(path: str | Path) -> np.ndarray:
    """A field of a file: the grey levels of an image, from 0 to 1, or the array of an ``.npy``.

    The levels of a mask of 0 and 1 are those, and floats are what they are.

    Raises:
        DataError: The file cannot be read.
    """
    array = read_array(path)
    if Path(path).suffix == ".npy":
        return array
    is_mask = choose_threshold(array).rule == MASK
    return array / (1.0 if is_mask else 2 * half_range(array.dtype))


def read_array(path: str | Path) -> np.ndarray:
    """Grey levels of an image file as stored, or the array of an ``.npy`` file.

    Raises:
        DataError: The file cannot be read.
    """
    if Path(path).suffix != ".npy":
        return read_image(path)
    try:
        return _array(str(path), np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as an array of numbers ({error})") from None


def listed(value: Any) -> Any:
    """Plain values with lists for arrays."""
    if isinstance(value, dict):
        return {name: listed(one) for name, one in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
