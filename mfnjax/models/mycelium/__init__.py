"""MyceliumFractalNet v4.1: the model, its smooth twin, and what makes its runs fast."""

from mfnjax.models.mycelium.model import NO_PATTERN, MyceliumModel
from mfnjax.models.mycelium.smooth import SmoothMyceliumModel, smooth_twin

__all__ = ["NO_PATTERN", "MyceliumModel", "SmoothMyceliumModel", "smooth_twin"]
