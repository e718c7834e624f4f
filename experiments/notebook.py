"""What the experiments that are also notebooks share: where things are, and how a figure is shown.

With the environment variable MFNJAX_FAST=1 they take smaller problems: every step is run, no figure
is fit to be quoted.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MFN_SHARED_DATA", ROOT / ".." / "shared" / "data"))
FAST = os.environ.get("MFNJAX_FAST", "") not in ("", "0")


def output_folder(name: str) -> Path:
    """The folder of an experiment's output, out/NAME/ unless MFNJAX_OUT says otherwise."""
    folder = Path(os.environ.get("MFNJAX_OUT", ROOT / "out")) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def flags(**meanings: str) -> argparse.Namespace:
    """Which of the named flags (name → meaning) a script was called with; none in a notebook."""
    parser = argparse.ArgumentParser()
    for name, meaning in meanings.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    return parser.parse_args([] if "ipykernel" in sys.modules else None)


def show(figure: Any, path: Path) -> None:
    """Write a figure, and show it where this runs in a notebook."""
    from mfnjax.plotting import png_bytes, save_figure

    save_figure(figure, path, dpi=200)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display

        display(Image(png_bytes(figure)))
    else:
        print(f"figure: {path}")
