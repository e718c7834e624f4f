"""The command line, ``mfn``: one file a command, imported when the command is called.

Nothing here imports JAX, so that ``mfn --help`` answers at once.
"""

from __future__ import annotations

import click

from mfnjax._version import __version__
from mfnjax.cli.group import CommandGroup

COMMANDS = {
    "simulate": ("mfnjax.cli.simulate:simulate", "Run a model; save, draw or film the result."),
    "features": ("mfnjax.cli.features:features", "Measure results and images: the 18 features."),
    "models": ("mfnjax.cli.models:models", "List the models, their parameters and presets."),
    "stability": (
        "mfnjax.cli.stability:stability",
        "Say whether a parameter set forms patterns, and which.",
    ),
    "fit": ("mfnjax.cli.fit:fit", "Fit a model to measurements; say how sure."),
    "science": ("mfnjax.cli.science:science", "Validate against closed forms and other programs."),
    "dataset": ("mfnjax.cli.dataset:dataset", "Make a dataset from a sweep; say what is in one."),
    "validate": (
        "mfnjax.cli.validate:validate",
        "Run the documented cycle: simulate, measure, train, report.",
    ),
    "train": ("mfnjax.cli.train:train", "Train a network to read a number off features."),
    "predict": ("mfnjax.cli.predict:predict", "Ask a trained network about fields and tables."),
    "bench": ("mfnjax.cli.bench:bench", "Measure speed and memory; compare with what was."),
    "demo": ("mfnjax.cli.demo:demo", "Run the documented demo and write a report with pictures."),
}
"""Name → (module:command, one line of help). A new command is one line here."""


@click.group(
    cls=CommandGroup,
    commands_table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Simulate pattern-forming fields, measure them, and look at them.

    \b
    mfn demo                                   a tour, with pictures
    mfn simulate --seed 42 -o run.npz          the v4.1 model, saved
    mfn simulate --model gray-scott --plot v.png
    mfn features run.npz colony.tif --json     the 18 features

    Every command explains itself: mfn COMMAND --help.
    """
