"""Models: one a file, a registry row each."""

from mfnjax.models.allen_cahn import AllenCahnModel
from mfnjax.models.base import Advanced, IteratedMap, Model, ReactionDiffusion
from mfnjax.models.brusselator import BrusselatorModel
from mfnjax.models.fisher_kpp import FisherKPPModel
from mfnjax.models.fitzhugh_nagumo import FitzHughNagumoModel
from mfnjax.models.gierer_meinhardt import GiererMeinhardtModel
from mfnjax.models.gray_scott import GrayScottModel
from mfnjax.models.mycelium import MyceliumModel, SmoothMyceliumModel, smooth_twin
from mfnjax.models.presets import Preset
from mfnjax.models.registry import (
    ModelEntry,
    build_model,
    get_model,
    model_names,
    parameter_names,
    register_model,
)
from mfnjax.models.schnakenberg import SchnakenbergModel
from mfnjax.models.swift_hohenberg import SwiftHohenbergModel

__all__ = [
    "Advanced",
    "AllenCahnModel",
    "BrusselatorModel",
    "FisherKPPModel",
    "FitzHughNagumoModel",
    "GiererMeinhardtModel",
    "GrayScottModel",
    "IteratedMap",
    "Model",
    "ModelEntry",
    "MyceliumModel",
    "Preset",
    "ReactionDiffusion",
    "SchnakenbergModel",
    "SmoothMyceliumModel",
    "SwiftHohenbergModel",
    "build_model",
    "get_model",
    "model_names",
    "parameter_names",
    "register_model",
    "smooth_twin",
]
