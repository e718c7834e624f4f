"""What the fit of a snapshot gives back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.errors import FitError
from mfnjax.fitting.plain_json import json_text, plain
from mfnjax.models.gray_scott import GrayScottModel
from mfnjax.plotting.style import also_saved, in_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STATIONARY, MOVING = "stationary", "not stationary"


def decimals(error: float) -> int:
    """How many decimals show an error with two digits: 4 for 0.0012."""
    return max(0, 1 - math.floor(math.log10(error))) if error > 0 else 6


@final
@dataclass(frozen=True, repr=False)
class SnapshotFit:
    """The result of `mfnjax.fitting.fit_snapshot`.

    Attributes:
        verdict: ``stationary``, or ``not stationary``: then no parameters are given.
        parameters: ``feed``, ``kill``, ``d_u``, ``d_v``; empty if the verdict is against it.
        intervals: Parameter → 90 % interval (low, high), of those that were estimated.
        rejected: What came nearest, if the verdict is against it: no estimate, but a trace.
        misfit: Root mean square of (run − image), in units of the noise.
        structured_misfit: The same of what has the pattern's own wavelengths.
        noise: σ of the noise, in the unit of the image.
        noise_is_estimated: Whether σ was measured on the image.
        scale: s of image = s·v + o.
        offset: o.
        duration: Length of the run that was compared, in the model's time.
        pattern_class: One of `PATTERN_CLASSES`.
        degeneracy: The family of parameters that the image cannot tell apart; None if none.
        assumptions: What was taken as given, in words.
        image: The image (H, W).
        field: v at the end of the run (H, W).
        compared: The end of the run in the unit of the image (H, W).
        grid: The grid.
        seconds: Wall-clock time, compilation included.
    """

    verdict: str
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    rejected: dict[str, float]
    misfit: float
    structured_misfit: float
    noise: float
    noise_is_estimated: bool
    scale: float
    offset: float
    duration: float
    pattern_class: str
    degeneracy: str | None
    assumptions: tuple[str, ...]
    image: np.ndarray
    field: np.ndarray
    compared: np.ndarray
    grid: Grid
    seconds: float

    @property
    def stationary(self) -> bool:
        """Whether a pattern at rest explains the image."""
        return self.verdict == STATIONARY

    @property
    def model(self) -> GrayScottModel:
        """The fitted model.

        Raises:
            FitError: The pattern is not stationary, so there is none.
        """
        if not self.parameters:
            raise FitError(
                f"the pattern is {self.verdict} (misfit {self.misfit:.2f} of the noise): it has no "
                "fitted model"
            )
        return GrayScottModel(**self.parameters)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values, without the fields."""
        skipped = ("image", "field", "compared", "grid")
        told = {k: plain(v) for k, v in vars(self).items() if k not in skipped}
        return told | {"shape": list(self.grid.shape), "boundary": self.grid.boundary.name}

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON; also written to ``path`` where one is given."""
        return json_text(self.to_dict(), path)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw image, fit and residuals; also written to ``path`` where one is given."""
        return also_saved(_drawn(self), path)

    def __repr__(self) -> str:
        how = f"misfit {self.misfit:.3f} of the noise over a run of {self.duration:.0f}"
        lines = [f"SnapshotFit: {self.verdict}, {self.pattern_class}; {how}, {self.seconds:.1f} s"]
        for name, value in self.parameters.items():
            if name in self.intervals:
                low, high = self.intervals[name]
                d = decimals((high - low) / 2)
                lines.append(f"  {name:<5} = {value:<9.{d}f} (90 %: {low:.{d}f} to {high:.{d}f})")
            else:
                lines.append(f"  {name:<5} = {value:<9.5g} (given)")
        lines += [f"  {text}" for text in self.assumptions]
        if self.degeneracy:
            lines.append(f"  {self.degeneracy}")
        return "\n".join(lines)


@in_style
def _drawn(fit: SnapshotFit) -> Figure:
    """The image, the run that is compared with it, and what is left, with its distribution.

    Residuals without structure and with the bell curve's spread speak for the fit.
    """
    from matplotlib.figure import Figure

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
    if not fit.stationary:
        return f"{fit.verdict}: misfit {fit.misfit:.2f} of the noise, no parameters given"
    parts = []
    for name, symbol in (("feed", "F"), ("kill", "k"), ("d_u", "D_u"), ("d_v", "D_v")):
        if name in fit.intervals:
            low, high = fit.intervals[name]
            half = (high - low) / 2
            d = decimals(half)
            parts.append(f"{symbol} = {fit.parameters[name]:.{d}f} ± {half:.{d}f}")
    return f"{fit.pattern_class}, {fit.verdict} (misfit {fit.misfit:.2f}):  " + ",  ".join(parts)
