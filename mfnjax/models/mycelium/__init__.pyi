from .model import NO_PATTERN as NO_PATTERN, MyceliumModel as MyceliumModel
from .smooth import SmoothMyceliumModel as SmoothMyceliumModel, smooth_twin as smooth_twin
