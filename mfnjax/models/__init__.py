"""Models: one a file, a registry row each."""

from mfnjax.models.base import Advanced, IteratedMap, Model, ReactionDiffusion
from mfnjax.models.fisher_kpp import FisherKPPModel
from mfnjax.models.gray_scott import GrayScottModel
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.models.registry import (
    ModelEntry,
    Preset,
    build_model,
    get_model,
    model_names,
    parameter_names,
    register_model,
)

__all__ = [
    "Advanced",
    "FisherKPPModel",
    "GrayScottModel",
    "IteratedMap",
    "Model",
    "ModelEntry",
    "MyceliumModel",
    "Preset",
    "ReactionDiffusion",
    "build_model",
    "get_model",
    "model_names",
    "parameter_names",
    "register_model",
]
