"""``mfn demo``: the documented demo, a pattern that really forms, and a report of both."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from mfnjax.cli.common import SETTINGS, Progress, SectionCommand, number, option, start_jax, writing
from mfnjax.features.config import make_feature_config_demo
from mfnjax.features.measurement import Measurement, measure
from mfnjax.v41.config import make_simulation_config_demo

if TYPE_CHECKING:
    from mfnjax.simulation import Trajectory
    from mfnjax.v41.result import SimulationResult

PATTERN = {
    "model": "gray-scott",
    "parameters": {"F": 0.04, "k": 0.062},
    "grid_size": 128,
    "steps": 12_000,
    "save_every": 120,
    "save": "v",
}
"""Gray–Scott where a square grows into worms that fill the plate."""

PATTERN_SEED = 42
_GIF_FRAME_PIXELS = 256


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@option(
    "-o",
    "--output",
    metavar="FOLDER",
    default="out/demo",
    section="Output",
    help="Where to write.  [default: out/demo]",
)
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def demo(output: str, cache: bool) -> None:
    """Run the documented demo and a Gray-Scott pattern; measure, draw and report both.

    Writes pictures (PNG), a film (GIF), both results (.npz), their features (JSON) and a page that
    shows it all, report.html.
    """
    from mfnjax._files import check_writable

    folder = Path(output)
    check_writable(folder / "report.html")
    start_jax(x64=False, cache=cache)
    started = time.perf_counter()
    from mfnjax.cli.sources import middle_level
    from mfnjax.simulation import Simulation
    from mfnjax.v41.run import run_mycelium_simulation_with_history

    click.echo("v4.1 demo: 32 × 32, 32 steps, seed 42 …")
    result = run_mycelium_simulation_with_history(make_simulation_config_demo())
    measured = measure(result.frames, make_feature_config_demo())
    click.echo(f"Gray-Scott: 128 × 128, {PATTERN['steps']} steps, seed {PATTERN_SEED} …")
    with Progress("Gray-Scott") as progress:
        pattern = Simulation.from_dict(PATTERN).run(seed=PATTERN_SEED, progress=progress)
    pattern.status.raise_if_bad()
    field = np.asarray(pattern.state["v"])
    pattern_measured = measure(field > middle_level(field))
    click.echo("pictures and report …")
    with writing():
        files = write_demo(folder, result, measured, pattern, pattern_measured)
    _print_summary(measured, pattern_measured)
    width = max(len(str(path)) for path in files)
    for path in files:
        click.echo(f"  {path!s:<{width}}  {path.stat().st_size / 1024:7.0f} KiB")
    click.echo(f"{time.perf_counter() - started:.1f} s. Open {folder / 'report.html'}")


def write_demo(
    folder: Path,
    result: SimulationResult,
    measured: Measurement,
    pattern: Trajectory,
    pattern_measured: Measurement,
) -> list[Path]:
    """Write everything that the demo shows; returns the files."""
    from mfnjax._files import write_text
    from mfnjax.cli.report import report_html
    from mfnjax.cli.sources import middle_level
    from mfnjax.plotting import (
        plot_box_counts,
        plot_frames,
        plot_mask,
        save_figure,
        write_movie,
    )

    v, history = np.asarray(pattern.state["v"]), pattern.histories["v"]
    steps = pattern.history_steps.tolist()
    frames = plot_frames(result.frames, range(1, len(result.frames) + 1))
    # A logarithmic choice of frames: the pattern grows early and then only settles.
    early = [0, 7, 16, 33, 58, len(steps) - 1]
    grown = plot_frames(history[early], [steps[i] for i in early], pattern.quantity("v"))
    boxes = plot_box_counts(
        pattern_measured.box_sizes,
        pattern_measured.box_counts,
        float(pattern_measured.features["D_box"] or 0.0),
    )
    pictures = {
        "mycelium.png": result.plot(),
        "mycelium_frames.png": frames,
        "gray_scott_frames.png": grown,
        "gray_scott_mask.png": plot_mask(v > middle_level(v)),
        "gray_scott_boxes.png": boxes,
    }
    files = [save_figure(figure, folder / name) for name, figure in pictures.items()]
    movie = write_movie(
        folder / "gray_scott.gif",
        history,
        steps=steps,
        quantity=pattern.quantity("v"),
        size_pixels=_GIF_FRAME_PIXELS,
    )
    files.append(movie)
    files.append(result.save(folder / "mycelium.npz"))
    files.append(pattern.save(folder / "gray_scott.npz"))
    found = {"mycelium": measured.to_dict(), "gray_scott": pattern_measured.to_dict()}
    write_text(folder / "features.json", json.dumps(found, indent=2, allow_nan=False) + "\n")
    files.append(folder / "features.json")
    page = report_html(
        result, measured, pattern, pattern_measured, {path.name: path for path in files}
    )
    write_text(folder / "report.html", page)
    files.append(folder / "report.html")
    return files


def _print_summary(measured: Measurement, pattern: Measurement) -> None:
    from mfnjax.models.mycelium import NO_PATTERN

    f, p = measured.features, pattern.features
    click.echo(
        f"v4.1 demo:  V_mean {number(f['V_mean'])} mV, V_std {number(f['V_std'])} mV, "
        f"D_box {number(f['D_box'])}, clusters {number(f['N_clusters_low'])}"
    )
    click.echo(f"            {NO_PATTERN}")
    click.echo(
        f"Gray-Scott: D_box {number(p['D_box'])}, coverage {number(p['f_active'])}, "
        f"clusters {number(p['N_clusters_low'])}"
    )
