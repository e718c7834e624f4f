"""``mfn simulate``: run a model; save, draw or film the result."""

from __future__ import annotations

import dataclasses
import difflib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfnjax._checks import check_int
from mfnjax._plain_config import PlainConfig
from mfnjax.cli.common import (
    SETTINGS,
    Progress,
    SectionCommand,
    assignments_of,
    check_suffix,
    config_options,
    console,
    number,
    option,
    start_jax,
    table,
    writing,
)
from mfnjax.cli.model_run import ModelResult, ModelRun, run_model
from mfnjax.cli.user_modules import import_option
from mfnjax.errors import ParameterError
from mfnjax.v41.config import (
    SimulationConfig,
    make_simulation_config_default,
    make_simulation_config_demo,
)

if TYPE_CHECKING:
    from mfnjax.v41.result import SimulationResult

_NAMED = {"demo": make_simulation_config_demo, "default": make_simulation_config_default}
_RUN = "The run (fields of SimulationConfig; - and _ are the same)"
_MODEL = "Other models (grid, steps, boundary, seed and dtype as above)"
_OUTPUT = "Output"
_FIGURES = (".png", ".pdf", ".svg")
_MOVIES = (".gif", ".mp4")
_MOVIE_FRAMES = 150
_ONLY_OTHERS = ("preset", "dt", "stepper", "spacing", "save_every")
_SETTINGS = ("output", "plot", "movie", "history", "field", "x64", "cache")


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@option(
    "--config",
    "config_file",
    metavar="FILE",
    section="Configuration",
    help="TOML or JSON file, or one of the words demo and default (the documented runs). "
    "Options win over it.",
)
@config_options(SimulationConfig, section=_RUN)
@option(
    "--x64", is_flag=True, section=_RUN, help="Compute in float64; the same as --dtype float64."
)
@option("--model", section=_MODEL, help="A model of `mfn models`.  [default: mycelium]")
@import_option(_MODEL)
@option("--preset", section=_MODEL, help="A named parameter set of that model.")
@option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    section=_MODEL,
    help="A parameter, by name or paper symbol: --set F=0.04. May be repeated.",
)
@option("--dt", type=float, section=_MODEL, help="Time step.  [default: the preset's, or 1]")
@option("--stepper", section=_MODEL, help="Stepper.  [default: the model's own]")
@option("--spacing", type=float, section=_MODEL, help="Side of a cell dx.  [default: 1]")
@option(
    "--save-every",
    type=int,
    section=_MODEL,
    help="Steps between two saved frames.  [default: a hundred frames in all]",
)
@option("-o", "--output", metavar="FILE.npz", section=_OUTPUT, help="Save the result.")
@option(
    "--history", is_flag=True, section=_OUTPUT, help="Save the frames too (v4.1: one each step)."
)
@option("--plot", metavar="FILE", section=_OUTPUT, help="Draw it (.png, .pdf or .svg).")
@option(
    "--movie", metavar="FILE", section=_OUTPUT, help="Film it (.gif, or .mp4 with mfnjax[video])."
)
@option("--field", section=_OUTPUT, help="Field to draw and film.  [default: the model's last]")
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def simulate(**options: Any) -> None:
    """Run a model and say what came out.

    Without --model this is the v4.1 model of MyceliumFractalNet. Nothing is written unless
    --output, --plot or --movie says so; each is checked before the run and written whole or not
    at all.

    \b
    mfn simulate --config demo --plot field.png
    mfn simulate --grid_size 128 --steps 500 --seed 7 -o run.npz --history
    mfn simulate --model gray-scott --set F=0.04 --set k=0.062 --steps 8000 --movie v.gif
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    settings = {name: given.pop(name, None) for name in _SETTINGS}
    values = _read(given.pop("config_file", None))
    name = given.pop("model", None) or values.pop("model", "mycelium")
    values.pop("model", None)
    output = check_suffix("--output", settings["output"], (".npz",))
    plot = check_suffix("--plot", settings["plot"], _FIGURES)
    movie = check_suffix("--movie", settings["movie"], _MOVIES)
    if movie is not None and movie.suffix.lower() == ".mp4":
        from mfnjax.plotting.movie import require_encoder

        require_encoder()
    if settings["x64"]:
        given["dtype"] = "float64"
    outputs = {"output": output, "plot": plot, "movie": movie}
    history, field = bool(settings["history"]), settings["field"]
    cache = bool(settings["cache"])
    if name == "mycelium":
        _mycelium(values, given, outputs, history=history, field=field, cache=cache)
    else:
        _other(name, values, given, outputs, history=history, field=field, cache=cache)


class _Values(PlainConfig):
    """The table of a configuration file as it stands, whichever kind of run it describes."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Any:
        if not isinstance(values, dict):
            raise ParameterError(f"a configuration is a table of names and values, got {values!r}")
        return dict(values)


