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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATIONARY, MOVING = "stationary", "not stationary"

APPROXIMATE, UNLIKE = "approximate", "unlike a pattern of the model"
"""Of a black-and-white picture: read off its outlines; or like nothing that was learned from."""


def decimals(error: float) -> int:
    """How many decimals show an error with two digits: 4 for 0.0012."""
    return max(0, 1 - math.floor(math.log10(error))) if error > 0 else 6


@final
@dataclass(frozen=True, repr=False)
class SnapshotFit:
    """The result of `mfnjax.fitting.fit_snapshot`.

    Attributes:
        verdict: ``stationary``, or ``not stationary``: then no parameters are given. Of a
            black-and-white picture ``approximate``, or ``unlike a pattern of the model``, or
            ``not stationary``.
        parameters: ``feed``, ``kill``, ``d_u``, ``d_v``; empty if the verdict is against it.
        intervals: Parameter → 90 % interval (low, high), of those that were estimated.
        rejected: What came nearest, if the verdict is against it: no estimate, but a trace.
        misfit: Root mean square of (run − image), in units of the noise; NaN where the image is
            black and white.
        structured_misfit: The same of what has the pattern's own wavelengths.
        noise: σ of the noise, in the unit of the image.
        noise_is_estimated: Whether σ was measured on the image.
        scale: s of image = s·v + o; NaN where the image is black and white.
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
        outlines_only: Whether the image is black and white; then ``field`` is a pattern grown with
            the parameters from a random start, and ``compared`` a mask of it.
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
    outlines_only: bool = False

    @property
    def stationary(self) -> bool:
        """Whether a pattern at rest explains the image."""
        return self.verdict in (STATIONARY, APPROXIMATE)

    @property
    def model(self) -> GrayScottModel:
        """The fitted model.

        Raises:
            FitError: The pattern is not stationary, so there is none.
        """
        if not self.parameters:
            misfit = "" if self.outlines_only else f" (misfit {self.misfit:.2f} of the noise)"
            raise FitError(f"the pattern is {self.verdict}{misfit}: it has no fitted model")
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
        from mfnjax.fitting.snapshot.plots import plot_snapshot
        from mfnjax.plotting.style import also_saved

        return also_saved(plot_snapshot(self), path)

    def __repr__(self) -> str:
        how = f"misfit {self.misfit:.3f} of the noise over a run of {self.duration:.0f}"
        if self.outlines_only:
            how = "from outlines alone"
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
