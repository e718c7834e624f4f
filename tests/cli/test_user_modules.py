"""A user's own model on the command line: `--import`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mfnjax.models import registry

TUTORIAL = Path(__file__).parents[2] / "docs" / "your_own_model.md"


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch, tmp_path):
    """What a command imports and registers is forgotten after the test."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("_mfn_import_") or name in ("lotka", "neighbour"):
            del sys.modules[name]


@pytest.fixture
def lotka(tmp_path) -> Path:
    """The model of the tutorial as it stands there, as a file."""
    code = re.search(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)[1]
    path = tmp_path / "lotka.py"
    path.write_text(code.partition("grid, model = ")[0])
    return path


@pytest.mark.thorough
def test_the_tutorials_model_is_simulated_described_and_analysed(mfn, lotka):
    run = ("--model", "lotka-volterra", "--set", "r=0.4", "--dt", 0.05, "--steps", 20)
    mfn("simulate", "--import", lotka, *run, "--grid-size", 8, "--stepper", "rk4", "-o", "run.npz")
    with np.load("run.npz") as file:
        said = json.loads(str(file["meta"]))["simulation"]["parameters"]
        assert said == {"diffusivity": 0.1, "rate": 0.4}
        assert file["prey"].shape == (8, 8)
    (described,) = json.loads(mfn("models", "lotka-volterra", "--import", lotka, "--json").stdout)
    assert described["fields"] == ["prey", "predator"]
    found = json.loads(mfn("stability", "lotka-volterra", "--import", lotka, "--json").stdout)
    empty = next(s for s in found["states"] if s["state"] == {"prey": 0.0, "predator": 0.0})
    assert empty["jacobian"] == [[1.0, 0.0], [0.0, -0.5]]  # diag(1, −r)


@pytest.mark.thorough
def test_the_tutorials_model_is_swept_as_the_tutorial_says(mfn, lotka):
    """No row fails: the command is read from the page, on fewer and smaller grids."""
    (line,) = re.findall(
        r"^\$ mfn (dataset .*)$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE
    )
    mfn(*line.split(), "--num-samples", 3, "--grid-sizes", 8)
    rows = pq.read_table("lotka.parquet").to_pandas()
    assert len(rows) == 3
    assert rows["rate"].between(0.2, 0.8).all()
    assert (rows["predator_change_max"] > 0).all()


def test_a_model_of_ones_own_is_known_to_fit(refused, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from mfnjax import FisherKPPModel, register_model\n"
        "register_model('front', FisherKPPModel)\n"
    )
    rows = [f"{x},{t},{1 / (1 + np.exp(x - 3 - t)):.4f}" for t in (0, 1) for x in range(8)]
    (tmp_path / "seen.csv").write_text("\n".join(["x,t,y", *rows]))
    # With every parameter held it says so, which takes no time; without --import it knows no model.
    held = ("--no-start-noise", "--fix", "D", "--fix", "K", "--fix", "growth_rate")
    given = ("fit", "--model", "front", "--data", "seen.csv", *held)
    assert "no model 'front'" in refused(*given)
    known = refused(*given, "--import", "mine.py")
    assert "nothing is left to fit; the parameters are diffusivity, growth_rate" in known


def test_a_module_by_name_is_looked_for_in_the_working_folder(mfn, lotka):
    assert "lotka-volterra" in mfn("models", "--import", "lotka").stdout
    assert "lotka-volterra" in mfn("models", "--import", "lotka").stdout  # twice does no harm


def test_a_file_sees_its_neighbours_and_may_be_named_twice(mfn, lotka, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    lotka.rename(tmp_path / "elsewhere" / "neighbour.py")
    (tmp_path / "elsewhere" / "all.py").write_text("import neighbour\n")
    file = tmp_path / "elsewhere" / "all.py"
    for _ in range(2):
        assert "lotka-volterra" in mfn("models", "--import", file).stdout


def test_what_cannot_be_imported_is_one_line(refused, tmp_path):
    def tell(code: str) -> str:
        (tmp_path / "mine.py").write_text(code)
        return refused("models", "--import", "mine.py")

    assert "none.py: no such file" in refused("simulate", "--import", "none.py")
    assert "is a folder" in refused("simulate", "--import", f"{tmp_path}/")
    message = refused("stability", "gray-scott", "--import", "no_such_module_here")
    assert "no such module; a file is named with its ending, no_such_module_here.py" in message
    assert "ZeroDivisionError: division by zero (mine.py, line 2)" in tell("x = 1\nx / 0\n")
    assert "SyntaxError" in tell("def f(:\n")
    assert "No module named 'absent_thing'" in tell("import absent_thing\n")
    assert "SystemExit" in tell("raise SystemExit\n")
    taken = "from mfnjax import FisherKPPModel, register_model\n"
    assert "a model named 'gray-scott' is registered already (mine.py, line 2)" in tell(
        taken + "register_model('gray-scott', FisherKPPModel)\n"
    )
    assert not [name for name in sys.modules if name.startswith("_mfn_import_mine")]
