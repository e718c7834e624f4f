"""Structures that tell classes apart: a compiled run of one must never be taken for another's."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from mfnjax import Grid, ParameterError, Simulation, get_model, model_names
from mfnjax.core.pytree import register_pytree
from mfnjax.models import FisherKPPModel
from mfnjax.simulation.problem import prepare_inputs


@register_pytree
@dataclass(frozen=True)
class Pair:
    first: Any
    label: str = field(metadata={"static": True})
    second: Any = 2.0


@register_pytree
@dataclass(frozen=True)
class OtherPair:
    first: Any
    label: str = field(metadata={"static": True})
    second: Any = 2.0


def test_a_structure_knows_its_class_and_its_static_fields() -> None:
    structure = jax.tree.structure
    assert structure(Pair(1.0, "a")) == structure(Pair(5.0, "a"))
    assert structure(Pair(1.0, "a")) != structure(Pair(1.0, "b"))
    assert structure(Pair(1.0, "a")) != structure(OtherPair(1.0, "a"))


def test_it_goes_apart_and_together_again() -> None:
    leaves, structure = jax.tree.flatten(Pair(1.0, "a"))
    assert leaves == [1.0, 2.0]
    assert jax.tree.unflatten(structure, leaves) == Pair(1.0, "a")
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(Pair(1.0, "a"))]
    assert paths == [".first", ".second"]
    assert jax.jit(lambda p: p)(Pair(1.0, "a")).label == "a"


def test_slots_are_refused_by_name() -> None:
    @dataclass(frozen=True, slots=True)
    class Slotted:
        first: Any

    with pytest.raises(ParameterError, match="Slotted keeps first in slots"):
        register_pytree(Slotted)


def test_no_two_models_and_no_two_boundaries_share_a_structure() -> None:
    nodes = [get_model(name).model() for name in model_names()]
    nodes += [Grid((3, 4), 1.0, name).boundary for name in ("periodic", "neumann", "dirichlet")]
    for one, other in itertools.combinations(nodes, 2):
        assert jax.tree.structure(one) != jax.tree.structure(other), (one, other)


def test_every_class_runs_its_own_program() -> None:
    """By JAX's register_dataclass several of as many classes run another's (11 of 64)."""

    def numbered(number: int) -> Any:
        body = {"__annotations__": {"x": Any}, "number": number}
        return register_pytree(dataclass(frozen=True)(type("Numbered", (), body)))

    number_of = jax.jit(lambda node: node.x * 0 + node.number)
    classes = [numbered(number) for number in range(32)]
    assert [int(number_of(cls(1.0))) for cls in classes] == list(range(32))


@pytest.mark.parametrize("folder", ["mfnjax", "serve", "experiments", "benchmarks", "docs"])
def test_nothing_is_registered_in_another_way(folder: str) -> None:
    root = Path(__file__).parents[2]
    other = re.compile(r"tree_util(\.| import .*)register_")
    for path in [p for kind in ("py", "md", "ipynb") for p in (root / folder).rglob(f"*.{kind}")]:
        if path != root / "mfnjax/core/pytree.py":
            assert not other.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("register", [jax.tree_util.register_dataclass, register_pytree])
def test_a_users_own_model_is_told_apart_by_the_driver(register) -> None:
    def own_class(name: str) -> Any:
        return register(dataclass(frozen=True)(type(name, (FisherKPPModel,), {})))

    grid, fields = Grid((3, 4)), (jnp.ones((3, 4)),)
    problems = [
        prepare_inputs(Simulation(own_class(name)(), grid, 1, 0.1), fields, None).problem
        for name in ("One", "Other")
    ]
    assert jax.tree.structure(problems[0]) != jax.tree.structure(problems[1])
