"""The registry: every model by name, with its presets."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, final

from mfnjax._parameter import parameters_of
from mfnjax.errors import MfnError, ParameterError
from mfnjax.models import presets as _presets
from mfnjax.models.allen_cahn import AllenCahnModel
from mfnjax.models.barkley import BarkleyModel
from mfnjax.models.base import Model
from mfnjax.models.brusselator import BrusselatorModel
from mfnjax.models.cahn_hilliard import CahnHilliardModel
from mfnjax.models.complex_ginzburg_landau import ComplexGinzburgLandauModel
from mfnjax.models.cross_diffusion import CrossDiffusionModel
from mfnjax.models.fisher_kpp import FisherKPPModel
from mfnjax.models.fitzhugh_nagumo import FitzHughNagumoModel
from mfnjax.models.ghk_membrane import GHKMembraneModel
from mfnjax.models.gierer_meinhardt import GiererMeinhardtModel
from mfnjax.models.gray_scott import GrayScottModel
from mfnjax.models.keller_segel import KellerSegelModel
from mfnjax.models.klausmeier import KlausmeierModel
from mfnjax.models.kuramoto_sivashinsky import KuramotoSivashinskyModel
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.models.porous_fisher import PorousFisherModel
from mfnjax.models.presets import Preset
from mfnjax.models.schnakenberg import SchnakenbergModel
from mfnjax.models.swift_hohenberg import SwiftHohenbergModel
from mfnjax.models.user_modules import load_installed


@final
@dataclass(frozen=True)
class ModelEntry:
    """A row of the registry.

    Attributes:
        name: Its name.
        model: The class.
        summary: One line about it.
        presets: Named parameter sets.
        grid_size: Side of the grid of a run that does not say.
        steps: Steps of a run that says neither them nor a preset.
    """

    name: str
    model: type[Model]
    summary: str
    presets: Mapping[str, Preset] = field(default_factory=dict)
    grid_size: int = 128
    steps: int = 1000

    def example(self) -> Model:
        """A model of the kind: its defaults, and 1 for parameters that have none."""
        required = [
            f.name
            for f in fields(self.model)  # type: ignore[arg-type]
            if f.default is MISSING and f.default_factory is MISSING
        ]
        return self.model(**dict.fromkeys(required, 1.0))


_REGISTRY: dict[str, ModelEntry] = {}
_INSTALLED = threading.RLock()
_to_load = True


def load_installed_models() -> None:
    """Register the models of installed packages: the entry points ``mfnjax.models``, once.

    The functions below do it at the first question that is not about a model of our own: to look
    through what is installed takes a while. An entry point is a `Model` class, registered under the
    point's name, or a module that calls `register_model`; one that fails is a warning.
    """
    global _to_load
    with _INSTALLED:
        if _to_load:
            _to_load = False
            load_installed(_take)


def _take(name: str, found: Any) -> None:
    is_model = isinstance(found, type) and issubclass(found, Model)
    if is_model and all(entry.model is not found for entry in _REGISTRY.values()):
        register_model(name, found)


def register_model(
    name: str,
    model: type[Model],
    *,
    summary: str = "",
    presets: Mapping[str, Preset] | None = None,
    grid_size: int = 128,
    steps: int = 1000,
) -> type[Model]:
    """Add a model under ``name`` (lower case, hyphens), for `get_model` and the command line.

    The class is a frozen dataclass registered by `mfnjax.register_pytree`, with ``fields`` and the
    methods of `Model`; see the tutorial in ``docs/your_own_model.md``. ``grid_size`` and ``steps``
    are those of a run that does not say.

    Raises:
        ParameterError: The class is not a Model with fields, or the name is no word or taken by
            another.
    """
    if not isinstance(name, str) or not name or any(letter.isspace() for letter in name):
        raise ParameterError(f"name must be a word such as 'my-model', got {name!r}")
    is_model = isinstance(model, type) and issubclass(model, Model)
    if not (is_model and getattr(model, "fields", None)):
        raise ParameterError(f"{model!r} is not a Model class that names its fields")
    if name in _REGISTRY and _REGISTRY[name].model is not model:
        raise ParameterError(f"a model named {name!r} is registered already")
    text = summary or (model.__doc__ or "").strip().splitlines()[0]
    _REGISTRY[name] = ModelEntry(name, model, text, dict(presets or {}), grid_size, steps)
    return model


def model_names() -> tuple[str, ...]:
    """Names of all registered models, sorted."""
    load_installed_models()
    return tuple(sorted(_REGISTRY))


def get_model(name: str) -> ModelEntry:
    """Return the registry's row of that name.

    Raises:
        ParameterError: There is none; the message names the nearest one and all.
    """
    if not isinstance(name, str):
        raise ParameterError(f"a model is given by its name, got {name!r}")
    if name not in _REGISTRY:
        load_installed_models()
    if name not in _REGISTRY:
        near = difflib.get_close_matches(name, _REGISTRY, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ParameterError(f"no model {name!r}{hint}; models: {', '.join(model_names())}")
    return _REGISTRY[name]


def name_of(model: type[Model]) -> str:
    """The name of a model class in the registry; of one that is not there, the class's own."""
    if not any(entry.model is model for entry in _REGISTRY.values()):
        load_installed_models()
    names = [name for name, entry in _REGISTRY.items() if entry.model is model]
    return names[0] if names else model.__name__


def registered_name(model: type[Model]) -> str:
    """The name of a model class in the registry.

    Raises:
        ParameterError: It has none.
    """
    name = name_of(model)
    if name not in _REGISTRY:
        raise ParameterError(
            f"{model.__name__} has no name to be found by: register_model('a-name', "
            f"{model.__name__})"
        )
    return name


