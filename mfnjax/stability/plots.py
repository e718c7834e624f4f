"""The dispersion curve as a picture (matplotlib is imported only when one is drawn)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mfnjax._files import check_writable, replacing
from mfnjax.stability.analysis import ModelStability

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_dispersion(analysis: ModelStability, path: str | Path | None = None) -> Figure:
    """Growth rate σ(q) of every homogeneous state, with the fastest mode marked.

    Dashed where the leading mode oscillates. The frame ends where the curves have dropped well
    below the largest growth rate.

    Args:
        analysis: What `analyse` returned.
        path: File to write (``.png``, ``.svg``, ``.pdf``), or None.

    Returns:
        The matplotlib figure (not registered with pyplot: nothing to close).

    Raises:
        DataError: The file cannot be written.

    Examples:
        >>> from mfnjax.models import SchnakenbergModel
        >>> from mfnjax.stability import analyse, plot_dispersion
        >>> figure = plot_dispersion(analyse(SchnakenbergModel()))
        >>> figure.axes[0].get_xlabel()
        'wavenumber q [1/length]'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0.0, color="0.6", lw=0.8)
    for index, report in enumerate(analysis.reports):
        colour = f"C{index}"
        values = zip(analysis.fields, report.state, strict=True)
        label = ", ".join(f"{name} = {value:.4g}" for name, value in values)
        q, sigma = report.wavenumbers, report.growth
        oscillates = np.abs(report.frequency) > report.tolerance
        axes.plot(q, np.where(oscillates, np.nan, sigma), color=colour, label=label)
        axes.plot(q, np.where(oscillates, sigma, np.nan), "--", color=colour)
        if report.fastest.wavenumber > 0 and report.fastest.growth > report.tolerance:
            at = (report.fastest.wavenumber, report.fastest.growth)
            axes.plot(*at, "o", color=colour)
            axes.annotate(
                f"wavelength {report.fastest.wavelength:.4g}",
                at,
                xytext=(6, 6),
                textcoords="offset points",
            )
    _frame(axes, analysis)
    axes.set_xlabel("wavenumber q [1/length]")
    axes.set_ylabel("growth rate σ [1/time]")
    axes.set_title(f"{analysis.model}: {analysis.sentence}", fontsize="small", wrap=True)
    if analysis.reports:
        axes.legend(fontsize="small")
    if path is not None:
        with replacing(check_writable(path)) as beside:
            figure.savefig(beside, dpi=150)
    return figure


def _frame(axes: object, analysis: ModelStability) -> None:
    """Keep what matters in the picture: the curves fall without end as q grows."""
    if not analysis.reports:
        return
    tops = [abs(report.growth[0]) for report in analysis.reports]
    tops += [abs(report.fastest.growth) for report in analysis.reports]
    scale = max(*tops, max(report.tolerance for report in analysis.reports) * 1e3)
    lasts = []
    for report in analysis.reports:
        seen = np.flatnonzero(report.growth > -2 * scale)
        lasts.append(report.wavenumbers[min(seen[-1] + 1, len(report.wavenumbers) - 1)])
    axes.set_xlim(0.0, max(lasts))  # type: ignore[attr-defined]
    axes.set_ylim(-2 * scale, 1.4 * scale)  # type: ignore[attr-defined]
