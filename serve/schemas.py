"""What goes over the wire: one struct a request or answer, its bounds in the types."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Literal, final

import msgspec
from msgspec import Meta

from mfnjax._parameter import Parameter, parameters_of
from mfnjax._plain_config import SEED_MAX
from mfnjax.models.mycelium.parameters import MYCELIUM_PARAMETERS
from mfnjax.v41.config import ValidationConfig


def _meta(declared: Parameter) -> Meta:
    """The range and the words of a declaration, as msgspec and the API's document take them."""
    low, high = ("gt" if declared.open_low else "ge"), ("lt" if declared.open_high else "le")
    ends: dict[str, Any] = {low: declared.low, high: declared.high}
    return Meta(
        **{k: v for k, v in ends.items() if v is not None}, description=f"{declared.words}."
    )


CYCLE = parameters_of(ValidationConfig)

LARGEST_CELLS = 256 * 256
"""Cells of the largest grid."""

Seed = Annotated[
    int, Meta(ge=0, le=SEED_MAX, description="Seed of the run: the same seed, the same answer.")
]
GridSize = Annotated[int, _meta(CYCLE["grid_size"])]
Steps = Annotated[int, _meta(dataclasses.replace(CYCLE["steps"], text="Steps of the run"))]
Turing = Annotated[bool, _meta(CYCLE["turing_enabled"])]
Molar = Annotated[float, Meta(gt=0.0, description="Concentration, mol/L.")]


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

    status: Literal["healthy"]
    version: str


@final
class Readiness(Answer, kw_only=True):
    """Readiness: whether the compiled functions are warm."""

    status: Literal["ready"]


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
    alpha: Annotated[float, _meta(MYCELIUM_PARAMETERS["alpha"])] = 0.18
    spike_probability: Annotated[float, _meta(MYCELIUM_PARAMETERS["spike_probability"])] = 0.25
    turing_enabled: Turing = True
    include_field: Annotated[bool, Meta(description="Whether `field_mV` is answered.")] = False
    include_features: Annotated[
        bool,
        Meta(
            description="Whether `features` is answered: those of the final field, so that the "
            "four over time (dV_mean, dV_max, T_stable, E_trend) are null."
        ),
    ] = False


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
    features: dict[str, float | None] | None = None


@final
class ValidateRequest(Body, kw_only=True):
    """One validation cycle: 16 runs and a small network."""

    seed: Annotated[int, _meta(CYCLE["seed"])] = 42
    epochs: Annotated[int, _meta(CYCLE["epochs"])] = 1
    batch_size: Annotated[int, _meta(CYCLE["batch_size"])] = 4
    grid_size: GridSize = 64
    steps: Steps = 64
    turing_enabled: Turing = True
    quantum_jitter: Annotated[bool, _meta(CYCLE["quantum_jitter"])] = False


@final
class ValidateResponse(Answer, kw_only=True):
    """The report of a validation cycle."""

    loss_start: float
    loss_final: float
    loss_drop: float
    pot_min_mV: float
    pot_max_mV: float
    example_fractal_dim: float
    lyapunov_exponent: float
    growth_events: int
    nernst_symbolic_mV: float
    nernst_numeric_mV: float


Potential = Annotated[float, Meta(ge=-200.0, le=200.0)]
Field = Annotated[list[Annotated[list[Potential], Meta(min_length=1)]], Meta(min_length=1)]


@final
class FeaturesRequest(Body, kw_only=True):
    """A field or a history in millivolts: exactly one of the two."""

    field_mV: Field | None = None
    history_mV: Annotated[list[Field], Meta(min_length=1)] | None = None


@final
class FeaturesResponse(Answer, kw_only=True):
    """The features by name; those that need a potential are null for a boolean mask."""

    features: dict[str, float | None]


Component = Annotated[float, Meta(ge=-1e15, le=1e15)]
Gradient = Annotated[list[Component], Meta(min_length=1)]


@final
class AggregateRequest(Body, kw_only=True):
    """Gradients of several clients."""

    gradients: Annotated[
        list[Gradient], Meta(min_length=1, description="One list a client, all of one length.")
    ]
    num_clusters: Annotated[int, Meta(ge=1, le=1000, description="Most clusters.")] = 10
    byzantine_fraction: Annotated[
        float, Meta(ge=0.0, lt=0.5, description="Share of clients that may be hostile.")
    ] = 0.2
    seed: Seed = 42


@final
class AggregateResponse(Answer, kw_only=True):
    """The aggregate."""

    aggregated_gradient: list[float]
    num_input_gradients: int


