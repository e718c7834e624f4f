"""What goes over the wire: one struct a request or answer, its bounds in the types."""

from __future__ import annotations

import math
from typing import Annotated, Any, final

import msgspec
from msgspec import Meta

from mfnjax.config import SEED_MAX

Seed = Annotated[
    int, Meta(ge=0, le=SEED_MAX, description="Seed of the run: the same seed, the same answer.")
]
GridSize = Annotated[int, Meta(ge=8, le=256, description="Cells per side of the square grid.")]
Steps = Annotated[int, Meta(ge=1, le=1000, description="Steps of the run.")]
Molar = Annotated[float, Meta(ge=1e-30, le=1e6, description="Concentration, mol/L.")]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request; an unknown field is refused."""


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An answer. JSON has no NaN: a number that is not finite is an error, never a null."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value.__class__ is float and not math.isfinite(value):
                raise ArithmeticError(f"{type(self).__name__}.{name} is not finite")


@final
class Health(Answer, kw_only=True):
    """Liveness."""

    status: str
    version: str


@final
class Readiness(Answer, kw_only=True):
    """Readiness: whether the compiled functions are warm."""

    status: str


@final
class NernstRequest(Body, kw_only=True):
    """One ion: the potential at which it is in balance."""

    z_valence: Annotated[
        int,
        Meta(
            ge=-2,
            le=3,
            description="Valence z: −2, −1, 1, 2 or 3.",
            extra_json_schema={"not": {"const": 0}},
        ),
    ] = 1
    concentration_out_molar: Molar
    concentration_in_molar: Molar
    temperature_k: Annotated[
        float, Meta(ge=273.0, le=373.0, description="Absolute temperature, K.")
    ] = 310.15


@final
class NernstResponse(Answer, kw_only=True):
    """The equilibrium potential."""

    potential_mV: float


@final
class SimulateRequest(Body, kw_only=True):
    """One run of the v4.1 model."""

    seed: Seed = 42
    grid_size: GridSize = 64
    steps: Steps = 64
    alpha: Annotated[
        float, Meta(gt=0.0, le=0.25, description="Diffusion of the potential, cell²/step.")
    ] = 0.18
    spike_probability: Annotated[
        float, Meta(ge=0.0, le=1.0, description="Chance of a growth event a step.")
    ] = 0.25
    turing_enabled: bool = True
    include_field: bool = False
    include_features: bool = False


@final
class SimulateResponse(Answer, kw_only=True):
    """What the run ended in."""

    growth_events: int
    pot_min_mV: float
    pot_max_mV: float
    pot_mean_mV: float
    pot_std_mV: float
    fractal_dimension: float
    field_mV: list[list[float]] | None = None
    features: dict[str, Any] | None = None
