"""Pictures of fractal measurements (matplotlib is imported only when one is drawn)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mfnjax._files import check_writable, replacing
from mfnjax.fractal.dimension import DimensionEstimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_dimension_fit(result: DimensionEstimate, path: str | Path | None = None) -> Figure:
    """The log–log fit of a dimension: counts and line above, local slopes and interval below.

    Args:
        result: What `fractal_dimension` returned.
        path: File to write (``.png``, ``.svg``, ``.pdf``), or None.

    Returns:
        The matplotlib figure (not registered with pyplot: nothing to close).

    Raises:
        DataError: The file cannot be written.

    Examples:
        >>> import numpy as np
        >>> from mfnjax.fractal.dimension import fractal_dimension
        >>> figure = plot_dimension_fit(fractal_dimension(np.ones((64, 64))))
        >>> len(figure.axes)
        2
    """
    from matplotlib.figure import Figure

    sizes, counts = result.sizes, result.counts
    used = sizes >= result.fit_range[0]
    figure = Figure(figsize=(6.0, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    above.loglog(sizes[used], counts[used], "o", ms=4, color="C0", label="fewest boxes")
    above.loglog(sizes[~used], counts[~used], "o", ms=4, mfc="none", color="C0", label="left out")
    middle = np.log(counts[used]).mean() + result.dimension * np.log(sizes[used]).mean()
    label = f"D = {result.dimension:.4f} ± {result.standard_error:.4f}"
    above.loglog(sizes, np.exp(middle) * sizes**-result.dimension, "-", color="C1", label=label)
    above.set_ylabel("boxes N(s)")
    above.legend()
    below.axhspan(*result.interval, color="C1", alpha=0.25, lw=0, label=f"{result.confidence:.0%}")
    below.axhline(result.dimension, color="C1")
    below.plot(sizes, result.local_slopes, "o-", ms=3, lw=0.8, color="C0")
    below.set_xlabel("box side s (cells)")
    below.set_ylabel("local slope")
    below.legend()
    if path is not None:
        with replacing(check_writable(path)) as beside:
            figure.savefig(beside, dpi=150)
    return figure
