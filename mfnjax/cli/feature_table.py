"""What ``mfn features`` found: as JSON, as tables of one number a cell, and on the screen."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from mfnjax.cli.common import console, number, table
from mfnjax.features.measurement import Measurement

if TYPE_CHECKING:
    from mfnjax.cli.sources import Source


@final
@dataclass(frozen=True)
class Measured:
    """One file.

    Attributes:
        file: Its name, in full.
        source: What it holds.
        found: The measurement of it all.
        objects: The measurement of each object of an image of labels, by its number.
    """

    file: str
    source: Source
    found: Measurement
    objects: dict[int, Measurement] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """What is known of the file beside the measurement."""
        known: dict[str, Any] = {}
        if self.source.threshold is not None:
            known["threshold"] = self.source.threshold
        if self.source.image is not None and self.source.image.pixel_size is not None:
            known["pixel_height"], known["pixel_width"] = self.source.image.pixel_size
            known["pixel_unit"] = self.source.image.unit
        return known


def as_json(rows: list[Measured], is_list: bool) -> str:
    """One object a file; that of an image of labels holds its objects."""
    found = []
    for row in rows:
        values = {"file": row.file, **row.found.to_dict(), **row.about()}
        if row.objects:
            values["objects"] = [{"object": n, **one.to_dict()} for n, one in row.objects.items()]
        found.append(values)
    return json.dumps(found if is_list else found[0], indent=2, allow_nan=False)


def as_columns(rows: list[Measured]) -> dict[str, list[Any]]:
    """Columns of one number (or word) a cell, a row a file or object; none is empty throughout."""
    lines: list[dict[str, Any]] = []
    for row in rows:
        for label, found in row.objects.items() or [(None, row.found)]:
            lines.append({"file": row.file, "object": label, **_flat(found), **row.about()})
    names = dict.fromkeys(name for line in lines for name in line)
    boxes = sorted((name for name in names if name.startswith("boxes_")), key=lambda n: int(n[6:]))
    order = [name for name in names if name not in boxes] + boxes
    columns = {name: [line.get(name) for line in lines] for name in order}
    return {name: cells for name, cells in columns.items() if any(c is not None for c in cells)}


def _flat(found: Measurement) -> dict[str, Any]:
    values = found.to_dict()
    sizes, counts = values.pop("box_sizes"), values.pop("box_counts")
    shape = values.pop("shape")
    sides = dict(zip(("depth", "height", "width")[3 - len(shape) :], shape, strict=True))
    counted = {f"boxes_{size}": count for size, count in zip(sizes, counts, strict=True)}
    return {"kind": values.pop("kind"), **sides, **values, **counted}


def as_csv(rows: list[Measured]) -> str:
    """The columns as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = as_columns(rows)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def write_parquet(path: Path, rows: list[Measured]) -> None:
    """The columns as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    from mfnjax._files import replacing

    with replacing(path) as beside:
        parquet.write_table(pa.table(as_columns(rows)), beside)


def print_table(rows: list[Measured], columns: int = 4) -> None:
    """A table of a few files at a time."""
    from mfnjax.features import FEATURE_UNITS

    for start in range(0, len(rows), columns):
        part = rows[start : start + columns]
        found = [row.found for row in part]
        result = table("", "feature", "unit", *(Path(row.file).name for row in part))
        result.title = None
        result.columns[1].justify = "left"
        for column in result.columns[2:]:
            column.overflow = "fold"
        for name, unit in FEATURE_UNITS.items():
            result.add_row(name, unit, *(number(one.features[name]) for one in found))
        result.add_section()
        result.add_row("D_fit", "", *(number(one.to_dict()["D_fit"]) for one in found))
        result.add_row("95 % interval", "", *map(_interval, found))
        result.add_section()
        for name, unit in (("area", "cells"), ("n4", "count"), ("n8", "count")):
            result.add_row(name, unit, *(str(getattr(one, name)) for one in found))
        sizes = dict.fromkeys(size for one in found for size in one.box_sizes)
        for size in sizes:
            counts = (dict(zip(f.box_sizes, f.box_counts, strict=True)) for f in found)
            result.add_row(f"boxes of side {size}", "count", *(number(c.get(size)) for c in counts))
        console().print(result)


def _interval(found: Measurement) -> str:
    if found.fit is None:
        return "–"
    low, high = found.fit.interval
    return f"{low:.3f} … {high:.3f}"
