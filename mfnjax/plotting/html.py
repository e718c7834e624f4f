"""What a notebook shows of a result: a picture and a table, in one piece of HTML."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from mfnjax.plotting.figures import plot_result
from mfnjax.plotting.style import POTENTIAL, png_bytes

if TYPE_CHECKING:
    from mfnjax.v41.result import SimulationResult


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Bytes as a ``data:`` address, for a page that holds its own pictures."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def result_rows(result: SimulationResult) -> list[tuple[str, str]]:
    """The facts of a run, as (name, text)."""
    config = result.config
    field = POTENTIAL.shown(result.field)
    frames = "not kept" if result.history is None else f"{len(result.history)} frames"
    return [
        ("grid", f"{field.shape[0]} × {field.shape[1]}, {config.boundary}"),
        ("steps", str(config.steps)),
        ("seed", str(result.seed)),
        ("precision", config.dtype),
        ("potential", _signed(f"{field.min():.2f} … {field.max():.2f} mV")),
        ("mean ± std", _signed(f"{np.mean(field):.2f} ± {np.std(field):.2f} mV")),
        ("growth events", str(result.growth_events)),
        ("Turing activations", str(result.turing_activations)),
        ("clamped cells", str(result.clamping_events)),
        ("history", frames),
    ]


def _signed(text: str) -> str:
    """With a real minus sign: this text is for people."""
    return text.replace("-", "−")


def table_html(rows: Iterable[tuple[str, ...]], header: tuple[str, ...] = ()) -> str:
    """Rows of plain text as an HTML table (escaped; first column left, the others right)."""
    sides = ("left", "right")
    lines = []
    if header:
        cells = "".join(
            f'<th style="text-align:{sides[i > 0]}">{escape(text)}</th>'
            for i, text in enumerate(header)
        )
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    lines.append("<tbody>")
    for row in rows:
        cells = "".join(
            f'<td style="text-align:{sides[i > 0]}">{escape(text)}</td>'
            for i, text in enumerate(row)
        )
        lines.append(f"<tr>{cells}</tr>")
    lines.append("</tbody>")
    return f"<table>{''.join(lines)}</table>"


def result_html(result: SimulationResult) -> str:
    """A result as HTML: its picture (an inline PNG) beside a table of the facts.

    Args:
        result: A v4.1 run.

    Returns:
        One ``<div>`` that needs nothing from outside.
    """
    picture = data_uri(png_bytes(plot_result(result), dpi=100))
    width = 440 if result.history is None else 760
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1.2em;align-items:center">'
        f'<img alt="final field" src="{picture}" style="max-width:{width}px;width:100%">'
        f"{table_html(result_rows(result))}</div>"
    )
