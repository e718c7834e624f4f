"""Parameters are declared once: what is declared, and that everything speaks of the same."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import ClassVar

import jax
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from mfnjax import (
    DatasetConfig,
    FeatureConfig,
    FisherKPPModel,
    GrayScottModel,
    Grid,
    MyceliumModel,
    ParameterError,
    SimulationConfig,
    SmoothMyceliumModel,
    build_model,
    get_model,
    model_names,
    register_model,
    register_pytree,
)
from mfnjax._parameter import Parameter
from mfnjax.cli import main
from mfnjax.models import ReactionDiffusion, parameter, parameters_of, registry
from mfnjax.v41.config import ValidationConfig

CLASSES = [*(get_model(name).model for name in model_names()), SmoothMyceliumModel]
CONFIGS = [SimulationConfig, ValidationConfig, FeatureConfig, DatasetConfig]


@pytest.mark.parametrize("model", CLASSES)
def test_every_parameter_of_a_model_is_declared(model) -> None:
    declared = parameters_of(model)
    assert list(declared) == [field.name for field in dataclasses.fields(model)]
    for name, one in declared.items():
        assert one.name == name
        assert one.text
        assert one.static or one.unit, f"{name} has no unit"
        assert f"    {name}: {one.words}." in model.__doc__
        one.check_real(name, one.default) if not one.static else None
    symbols = [symbol for one in declared.values() for symbol in one.symbols]
    assert len(symbols) == len(set(symbols))
    assert not set(symbols) & set(declared)
    assert model.symbols == {s: name for name, one in declared.items() for s in one.symbols}


@pytest.mark.parametrize("name", model_names())
def test_presets_lie_in_range(name: str) -> None:
    for preset in get_model(name).presets:
        build_model(name, {}, preset=preset).check(Grid((8, 8)), 1.0)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_of_a_configuration_is_declared_and_checked(config) -> None:
    for name, one in parameters_of(config).items():
        assert one.text
        assert f"    {name}: {one.words}." in config.__doc__
        if one.low is None:
            continue
        items = (lambda v: (v,) * 2) if isinstance(one.default, tuple) else (lambda v: v)
        for outside in (one.low - 1, one.high + 1):
            with pytest.raises(ValueError, match=name):
                config(**{name: items(outside)})


def mfn(*arguments: str) -> str:
    return CliRunner().invoke(main, arguments, prog_name="mfn").stdout


def test_the_shell_and_the_server_say_what_is_declared() -> None:
    from serve.routes.models import all_models

    shell = {row["name"]: row["parameters"] for row in json.loads(mfn("models", "--json"))}
    wire = {m.name: msgspec.to_builtins(m.parameters) for m in all_models().models}
    for name in model_names():
        declared = [one.to_dict() for one in parameters_of(get_model(name).model).values()]
        assert shell[name] == declared
        assert wire[name] == declared


def test_the_servers_schema_has_the_declared_ranges() -> None:
    from serve.schemas import SimulateRequest, ValidateRequest

    cycle = parameters_of(ValidationConfig)
    for request, declared in (
        (SimulateRequest, {**parameters_of(MyceliumModel), **cycle}),
        (ValidateRequest, cycle),
    ):
        schema = msgspec.json.schema(request)["$defs"][request.__name__]["properties"]
        for name in set(schema) & set(declared) - {"seed"}:
            one = declared[name]
            low = "exclusiveMinimum" if one.open_low else "minimum"
            assert (schema[name].get(low), schema[name].get("maximum")) == (one.low, one.high)
            assert schema[name]["default"] == one.default


@register_pytree
@dataclasses.dataclass(frozen=True)
class Plain(ReactionDiffusion):
    """u_t = D∇²u − ru: a class as people wrote them before there were declarations."""

    fields: ClassVar[tuple[str, ...]] = ("u",)
    reaction_fields: ClassVar[tuple[str, ...]] = ("u",)
    symbols: ClassVar[dict[str, str]] = {"D": "diffusivity"}

    diffusivity: float
    rate: float = -0.5
    flag: bool = dataclasses.field(default=True, metadata={"static": True})

    def reaction(self, values):
        return (-self.rate * values[0],)

    def transport(self, values, laplacian):
        return (self.diffusivity * laplacian(values[0]),)

    initial_state = None


def test_a_class_with_plain_fields_works() -> None:
    assert parameters_of(Plain) == {
        "diffusivity": Parameter(dataclasses.MISSING, ("D",), name="diffusivity"),
        "rate": Parameter(-0.5, name="rate"),
        "flag": Parameter(True, static=True, name="flag"),
    }
    register_model("plain", Plain)
    try:
        model = build_model("plain", {"D": 0.1})
        model.check(Grid((4, 4)), 1.0)
        assert registry.parameter_names(Plain) == ("diffusivity", "rate")
        assert "required" in mfn("models", "plain")
    finally:
        del registry._REGISTRY["plain"]


def test_a_subclass_keeps_the_symbols_it_inherits() -> None:
    class Child(Plain):
        drift: float = parameter(0.0, symbol="c")

    assert Child.symbols == {"D": "diffusivity", "c": "drift"}
    assert Plain.symbols == {"D": "diffusivity"}


@pytest.mark.parametrize("capacity", [-1.0, 0.0, np.array([1.0, -2.0]), np.float32(-1)])
def test_a_parameter_out_of_range_is_named_with_its_range(capacity) -> None:
    message = r"FisherKPPModel.capacity must lie in \(0, inf\), got (-|0)"
    with pytest.raises(ParameterError, match=message):
        FisherKPPModel(capacity=capacity).check(Grid((4, 4)), 1.0)
    jax.eval_shape(lambda k: FisherKPPModel(capacity=k).check(Grid((4, 4)), 1.0), capacity)


def test_what_an_equation_allows_is_not_refused() -> None:
    for model in (GrayScottModel(feed=-0.1), FisherKPPModel(growth_rate=-1), GrayScottModel(d_v=0)):
        model.check(Grid((4, 4)), 1.0)
    MyceliumModel(r_activator=np.float32(0.1), d_activator=np.float32(0.01)).check(Grid((4, 4)), 1)


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        (Parameter(0.1, low=0.0), "≥ 0"),
        (Parameter(0.1, low=0.0, open_low=True), "> 0"),
        (Parameter(-1.0, high=0.0), "≤ 0"),
        (Parameter(-1.0, high=0.0, open_high=True), "< 0"),
        (Parameter(0.1, low=0.0, high=0.25, open_low=True), "(0, 0.25]"),
        (Parameter(None, low=1, high=10_000), "1…10\u00a0000"),
        (Parameter((8, 9), low=4, high=1024), "4…1024"),
        (Parameter(0.1), ""),
    ],
)
def test_a_range_is_written_as_people_write_it(declared: Parameter, shown: str) -> None:
    assert declared.range == shown


def test_a_dataset_has_the_declared_units_and_ranges() -> None:
    from mfnjax.dataset.plan import make_plan
    from mfnjax.dataset.schema import columns_of

    config = DatasetConfig(num_samples=1, output_path=None)
    for name, changed in (("gray-scott", "feed"), ("mycelium", "turing_threshold")):
        units = {c.name: c.unit for c in columns_of(make_plan(config, model=name))}
        for parameter_name in registry.parameter_names(get_model(name).model):
            unit = parameters_of(get_model(name).model)[parameter_name].unit
            assert units[parameter_name] == ("" if unit == "1" else unit)
        assert changed in units
    with pytest.raises(ParameterError, match=r"range of capacity must lie in \(0, inf\), got -1"):
        make_plan(config, model="fisher-kpp", ranges={"K": (-1, 2)})


@pytest.mark.thorough
def test_configurations_need_no_jax() -> None:
    code = (
        "import mfnjax.v41.config, mfnjax.dataset.config, mfnjax.features.config, sys; "
        "sys.exit('jax' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
