"""Pictures of a dataset: the distribution of every column, and a sheet of fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mfnjax._checks import check_int
from mfnjax._files import replacing
from mfnjax.core.quantity import Quantity
from mfnjax.dataset.plan import Plan, plan_from_identity
from mfnjax.dataset.reading import read_table
from mfnjax.dataset.schema import read_metadata
from mfnjax.errors import DataError

_SKIPPED = ("sim_id", "random_seed", "mfn_version", "timestamp")
_INK, _BAR = "#333333", "#4c78a8"


def plot_distributions(path: str | Path, picture: str | Path) -> Path:
    """Draw a histogram of every column of a dataset.

    Args:
        path: The dataset.
        picture: Where to draw it (``.png``, ``.svg`` or ``.pdf``).

    Raises:
        DataError: The dataset has no rows or cannot be read, or the picture cannot be written.
    """
    table = read_table(path)
    names = [name for name in table.column_names if name not in _SKIPPED]
    _refuse_empty(path, table)
    across = 6
    down = -(-len(names) // across)
    figure, axes = _figure(down, across, width=2.1 * across, height=1.7 * down + 0.5)
    for axis, name in zip(axes.flat, names, strict=False):
        _histogram(axis, table, name)
    for axis in list(axes.flat)[len(names) :]:
        axis.set_axis_off()
    figure.suptitle(f"{Path(path).name}: {table.num_rows:,} simulations", fontsize=11)
    return _save(figure, picture)


def _histogram(axis: Any, table: pa.Table, name: str) -> None:
    field = table.schema.field(name)
    unit = (field.metadata or {}).get(b"unit", b"").decode()
    values = table[name].to_numpy()
    if pa.types.is_boolean(field.type):
        axis.bar(["off", "on"], [int((~values).sum()), int(values.sum())], color=_BAR, width=0.6)
    elif len(np.unique(values)) == 1:
        axis.text(
            0.5,
            0.5,
            f"always {values[0]:g}",
            ha="center",
            va="center",
            color=_INK,
            transform=axis.transAxes,
            fontsize=8,
        )
        axis.set_xticks([])
    elif pa.types.is_integer(field.type) and len(np.unique(values)) <= 8:
        known, counts = np.unique(values, return_counts=True)
        axis.bar([str(value) for value in known], counts, color=_BAR, width=0.6)
    else:
        axis.hist(values, bins=min(40, max(8, int(np.sqrt(len(values))))), color=_BAR)
    axis.set_title(f"{name} [{unit}]" if unit else name, fontsize=8, color=_INK)
    axis.set_yticks([])
    if len(axis.get_xticks()) > 4 and pa.types.is_floating(field.type):
        axis.locator_params(axis="x", nbins=4)
    axis.tick_params(labelsize=7, colors=_INK)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def contact_sheet(path: str | Path, picture: str | Path, *, count: int = 16) -> Path:
    """Draw the final fields of some rows, spread evenly over the dataset.

    The fields need not be saved: a row's parameters give its field back, bit for bit. The
    main field is drawn (``v`` of Gray–Scott).

    Args:
        path: The dataset.
        picture: Where to draw it.
        count: Fields, 1…64.

    Raises:
        DataError: The dataset has no rows or cannot be read, or the picture cannot be written.
    """
    check_int("count", count, 1, 64)
    plan = plan_from_identity(read_metadata(path)["plan"])
    table = read_table(path)
    _refuse_empty(path, table)
    places = np.unique(np.linspace(0, table.num_rows - 1, count).astype(int))
    across = int(np.ceil(np.sqrt(len(places))))
    down = -(-len(places) // across)
    figure, axes = _figure(down, across, width=1.9 * across + 0.9, height=2.2 * down + 0.4)
    quantity = plan.table.model.quantities.get(plan.table.main, Quantity(plan.table.main))
    fields = [
        quantity.shown(_field(plan, table.slice(place, 1).to_pylist()[0])) for place in places
    ]
    low = min(float(np.percentile(field, 1)) for field in fields)
    high = max(float(np.percentile(field, 99.5)) for field in fields)
    image = None
    for axis, field, place in zip(axes.flat, fields, places, strict=False):
        image = axis.imshow(field, cmap="viridis", vmin=low, vmax=high, origin="lower")
        axis.set_title(_caption(plan, table, int(place)), fontsize=7, color=_INK)
    for axis in axes.flat:
        axis.set_axis_off()
    bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label(quantity.title, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return _save(figure, picture)


def _field(plan: Plan, row: dict[str, Any]) -> Any:
    run = plan.table.simulation(row).run(seed=row["random_seed"])
    return run.state[plan.table.main]


def _caption(plan: Plan, table: pa.Table, place: int) -> str:
    row = {name: table[name][place].as_py() for name in table.column_names}
    first = f"#{row['sim_id']}  {row['grid_size']}², {row['steps']} steps"
    return "\n".join([first, *(f"{name} {row[name]:.4g}" for name in plan.table.swept[:2])])


def _refuse_empty(path: str | Path, table: pa.Table) -> None:
    if not table.num_rows:
        raise DataError(f"{path}: has no rows to draw")


def _figure(down: int, across: int, *, width: float, height: float) -> tuple[Any, np.ndarray]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(down, across, squeeze=False)


def _save(figure: Any, picture: str | Path) -> Path:
    picture = Path(picture)
    if picture.suffix not in (".png", ".svg", ".pdf"):
        raise DataError(f"{picture}: a picture's name ends in .png, .svg or .pdf")
    with replacing(picture) as beside:
        figure.savefig(beside, dpi=140)
    return picture
