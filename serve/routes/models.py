"""The models: their parameters, presets and steppers."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any

from litestar import get

from serve.schemas import ModelInfo, ModelsResponse, ParameterInfo, PresetInfo


@functools.cache
def all_models() -> ModelsResponse:
    """Every registered model as the wire has it."""
    from mfnjax import get_model, model_names

    return ModelsResponse(models=[_info(get_model(name)) for name in model_names()])


def _info(entry: Any) -> ModelInfo:
    from mfnjax.core import Grid
    from mfnjax.steppers import boundaries_of, steppers_of

    model = entry.model
    example = entry.example()
    described = _attributes(model.__doc__ or "")
    symbols: dict[str, list[str]] = {}
    for symbol, name in model.symbols.items():
        symbols.setdefault(name, []).append(symbol)
    return ModelInfo(
        name=entry.name,
        summary=entry.summary,
        fields=list(model.fields),
        steppers=list(steppers_of(example, Grid((4, 4)))),
        boundaries=list(boundaries_of(example)),
        counters=list(model.counters),
        parameters=[
            ParameterInfo(
                name=f.name,
                symbols=symbols.get(f.name, []),
                default=f.default,
                description=described.get(f.name, ""),
                **_bounds(model, f.name),
            )
            for f in dataclasses.fields(model)
            if isinstance(f.default, (bool, int, float))
        ],
        presets={
            name: PresetInfo(
                description=preset.description,
                parameters=dict(preset.parameters),
                steps=preset.steps,
                dt=preset.dt,
            )
            for name, preset in entry.presets.items()
        },
    )


def _bounds(model: Any, name: str) -> dict[str, float]:
    """The documented range of a parameter of the v4.1 model."""
    from mfnjax import MyceliumModel
    from mfnjax.models.mycelium.ranges import DIFFUSIVITY_MAX, MYCELIUM_PARAMETERS

    if model is not MyceliumModel or name not in MYCELIUM_PARAMETERS:
        return {}
    given = getattr(MYCELIUM_PARAMETERS[name], "keywords", {})
    return {"minimum": given["low"], "maximum": given.get("high", DIFFUSIVITY_MAX)}


def _attributes(doc: str) -> dict[str, str]:
    """The 'Attributes' of a docstring: name → sentence."""
    _, _, rest = doc.partition("Attributes:")
    return dict(re.findall(r"^ +(\w+): (.+)$", rest, re.M))


@get("/models", tags=["simulation"])
async def models() -> ModelsResponse:
    """Every model that can be run, with its parameters and presets."""
    return all_models()
