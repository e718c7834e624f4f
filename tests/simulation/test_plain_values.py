"""Simulations of any equation on any domain as plain values: what is said, kept and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfnjax import (
    PDE,
    Dirichlet,
    Ghost,
    Grid,
    MfnError,
    Neumann,
    ParameterError,
    Robin,
    Simulation,
    Trajectory,
)
from mfnjax.core.boundary import BOUNDARIES
from mfnjax.simulation.plain_sides import plain_sides, read_sides

SHAPE, FIELDS = (6, 8), ("u", "v")

SAID: list[tuple[Any, Any]] = [
    ("periodic", "periodic"),
    ("dirichlet", Ghost(0.0)),
    ("dirichlet 0", Dirichlet(0.0)),
    ("neumann 0.5", Neumann(0.5)),
    ("ghost 2", Ghost(2.0)),
    ("robin 1 2 3", Robin(1.0, 2.0, 3.0)),
    ("robin 1 (2 + t) sin(x)", Robin(1.0, "2 + t", "sin(x)")),
    (
        "x-: dirichlet 1 + y; x+: neumann\ny: periodic",
        {"x-": Dirichlet("1 + y"), "x+": "neumann", "y": "periodic"},
    ),
    (
        {"x": "neumann", "y-": "dirichlet 1", "y+": ["ghost", 2]},
        {"x": "neumann", "y-": Dirichlet(1.0), "y+": Ghost(2)},
    ),
    (
        "neumann; u.x-: dirichlet 1",
        {"u": {"x-": Dirichlet(1.0), "x+": "neumann", "y": "neumann"}, "v": "neumann"},
    ),
    ({"u": "dirichlet", "v": {"x": "periodic", "y": "neumann"}}, None),
    ("x: periodic; y: neumann; v.y: ghost 1", None),
]


@pytest.mark.parametrize(("text", "sides"), SAID, ids=[str(text) for text, _ in SAID])
def test_sides_are_what_their_text_says_and_are_written_out_again(text: Any, sides: Any) -> None:
    found = read_sides(text, SHAPE, FIELDS)
    if sides is not None:
        assert found == Grid(SHAPE, boundary=sides).boundary
    assert read_sides(plain_sides(found), SHAPE, FIELDS) == found


@pytest.mark.parametrize("text", ["1", "(x)", "(x) + (y)", "1 + x", "x+y"])
def test_a_formula_comes_back_as_it_was(text: str) -> None:
    side = Grid(SHAPE, boundary=Robin(text, 9, text)).boundary
    assert read_sides(plain_sides(side), SHAPE, FIELDS) == side


def test_an_array_on_a_side_is_a_list() -> None:
    sides = Grid(
        SHAPE, boundary={"x-": Dirichlet(np.arange(6)), "x+": "neumann", "y": "periodic"}
    ).boundary
    plain = plain_sides(sides)
    assert plain["x-"] == ["dirichlet", [0, 1, 2, 3, 4, 5]]
    assert plain_sides(read_sides(plain, SHAPE, FIELDS)) == plain
    assert BOUNDARIES["dirichlet"] == read_sides("dirichlet", SHAPE, FIELDS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "does not say what is at the sides"),
        ("dirichlt 1", "did you mean 'dirichlet'"),
        ("x-: dirichlet; x+: neumann; y: periodic", "at x-: dirichlet takes VALUE"),
        ("x: neumann", "the side y-"),
        ("x: neumann; y: neumann; z: neumann", "no side"),
        ("w.x: neumann", "no field 'w'"),
        ("u: neumann", "the sides of v"),
        ("neumann; neumann", "all sides twice"),
        ("x: neumann; x-: neumann 1; y: neumann", "x- twice"),
        ("x-: periodic; x+: neumann; y: neumann", "takes both"),
        ("robin 1 2", "robin takes A B C"),
        ("periodic 3", "no value"),
        ("dirichlet foo", "unknown name 'foo'"),
        ("dirichlet nan", "finite"),
        ("dirichlet ().__class__", "column"),
        ("a b: neumann", "no place"),
        ("x" * 20_000, "10000 characters"),
        (5, "must be one of"),
        ([], "must be one of"),
        ({1: "neumann"}, "must name sides"),
        (["dirichlet", [[1], [1, 2]]], "finite number"),
    ],
)
def test_what_is_no_boundary_is_one_line(given: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words.replace("(", r"\(")) as caught:
        read_sides(given, SHAPE, FIELDS)
    assert "\n" not in str(caught.value)


def test_a_function_on_a_side_cannot_be_written_out() -> None:
    grid = Grid(8, boundary=Dirichlet(lambda at: at.t))
    with pytest.raises(ParameterError, match=r"Dirichlet\(value=\) is a function"):
        plain_sides(grid.boundary)


def any_domain() -> Simulation:
    """Two equations, every kind of parameter, sides of each field, a mask, unequal spacing."""
    model = PDE(
        "u_t = D*lap(u) - u*v\nv_t = div(E*grad(v)) + noise(s)",
        D=0.1,
        E="0.1 + 0.001*x",
        s=np.full((12, 12), 0.01),
    )
    sides = {
        "u": {"x-": Dirichlet("1 + 0.1*y"), "x+": Robin(1, 2, 3), "y": "neumann"},
        "v": "neumann",
    }
    grid = Grid((12, 12), (0.5, 1.0), sides, Grid.disc(12).mask, (1.0, 2.0))
    start = {"u": "uniform()", "v": 0.5}
    return Simulation(model, grid, 4, 0.05, save_every=2, start=start)


@pytest.mark.thorough
def test_a_result_file_keeps_all_of_it_and_runs_again(tmp_path: Path) -> None:
    run = any_domain().run(seed=1)
    back = Trajectory.load(run.save(tmp_path / "run.npz"))
    again = back.simulation.run(seed=back.seed)
    for one in (back, again):
        np.testing.assert_array_equal(one.state["u"], run.state["u"])
        np.testing.assert_array_equal(one.histories["v"], run.histories["v"])
    assert back.simulation.grid.boundary == run.simulation.grid.boundary
    assert back.simulation.start == run.simulation.start


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_configuration_file_keeps_all_of_it(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"run.{ending}"
    any_domain().to_file(path)
    back = Simulation.from_file(path)
    np.testing.assert_array_equal(back.run(seed=1).state["v"], any_domain().run(seed=1).state["v"])


@pytest.mark.parametrize(
    ("shape", "boundary", "spacing"),
    [
        (16, "x-: dirichlet 1; x+: dirichlet 0", 0.5),
        ([8], "periodic", [2.0]),
        ([3, 4, 5], "x: periodic; y: neumann; z-: ghost 1; z+: neumann", [1.0, 2.0, 3.0]),
        ([1, 9], "x-: dirichlet 1; x+: neumann", 1.0),
    ],
)
def test_a_grid_of_one_to_three_axes(shape: Any, boundary: str, spacing: Any) -> None:
    values = {"equation": "u_t = D*lap(u)", "D": 0.1, "steps": 2, "dt": 0.1}
    values |= {"shape": shape, "boundary": boundary, "spacing": spacing}
    simulation = Simulation.from_dict(values)
    assert Simulation.from_dict(simulation.to_dict()) == simulation
    assert bool(simulation.run(seed=1).status.ok)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "gray-scott"}, "equation says what the model is"),
        ({"equation": 5}, "must be text"),
        ({"equation": "u_t = D*q"}, "'q' is not given"),
        ({"E": 1.0}, "'E' is not used"),
        ({"D": True}, "number, an array or a text"),
        ({"D": {}}, "number, an array or a text"),
        ({"D": "foo"}, "unknown name 'foo'"),
        ({"parameters": {"D": 1}}, "given twice"),
        ({"shape": [1, 2, 3, 4]}, "shape must be"),
        ({"shape": "5"}, "shape must be"),
        ({"shape": [100_000, 100_000]}, "cells in all"),
        ({"mask": "a.png"}, "mask must be"),
        ({"mask": [[1], [1, 2]]}, "mask must be"),
        ({"mask": [[2.0]]}, "mask must lie"),
        ({"mask": [[1.0]], "shape": [5, 5]}, "grid's shape"),
        ({"spacing": [1, 2, 3]}, "spacing must be"),
        ({"spacing": 0}, "spacing must"),
        ({"origin": "x"}, "origin must"),
        ({"start": "ring"}, "customary start"),
        ({"start": {"w": "1"}}, "names 'w'"),
        ({"start": {"u": None}}, "start of 'u'"),
        ({"start": 5}, "customary start"),
    ],
)
def test_a_bad_value_is_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(MfnError, match=words) as caught:
        Simulation.from_dict({"equation": "u_t = D*u", "D": 1.0, **change})
    assert "\n" not in str(caught.value)


def test_a_parameter_that_is_a_function_cannot_be_written_out() -> None:
    simulation = Simulation(PDE("u_t = f(u)", f=abs), Grid(8), 1)
    with pytest.raises(ParameterError, match="'f' is a function"):
        simulation.to_dict()
