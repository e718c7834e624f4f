"""``mfn simulate``: run a model from the command line."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfnjax._checks import check_choice, check_int
from mfnjax._plain_config import read_table
from mfnjax.cli.common import (
    SETTINGS,
    Progress,
    SectionCommand,
    check_suffix,
    config_options,
    console,
    number,
    option,
    start_jax,
    table,
    writing,
)
from mfnjax.cli.group import Interrupted
from mfnjax.cli.model_options import merged, model_options, named_texts, plain_options, with_files
from mfnjax.errors import ParameterError
from mfnjax.v41.config import (
    SimulationConfig,
    make_simulation_config_default,
    make_simulation_config_demo,
)

if TYPE_CHECKING:
    from mfnjax.simulation import Simulation, Trajectory

_NAMED = {"demo": make_simulation_config_demo, "default": make_simulation_config_default}
_RUN = "The run, and the parameters of the v4.1 model (- and _ are the same)"
_MODEL = "Any model or equation, on any grid"
_TIME = "Steps that choose themselves, in the place of --steps and --dt (mfnjax[time])"
_OUTPUT = "Output"
_FIGURES = (".png", ".pdf", ".svg")
_MOVIES = (".gif", ".mp4")
_MOVIE_FRAMES = 150
_FRAMES = 100


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@option(
    "--config",
    "config_file",
    metavar="FILE",
    section="Configuration",
    help="TOML or JSON file, or one of the words demo and default (the documented runs). "
    "Options win over it.",
)
@option(
    "--grid-size",
    type=int,
    section=_RUN,
    help="Cells per side of the square grid, 4…4096.  [default: the model's, 64 for v4.1]",
)
@option(
    "--steps",
    type=int,
    section=_RUN,
    help="Steps.  [default: the preset's or the model's, 64 for v4.1]",
)
@config_options(SimulationConfig, section=_RUN, skip=("grid_size", "steps", "boundary"))
@option(
    "--x64", is_flag=True, section=_RUN, help="Compute in float64; the same as --dtype float64."
)
@model_options(_MODEL, default="mycelium")
@option(
    "--start-image",
    metavar="NAME=FILE",
    multiple=True,
    section=_MODEL,
    help="The start of a field: the grey levels of an image, 0 to 1, or an array (.npy).",
)
@option("--until", type=float, metavar="T", section=_TIME, help="The time at which the run ends.")
@option("--rtol", type=float, section=_TIME, help="Relative tolerance of a step.  [default: 1e-6]")
@option(
    "--atol",
    type=float,
    section=_TIME,
    help="Absolute tolerance of a step, in the unit of the fields.  [default: 1e-8]",
)
@option(
    "--solver",
    section=_TIME,
    help="tsit5, dopri5, dopri8, bosh3, …; kencarp3…5 for stiff diffusion; kvaerno3…5 for a stiff "
    "reaction.  [default: tsit5]",
)
@option("--save-at", metavar="T,T,…", section=_TIME, help="Times of the frames to save.")
@option(
    "--at-rest",
    type=float,
    metavar="RATE",
    section=_TIME,
    help="End where no field changes faster.",
)
@option(
    "-o",
    "--output",
    metavar="FILE",
    section=_OUTPUT,
    help="Save the result: .npz; .nc, .zarr or .h5 (xarray), .vti (ParaView) or .tif (ImageJ) with "
    "mfnjax[files].",
)
@option("--history", is_flag=True, section=_OUTPUT, help="Save the frames of every field too.")
@option(
    "--resume",
    is_flag=True,
    section=_OUTPUT,
    help="Go on with a run of -o FILE.zarr --history, which writes its frames as they come.",
)
@option("--plot", metavar="FILE", section=_OUTPUT, help="Draw it (.png, .pdf or .svg).")
@option(
    "--movie", metavar="FILE", section=_OUTPUT, help="Film it (.gif, or .mp4 with mfnjax[video])."
)
@option("--field", section=_OUTPUT, help="Field to draw and film.  [default: the model's main one]")
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def simulate(
    config_file: str | None,
    output: str | None,
    plot: str | None,
    movie: str | None,
    history: bool,
    resume: bool,
    field: str | None,
    x64: bool,
    cache: bool,
    **options: Any,
) -> None:
    """Run a model and say what came out.

    Without --model this is the v4.1 model of MyceliumFractalNet. Nothing is written unless
    --output, --plot or --movie says so; each is checked before the run and written whole or not
    at all.

    \b
    mfn simulate --config demo --plot field.png
    mfn simulate --grid_size 128 --steps 500 --seed 7 -o run.npz --history
    mfn simulate --model gray-scott --set F=0.04 --set k=0.062 --steps 8000 --movie v.gif
    mfn simulate --model brusselator --until 50 --rtol 1e-6 --plot u.png
    mfn simulate --equation 'u_t = D*lap(u) + u*(1 - u)' --set D=0.1 --shape 200 --dt 0.5 \
        --boundary 'x-: dirichlet 1; x+: neumann' --start 'u = 0' --plot front.png
    """
    outputs = {
        "output": _check_output(output),
        "plot": check_suffix("--plot", plot, _FIGURES),
        "movie": check_suffix("--movie", movie, _MOVIES),
    }
    if outputs["movie"] is not None and outputs["movie"].suffix.lower() == ".mp4":
        from mfnjax.plotting.movie import require_encoder

        require_encoder()
    given = plain_options(options)
    if "start_image" in given:
        given["start_image"] = named_texts("--start-image", given["start_image"])
    values = merged(_read(config_file), given)
    seed = values.pop("seed", None)
    dtype = "float64" if x64 else values.pop("dtype", "float32")
    values.pop("dtype", None)
    save_every = values.pop("save_every", None)
    if save_every is not None:
        check_int("--save-every", save_every, 1, 10**8)
    if outputs["output"] is not None and outputs["output"].suffix.lower() == ".tif":
        check_choice("--dtype for .tif (ImageJ)", dtype, ("float32",))
    start_jax(x64=dtype == "float64", cache=cache)
    from mfnjax.simulation import Simulation
    from mfnjax.simulation.start import check_seed

    if values.get("equation") is None:
        _refuse_foreign(values.get("model", "mycelium"), given)
    start = _images(values)
    simulation = Simulation.from_dict(with_files(values))
    seed = seed if resume else check_seed(seed)
    grows = outputs["output"] if history and outputs["movie"] is None else None
    if grows is None or grows.suffix != ".zarr" or simulation.until is not None:
        grows = None
    if resume and grows is None:
        raise ParameterError(
            "--resume goes with -o FILE.zarr --history, and without --movie and --until"
        )
    if history or outputs["movie"] is not None:
        simulation = _with_frames(
            simulation, save_every, field, dtype, everything=history, in_memory=grows is None
        )
    field = _shown_field(simulation, field)
    started = time.perf_counter()
    with Progress("simulating") as progress:
        if grows is None:
            run = simulation.run(start, seed=seed, dtype=dtype, progress=progress)
        else:
            run, seed = _growing(
                simulation, grows, start, seed=seed, dtype=dtype, resume=resume, progress=progress
            )
    run.status.raise_if_bad()
    seconds = time.perf_counter() - started
    with writing():  # before anything is printed: a full log must not cost the run
        written = outputs if grows is None else {**outputs, "output": None}
        _write(run, written, field, history=history)
    _print(run, seconds, seed)
    for path in outputs.values():
        if path is not None:
            click.echo(f"wrote {path}")


def _check_output(name: str | None) -> Path | None:
    """Refuse, before the run, a result that could not be written after it."""
    if name is None or Path(name).suffix.lower() == ".npz":
        return check_suffix("--output", name, (".npz",))
    from mfnjax.simulation.exchange import SUFFIXES, check_can_write

    if Path(name).suffix.lower() not in SUFFIXES:
        return check_suffix("--output", name, (".npz", *SUFFIXES))
    return check_can_write(name)


def _read(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    if name in _NAMED and not Path(name).exists():
        return _NAMED[name]().to_dict()
    return read_table(name)


def _images(values: dict[str, Any]) -> dict[str, Any] | None:
    """The start of a run that has images, which say the shape if nothing else does; else None."""
    files = values.pop("start_image", None)
    if files is None:
        return None
    texts = values.pop("start", {})
    if not (isinstance(files, dict) and isinstance(texts, dict)):
        raise ParameterError(
            "--start-image NAME=FILE stands beside --start 'NAME = …', not beside a name"
        )
    if both := files.keys() & texts.keys():
        raise ParameterError(f"--start-image and --start both say what {min(both)} is")
    images = {name: _field_of_run(name, file) for name, file in files.items()}
    if all(values.get(name) is None for name in ("shape", "grid_size", "mask")):
        values["shape"] = list(next(iter(images.values())).shape)
    return {**texts, **images}


def _growing(
    simulation: Simulation, path: Path, start: Any, **options: Any
) -> tuple[Trajectory, int]:
    """A run that writes its frames as they come, and the seed that it draws from."""
    from mfnjax.simulation.exchange import GrowingStore

    try:
        run = simulation.run_to(path, start, **options)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: with -o {path} --history --resume it goes on.") from None
    return run, GrowingStore(path).seed


def _field_of_run(name: str, file: str) -> Any:
    """A field of a saved run at its end, or the levels of an image or array."""
    import numpy as np

    from mfnjax.simulation import Trajectory
    from mfnjax.simulation.exchange import holds_run
    from mfnjax.simulation.plain_grid import read_levels

    if Path(file).suffix != ".npz" and not holds_run(file):
        return read_levels(file)
    state = Trajectory.load(file).state
    if name not in state.names:
        raise ParameterError(
            f"--start-image {name}={file}: no field {name!r}; it holds {', '.join(state.names)}"
        )
    return np.asarray(state[name])


def _refuse_foreign(name: str, given: dict[str, Any]) -> None:
    """Say of an option for a parameter of v4.1 that another model does not have it."""
    from mfnjax.models import get_model
    from mfnjax.simulation.spec import KEYS

    own = {field.name for field in dataclasses.fields(get_model(name).model)}  # type: ignore[arg-type]
    for option_name in given.keys() - {*KEYS, *own, "seed", "dtype", "start_image"}:
        raise ParameterError(
            f"--{option_name.replace('_', '-')} is no parameter of {name}; those are given as "
            f"--set NAME=VALUE (see `mfn models {name}`)"
        )


def _shown_field(simulation: Simulation, field: str | None) -> str:
    from mfnjax.models.base import main_field

    fields = simulation.model.fields
    field = main_field(simulation.model) if field is None else field
    if field not in fields:
        raise ParameterError(
            f"--field {field}: the fields of {simulation.model_name} are {', '.join(fields)}"
        )
    return field


def _with_frames(
    simulation: Simulation,
    every: int | None,
    field: str | None,
    dtype: str,
    *,
    everything: bool,
    in_memory: bool,
) -> Simulation:
    """The simulation with saved frames, if there is room for them."""
    from mfnjax.steppers import choose_stepper

    fields = len(simulation.model.fields) if everything else 1
    save = None if everything else _shown_field(simulation, field)
    if simulation.until is not None:
        times = simulation.save_at or [
            simulation.until * k / _FRAMES for k in range(1, _FRAMES + 1)
        ]
        if in_memory:
            _check_memory(simulation.grid.shape, len(times), fields, dtype)
        return simulation.replace(save_at=times, save=save)
    steps = simulation.steps
    if every is None:
        is_map = choose_stepper(simulation.model, simulation.stepper).order is None
        every = 1 if is_map else max(steps // _FRAMES, 1)
    if every > steps:
        raise ParameterError(f"--save-every {every}: no frame would be saved of {steps} steps")
    if in_memory:
        _check_memory(simulation.grid.shape, steps // every, fields, dtype)
    return simulation.replace(save_every=every, save=save)


def _check_memory(shape: tuple[int, ...], frames: int, fields: int, dtype: str) -> None:
    """Refuse a history that would not fit into half of the machine's memory."""
    needed = frames * math.prod(shape) * fields * (8 if dtype == "float64" else 4)
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if needed > memory // 2:
        raise ParameterError(
            f"{frames} frames of {' × '.join(map(str, shape))} cells take {needed / 2**30:.1f} "
            f"GiB, over half of this machine's {memory / 2**30:.1f} GiB: fewer steps, or a larger "
            "--save-every"
        )


