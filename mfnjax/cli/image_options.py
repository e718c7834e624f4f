"""The options that say which plane of an image file is read: the same for every such command."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import click

from mfnjax.cli.common import Function, option

IMAGE_OPTIONS = ("channel", "page", "series")


def image_options(section: str) -> Callable[[Function], Function]:
    """--channel, --page, --series: the arguments of `mfnjax.images.open_image`."""
    options = (
        option(
            "--channel",
            section=section,
            help="What to read of a colour image: red, green, blue, luma, or index (the numbers of "
            "a palette image); or the number of a channel, from 0.  [default: refuse colour]",
        ),
        option(
            "--page",
            type=click.IntRange(0),
            section=section,
            help="Plane of a stack, from 0, in the order of its axes but the channels.",
        ),
        option("--series", type=click.IntRange(0), section=section, help="Of a TIFF, from 0."),
    )
    return lambda function: reduce(lambda made, add: add(made), reversed(options), function)
