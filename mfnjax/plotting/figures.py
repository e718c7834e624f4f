"""Figures of fields, runs and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mfnjax.core.quantity import POTENTIAL, Quantity
from mfnjax.errors import ParameterError
from mfnjax.plotting.style import in_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


def _image(axes: Axes, values: np.ndarray, quantity: Quantity, **limits: float) -> Any:
    axes.set_xlabel("x (cells)")
    axes.set_ylabel("y (cells)")
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    return axes.imshow(values, cmap=quantity.colour_map, **limits)


def _upright(quantity: Quantity) -> int:
    """The rotation of a label beside an axis: a single letter stands (a lying v reads as >)."""
    return 0 if len(quantity.title) <= 2 else 90


def _label(bar: Any, quantity: Quantity) -> None:
    """Name a colour bar."""
    bar.set_label(quantity.title, rotation=_upright(quantity))


@in_style
def plot_field(field: Any, quantity: Quantity = POTENTIAL, *, title: str | None = None) -> Figure:
    """A field with its colour bar.

    Args:
        field: (H, W), in the stored unit (volts for `POTENTIAL`).
        quantity: What it is.
        title: Title, or None.

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
    values = quantity.shown(_check_image(field))
    figure = _figure(4.8, 4.0)
    axes = figure.subplots()
    image = _image(axes, values, quantity)
    if title:
        axes.set_title(title)
    _label(figure.colorbar(image, ax=axes, shrink=0.9), quantity)
    return figure


@in_style
def plot_mask(mask: Any, *, title: str | None = None) -> Figure:
    """A boolean image: set cells dark on white.

    Raises:
        ParameterError: Not an (H, W) array.
    """
    values = _check_image(mask).astype(np.float64)
    figure = _figure(4.0, 4.0)
    axes = figure.subplots()
    _image(axes, values, Quantity("mask", colour_map="Greys"), vmin=0, vmax=1.15)
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

    Returns:
        The figure.

    Raises:
        ParameterError: Not a (T, H, W) array, or another number of steps.
    """
    frames = _check_image(history, 3)
    if len(steps) != len(frames):
        raise ParameterError(f"{len(frames)} frames need as many steps, got {len(steps)}")
    chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    values = quantity.shown(frames[chosen])
    low, high = np.percentile(values, (0.5, 99.5))
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = _figure(2.3 * columns + 0.9, 2.35 * rows + (0.35 if title else 0.0))
    grid = figure.subplots(rows, columns, squeeze=False)
    image = None
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, value, index in zip(grid.flat, values, chosen, strict=False):
        image = axes.imshow(value, cmap=quantity.colour_map, vmin=low, vmax=high)
        axes.set_title(f"step {steps[index]:,}".replace(",", "\u202f"), fontsize=9)
    every = grid.ravel().tolist()
    bar = figure.colorbar(image, ax=every, extend="both", shrink=0.85, pad=0.02, aspect=25)
    _label(bar, quantity)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _draw_evolution(axes: Axes, history: np.ndarray, steps: Any, quantity: Quantity) -> None:
    values = quantity.shown(history).reshape(len(history), -1)
    mean, spread = values.mean(axis=1), values.std(axis=1)
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
) -> Figure:
    """Mean, spread and extremes of a field over time.

    Args:
        history: (T, H, W), in the stored unit.
        steps: The step that each frame stands at.
        quantity: What it is.
        title: Title, or None.

    Returns:
        The figure.

    Raises:
        ParameterError: Not a (T, H, W) array, or another number of steps.
    """
    frames = _check_image(history, 3)
    if len(steps) != len(frames):
        raise ParameterError(f"{len(frames)} frames need as many steps, got {len(steps)}")
    figure = _figure(5.6, 3.4)
    axes = figure.subplots()
    _draw_evolution(axes, frames, np.asarray(steps), quantity)
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
) -> Figure:
    """The final field of a run, beside its evolution where frames were saved.

    Args:
        field: (H, W), in the stored unit.
        quantity: What it is.
        frames: (T, H, W), or None.
        steps: The step that each frame stands at.
        title: Title, or None.

    Returns:
        The figure.

    Raises:
        ParameterError: Not an (H, W) array.
    """
    if frames is None or len(frames) == 0:
        return plot_field(field, quantity, title=title)
    figure = _figure(8.8, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    image = _image(left, quantity.shown(_check_image(field)), quantity)
    _label(figure.colorbar(image, ax=left, shrink=0.9), quantity)
    figure.get_layout_engine().set(wspace=0.07)
    _draw_evolution(right, np.asarray(frames), np.asarray(steps), quantity)
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
