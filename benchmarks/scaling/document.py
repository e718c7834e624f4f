"""The measured part of docs/scaling.md: its tables, its picture, and the numbers beside them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scaling.measuring import Curves
from benchmarks.scaling.picture import draw
from benchmarks.scaling.tables import all_tables
from mfnjax._files import write_text
from mfnjax.bench.machine import machine_text
from mfnjax.errors import DataError
from mfnjax.plotting.style import save_figure

BEGIN = "<!-- measured: written by `python -m benchmarks.scaling --docs docs` -->"
END = "<!-- end of what was measured -->"
DPI = 110


def measured_part(curves: Curves) -> str:
    """The tables as Markdown, with the machine and the date."""
    kind = "A quick run: no measurement. " if curves.quick else ""
    parts = [
        f"{kind}Measured on {curves.date} in {curves.seconds:.0f} s on "
        f"{machine_text(curves.machine)}.",
        "![Cost against cells, steps and members; memory; gain of cores; roofline](scaling.png)",
    ]
    for table in all_tables(curves):
        parts += [f"### {table.title}", table.markdown()]
    return "\n\n".join(parts)


def with_measured_part(text: str, part: str, name: str = "the document") -> str:
    """The document with its measured part replaced.

    Raises:
        DataError: The document does not say where it goes.
    """
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise DataError(f"{name}: no place for what was measured ({BEGIN} … {END})")
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


def write_document(curves: Curves, folder: Path) -> list[Path]:
    """Write ``scaling.json`` and ``scaling.png`` into a folder, and the part into scaling.md.

    Raises:
        DataError: There is no scaling.md with a place for it, or a file cannot be written.
    """
    path = folder / "scaling.md"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    text = with_measured_part(text, measured_part(curves), str(path))
    numbers = curves.save(folder / "scaling.json")
    picture = save_figure(draw(curves), folder / "scaling.png", dpi=DPI)
    write_text(path, text)
    return [numbers, picture, path]
