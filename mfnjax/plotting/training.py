"""Figures of a training run: how the loss fell, and what the network says of data it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mfnjax.plotting.figures import _ACCENT, _INK, _SOFT, _figure
from mfnjax.plotting.style import in_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@in_style
def plot_training(
    losses: Sequence[float],
    held_out: Sequence[float | None],
    *,
    best_epoch: int,
    test: tuple[Any, Any] | None = None,
    target_name: str = "target",
) -> Figure:
    """Loss curves, and beside them predicted against true values of a test set.

    Args:
        losses: Mean training loss of each epoch.
        held_out: Loss on the held-out samples after each epoch, or Nones.
        best_epoch: The epoch (1-based) whose weights were kept.
        test: (predicted, true), or None for the curves alone.
        target_name: What is predicted.

    Returns:
        The figure.

    Examples:
        >>> from mfnjax.plotting import plot_training
        >>> figure = plot_training([1.0, 0.5], [1.1, 0.7], best_epoch=2)
        >>> figure.axes[0].get_yscale()
        'log'
    """
    figure = _figure(4.8 if test is None else 8.4, 3.6)
    axes = np.atleast_1d(figure.subplots(1, 1 if test is None else 2))
    _curves(axes[0], losses, held_out, best_epoch)
    if test is not None:
        _agreement(axes[1], *test, target_name)
    return figure


def _curves(
    axes: Axes, losses: Sequence[float], held_out: Sequence[float | None], best_epoch: int
) -> None:
    epochs = np.arange(1, len(losses) + 1)
    axes.plot(epochs, losses, color=_SOFT, label="training")
    if any(loss is not None for loss in held_out):
        axes.plot(epochs, held_out, color=_INK, label="held out")
    axes.axvline(best_epoch, color=_ACCENT, linewidth=0.8, linestyle="--", label="weights kept")
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean squared error / target's variance")
    axes.grid(True, axis="y")
    axes.legend()


def _agreement(axes: Axes, predicted: Any, true: Any, name: str) -> None:
    both = np.concatenate([np.asarray(predicted).ravel(), np.asarray(true).ravel()])
    ends = [float(both.min()), float(both.max())]
    axes.plot(ends, ends, color=_SOFT, linewidth=0.8)
    axes.plot(true, predicted, "o", color=_INK, markersize=3, alpha=0.7)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"true {name}")
    axes.set_ylabel(f"predicted {name}, test rows")
    axes.grid(True)