def _read(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    if name in _NAMED and not Path(name).exists():
        return _NAMED[name]().to_dict()
    return read_values(name)


def read_values(path: str | Path) -> dict[str, Any]:
    """The table of a TOML or JSON file as it stands."""
    values: Any = _Values.from_file(path)
    return values


def _mycelium(
    values: dict[str, Any],
    given: dict[str, Any],
    outputs: dict[str, Path | None],
    *,
    history: bool,
    field: str | None,
    cache: bool,
) -> None:
    """The documented run of the v4.1 model."""
    parameters = assignments_of(given.pop("assignments", ()))
    foreign = [name for name in _ONLY_OTHERS if name in given]
    if foreign:
        option_name = foreign[0].replace("_", "-")
        raise ParameterError(
            f"--{option_name} is for other models: the v4.1 model has its own step"
        )
    if field not in (None, "potential"):
        raise ParameterError(f"--field of a v4.1 run is potential, got {field!r}")
    config = SimulationConfig.from_dict({**values, **given})
    with_frames = history or outputs["movie"] is not None
    if with_frames:
        _check_memory(config.steps, config.grid_size, config.dtype, 1)
    start_jax(x64=config.dtype == "float64", cache=cache)
    from mfnjax.v41.run import run_mycelium_simulation, run_mycelium_simulation_with_history

    if parameters:
        named = _mycelium_names(parameters)
        config = SimulationConfig.from_dict({**config.to_dict(), **named})
    run = run_mycelium_simulation_with_history if with_frames else run_mycelium_simulation
    started = time.perf_counter()
    with Progress("simulating") as progress:
        result = run(config, progress=progress)
    seconds = time.perf_counter() - started
    with writing():  # before anything is printed: a full log must not cost the run
        _write_mycelium(result, outputs, history=history)
    _print_mycelium(result, seconds)
    _print_files(outputs)


def _mycelium_names(parameters: dict[str, float]) -> dict[str, float]:
    from mfnjax.models import MyceliumModel

    named = {MyceliumModel.symbols.get(name, name): value for name, value in parameters.items()}
    known = [field.name for field in dataclasses.fields(SimulationConfig)]
    for name in named:
        if name not in known:
            raise ParameterError(f"--set {name}: {_unknown(name, known)}")
    return named


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"no such parameter{hint}; parameters: {', '.join(known)}"


def _print_mycelium(result: SimulationResult, seconds: float) -> None:
    from mfnjax.models.mycelium import NO_PATTERN

    config = result.config
    out = console()
    size = f"{config.grid_size} × {config.grid_size}"
    summary = table("v4.1 run", "", "", headers=False)
    summary.add_row("grid", f"{size}, {config.boundary}")
    summary.add_row("steps", str(config.steps))
    summary.add_row("seed", str(result.seed))
    summary.add_row("precision", config.dtype)
    for label, value in _statistics(result.field, 1e3):
        summary.add_row(f"potential {label}", f"{value:.3f} mV")
    summary.add_row("growth events", str(result.growth_events))
    summary.add_row("Turing activations", str(result.turing_activations))
    summary.add_row("clamped cells", str(result.clamping_events))
    summary.add_row("wall time", f"{seconds:.3f} s")
    out.print(summary)
    if _has_default_pair(config):
        click.echo(f"Note: {NO_PATTERN}")


def _has_default_pair(config: SimulationConfig) -> bool:
    """Whether the activator-inhibitor pair runs with its default parameters."""
    default = SimulationConfig()
    names = ("d_activator", "d_inhibitor", "r_activator", "r_inhibitor", "turing_threshold")
    return config.turing_enabled and all(
        getattr(config, name) == getattr(default, name) for name in names
    )


def _statistics(field: Any, scale: float) -> list[tuple[str, float]]:
    import numpy as np

    values = scale * np.asarray(field, np.float64)
    return [
        ("min", float(values.min())),
        ("mean", float(values.mean())),
        ("max", float(values.max())),
        ("std", float(values.std())),
    ]


def _write_mycelium(
    result: SimulationResult, outputs: dict[str, Path | None], *, history: bool
) -> None:
    if outputs["output"] is not None:
        kept = result if history else dataclasses.replace(result, history=None)
        kept.save(outputs["output"])
    if outputs["plot"] is not None:
        from mfnjax.plotting import plot_result, save_figure

        save_figure(plot_result(result), outputs["plot"])
    if outputs["movie"] is not None and result.history is not None:
        from mfnjax.plotting import POTENTIAL, write_movie

        every = -(-len(result.history) // _MOVIE_FRAMES)
        frames = result.history[every - 1 :: every]
        steps = range(every, len(result.history) + 1, every)
        write_movie(outputs["movie"], frames, steps=steps, quantity=POTENTIAL)


def _other(
    name: str,
    values: dict[str, Any],
    given: dict[str, Any],
    outputs: dict[str, Path | None],
    *,
    history: bool,
    field: str | None,
    cache: bool,
) -> None:
    """A run of any other registered model."""
    parameters = assignments_of(given.pop("assignments", ()))
    save_every = given.pop("save_every", None)
    if save_every is not None:
        check_int("--save-every", save_every, 1, 10**8)
    known = [f.name for f in dataclasses.fields(ModelRun)]
    for option_name in given:
        if option_name not in known:
            raise ParameterError(
                f"--{option_name.replace('_', '-')} is a parameter of the v4.1 model; "
                f"parameters of {name} are given as --set NAME=VALUE (see `mfn models {name}`)"
            )
    merged = {**values, **given, "model": name}
    from_file = values.get("parameters", {})
    if not isinstance(from_file, dict):
        raise ParameterError(f"parameters must be a table of names and values, got {from_file!r}")
    merged["parameters"] = {**from_file, **parameters}
    run = ModelRun.from_dict(merged)
    start_jax(x64=run.dtype == "float64", cache=cache)
    from mfnjax.models import get_model

    run = run.resolved()
    fields = get_model(name).model.fields
    field = fields[-1] if field is None else field
    if field not in fields:
        raise ParameterError(f"--field {field}: the fields of {name} are {', '.join(fields)}")
    steps, every = run.steps or 0, None
    if history or outputs["movie"] is not None:
        every = save_every or max(steps // 100, 1)
        if every > steps:
            raise ParameterError(f"--save-every {every}: no frame would be saved of {steps} steps")
        kept = len(fields) if history else 1
        _check_memory(steps // every, run.grid_size, run.dtype, kept)
    started = time.perf_counter()
    with Progress("simulating") as progress:
        result = run_model(
            run, save_every=every, save=None if history else field, progress=progress
        )
    seconds = time.perf_counter() - started
    with writing():
        _write_other(result, outputs, field, history=history)
    _print_other(result, seconds)
    _print_files(outputs)


def _print_other(result: ModelResult, seconds: float) -> None:
    run = result.run
    summary = table(f"{run.model} run", "", "", headers=False)
    summary.add_row(
        "grid", f"{run.grid_size} × {run.grid_size}, dx = {run.spacing:g}, {run.boundary}"
    )
    summary.add_row("steps", f"{run.steps} of dt = {run.dt:g} ({run.stepper})")
    summary.add_row("seed", str(run.seed))
    summary.add_row("precision", run.dtype)
    for name, values in result.fields.items():
        for label, value in _statistics(values, 1.0):
            summary.add_row(f"{name} {label}", number(value))
    for name, count in result.counts.items():
        summary.add_row(name.replace("_", " "), str(count))
    summary.add_row("wall time", f"{seconds:.3f} s")
    console().print(summary)


def _write_other(
    result: ModelResult, outputs: dict[str, Path | None], field: str, *, history: bool
) -> None:
    if outputs["output"] is not None:
        kept = result if history else dataclasses.replace(result, histories={})
        kept.save(outputs["output"])
    if outputs["plot"] is None and outputs["movie"] is None:
        return
    from mfnjax.plotting import plot_field, quantity_of, save_figure, write_movie

    quantity = quantity_of(field)
    if outputs["plot"] is not None:
        title = f"{result.run.model}: {field} after {result.run.steps} steps"
        save_figure(plot_field(result.fields[field], quantity, title=title), outputs["plot"])
    if outputs["movie"] is not None:
        frames, steps = result.histories[field], result.history_steps
        write_movie(outputs["movie"], frames, steps=steps.tolist(), quantity=quantity)


def _print_files(outputs: dict[str, Path | None]) -> None:
    for path in outputs.values():
        if path is not None:
            click.echo(f"wrote {path}")


def _check_memory(frames: int, side: int, dtype: str, fields: int) -> None:
    """Refuse a history that would not fit into half of the machine's memory."""
    needed = frames * side * side * fields * (8 if dtype == "float64" else 4)
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if needed > memory // 2:
        raise ParameterError(
            f"{frames} frames of {side} × {side} cells take {needed / 2**30:.1f} GiB, over half of "
            f"this machine's {memory / 2**30:.1f} GiB: fewer steps, or a larger --save-every"
        )
