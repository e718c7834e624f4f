"""Grids, sides, operators, random fields and units: what every model is written in."""

from mfnjax.core.boundary import as_boundary
from mfnjax.core.flux import Flux
from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla, laplacian
from mfnjax.core.operator import Operator
from mfnjax.core.operators import largest_stable_step
from mfnjax.core.pytree import register_pytree
from mfnjax.core.sides import (
    Boundary,
    Dirichlet,
    Ghost,
    Neumann,
    Periodic,
    Place,
    Robin,
)
from mfnjax.core.smooth import annealed_width
from mfnjax.core.state import State, StateLike

__all__ = [
    "Boundary",
    "Dirichlet",
    "Flux",
    "Ghost",
    "Grid",
    "Nabla",
    "Neumann",
    "Operator",
    "Periodic",
    "Place",
    "Robin",
    "State",
    "StateLike",
    "annealed_width",
    "as_boundary",
    "laplacian",
    "largest_stable_step",
    "register_pytree",
]