def _write(run: Trajectory, outputs: dict[str, Path | None], field: str, *, history: bool) -> None:
    from mfnjax.plotting import save_figure

    if outputs["output"] is not None:
        kept = run if history else _without_frames(run)
        kept.save(outputs["output"])
    if outputs["plot"] is not None:
        save_figure(run.plot(field), outputs["plot"])
    if outputs["movie"] is not None:
        run.movie(outputs["movie"], field, frames=_MOVIE_FRAMES)


def _without_frames(run: Trajectory) -> Trajectory:
    simulation = run.simulation.replace(save_every=None, save_at=None, save=None)
    return dataclasses.replace(run, history=None, simulation=simulation)


def _print(run: Trajectory, seconds: float, seed: int) -> None:
    summary = table(f"{run.simulation.model_name} run", "", "", headers=False)
    for name, text in run.simulation.summary()[1:]:
        summary.add_row(name, text)
    summary.add_row("seed", str(seed))
    summary.add_row("precision", str(run.state.values[0].dtype))
    for name in run.state.names:
        unit = f" {run.quantity(name).unit}".rstrip()
        for label, value in run.statistics(name).items():
            summary.add_row(f"{name} {label}", f"{number(value)}{unit}")
    if run.steps_taken is not None:
        summary.add_row("steps taken", f"{run.steps_taken}, and {run.steps_refused} refused")
    if run.stopped_at is not None:
        summary.add_row("at rest", f"from t = {run.stopped_at:g} on")
    for name, count in run.counts.items():
        summary.add_row(name.replace("_", " "), str(count))
    summary.add_row("wall time", f"{seconds:.3f} s")
    console().print(summary)
    if (dt := run.status.sufficient_dt) is not None:
        click.echo(
            f"Warning: inaccurate: dt = {run.simulation.dt:g} is too long for the rates of this "
            f"model; --dt {dt:.2g} would do, with more --steps, or --until",
            err=True,
        )
    remark = run.simulation.model.remark()
    if remark is not None:
        click.echo(f"Note: {remark}")
