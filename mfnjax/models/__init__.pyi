from .allen_cahn import AllenCahnModel as AllenCahnModel
from .base import (
    Advanced as Advanced,
    IteratedMap as IteratedMap,
    Model as Model,
    ReactionDiffusion as ReactionDiffusion,
)
from .brusselator import BrusselatorModel as BrusselatorModel
from .fisher_kpp import FisherKPPModel as FisherKPPModel
from .fitzhugh_nagumo import FitzHughNagumoModel as FitzHughNagumoModel
from .gierer_meinhardt import GiererMeinhardtModel as GiererMeinhardtModel
from .gray_scott import GrayScottModel as GrayScottModel
from .mycelium import (
    MyceliumModel as MyceliumModel,
    SmoothMyceliumModel as SmoothMyceliumModel,
    smooth_twin as smooth_twin,
)
from .parameters import (
    Parameter as Parameter,
    parameter as parameter,
    parameters_of as parameters_of,
)
from .presets import Preset as Preset
from .registry import (
    ModelEntry as ModelEntry,
    build_model as build_model,
    get_model as get_model,
    model_names as model_names,
    parameter_names as parameter_names,
    register_model as register_model,
)
from .schnakenberg import SchnakenbergModel as SchnakenbergModel
from .swift_hohenberg import SwiftHohenbergModel as SwiftHohenbergModel
from .pde import PDE as PDE
from .base import Equation as Equation
from .barkley import BarkleyModel as BarkleyModel
from .cahn_hilliard import CahnHilliardModel as CahnHilliardModel
from .complex_ginzburg_landau import ComplexGinzburgLandauModel as ComplexGinzburgLandauModel
from .cross_diffusion import CrossDiffusionModel as CrossDiffusionModel
from .keller_segel import KellerSegelModel as KellerSegelModel
from .klausmeier import KlausmeierModel as KlausmeierModel
from .kuramoto_sivashinsky import KuramotoSivashinskyModel as KuramotoSivashinskyModel
from .porous_fisher import PorousFisherModel as PorousFisherModel
from .ghk_membrane import GHKMembraneModel as GHKMembraneModel
