"""Figures of a snapshot's fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from mfnjax.fitting.objectives.field_statistics import radial_power_spectrum
from mfnjax.fitting.snapshot.result import decimals
from mfnjax.plotting.style import in_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mfnjax.fitting.snapshot.result import SnapshotFit


@in_style
def plot_snapshot(fit: SnapshotFit) -> Figure:
    """The image, the run that is compared with it, and what is left, with its distribution.

    Args:
        fit: The fit.

    Returns:
        The figure: residuals without structure and with the bell curve's spread speak for the
        fit. Of a black-and-white picture: a pattern grown with the parameters, beside the
        picture, and the spectra of both.
    """
    from matplotlib.figure import Figure

    if fit.outlines_only:
        return _outlines(fit)
    figure = Figure(figsize=(9.6, 3.1), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 0.9))
    low, high = np.quantile(fit.image, [0.002, 0.998])
    shown = ((axes[0], fit.image, "image"), (axes[1], fit.compared, "model"))
    for ax, values, title in shown:
        picture = ax.imshow(values, cmap="magma", vmin=low, vmax=high)
        ax.set_title(title)
    figure.colorbar(picture, ax=axes[:2], shrink=0.75, label="grey level", location="left")
    sigma = max(fit.noise, np.finfo(float).tiny)
    residual = fit.image - fit.compared
    unit = sigma if fit.noise > 0 else max(float(residual.std()), np.finfo(float).tiny)
    rest = axes[2].imshow(residual / unit, cmap="RdBu_r", vmin=-4, vmax=4)
    axes[2].set_title("image − model")
    figure.colorbar(rest, ax=axes[2], shrink=0.75, label="in units of the noise")
    for ax in axes[:3]:
        ax.set_xticks([])
        ax.set_yticks([])
    _residuals(axes[3], residual / unit)
    figure.suptitle(_headline(fit), fontsize=10)
    return figure


def _outlines(fit: SnapshotFit) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.1), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    shown = [(fit.image, "image", "#21406f")]
    if fit.parameters:
        shown.append((fit.compared, "grown anew", "#c2571a"))
    for ax, (values, title, colour) in zip(axes, shown, strict=False):
        ax.imshow(values, cmap="gray", vmin=fit.image.min(), vmax=fit.image.max())
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([])
        if np.ptp(values) == 0:  # nothing grew
            ax.set_title(f"{title}: vanished")
            continue
        mask = jnp.asarray(values > values.mean(), jnp.float32)
        power = np.asarray(radial_power_spectrum(mask))[1:]
        waves = min(values.shape) / np.arange(1, power.size + 1)
        part = (waves <= 60) & (waves >= 4)
        axes[2].plot(waves[part], power[part] / power.sum(), color=colour, label=title)
    for ax in axes[len(shown) : 2]:
        ax.set_axis_off()
    axes[2].set(xlabel="wavelength (cells)", title="share of the variance", xscale="log")
    axes[2].minorticks_off()
    axes[2].set_xticks([5, 10, 20, 40], ["5", "10", "20", "40"])
    axes[2].legend(loc="upper right")
    figure.suptitle(_headline(fit), fontsize=10)
    return figure


def _residuals(axes: Axes, scaled: np.ndarray) -> None:
    x = np.linspace(-4.5, 4.5, 200)
    axes.hist(
        np.clip(scaled, -4.5, 4.5).ravel(),
        bins=45,
        range=(-4.5, 4.5),
        density=True,
        color="#9db4d6",
    )
    axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color="#c2571a", label="noise alone")
    axes.set_title("residuals")
    axes.set_xlabel("in units of the noise")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.legend(loc="upper left", handlelength=1.2)
    axes.set_ylim(0, 0.55)


def _headline(fit: SnapshotFit) -> str:
    if fit.outlines_only and not fit.parameters:
        return f"{fit.verdict}: no parameters given"
    if not fit.stationary:
        return f"{fit.verdict}: misfit {fit.misfit:.2f} of the noise, no parameters given"
    parts = []
    for name, symbol in (("feed", "F"), ("kill", "k"), ("d_u", "D_u"), ("d_v", "D_v")):
        if name in fit.intervals:
            low, high = fit.intervals[name]
            half = (high - low) / 2
            d = decimals(half)
            parts.append(f"{symbol} = {fit.parameters[name]:.{d}f} ± {half:.{d}f}")
    judged = "" if fit.outlines_only else f" (misfit {fit.misfit:.2f})"
    return f"{fit.pattern_class}, {fit.verdict}{judged}:  " + ",  ".join(parts)
