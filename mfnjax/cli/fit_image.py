"""What ``mfn fit --image`` does: read a picture, fit it, say what was assumed, and judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import jax

from mfnjax._files import check_writable
from mfnjax.cli.common import named, writing
from mfnjax.cli.image_options import IMAGE_OPTIONS
from mfnjax.fitting.snapshot import fit_snapshot
from mfnjax.images import read_image

OPTIONS = {"d_u": "--du", "d_v": "--dv", "noise": "--noise"}
OPTIONS |= {"model": "--model", "boundary": "--boundary"}
"""Argument of `fit_snapshot` → option of the command."""

_REFUSED = (
    "  No parameters are given: no pattern at rest looks like this picture. It may still move, be "
    "cut out of a larger one, have edges of another kind (--boundary), or be inverted (--invert); "
    "or be a JPEG, whose errors are no white noise (--noise 3), or a mask with grey edges."
)


def fit_image(path: str, settings: dict[str, Any]) -> None:
    """Fit a picture and report; ``settings`` are the options of the command."""
    folder = None if settings["out"] is None else Path(settings["out"])
    if folder is not None:
        check_writable(folder / "fit.json")
    levels = read_image(path, **{name: settings[name] for name in IMAGE_OPTIONS}).astype(float)
    with named({**OPTIONS, "image": path}):
        found = fit_snapshot(
            levels.min() + levels.max() - levels if settings["invert"] else levels,
            settings["model"],
            d_u=settings["du"],
            d_v=settings["dv"],
            noise=settings["noise"],
            affine=True,
            boundary=settings["boundary"],
            key=jax.random.key(settings["seed"]),
        )
    if settings["as_json"]:
        click.echo(found.to_json())
    else:
        click.echo(repr(found))
        if not found.stationary:
            click.echo(_REFUSED)
    if folder is not None:
        with writing():
            found.to_json(folder / "fit.json")
            found.plot(folder / "fit.png")
        if not settings["as_json"]:
            click.echo(f"Written to {folder}: fit.json, fit.png")
