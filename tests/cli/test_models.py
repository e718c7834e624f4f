"""``mfn models``."""

from __future__ import annotations

import json

from mfnjax.core import Grid
from mfnjax.models import get_model, model_names
from mfnjax.steppers import boundaries_of, steppers_of


def test_the_list_holds_every_model_with_parameters_and_symbols(mfn):
    listed = {row["name"]: row for row in json.loads(mfn("models", "--json").stdout)}
    assert tuple(listed) == model_names()
    row = listed["gray-scott"]
    feed = {"name": "feed", "symbols": ["F"], "default": 0.04, "unit": "1/time"}
    assert any(feed.items() <= parameter.items() for parameter in row["parameters"])
    assert row["fields"] == ["u", "v"]
    for name in model_names():
        model = get_model(name).example()
        assert listed[name]["steppers"] == list(steppers_of(model, Grid((8, 8))))
        assert listed[name]["boundaries"] == list(boundaries_of(model))
        assert list(listed[name]["presets"]) == list(get_model(name).presets)


def test_the_table_of_one_model(mfn):
    text = mfn("models", "fisher-kpp").stdout
    for word in ("growth_rate", "lambda, λ", "unit of u, > 0", "euler", "neumann"):
        assert word in text
    assert "gray-scott" not in text


def test_every_model_is_shown(mfn):
    text = mfn("models").stdout
    for name in model_names():
        assert name in text


def test_an_unknown_model_gets_a_suggestion(refused):
    assert "did you mean 'mycelium'" in refused("models", "mycelum")