def parameter_names(model: Model | type[Model]) -> tuple[str, ...]:
    """Names of the traced parameters of a model or of a class of models, in order."""
    return tuple(name for name, one in parameters_of(model).items() if not one.static)


def build_model(name: str, parameters: Mapping[str, Any], *, preset: str | None = None) -> Model:
    """Build a registered model from parameters by name or by paper symbol.

    Raises:
        ParameterError: Unknown model, preset or parameter, or one given twice.

    Examples:
        >>> from mfnjax import build_model
        >>> build_model("gray-scott", {"F": 0.03}).feed
        0.03
    """
    entry = get_model(name)
    values: dict[str, Any] = {}
    if preset is not None:
        if not isinstance(preset, str) or preset not in entry.presets:
            known = ", ".join(entry.presets) or "none"
            raise ParameterError(f"model {name!r} has no preset {preset!r}; presets: {known}")
        values.update(entry.presets[preset].parameters)
    known_names = tuple(parameters_of(entry.model))
    given: dict[str, Any] = {}
    for key, value in parameters.items():
        parameter = entry.model.symbols.get(key, key)
        if parameter not in known_names:
            near = difflib.get_close_matches(str(key), [*known_names, *entry.model.symbols], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            known = ", ".join(known_names)
            raise ParameterError(
                f"model {name!r} has no parameter {key!r}{hint}; parameters: {known}"
            )
        if parameter in given:
            raise ParameterError(f"parameter {parameter!r} of model {name!r} is given twice")
        given[parameter] = value
    values.update(given)
    required = [n for n, p in parameters_of(entry.model).items() if p.default is MISSING]
    missing = [parameter for parameter in required if parameter not in values]
    if missing:
        raise ParameterError(f"model {name!r} needs a value for {', '.join(missing)}")
    try:
        return entry.model(**values)
    except MfnError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:  # what a user's __post_init__ raises
        raise ParameterError(f"model {name!r}: {' '.join(str(error).split())}") from error


register_model(
    "mycelium",
    MyceliumModel,
    summary="MyceliumFractalNet v4.1 (a map, dt = 1)",
    presets=_presets.MYCELIUM,
    grid_size=64,
    steps=64,
)
register_model(
    "gray-scott",
    GrayScottModel,
    summary="Gray-Scott: cubic autocatalysis",
    presets=_presets.GRAY_SCOTT,
)
register_model(
    "fisher-kpp",
    FisherKPPModel,
    summary="Fisher-KPP: a front of logistic growth",
    presets=_presets.FISHER_KPP,
)
register_model(
    "schnakenberg",
    SchnakenbergModel,
    summary="Schnakenberg: the simplest Turing kinetics",
    presets=_presets.SCHNAKENBERG,
)
register_model(
    "brusselator",
    BrusselatorModel,
    summary="Brusselator: oscillations and Turing patterns",
    presets=_presets.BRUSSELATOR,
)
register_model(
    "gierer-meinhardt",
    GiererMeinhardtModel,
    summary="Gierer-Meinhardt: activator and inhibitor",
    presets=_presets.GIERER_MEINHARDT,
)
register_model(
    "fitzhugh-nagumo",
    FitzHughNagumoModel,
    summary="FitzHugh-Nagumo: excitable pulses and spirals",
    presets=_presets.FITZHUGH_NAGUMO,
)
register_model(
    "swift-hohenberg",
    SwiftHohenbergModel,
    summary="Swift-Hohenberg: a pattern of one wavelength",
    presets=_presets.SWIFT_HOHENBERG,
)
register_model(
    "allen-cahn",
    AllenCahnModel,
    summary="Allen-Cahn: two phases that coarsen",
    presets=_presets.ALLEN_CAHN,
)
register_model(
    "barkley",
    BarkleyModel,
    summary="Barkley: an excitable medium with spirals",
    presets=_presets.BARKLEY,
)
register_model(
    "cahn-hilliard",
    CahnHilliardModel,
    summary="Cahn-Hilliard: a mixture that separates",
    presets=_presets.CAHN_HILLIARD,
)
register_model(
    "complex-ginzburg-landau",
    ComplexGinzburgLandauModel,
    summary="Complex Ginzburg-Landau: spirals and turbulence of waves",
    presets=_presets.COMPLEX_GINZBURG_LANDAU,
)
register_model(
    "shigesada-kawasaki-teramoto",
    CrossDiffusionModel,
    summary="Shigesada-Kawasaki-Teramoto: competitors that segregate",
    presets=_presets.CROSS_DIFFUSION,
)
register_model(
    "keller-segel",
    KellerSegelModel,
    summary="Keller-Segel: chemotaxis that aggregates",
    presets=_presets.KELLER_SEGEL,
)
register_model(
    "klausmeier",
    KlausmeierModel,
    summary="Klausmeier: bands of plants that climb a slope",
    presets=_presets.KLAUSMEIER,
)
register_model(
    "kuramoto-sivashinsky",
    KuramotoSivashinskyModel,
    summary="Kuramoto-Sivashinsky: chaos of a flame front",
    presets=_presets.KURAMOTO_SIVASHINSKY,
)
register_model(
    "porous-fisher",
    PorousFisherModel,
    summary="Porous Fisher: a colony with a sharp front",
    presets=_presets.POROUS_FISHER,
)
register_model(
    "ghk-membrane",
    GHKMembraneModel,
    summary="GHK membrane: a potential driven by ions that diffuse",
    presets=_presets.GHK_MEMBRANE,
)
