"""Pictures: fields, runs, measurements, films, and what a notebook shows.

Figures are plain `matplotlib.figure.Figure` objects, not registered with pyplot: nothing needs to
be closed, and no display is needed. Colour maps are perceptually uniform; potentials are in mV.
"""

from mfnjax.plotting.figures import (
    plot_box_counts,
    plot_evolution,
    plot_field,
    plot_frames,
    plot_mask,
    plot_result,
)
from mfnjax.plotting.html import result_html
from mfnjax.plotting.movie import write_movie
from mfnjax.plotting.style import POTENTIAL, Quantity, png_bytes, quantity_of, save_figure
from mfnjax.plotting.training import plot_training

__all__ = [
    "POTENTIAL",
    "Quantity",
    "plot_box_counts",
    "plot_evolution",
    "plot_field",
    "plot_frames",
    "plot_mask",
    "plot_result",
    "plot_training",
    "png_bytes",
    "quantity_of",
    "result_html",
    "save_figure",
    "write_movie",
]
