"""``mfn validate``: the documented validation cycle."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from mfnjax.cli.common import (
    NETWORK_MODULES,
    SETTINGS,
    Progress,
    SectionCommand,
    config_options,
    console,
    number,
    option,
    require_extra,
    start_jax,
    table,
)
from mfnjax.v41.config import VALIDATION_RUNS, ValidationConfig

if TYPE_CHECKING:
    from mfnjax.v41.validation import ValidationReport

_CYCLE = "The cycle (fields of ValidationConfig; - and _ are the same)"


@click.command(cls=SectionCommand, context_settings=SETTINGS)
@config_options(ValidationConfig, section=_CYCLE)
@option(
    "--config",
    "config_file",
    metavar="FILE",
    section=_CYCLE,
    help="TOML or JSON file; options win over it.",
)
@option("--json", "as_json", is_flag=True, section="Output", help="Print JSON.")
@option(
    "--cache/--no-cache",
    default=True,
    section="Other options",
    help="Keep compiled programs in your cache folder (also: MFNJAX_CACHE=off).",
)
def validate(config_file: str | None, as_json: bool, cache: bool, **options: Any) -> None:
    """Run the documented validation cycle and report what it found.

    16 simulations, with the seeds SEED … SEED + 15, are measured; the network is trained on the
    target 0.5·D + 0.2·mean − 0.1·std of those measurements. The same options give the same report.

    \b
    mfn validate
    mfn validate --epochs 5 --grid-size 32 --json
    """
    require_extra("mfn validate", "network", *NETWORK_MODULES)
    values = {} if config_file is None else ValidationConfig.from_file(config_file).to_dict()
    given = {name: value for name, value in options.items() if value is not None}
    config = ValidationConfig.from_dict({**values, **given})
    start_jax(x64=False, cache=cache)
    from mfnjax.v41.validation import run_validation

    started = time.perf_counter()
    with Progress("simulating") as progress:
        report = run_validation(config, progress=progress)
    seconds = time.perf_counter() - started
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _print(config, report, seconds)


def _print(config: ValidationConfig, report: ValidationReport, seconds: float) -> None:
    size = f"{config.grid_size} × {config.grid_size}"
    rows = table("Validation cycle", "", "", "", headers=False)
    rows.columns[-1].justify = "left"
    seeds = f"seeds {config.seed} … {config.seed + VALIDATION_RUNS - 1}"
    rows.add_row("runs", str(VALIDATION_RUNS), f"{size}, {config.steps} steps, {seeds}")
    for name, (unit, meaning) in _MEANING.items():
        value = number(getattr(report, name))
        rows.add_row(name, f"{value} {unit}".strip(), meaning)
    rows.add_row("wall time", f"{seconds:.2f} s", "compilation included")
    console().print(rows)


_MEANING = {
    "loss_start": ("", "mean squared error before the first update"),
    "loss_final": ("", "after the last"),
    "loss_drop": ("", "what training took off"),
    "pot_min_mV": ("mV", "lowest potential of all runs"),
    "pot_max_mV": ("mV", "highest"),
    "example_fractal_dim": ("", "box-counting dimension of the first run"),
    "lyapunov_exponent": ("", "mean ln|det J| of a random contracting IFS, < 0"),
    "growth_events": ("", "of the first run"),
    "nernst_symbolic_mV": ("mV", "K⁺, 5 mM outside, 140 mM inside, 37 °C: closed form"),
    "nernst_numeric_mV": ("mV", "the same by mfnjax.membrane"),
}
