"""The scientific validation: the documented script, the same command as ``mfn science``.

python -m experiments.scientific_validation
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``mfn science`` with the script's arguments."""
    from mfnjax.cli import main as mfn

    mfn(args=["science", *sys.argv[1:]], prog_name="mfn")


if __name__ == "__main__":
    main()
