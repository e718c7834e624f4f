"""Parameters of models, declared once (the declaration itself needs no model and no JAX)."""

from mfnjax._parameter import (
    Parameter as Parameter,
)
from mfnjax._parameter import (
    parameter as parameter,
)
from mfnjax._parameter import (
    parameters_of as parameters_of,
)
