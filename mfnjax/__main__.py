"""``python -m mfnjax`` is the command ``mfn``."""

from mfnjax.cli import main

main(prog_name="mfn")
