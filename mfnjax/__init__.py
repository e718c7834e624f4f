"""mfnjax: differentiable simulation of pattern-forming fields on JAX.

What is public is listed here, by hand. A name is imported when it is first used, so that
``import mfnjax`` and ``mfn --help`` do not wait for JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mfnjax._version import __version__

if TYPE_CHECKING:
    from mfnjax._cache import (
        enable_compilation_cache,
    )
    from mfnjax._cpu import (
        configure_cpu,
    )
    from mfnjax.core import (
        Grid,
        State,
        annealed_width,
        laplacian,
        register_pytree,
    )
    from mfnjax.dataset import (
        generate_dataset,
        load_dataset,
    )
    from mfnjax.dataset.config import (
        DatasetConfig,
        make_dataset_config_default,
        make_dataset_config_demo,
    )
    from mfnjax.errors import (
        DataError,
        FitError,
        MfnError,
        NumericalInstabilityError,
        ParameterError,
        StabilityError,
    )
    from mfnjax.features import (
        FeatureVector,
        compute_features,
    )
    from mfnjax.features.config import (
        FeatureConfig,
        make_feature_config_default,
        make_feature_config_demo,
    )
    from mfnjax.fitting import (
        FitResult,
        fit,
    )
    from mfnjax.models import (
        AllenCahnModel,
        BrusselatorModel,
        FisherKPPModel,
        FitzHughNagumoModel,
        GiererMeinhardtModel,
        GrayScottModel,
        Model,
        MyceliumModel,
        SchnakenbergModel,
        SmoothMyceliumModel,
        SwiftHohenbergModel,
        build_model,
        get_model,
        model_names,
        register_model,
        smooth_twin,
    )
    from mfnjax.simulation import (
        Trajectory,
        simulate,
        simulate_ensemble,
    )
    from mfnjax.v41 import (
        SimulationConfig,
        SimulationResult,
        compute_fractal_features,
        make_simulation_config_default,
        make_simulation_config_demo,
        run_mycelium_simulation,
        run_mycelium_simulation_with_history,
    )

_PUBLIC = {
    "mfnjax._cache": ("enable_compilation_cache",),
    "mfnjax._cpu": ("configure_cpu",),
    "mfnjax.core": ("Grid", "State", "annealed_width", "laplacian", "register_pytree"),
    "mfnjax.dataset": ("generate_dataset", "load_dataset"),
    "mfnjax.dataset.config": (
        "DatasetConfig",
        "make_dataset_config_default",
        "make_dataset_config_demo",
    ),
    "mfnjax.errors": (
        "DataError",
        "FitError",
        "MfnError",
        "NumericalInstabilityError",
        "ParameterError",
        "StabilityError",
    ),
    "mfnjax.features": ("FeatureVector", "compute_features"),
    "mfnjax.features.config": (
        "FeatureConfig",
        "make_feature_config_default",
        "make_feature_config_demo",
    ),
    "mfnjax.fitting": ("FitResult", "fit"),
    "mfnjax.models": (
        "AllenCahnModel",
        "BrusselatorModel",
        "FisherKPPModel",
        "FitzHughNagumoModel",
        "GiererMeinhardtModel",
        "GrayScottModel",
        "Model",
        "MyceliumModel",
        "SchnakenbergModel",
        "SmoothMyceliumModel",
        "SwiftHohenbergModel",
        "build_model",
        "get_model",
        "model_names",
        "register_model",
        "smooth_twin",
    ),
    "mfnjax.simulation": ("Trajectory", "simulate", "simulate_ensemble"),
    "mfnjax.v41": (
        "SimulationConfig",
        "SimulationResult",
        "compute_fractal_features",
        "make_simulation_config_default",
        "make_simulation_config_demo",
        "run_mycelium_simulation",
        "run_mycelium_simulation_with_history",
    ),
}
_PACKAGES = (
    "core",
    "dataset",
    "features",
    "federated",
    "fitting",
    "fractal",
    "membrane",
    "models",
    "network",
    "simulation",
    "stability",
    "steppers",
    "v41",
)
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"mfnjax.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mfnjax' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])
