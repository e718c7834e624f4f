"""Pictures: fields, runs, measurements, films, and what a notebook shows.

Figures are plain `matplotlib.figure.Figure` objects, not registered with pyplot: nothing needs to
be closed, and no display is needed. Colour maps are perceptually uniform; potentials are in mV.
"""

from mfnjax.core.quantity import POTENTIAL, Quantity
from mfnjax.plotting.figures import (
    plot_box_counts,
    plot_evolution,
    plot_field,
    plot_frames,
    plot_kymograph,
    plot_mask,
    plot_profile,
    plot_result,
    plot_run,
    plot_slices,
)
from mfnjax.plotting.html import picture_and_table
from mfnjax.plotting.movie import write_movie
from mfnjax.plotting.style import png_bytes, save_figure
from mfnjax.plotting.training import plot_training

__all__ = [
    "POTENTIAL",
    "Quantity",
    "picture_and_table",
    "plot_box_counts",
    "plot_evolution",
    "plot_field",
    "plot_frames",
    "plot_kymograph",
    "plot_mask",
    "plot_profile",
    "plot_result",
    "plot_run",
    "plot_slices",
    "plot_training",
    "png_bytes",
    "save_figure",
    "write_movie",
]
