"""What every picture shares: the quantity shown, fonts and lines, and how a figure is written."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from mfnjax._files import check_writable, replacing
from mfnjax.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")


_STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": "#d8d8d8",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "image.interpolation": "nearest",
    "image.origin": "upper",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


def in_style(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in the house style, leaving the user's own matplotlib settings alone."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        # On a fresh machine matplotlib says that it builds a font cache: no news to a user.
        logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


@in_style
def save_figure(figure: Figure, path: str | Path, *, dpi: float = 160) -> Path:
    """Write a figure to ``path`` (.png, .pdf, .svg), whole or not at all; returns the path.

    Raises:
        DataError: The file cannot be written, or its ending is no format of matplotlib's.
    """
    path = check_writable(path)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise DataError(f"{path}: a picture's name ends in {', '.join(f'.{k}' for k in known)}")
    with replacing(path) as beside:
        figure.savefig(beside, dpi=dpi)
    return path


def also_saved(figure: Figure, path: str | Path | None) -> Figure:
    """The figure; written to ``path`` as well, where one is given."""
    if path is not None:
        save_figure(figure, path)
    return figure


@in_style
def png_bytes(figure: Figure, *, dpi: float = 110) -> bytes:
    """The figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
