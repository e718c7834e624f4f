"""What a notebook shows of a run: a picture and a table, in one piece of HTML."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from mfnjax.plotting.style import png_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Bytes as a ``data:`` address, for a page that holds its own pictures."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


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


def picture_and_table(figure: Figure | None, rows: Iterable[tuple[str, ...]]) -> str:
    """A picture (an inline PNG) beside a table of facts: one ``<div>`` that needs nothing else."""
    picture = ""
    if figure is not None:
        width = round(90 * figure.get_figwidth())
        source = data_uri(png_bytes(figure, dpi=100))
        picture = f'<img alt="final field" src="{source}" style="max-width:{width}px;width:100%">'
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1.2em;align-items:center">'
        f"{picture}{table_html(rows)}</div>"
    )
