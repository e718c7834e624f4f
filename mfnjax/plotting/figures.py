"""Figures of fields, runs and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mfnjax._checks import check_choice
from mfnjax.core.quantity import POTENTIAL, Quantity
from mfnjax.errors import ParameterError
from mfnjax.plotting.space import Extent, Space, space_of
from mfnjax.plotting.style import in_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

_INK, _SOFT, _ACCENT = "#21406f", "#9db4d6", "#c2571a"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _check_image(field: Any, ndim: int = 2) -> np.ndarray:
    array = np.asarray(field)
    if array.ndim != ndim or array.size == 0:
        expected = "(H, W)" if ndim == 2 else "(T, H, W)"
        raise ParameterError(f"a picture needs an array {expected}, got shape {array.shape}")
    return array


def _image(
    axes: Axes,
    values: np.ndarray,
    quantity: Quantity,
    space: Space,
    down: int = 0,
    across: int = 1,
    **limits: float,
) -> Any:
    """Draw a plane: the axis ``down`` of space downwards, ``across`` to the right."""
    axes.set_xlabel(space.label(across))
    axes.set_ylabel(space.label(down), rotation=0 if len(space.label(down)) == 1 else 90)
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    extent = (*space.edges[across], *reversed(space.edges[down]))
    return axes.imshow(values, cmap=quantity.colour_map, extent=extent, **limits)


def _shown(space: Space, values: Any, quantity: Quantity) -> np.ma.MaskedArray:
    """Values over the directions of space, as they are shown, blank where no cell takes part."""
    laid = space.laid(values)
    return np.ma.masked_array(quantity.shown(laid.data), laid.mask)


def _upright(quantity: Quantity) -> int:
    """The rotation of a label beside an axis: a single letter stands (a lying v reads as >)."""
    return 0 if len(quantity.title) <= 2 else 90


def _label(bar: Any, quantity: Quantity) -> None:
    """Name a colour bar."""
    bar.set_label(quantity.title, rotation=_upright(quantity))


@in_style
def plot_field(
    field: Any,
    quantity: Quantity = POTENTIAL,
    *,
    title: str | None = None,
    mask: Any = None,
    extent: Extent | None = None,
) -> Figure:
    """A field in the plane with its colour bar.

    Args:
        field: (H, W), in the stored unit (volts for `POTENTIAL`).
        quantity: What it is.
        title: Title, or None.
        mask: Fractions of the cells that take part, (H, W); cells of 0 are blank.
        extent: Outer edges (low, high) of the field along each axis, in the order of its shape:
            ``((y_low, y_high), (x_low, x_high))``. None counts cells.

    Returns:
        The figure.

    Raises:
        ParameterError: Not an (H, W) array.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.plotting import plot_field
        >>> figure = plot_field(np.full((8, 8), -0.07))
        >>> figure.axes[1].get_ylabel()
        'membrane potential (mV)'
    """
    space = space_of(_check_image(field).shape, mask, extent, thin=True)
    figure = _figure(4.8, 4.0)
    axes = _draw_plane(figure, space, field, quantity)
    if title:
        axes.set_title(title)
    return figure


def _draw_plane(figure: FigureBase, space: Space, field: Any, quantity: Quantity) -> Axes:
    axes: Axes = figure.subplots()
    image = _image(axes, _shown(space, field, quantity), quantity, space)
    _label(figure.colorbar(image, ax=axes, shrink=0.9), quantity)
    return axes


@in_style
def plot_profile(
    fields: Sequence[tuple[Any, Quantity]],
    *,
    title: str | None = None,
    mask: Any = None,
    extent: Extent | None = None,
) -> Figure:
    """Fields along a line, one above the other.

    Args:
        fields: For each field its values, (W,) or (1, W) in the stored unit, and what it is.
        title: Title, or None.
        mask: Fractions of the cells that take part, of that shape; cells of 0 are blank.
        extent: Outer edges (low, high) along each axis, in the order of the shape. None counts
            cells.

    Returns:
        The figure.

    Raises:
        ParameterError: No field, or fields that differ in shape or have two directions of space.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.plotting import Quantity, plot_profile
        >>> figure = plot_profile([(np.linspace(0, 1, 8), Quantity("u"))], extent=[(0, 4)])
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
        ('x', 'u')
    """
    shapes = {np.shape(values) for values, _ in fields}
    if len(shapes) != 1:
        raise ParameterError(f"a profile needs fields of one shape, got {sorted(shapes)}")
    space = _line(shapes.pop(), mask, extent)
    figure = _figure(5.6, 0.7 + 1.9 * len(fields))
    _draw_profile(figure, space, fields)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _line(shape: tuple[int, ...], mask: Any, extent: Extent | None) -> Space:
    space = space_of(shape, mask, extent)
    if len(space.shape) > 1:
        raise ParameterError(f"this picture is of one direction of space, got shape {shape}")
    return space


def _draw_profile(figure: FigureBase, space: Space, fields: Sequence[tuple[Any, Quantity]]) -> None:
    panels = figure.subplots(len(fields), 1, sharex=True, squeeze=False)[:, 0]
    place = space.centres(0)
    for axes, (values, quantity) in zip(panels, fields, strict=True):
        axes.plot(place, _shown(space, values, quantity), color=_INK)
        axes.set_ylabel(quantity.title, rotation=_upright(quantity))
        axes.grid(True)
    panels[-1].set_xlim(space.edges[0])
    panels[-1].set_xlabel(space.label(0))


@in_style
def plot_kymograph(
    history: Any,
    steps: Sequence[int],
    quantity: Quantity = POTENTIAL,
    *,
    title: str | None = None,
    mask: Any = None,
    extent: Extent | None = None,
) -> Figure:
    """A field along a line over time: places to the right, steps upwards.

    Args:
        history: (T, W) or (T, 1, W), in the stored unit.
        steps: The step that each of the T frames stands at, rising.
        quantity: What it is.
        title: Title, or None.
        mask: Fractions of the cells that take part, of a frame's shape; cells of 0 are blank.
        extent: Outer edges (low, high) along each axis of a frame. None counts cells.

    Returns:
        The figure.

    Raises:
        ParameterError: Another shape, another number of steps, or steps that do not rise.
    """
    frames = _check_history(history, steps)
    space = _line(frames.shape[1:], mask, extent)
    figure = _figure(4.8, 4.0)
    axes = _draw_kymograph(figure, space, frames, steps, quantity)
    if title:
        axes.set_title(title)
    return figure


def _check_history(history: Any, steps: Sequence[int]) -> np.ndarray:
    frames = np.asarray(history)
    if frames.ndim < 2 or frames.size == 0:
        raise ParameterError(f"a history needs frames (T, …), got shape {frames.shape}")
    if len(steps) != len(frames):
        raise ParameterError(f"{len(frames)} frames need as many steps, got {len(steps)}")
    return frames


def _draw_kymograph(
    figure: FigureBase, space: Space, frames: np.ndarray, steps: Sequence[int], quantity: Quantity
) -> Axes:
    moments = np.asarray(steps, np.float64)
    if np.any(np.diff(moments) <= 0):
        raise ParameterError("the steps of a kymograph must rise")
    # Each frame fills the time up to halfway to its neighbours.
    middles = (moments[1:] + moments[:-1]) / 2
    first, last = (middles[0], middles[-1]) if len(middles) else (moments[0] - 1, moments[0] + 1)
    times = np.concatenate([[2 * moments[0] - first], middles, [2 * moments[-1] - last]])
    places = np.linspace(*space.edges[0], space.shape[0] + 1)
    axes: Axes = figure.subplots()
    values = _shown(space, frames, quantity)
    mesh = axes.pcolormesh(places, times, values, cmap=quantity.colour_map, rasterized=True)
    axes.set_xlabel(space.label(0))
    axes.set_ylabel("step")
    _label(figure.colorbar(mesh, ax=axes, shrink=0.9), quantity)
    return axes


PROJECTIONS = ("max", "mean")
"""What `plot_slices` can draw beside the slices: the largest value along z, or the mean."""


@in_style
def plot_slices(
    field: Any,
    quantity: Quantity = POTENTIAL,
    *,
    title: str | None = None,
    mask: Any = None,
    extent: Extent | None = None,
    projection: str = "max",
) -> Figure:
    """A field in space: its three middle planes, and its projection along z, on one scale.

    Args:
        field: (D, H, W), in the stored unit.
        quantity: What it is.
        title: Title, or None.
        mask: Fractions of the cells that take part, (D, H, W); cells of 0 are blank.
        extent: Outer edges (low, high) along z, y and x. None counts cells.
        projection: ``max`` or ``mean`` (weighed by the fractions).

    Returns:
        The figure.

    Raises:
        ParameterError: Not a (D, H, W) array with three directions of space, or another
            projection.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.plotting import plot_slices
        >>> figure = plot_slices(np.full((4, 6, 8), -0.07))
        >>> [axes.get_title() for axes in figure.axes[:4]]
        ['z = 2', 'x = 4', 'y = 3', 'maximum along z']
    """
    space = space_of(np.shape(field), mask, extent)
    if len(space.shape) != 3:
        raise ParameterError(f"slices need a field (D, H, W), got shape {np.shape(field)}")
    figure = _figure(6.4, _slices_height(space, 6.4))
    _draw_slices(figure, space, field, quantity, projection)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _slice_sides(space: Space) -> tuple[list[float], list[float]]:
    """Room for the slices: the widths of the two columns, the heights of the two rows."""
    deep, high, wide = (last - first for first, last in space.edges)
    return [wide, max(wide, deep)], [high, max(high, deep)]


def _slices_height(space: Space, width: float) -> float:
    """The height of a figure of that width in which all slices have about one scale, in inches."""
    widths, heights = _slice_sides(space)
    return float(np.clip((width - 2.0) * sum(heights) / sum(widths) + 1.6, 3.2, 9.0))


def _draw_slices(
    figure: FigureBase, space: Space, field: Any, quantity: Quantity, projection: str = "max"
) -> None:
    check_choice("projection", projection, PROJECTIONS)
    values = _shown(space, field, quantity)
    limits = {"vmin": float(values.min()), "vmax": float(values.max())}
    z, y, x = middle = [size // 2 for size in space.shape]
    along = values.max(axis=0)
    if projection == "mean":
        along = np.ma.average(values, axis=0, weights=space.mask)
    planes = (
        (values[z], 1, 2, _at(space, 0, middle)),
        (values[:, :, x].T, 1, 0, _at(space, 2, middle)),
        (values[:, y], 0, 2, _at(space, 1, middle)),
        (along, 1, 2, {"max": "maximum", "mean": "mean"}[projection] + " along z"),
    )
    # About one scale for all panels: columns and rows have room for the longest side in them.
    widths, heights = _slice_sides(space)
    panels = figure.subplots(2, 2, width_ratios=widths, height_ratios=heights)
    for axes, (plane, down, across, text) in zip(panels.flat, planes, strict=True):
        image = _image(axes, plane, quantity, space, down, across, **limits)
        axes.set_title(text, fontsize=9)
    _label(figure.colorbar(image, ax=panels.ravel().tolist(), shrink=0.7), quantity)


def _at(space: Space, axis: int, cell: Sequence[int]) -> str:
    """Where a slice lies, as its title says it."""
    place = cell[axis] if space.unit else space.centres(axis)[cell[axis]]
    return f"{space.names[axis]} = {place:.4g}"


@in_style
def plot_mask(mask: Any, *, title: str | None = None) -> Figure:
    """A boolean image: set cells dark on white.

    Raises:
        ParameterError: Not an (H, W) array.
    """
    values = _check_image(mask).astype(np.float64)
    figure = _figure(4.0, 4.0)
    axes = figure.subplots()
    quantity = Quantity("mask", colour_map="Greys")
    _image(axes, values, quantity, space_of(values.shape, thin=True), vmin=0, vmax=1.15)
    if title:
        axes.set_title(title)
    return figure


@in_style
def plot_frames(
    history: Any,
    steps: Sequence[int],
    quantity: Quantity = POTENTIAL,
    *,
    count: int = 6,
    title: str | None = None,
    mask: Any = None,
    extent: Extent | None = None,
) -> Figure:
    """Frames of a history side by side, on one colour scale.

    The scale spans the middle 99 % of all values of the shown frames; the bar's arrows stand for
    the rest.

    Args:
        history: (T, H, W), in the stored unit.
        steps: The step that each of the T frames stands at.
        quantity: What it is.
        count: Frames to show, at most; spread evenly from the first to the last.
        title: Title, or None.
        mask: As in `plot_field`.
        extent: As in `plot_field`.

    Returns:
        The figure.

    Raises:
        ParameterError: Not a (T, H, W) array, or another number of steps.
    """
    frames = _check_image(history, 3)
    if len(steps) != len(frames):
        raise ParameterError(f"{len(frames)} frames need as many steps, got {len(steps)}")
    chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    space = space_of(frames.shape[1:], mask, extent, thin=True)
    values = _shown(space, frames[chosen], quantity)
    low, high = np.percentile(values.compressed(), (0.5, 99.5))
    edges = (*space.edges[1], *reversed(space.edges[0]))
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = _figure(2.3 * columns + 0.9, 2.35 * rows + (0.35 if title else 0.0))
    grid = figure.subplots(rows, columns, squeeze=False)
    image = None
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, value, index in zip(grid.flat, values, chosen, strict=False):
        image = axes.imshow(value, cmap=quantity.colour_map, vmin=low, vmax=high, extent=edges)
        axes.set_title(f"step {steps[index]:,}".replace(",", "\u202f"), fontsize=9)
    every = grid.ravel().tolist()
    bar = figure.colorbar(image, ax=every, extend="both", shrink=0.85, pad=0.02, aspect=25)
    _label(bar, quantity)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _draw_evolution(
    axes: Axes, history: np.ndarray, steps: Any, quantity: Quantity, mask: Any
) -> None:
    values = quantity.shown(history).reshape(len(history), -1)
    if mask is None:
        mean, spread = values.mean(axis=1), values.std(axis=1)
    else:
        weights = np.asarray(mask, np.float64).reshape(-1)
        values, weights = values[:, weights > 0], weights[weights > 0]
        mean = np.average(values, axis=1, weights=weights)
        spread = np.sqrt(np.average((values - mean[:, None]) ** 2, axis=1, weights=weights))
    axes.fill_between(
        steps, mean - spread, mean + spread, color=_SOFT, alpha=0.6, lw=0, label="mean ± 1 std"
    )
    axes.plot(steps, mean, color=_INK, label="mean")
    axes.plot(steps, values.max(axis=1), color=_ACCENT, lw=0.9, label="maximum")
    axes.plot(steps, values.min(axis=1), color=_ACCENT, lw=0.9, ls="--", label="minimum")
    axes.set_xlabel("step")
    axes.set_ylabel(quantity.title, rotation=_upright(quantity))
    axes.grid(True)
    axes.margins(x=0.01)
    axes.legend(loc="best")


@in_style
def plot_evolution(
    history: Any,
    steps: Sequence[int],
    quantity: Quantity = POTENTIAL,
    *,
    title: str | None = None,
    mask: Any = None,
) -> Figure:
    """Mean, spread and extremes of a field over time.

    Args:
        history: (T, H, W), or with one or three axes of space, in the stored unit.
        steps: The step that each frame stands at.
        quantity: What it is.
        title: Title, or None.
        mask: Fractions of the cells that take part, of a frame's shape: they weigh.

    Returns:
        The figure.

    Raises:
        ParameterError: Not such an array, or another number of steps.
    """
    frames = _check_history(history, steps)
    space_of(frames.shape[1:], mask)
    figure = _figure(5.6, 3.4)
    axes = figure.subplots()
    _draw_evolution(axes, frames, np.asarray(steps), quantity, mask)
    if title:
        axes.set_title(title)
    return figure


@in_style
def plot_run(
    field: Any,
    quantity: Quantity = POTENTIAL,
    *,
    frames: Any = None,
    steps: Sequence[int] | None = None,
    title: str | None = None,
    mask: Any = None,
    extent: Extent | None = None,
    others: Sequence[tuple[Any, Quantity]] = (),
) -> Figure:
    """The final field of a run, beside its evolution where frames were saved.

    What is drawn follows the directions of space: along a line the profiles of all fields,
    beside a kymograph; in the plane an image, and in space slices, beside mean and extremes.

    Args:
        field: With one to three axes, in the stored unit.
        quantity: What it is.
        frames: (T, …) of that shape, or None.
        steps: The step that each frame stands at.
        title: Title, or None.
        mask: Fractions of the cells that take part, of the field's shape; cells of 0 are blank.
        extent: Outer edges (low, high) along each axis, in the order of the shape. None counts
            cells.
        others: The other fields, each with what it is: drawn along a line only.

    Returns:
        The figure.

    Raises:
        ParameterError: No such array, or frames, mask or extent that are none of its.
    """
    space = space_of(np.shape(field), mask, extent)
    directions = len(space.shape)
    widths, height = {1: (5.2, 4.6), 2: (4.1, 4.7), 3: (5.8, 4.4)}[directions], 3.7
    if directions == 1:
        height = max(3.4, 2.6 + 1.7 * len(others))
    elif directions == 3:
        height = _slices_height(space, widths[0])
    if frames is None or len(frames) == 0:
        figure = _figure(4.8, 4.0) if directions == 2 else _figure(widths[0], height)
        left: FigureBase = figure
    else:
        moments = () if steps is None else steps
        frames = _check_history(frames, moments)
        if frames.shape[1:] != np.shape(field):
            raise ParameterError(f"frames of {np.shape(field)} expected, got {frames.shape[1:]}")
        figure = _figure(sum(widths), height)
        left, right = figure.subfigures(1, 2, width_ratios=widths, wspace=0.03)
    if directions == 1:
        _draw_profile(left, space, [(field, quantity), *others])
    elif directions == 2:
        _draw_plane(left, space, field, quantity)
    else:
        _draw_slices(left, space, field, quantity)
    if left is not figure:
        if directions == 1:
            _draw_kymograph(right, space, frames, moments, quantity)
        else:
            axes = right.subplots()
            _draw_evolution(axes, frames, np.asarray(moments), quantity, mask)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def plot_result(result: Any) -> Figure:
    """What ``result.plot()`` draws, of any result."""
    figure: Figure = result.plot()
    return figure


@in_style
def plot_box_counts(
    sizes: Sequence[int], counts: Sequence[int], dimension: float, *, title: str | None = None
) -> Figure:
    """Box counts over box size, on logarithmic axes, with the line of that dimension.

    Args:
        sizes: Box sides, cells.
        counts: Occupied boxes of each size; sizes with none are left out.
        dimension: Slope of the fit.
        title: Title, or None.

    Returns:
        The figure.
    """
    from matplotlib.ticker import FuncFormatter, NullLocator

    side, occupied = np.asarray(sizes, np.float64), np.asarray(counts, np.float64)
    side, occupied = side[occupied > 0], occupied[occupied > 0]
    figure = _figure(4.4, 3.6)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    if side.size > 1:
        middle = np.log(occupied).mean() + dimension * np.log(side).mean()
        line = np.exp(middle) * side**-dimension
        axes.plot(side, line, color=_ACCENT, label=f"D = {dimension:.3f}")
    axes.plot(side, occupied, "o", color=_INK, ms=5, label="boxes counted")
    axes.set_xticks(side)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("box side s (cells)")
    axes.set_ylabel("occupied boxes N(s)")
    axes.grid(True)
    axes.legend()
    if title:
        axes.set_title(title)
    return figure
