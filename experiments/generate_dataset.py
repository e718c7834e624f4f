"""Make a dataset: the documented script, the same command as ``mfn dataset``.

    python -m experiments.generate_dataset --num-samples 1000 --sweep default --seed 42 \
        --output data/mfn_dataset.parquet
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``mfn dataset`` with the script's arguments."""
    from mfnjax.cli import main as mfn

    mfn(args=["dataset", *sys.argv[1:]], prog_name="mfn")


if __name__ == "__main__":
    main()
