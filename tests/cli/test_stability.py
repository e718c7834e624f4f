"""``mfn stability``: the verdict, the numbers behind it, and the picture."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mfnjax.cli import main


def run(*arguments: str):
    return CliRunner().invoke(main, ["stability", *arguments])


@pytest.mark.thorough
def test_the_documented_model_forms_no_pattern() -> None:
    told = run("mycelium")
    assert told.exit_code == 0
    assert "marginal at q = 0 (det J = 0), decaying for q > 0: forms no pattern" in told.output
    assert "-0 at" not in told.output


@pytest.mark.thorough
def test_a_turing_model_with_its_threshold_and_picture(tmp_path) -> None:
    picture = tmp_path / "dispersion.png"
    told = run("schnakenberg", "--set", "D_v=17", "--critical", "d_v", "--plot", str(picture))
    assert told.exit_code == 0, told.output
    assert "forms a pattern" in told.output
    assert "critical d_v = 8.567627" in told.output
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.thorough
def test_json_holds_the_same() -> None:
    told = json.loads(run("brusselator", "--set", "B=3.5", "--json").output)
    assert "no pattern" in told["sentence"] or told["verdict"] == "stable"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grayscott",), "did you mean 'gray-scott'?"),
        (("gray-scott", "--set", "F"), "--set F: NAME=VALUE with a number"),
        (("gray-scott", "--set", "Q=1"), "has no parameter 'Q'"),
        (("gray-scott", "--plot", "x.doc"), "--plot"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(arguments, message: str) -> None:
    told = run(*arguments)
    assert told.exit_code == 2
    assert message in told.output
