"""Grids, boundaries, operators, random fields and units: what every model is written in."""

from mfnjax.core.boundary import Boundary, Dirichlet, Neumann, Periodic, as_boundary
from mfnjax.core.grid import Grid
from mfnjax.core.operators import laplacian, largest_stable_step
from mfnjax.core.pytree import register_pytree
from mfnjax.core.smooth import annealed_width
from mfnjax.core.state import State, StateLike

__all__ = [
    "Boundary",
    "Dirichlet",
    "Grid",
    "Neumann",
    "Periodic",
    "State",
    "StateLike",
    "annealed_width",
    "as_boundary",
    "laplacian",
    "largest_stable_step",
    "register_pytree",
]
