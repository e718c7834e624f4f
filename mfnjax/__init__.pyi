from . import (
    core as core,
    dataset as dataset,
    features as features,
    federated as federated,
    fitting as fitting,
    fractal as fractal,
    membrane as membrane,
    models as models,
    network as network,
    simulation as simulation,
    stability as stability,
    steppers as steppers,
    v41 as v41,
)
from ._cache import (
    enable_compilation_cache as enable_compilation_cache,
)
from ._cpu import (
    configure_cpu as configure_cpu,
)
from ._version import __version__ as __version__
from ._parameter import (
    parameter as parameter,
)
from .core import (
    Dirichlet as Dirichlet,
    Ghost as Ghost,
    Grid as Grid,
    Neumann as Neumann,
    Periodic as Periodic,
    Robin as Robin,
    State as State,
    annealed_width as annealed_width,
    laplacian as laplacian,
    register_pytree as register_pytree,
)
from .dataset import (
    generate_dataset as generate_dataset,
    load_dataset as load_dataset,
)
from .dataset.config import (
    DatasetConfig as DatasetConfig,
    make_dataset_config_default as make_dataset_config_default,
    make_dataset_config_demo as make_dataset_config_demo,
)
from .errors import (
    DataError as DataError,
    FitError as FitError,
    MfnError as MfnError,
    NumericalInstabilityError as NumericalInstabilityError,
    ParameterError as ParameterError,
    StabilityError as StabilityError,
)
from .features import (
    FeatureVector as FeatureVector,
    compute_features as compute_features,
)
from .features.config import (
    FeatureConfig as FeatureConfig,
    make_feature_config_default as make_feature_config_default,
    make_feature_config_demo as make_feature_config_demo,
)
from .fitting import (
    FitResult as FitResult,
    fit as fit,
)
from .models import (
    PDE as PDE,
    AllenCahnModel as AllenCahnModel,
    BrusselatorModel as BrusselatorModel,
    FisherKPPModel as FisherKPPModel,
    FitzHughNagumoModel as FitzHughNagumoModel,
    GiererMeinhardtModel as GiererMeinhardtModel,
    GrayScottModel as GrayScottModel,
    Model as Model,
    MyceliumModel as MyceliumModel,
    SchnakenbergModel as SchnakenbergModel,
    SmoothMyceliumModel as SmoothMyceliumModel,
    BarkleyModel as BarkleyModel,
    CahnHilliardModel as CahnHilliardModel,
    ComplexGinzburgLandauModel as ComplexGinzburgLandauModel,
    CrossDiffusionModel as CrossDiffusionModel,
    KellerSegelModel as KellerSegelModel,
    KlausmeierModel as KlausmeierModel,
    KuramotoSivashinskyModel as KuramotoSivashinskyModel,
    PorousFisherModel as PorousFisherModel,
    GHKMembraneModel as GHKMembraneModel,
    SwiftHohenbergModel as SwiftHohenbergModel,
    build_model as build_model,
    get_model as get_model,
    model_names as model_names,
    register_model as register_model,
    smooth_twin as smooth_twin,
)
from .simulation import (
    Simulation as Simulation,
    Trajectory as Trajectory,
    simulate as simulate,
    simulate_ensemble as simulate_ensemble,
)
from .steppers import (
    Adaptive as Adaptive,
    AtRest as AtRest,
)
from .v41 import (
    SimulationConfig as SimulationConfig,
    SimulationResult as SimulationResult,
    compute_fractal_features as compute_fractal_features,
    make_simulation_config_default as make_simulation_config_default,
    make_simulation_config_demo as make_simulation_config_demo,
    run_mycelium_simulation as run_mycelium_simulation,
    run_mycelium_simulation_with_history as run_mycelium_simulation_with_history,
)
