"""Parameters of models, declared once (the declaration itself needs no model and no JAX)."""

from mfnjax._parameter import (
    Parameter as Parameter,
    parameter as parameter,
    parameters_of as parameters_of,
)