Name = Annotated[str, Meta(min_length=1, max_length=64)]
ModelName = Annotated[
    str, Meta(min_length=1, max_length=64, description="Name of a model; `/models` lists them.")
]
Preset = Annotated[
    Name | None, Meta(description="Preset of the model: values for parameters that are not given.")
]
Spacing = Annotated[float, Meta(ge=1e-6, le=1e6, description="Side of a cell.")]
Axes = Annotated[list[Annotated[float, Meta(ge=-1e12, le=1e12)]], Meta(min_length=1, max_length=3)]
Stepper = Annotated[
    Name | None, Meta(description="How time is stepped; null takes the model's own.")
]
Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
LONGEST_TEXT = 2000
"""Characters of all equations and formulas of a request, together."""

MOST_WORDS = 400
"""And their words and signs: what bounds how long they take to compile."""

Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Value = Annotated[
    Number | bool | Text | list[Any],
    Meta(description="A number or a switch; of an equation a formula or an array, too."),
]
Equation = Annotated[
    Text | Annotated[list[Text], Meta(max_length=64)] | None,
    Meta(
        description="Equations in the place of a model, one a line: `u_t = D*lap(u) + u*(1 - u)`; "
        "every other name is a parameter."
    ),
]
Sides = Annotated[
    Text | Annotated[list[Any], Meta(max_length=4)] | dict[Name, Any],
    Meta(
        description="What is outside: `periodic`, `neumann [slope]`, `dirichlet VALUE`, `robin A B "
        "C`, `ghost VALUE` for all sides or each, `x-: dirichlet 1; x+: neumann; y: periodic`, "
        "`u.x-` for one field; `dirichlet` alone is zero outside."
    ),
]
Cells = Annotated[int, Meta(ge=1, le=LARGEST_CELLS)]
ManySteps = Annotated[int, Meta(ge=1, le=100_000)]


class ModelRun(Body, kw_only=True, forbid_unknown_fields=False):
    """A run of any registered model or equation: a `mfnjax.Simulation` and a seed.

    A field of another name is a parameter of the model, as if it stood in ``parameters``.
    """

    model: ModelName | None = None
    equation: Equation = None
    preset: Preset = None
    parameters: Annotated[dict[Name, Value], Meta(description="Parameters by name or symbol.")] = {}
    grid_size: GridSize | None = None
    shape: Annotated[
        Cells | Annotated[list[Cells], Meta(min_length=1, max_length=3)] | None,
        Meta(description="Cells W, (H, W) or (D, H, W) of a grid that `grid_size` is not."),
    ] = None
    spacing: Spacing | Axes = 1.0
    origin: Annotated[
        Number | Axes, Meta(description="Where the first cell begins, or that for each axis.")
    ] = 0.0
    boundary: Sides = "periodic"
    mask: Annotated[
        list[Any] | None,
        Meta(description="Fraction of each cell that takes part, an array of the grid's shape."),
    ] = None
    dt: Annotated[
        Annotated[float, Meta(ge=1e-12, le=1e6)] | None,
        Meta(description="Time of a step; null takes the preset's, else 1."),
    ] = None
    stepper: Stepper = None
    start: Annotated[
        Text | dict[Name, Number | Text] | None,
        Meta(
            description="Start by name, or a formula for each field; null takes the model's "
            "customary one."
        ),
    ] = None
    seed: Seed = 42


@final
class ModelRunRequest(ModelRun, kw_only=True, forbid_unknown_fields=False):
    """One run of the model that is named, or of equations."""

    steps: Annotated[
        ManySteps | None, Meta(description="Steps; null takes the preset's, else the model's.")
    ] = None
    include_field: Annotated[bool, Meta(description="Whether `fields` is answered.")] = False
    include_features: Annotated[
        bool,
        Meta(
            description="Whether `features` is answered: of the main field all 18 where it is a "
            "potential, else those of the mask of the cells above the middle of its range."
        ),
    ] = False


@final
class FieldStatistics(Answer, kw_only=True):
    """A field at the end of the run, in its own unit (empty: none)."""

    unit: str
    min: float
    max: float
    mean: float
    std: float


@final
class ModelRunResponse(Answer, kw_only=True):
    """What the run of a named model ended in."""

    model: str
    counts: Annotated[dict[str, int], Meta(description="Events of the run.")]
    main_field: Annotated[
        str, Meta(description="The field of which the fractal dimension and the features are.")
    ]
    statistics: dict[str, FieldStatistics]
    fractal_dimension: float
    fields: Annotated[
        dict[str, list[Any]] | None, Meta(description="Every field, nested as the grid's shape.")
    ] = None
    features: dict[str, float | None] | None = None


