"""The options that say which model runs and how, the same for every command that runs one."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from mfnjax.cli.common import Function, option
from mfnjax.cli.user_modules import import_option


def model_options(section: str, *, default: str) -> Callable[[Function], Function]:
    """--model, --import, --preset, --set, --dt, --stepper, --spacing, --start, --save-every.

    All but --import have the names that `mfnjax.Simulation.from_dict` takes; --set gives
    ``assignments``. What is not given is None.
    """
    options = (
        option("--model", section=section, help=f"A model of `mfn models`.  [default: {default}]"),
        import_option(section),
        option("--preset", section=section, help="A named parameter set of that model."),
        option(
            "--set",
            "assignments",
            metavar="NAME=VALUE",
            multiple=True,
            section=section,
            help="A parameter, by name or paper symbol: --set F=0.04. May be repeated.",
        ),
        option(
            "--dt", type=float, section=section, help="Time step.  [default: the preset's, or 1]"
        ),
        option("--stepper", section=section, help="Stepper.  [default: the model's own]"),
        option("--spacing", type=float, section=section, help="Side of a cell dx.  [default: 1]"),
        option(
            "--start",
            section=section,
            help="One of the model's starts, by name.  [default: the customary one]",
        ),
        option(
            "--save-every",
            type=int,
            section=section,
            help="Steps between two frames.  [default: 1 for a map or a short run, else about a "
            "hundred frames in all]",
        ),
    )
    return lambda function: reduce(lambda made, add: add(made), reversed(options), function)
