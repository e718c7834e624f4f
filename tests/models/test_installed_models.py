"""Models of installed packages (entry points `mfnjax.models`), in the shell and at the server."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from mfnjax.cli import main
from mfnjax.models import get_model, model_names, registry
from serve.app import create_app
from serve.routes.models import all_models
from serve.settings import Settings

OWN_MODEL = Path(__file__).parents[1] / "serve" / "own_model.py"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages; what is found there is forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(registry, "_to_load", True)
    before = set(sys.modules)
    all_models.cache_clear()
    yield tmp_path
    all_models.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("ecology"):
            del sys.modules[name]


def install(folder: Path, points: str, **modules: str) -> None:
    """Put modules and their entry points where `importlib.metadata` finds them."""
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    about = folder / "ecology-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ecology\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[mfnjax.models]\n{points}\n", encoding="utf-8")


REGISTERS = OWN_MODEL.read_text(encoding="utf-8")
ONLY_A_CLASS = REGISTERS.partition("\nregister_model(")[0]


def test_a_module_that_registers_is_known_to_the_shell_and_the_server(package: Path) -> None:
    install(package, "any-name = ecology", ecology=REGISTERS)
    shown = CliRunner().invoke(main, ["models", "rivals", "--json"])
    assert json.loads(shown.output)[0]["fields"] == ["one", "other"]
    web = TestClient(create_app(Settings(state_dir=package)))
    assert "rivals" in {one["name"] for one in web.get("/models").json()["models"]}


def test_a_class_is_registered_by_the_name_of_its_entry_point(package: Path) -> None:
    install(package, "rivals-of-mine = ecology:Rivals", ecology=ONLY_A_CLASS)
    assert "rivals-of-mine" in model_names()
    assert get_model("rivals-of-mine").model.__name__ == "Rivals"


def test_one_that_cannot_be_loaded_is_a_warning_and_the_others_are_there(package: Path) -> None:
    install(
        package,
        "broken = ecology_broken\nmissing = ecology:Nobody\nrivals = ecology:Rivals\n"
        "gray-scott = ecology_double:Rivals",
        ecology=ONLY_A_CLASS,
        ecology_double=ONLY_A_CLASS,
        ecology_broken="1 / 0\n",
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert "rivals" in model_names()
        model_names()
    told = sorted(str(warning.message) for warning in caught)
    assert len(told) == 3  # once each, however often is asked
    assert "'broken' of ecology" in told[0]
    assert "ZeroDivisionError: division by zero (ecology_broken.py, line 1)" in told[0]
    assert "'gray-scott' of ecology" in told[1]
    assert "registered already" in told[1]
    assert "'missing' of ecology" in told[2]
    assert all("\n" not in line for line in told)


def test_a_model_of_our_own_asks_for_nothing_that_is_installed(package: Path) -> None:
    install(package, "broken = ecology_broken", ecology_broken="1 / 0\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get_model("gray-scott").name == "gray-scott"


@pytest.mark.thorough
def test_a_fresh_shell_knows_them(tmp_path: Path) -> None:
    install(tmp_path, "rivals = ecology:Rivals", ecology=ONLY_A_CLASS)
    shell = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from mfnjax.cli import main; main()"
    )
    asked = ["simulate", "--model", "rivals", "--set", "γ=1.5", "--grid-size", "16", "--steps", "4"]
    done = subprocess.run([sys.executable, "-c", shell, *asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rivals" in done.stdout
