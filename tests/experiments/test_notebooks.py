"""Every fit of the experiments as a notebook: built from its script, run in its fast mode."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.notebooks import ROOT, SCRIPTS, build, execute


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_notebook_runs_and_shows_its_figures(
    script: Path, shared_data: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("MFNJAX_FAST", "1")
    monkeypatch.setenv("MFNJAX_OUT", str(tmp_path))
    monkeypatch.setenv("MFN_SHARED_DATA", str(shared_data))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = execute(build(script, tmp_path))
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    summary = tmp_path / script.stem / "summary.json"
    if summary.exists():
        assert json.loads(summary.read_text(encoding="utf-8"))


def test_a_notebook_is_its_script(tmp_path: Path) -> None:
    import jupytext
    import nbformat

    script = ROOT / "experiments" / "fit_scratch_assay.py"
    notebook = nbformat.read(build(script, tmp_path), as_version=4)
    del notebook.cells[1]  # the one that goes to the checkout
    source = jupytext.read(script)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in source.cells]
    assert notebook.cells[0].cell_type == "markdown"
