from .equations import Formula as Formula
from .pde import PDE as PDE
from .start import start_from_text as start_from_text
