"""The models: their parameters, presets and steppers."""

from __future__ import annotations

import functools
from dataclasses import MISSING
from typing import Any

from litestar import get

from mfnjax._parameter import parameters_of
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
    return ModelInfo(
        name=entry.name,
        summary=entry.summary,
        fields=list(model.fields),
        steppers=list(steppers_of(example, Grid((4, 4)))),
        boundaries=list(boundaries_of(example)),
        counters=list(model.counters),
        parameters=[
            ParameterInfo(**declared.to_dict())
            for declared in parameters_of(model).values()
            if declared.default is MISSING or isinstance(declared.default, (bool, int, float))
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


@get("/models", tags=["simulation"])
async def models() -> ModelsResponse:
    """Every model that can be run, with its parameters and presets."""
    return all_models()
