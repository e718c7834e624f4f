"""Notebooks, built from the scripts: ``python -m experiments.notebooks`` writes to out/notebooks/.

A script in jupytext's percent format is the only source; what is built is not kept in the
repository. ``--execute`` runs each one as well, so that it opens with its results.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from experiments.notebook import ROOT

SCRIPTS = tuple(sorted((ROOT / "experiments").glob("fit_*.py")))


def build(script: Path, folder: Path) -> Path:
    """Write the notebook of a script; returns its path."""
    notebook = jupytext.read(script)
    # The notebook finds the checkout from where it lies.
    move = nbformat.v4.new_code_cell(f"%cd -q {os.path.relpath(ROOT, folder)}")
    notebook.cells.insert(1, move)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    path = folder / f"{script.stem}.ipynb"
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    return path


def execute(path: Path, *, timeout_s: int = 600) -> nbformat.NotebookNode:
    """Run a notebook in its folder and write its results into it; raises where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=timeout_s, resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        client.execute()
    finally:
        path.write_text(nbformat.writes(notebook), encoding="utf-8")
    return notebook


def main() -> None:
    """Build all notebooks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--execute", action="store_true", help="run them, too")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "notebooks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        path = build(script, options.out)
        if options.execute:
            execute(path)
        print(path)


if __name__ == "__main__":
    main()