@final
class StreamRequest(ModelRun, kw_only=True, forbid_unknown_fields=False):
    """A run of a registered model (by default the v4.1 one) or equation, sent frame by frame."""

    grid_size: Annotated[
        GridSize | None, Meta(description="Cells per side of the square grid; null takes 64.")
    ] = None
    steps: Annotated[ManySteps, Meta(description="Steps of the run.")] = 200
    frames: Annotated[int, Meta(ge=1, le=1000, description="Frames that are sent.")] = 50
    field: Annotated[
        Name | None, Meta(description="Field that is sent; null takes the one people look at.")
    ] = None


@final
class ParameterInfo(msgspec.Struct, kw_only=True):
    """A parameter of a model."""

    name: str
    symbols: list[str]
    default: float | bool | None
    description: str
    unit: str = ""
    range: str = ""
    minimum: float | None = None
    maximum: float | None = None


@final
class PresetInfo(msgspec.Struct, kw_only=True):
    """A named parameter set."""

    description: str
    parameters: dict[str, float]
    steps: int
    dt: float


@final
class ModelInfo(msgspec.Struct, kw_only=True):
    """A model."""

    name: str
    summary: str
    fields: list[str]
    steppers: list[str]
    boundaries: list[str]
    counters: list[str]
    parameters: list[ParameterInfo]
    presets: dict[str, PresetInfo]


@final
class ModelsResponse(Answer, kw_only=True):
    """All models."""

    models: list[ModelInfo]


Finite = Annotated[float, Meta(ge=-1e12, le=1e12)]
Profile = Annotated[list[Finite], Meta(min_length=2, max_length=1024)]
Bound = Annotated[list[Finite | None], Meta(min_length=2, max_length=2)]


@final
class FitRequest(Body, kw_only=True):
    """A model, and profiles of one of its fields that were measured on a line of cells."""

    model: ModelName | None = None
    equation: Equation = None
    preset: Preset = None
    parameters: Annotated[
        dict[Name, Finite | Text], Meta(description="Parameters to begin with, by name or symbol.")
    ] = {}
    fixed: Annotated[list[Name], Meta(description="Parameters that are not fitted.")] = []
    bounds: Annotated[
        dict[Name, Bound], Meta(description="Least and largest value of a parameter; null is none.")
    ] = {}
    field: Annotated[str, Meta(min_length=1, max_length=64, description="Field that was measured.")]
    start: Annotated[
        dict[Name, Profile], Meta(description="Every field of the model at step 0, along the line.")
    ]
    steps: Annotated[
        list[Annotated[int, Meta(ge=1, le=100_000)]],
        Meta(min_length=1, max_length=64, description="Steps at which was measured, rising."),
    ]
    values: Annotated[
        list[Annotated[list[Finite | None], Meta(min_length=2, max_length=1024)]],
        Meta(min_length=1, max_length=64, description="A profile a step; null is missing."),
    ]
    spacing: Spacing = 1.0
    dt: Annotated[float, Meta(ge=1e-12, le=1e6, description="Time of a step.")] = 1.0
    sigma: Annotated[
        Annotated[float, Meta(ge=1e-12, le=1e12)] | None,
        Meta(description="Standard deviation of the measurements; null: unknown."),
    ] = None
    boundary: Sides = "neumann"
    stepper: Stepper = None
    starts: Annotated[int, Meta(ge=1, le=64, description="Starts; the best end is taken.")] = 1
    max_steps: Annotated[
        int, Meta(ge=1, le=10_000, description="Most iterations of the optimiser.")
    ] = 200
    level: Annotated[float, Meta(ge=0.5, le=0.9999, description="Level of the intervals.")] = 0.9
    profiles: Annotated[
        bool, Meta(description="Whether every parameter is profiled, too (takes longer).")
    ] = False
    seed: Seed = 42


@final
class JobResponse(Answer, kw_only=True):
    """A job; ``status`` is queued, running, done, failed, cancelled or interrupted."""

    id: str
    kind: str
    status: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    done: Annotated[int, Meta(description="Iterations done.")]
    total: Annotated[int, Meta(description="Most iterations; 0 before the first.")]
    result: Annotated[
        dict[str, Any] | None,
        Meta(
            description="What the library's `FitResult.to_dict` gives; beside it `uncertainty` "
            "(with intervals), `identifiability`, `misfit` and `sentences`, as `mfn fit` tells "
            "them, or `remark`: why there are none."
        ),
    ] = None
    error: Annotated[str | None, Meta(description="Why the job ended without a result.")] = None
    created: Annotated[float, Meta(description="Seconds since 1970.")]
    updated: Annotated[float, Meta(description="Seconds since 1970.")]


@final
class JobsResponse(Answer, kw_only=True):
    """The latest jobs."""

    jobs: list[JobResponse]
