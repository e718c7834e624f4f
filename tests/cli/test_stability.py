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
        ((), "give a MODEL of `mfn models`, or --equation"),
        (("gray-scott", "--equation", "u_t = -u"), "one of the two"),
        (("--equation", "u_t = -u", "--preset", "spots"), "an equation has none"),
        (("--equation", "u_t = D*lap(u) - u"), "parameter 'D' is not given"),
        (("--equation", "u_t = lap(u) + x - u"), "these depend on x"),
        (("klausmeier", "--direction", "uphill"), "--direction uphill: numbers"),
        (("klausmeier", "--direction", "0,0"), "not all 0"),
        (("klausmeier", "--guess", "nan,1"), "--guess nan,1: numbers"),
        (("klausmeier", "--guess", "1"), "guesses must have 2 numbers a state"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(arguments, message: str) -> None:
    told = run(*arguments)
    assert told.exit_code == 2
    assert message in told.output


@pytest.mark.thorough
def test_an_equation_is_analysed_like_the_model_of_its_class() -> None:
    text = (
        "u_t = lap(u) + 0.1 - u + u^2*v",
        "v_t = D_v*lap(v) + 0.9 - u^2*v",
    )
    options = [part for line in text for part in ("--equation", line)]
    of_text = json.loads(run(*options, "--set", "D_v=17", "--json").output)
    of_class = json.loads(
        run("schnakenberg", "--set", "a=0.1", "--set", "b=0.9", "--set", "D_v=17", "--json").output
    )
    assert of_text["wavelength"] == pytest.approx(of_class["wavelength"], rel=1e-6)
    assert of_text["verdict"] == of_class["verdict"] == "Turing"


@pytest.mark.thorough
def test_waves_across_a_slope_do_not_grow() -> None:
    along, across = (
        json.loads(run("klausmeier", "--direction", way, "--json").output)["states"][0]
        for way in ("1,0", "0,1")
    )
    assert along["verdict"] == "wave"
    assert across["verdict"] == "stable"
