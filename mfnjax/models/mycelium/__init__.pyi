from .model import MyceliumModel as MyceliumModel, NO_PATTERN as NO_PATTERN
from .smooth import SmoothMyceliumModel as SmoothMyceliumModel, smooth_twin as smooth_twin
